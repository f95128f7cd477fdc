"""Take the screenshots of the README and the documentation: the demo, the doctor, and the built site.

    poe screenshots

Requires Chromium (Debian package chromium), a built site (`poe docs`), and the free port 4433.
"""

import os
import pty
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from io import StringIO
from pathlib import Path

from example.browser_steps import button, field
from example.browser_window import CHROMIUM
from example.deployment import PASSWORD, embedded_deployment, serve
from playwright.sync_api import Browser, Page, ViewportSize, sync_playwright
from rich.console import Console
from rich.text import Text

ROOT = Path(__file__).parent.parent
IMAGES = ROOT / "docs" / "images"
SIZE = ViewportSize(width=1120, height=700)
COMMANDS = Path(sys.executable).parent
COLUMNS = 122
TERMINAL = """<!doctype html><style>
body {{ margin: 0; background: #fcfcfa }}
pre {{ margin: 0; padding: 20px 24px; width: max-content; font: 14px/1.45 monospace }}
{stylesheet}</style><pre><b>$ {command}</b>
{code}</pre>"""


def take(page: Page, name: str) -> None:
    """Save a screenshot of the window."""
    page.wait_for_load_state("networkidle")
    page.screenshot(path=IMAGES / f"{name}.png", animations="disabled")


def take_the_demo(browser: Browser) -> None:
    """Register a user, open their session, and open the vault, which redirects to enrollment."""
    with serve(embedded_deployment) as deployment:
        page = browser.new_page(viewport=SIZE, base_url=deployment.backend.settings.app_url)
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
        take(page, "demo-enrollment")
        page.close()


def take_the_doctor(browser: Browser) -> None:
    """Run the doctor in a terminal, with a fake and an application on another host."""
    command = ["ory-guard", "doctor", "--app-url", "http://localhost:8000"]
    with running("ory-guard", "fake"):
        output = Text.from_ansi(on_a_terminal(command))
    console = Console(record=True, width=COLUMNS, file=StringIO())
    console.print(output)
    template = TERMINAL.replace("{command}", " ".join(command))
    page = browser.new_page()
    page.set_content(console.export_html(code_format=template))
    page.locator("pre").screenshot(path=IMAGES / "doctor.png")
    page.close()


@contextmanager
def running(name: str, *arguments: str) -> Iterator[None]:
    """Run a command of the environment until the block ends."""
    with subprocess.Popen(
        [COMMANDS / name, *arguments], stdout=subprocess.PIPE, env={**os.environ, "PYTHONUNBUFFERED": "1"}
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if b"Stop it with" in line:
                break
        yield
        process.terminate()


def on_a_terminal(command: list[str]) -> str:
    """Return the output of a command in a terminal, including colors."""
    reader, terminal = pty.openpty()
    environment = {**os.environ, "COLUMNS": str(COLUMNS), "TERM": "xterm-256color"}
    name, *arguments = command
    subprocess.run(
        [COMMANDS / name, *arguments], stdout=terminal, stderr=subprocess.DEVNULL, env=environment, check=False
    )
    os.close(terminal)
    output = b""
    try:
        while chunk := os.read(reader, 65_536):
            output += chunk
    except OSError:  # Linux reports the end of a terminal's output as an error
        pass
    os.close(reader)
    return output.decode().replace("\r\n", "\n").rstrip()


def take_the_site(browser: Browser) -> None:
    """Take a screenshot of a page of the built documentation."""
    handler = partial(SimpleHTTPRequestHandler, directory=ROOT / "site")
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever).start()
        page = browser.new_page(viewport={"width": 1280, "height": 800})
        page.goto(f"http://127.0.0.1:{server.server_port}/explanation/request-flow.html")
        take(page, "docs-page")
        page.close()
        server.shutdown()


def main() -> None:
    """Take all screenshots."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        for take_screenshots in (take_the_demo, take_the_doctor, take_the_site):
            take_screenshots(browser)
        browser.close()


if __name__ == "__main__":
    main()
