"""Take the pictures of the README and the documentation, from the running demo and the built site.

    python tests/screenshots.py

It needs Chromium (Debian package chromium) and a built site (`poe docs`). Nothing is retouched.
"""

from pathlib import Path

from example.eyes import CHROMIUM
from example.person import button, field
from example.server import serve
from example.stage import PASSWORD, embedded_stage
from playwright.sync_api import Browser, Page, ViewportSize, sync_playwright

ROOT = Path(__file__).parent.parent
IMAGES = ROOT / "docs" / "images"
SIZE = ViewportSize(width=1120, height=700)


def take(page: Page, name: str) -> None:
    """Keep a picture of what is in the window."""
    page.wait_for_load_state("networkidle")
    page.screenshot(path=IMAGES / f"{name}.png", animations="disabled")


def take_the_demo(browser: Browser) -> None:
    """Register somebody, look at their session, and open the vault, which leads to enrolment."""
    with serve(embedded_stage) as stage:
        page = browser.new_page(viewport=SIZE, base_url=stage.backend.settings.app_url)
        page.goto("/registration")
        field(page, "traits.email").fill("ada@example.test")
        field(page, "traits.name.first").fill("Ada")
        button(page, "profile").click()
        field(page, "password").fill(PASSWORD)
        button(page, "password").click()
        page.wait_for_url("**/verification**")
        page.goto("/me")
        take(page, "demo-session")
        page.goto("/vault")
        take(page, "demo-enrolment")
        page.close()


def take_the_site(browser: Browser) -> None:
    """Open a page of the built documentation."""
    page = browser.new_page(viewport={"width": 1280, "height": 800})
    page.goto((ROOT / "site" / "explanation" / "request-flow.html").as_uri())
    take(page, "docs-page")
    page.close()


def main() -> None:
    """Take all of them."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        for take_some in (take_the_demo, take_the_site):
            take_some(browser)
        browser.close()


if __name__ == "__main__":
    main()
