"""Windows of Chromium: screenshots at two widths and in two color schemes, and checks with axe-core."""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path
from typing import Final

from playwright.sync_api import Browser, ConsoleMessage, Page, expect, sync_playwright

__all__ = ["CHROMIUM", "TIMEOUT", "BrowserWindow", "chromium", "open_window"]

CHROMIUM: Final = Path("/usr/bin/chromium")
TIMEOUT: Final = 60_000
"""Milliseconds until a test that waits for a page fails; by default an expectation has only five seconds."""
ARTIFACTS: Final = Path(__file__).parents[2] / "artifacts"
_ARGUMENTS: Final = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)
_WIDTHS: Final = (360, 1440)
_SCHEMES: Final[tuple[str, ...]] = ("light", "dark")
_AXE_RUNS: Final = ((360, "dark"), (1440, "light"))
_AXE: Final = files("axe_playwright_python").joinpath("axe.min.js").read_text()
# The sum of the layout shifts without a user action (web.dev's CLS without its session windows).
_SHIFTS: Final = """
window.shifted = 0;
new PerformanceObserver((list) => {
  for (const entry of list.getEntries()) if (!entry.hadRecentInput) window.shifted += entry.value;
}).observe({ type: "layout-shift", buffered: true });
"""


class BrowserWindow:
    """Checks the open page and stores screenshots of it.

    Args:
        page: The page.

    Attributes:
        console_errors: Errors and warnings on the console, such as violations of the Content-Security-Policy.
    """

    def __init__(self, page: Page) -> None:
        self.page = page
        self.console_errors: list[str] = []
        page.add_init_script(_SHIFTS)
        page.on("console", self._on_console)
        page.on("pageerror", lambda error: self.console_errors.append(str(error)))

    def _on_console(self, message: ConsoleMessage) -> None:
        # Chromium logs each refused fetch or WebSocket, and some tests cause one.
        if message.type in ("error", "warning") and "Failed to load resource" not in message.text:
            self.console_errors.append(message.text)

    def check(self, name: str) -> None:
        """Store screenshots, and check the layout and the accessibility of the page.

        Raises:
            AssertionError: If the page is wider than the window, moved while it loaded, or has a
                violation of axe-core.
        """
        assert self.page.evaluate("window.shifted") == 0, f"{name} moved while it loaded"
        self.page.evaluate(_AXE)
        original_size = self.page.viewport_size
        for width in _WIDTHS:
            self.page.set_viewport_size({"width": width, "height": 800})
            page_width = self.page.evaluate("document.documentElement.scrollWidth")
            assert page_width <= width, f"{name} is {page_width} px wide in a window of {width}"
            for scheme in _SCHEMES:
                self.page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
                self.page.screenshot(path=ARTIFACTS / f"{name}-{width}-{scheme}.png", full_page=True)
                if (width, scheme) in _AXE_RUNS:
                    self._run_axe(f"{name} at {width} px, {scheme}")
        self.page.emulate_media(color_scheme="light")
        if original_size is not None:
            self.page.set_viewport_size(original_size)

    def _run_axe(self, name: str) -> None:
        violations = self.page.evaluate("axe.run({ resultTypes: ['violations'] })")["violations"]
        text = "\n".join(f"{entry['id']}: {[node['html'] for node in entry['nodes']]}" for entry in violations)
        assert not violations, f"{name}: {text}"


@contextmanager
def chromium() -> Iterator[Browser]:
    """Start Debian's Chromium, headless."""
    expect.set_options(timeout=TIMEOUT)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=_ARGUMENTS)
        yield browser
        browser.close()


@contextmanager
def open_window(browser: Browser, base_url: str) -> Iterator[BrowserWindow]:
    """Open a window with its own cookies, and check its console at the end."""
    context = browser.new_context(
        base_url=base_url, reduced_motion="reduce", viewport={"width": 1280, "height": 800}
    )
    context.set_default_timeout(TIMEOUT)
    window = BrowserWindow(context.new_page())
    yield window
    console_errors = window.console_errors
    context.close()

    assert console_errors == []
