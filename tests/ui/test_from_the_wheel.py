"""From the wheel alone: `ory-guard fake`, an application of ten lines and a browser, until a page at aal2."""

from contextlib import suppress
from pathlib import Path
from typing import Final

import httpx2
import pyotp
import pytest
from playwright.sync_api import Browser, expect
from project.test_package import dist, environment_with, wheel
from support.ports import free_port
from support.processes import running

__all__ = ["dist", "wheel"]

pytestmark = [pytest.mark.package, pytest.mark.browser, pytest.mark.timeout(600)]

APPLICATION: Final = """
from fastapi import Depends, FastAPI
from ory_guard import GuardSettings, OryGuard
from ory_guard.fastapi import install, require_aal

app = FastAPI()
install(app, OryGuard(GuardSettings.from_env()))

@app.get("/vault", dependencies=[Depends(require_aal("aal2"))])
async def vault() -> str:
    return "three spare keys"
"""
PAGES: Final = """
from ory_guard.ui import FlowPages
app.mount("/auth", FlowPages(app.user_middleware[0].kwargs["guard"]))
"""


@pytest.fixture(scope="module")
def scripts(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with the commands of an environment that has the wheel and its extras."""
    folder = tmp_path_factory.mktemp("wheel") / "environment"
    return Path(environment_with(folder, f"{wheel}[cli,fastapi,testing,ui]")).parent


def responds(url: str) -> bool:
    """Return whether a server responds at a URL."""
    with suppress(httpx2.TransportError):
        return bool(httpx2.get(url).status_code)
    return False


@pytest.mark.parametrize("owns_pages", [False, True], ids=["pages of the fake", "pages of the application"])
def test_browser_gets_to_aal2(browser: Browser, scripts: Path, tmp_path: Path, owns_pages: bool) -> None:
    port, admin_port, app_port = free_port(), free_port(), free_port()
    kratos, app_url = f"http://127.0.0.1:{port}", f"http://127.0.0.1:{app_port}"
    (tmp_path / "ten_lines.py").write_text(APPLICATION + PAGES * owns_pages)
    fake = [str(scripts / "ory-guard"), "fake", "--port", str(port), "--admin-port", str(admin_port)]
    fake += ["--app-url", app_url, *(["--ui-url", f"{app_url}/auth"] if owns_pages else [])]
    serve = [str(scripts / "uvicorn"), "ten_lines:app", "--port", str(app_port)]
    settings = {"ORY_GUARD_KRATOS_PUBLIC_URL": kratos, "ORY_GUARD_APP_URL": app_url}

    with (
        running(fake, lambda: responds(f"{kratos}/health/alive"), tmp_path),
        running(serve, lambda: responds(f"{app_url}/docs"), tmp_path, **settings),
    ):
        page = browser.new_page()
        page.goto(f"{app_url}/vault")
        assert page.url.startswith(f"{app_url}/auth/login" if owns_pages else f"{kratos}/ui/login")
        page.get_by_role("link", name="Create an account").click()
        page.locator('[name="traits.email"]').fill("ada@example.test")
        page.keyboard.press("Enter")
        page.locator('[name="password"]').fill("lanterns-over-the-quay-7")
        page.keyboard.press("Enter")
        expect(page.get_by_role("heading", name="Email verification")).to_be_visible()
        page.goto(f"{app_url}/vault")
        secret = page.locator("#totp_secret_key code").inner_text()
        page.locator('[name="totp_code"]').fill(pyotp.TOTP(secret).now())
        page.keyboard.press("Enter")

        page.wait_for_url(f"{app_url}/vault")
        expect(page.get_by_text("three spare keys")).to_be_visible()
        page.close()
