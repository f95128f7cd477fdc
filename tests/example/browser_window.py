"""A real Chromium that looks at pages the way people do: small and large, light and dark, and with axe-core."""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path
from typing import Final

from playwright.sync_api import Browser, ConsoleMessage, Page, sync_playwright

__all__ = ["CHROMIUM", "BrowserWindow", "chromium", "open_window"]

CHROMIUM: Final = Path("/usr/bin/chromium")
ARTIFACTS: Final = Path(__file__).parents[2] / "artifacts"
_ARGUMENTS: Final = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
_WIDTHS: Final = (360, 1440)
_SCHEMES: Final[tuple[str, ...]] = ("light", "dark")
_EXAMINED: Final = ((360, "dark"), (1440, "light"))
_AXE: Final = files("axe_playwright_python").joinpath("axe.min.js").read_text()
_GRAVE: Final = ("serious", "critical")
# Layout shifts without a cause in what the person did, added up (web.dev's CLS without its windows).
_SHIFTS: Final = """
window.shifted = 0;
new PerformanceObserver((list) => {
  for (const entry of list.getEntries()) if (!entry.hadRecentInput) window.shifted += entry.value;
}).observe({ type: "layout-shift", buffered: true });
"""


class BrowserWindow:
    """Looks at the open page and keeps pictures of it.

    Args:
        page: The page.

    Attributes:
        complaints: What Chromium said on its console, such as violations of the Content-Security-Policy.
    """

    def __init__(self, page: Page) -> None:
        self.page = page
        self.complaints: list[str] = []
        page.add_init_script(_SHIFTS)
        page.on("console", self._hear)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def _hear(self, message: ConsoleMessage) -> None:
        # A refused fetch or socket is noted by Chromium itself, wherever a test provokes one.
        if message.type in ("error", "warning") and "Failed to load resource" not in message.text:
            self.complaints.append(message.text)

    def look(self, name: str) -> None:
        """Take pictures, and check what everybody has a right to.

        Raises:
            AssertionError: The page is wider than the window, moved while it loaded, or axe-core finds a serious
                fault.
        """
        assert self.page.evaluate("window.shifted") == 0, f"{name} moved while it loaded"
        self.page.evaluate(_AXE)
        before = self.page.viewport_size
        for width in _WIDTHS:
            self.page.set_viewport_size({"width": width, "height": 800})
            wide = self.page.evaluate("document.documentElement.scrollWidth")
            assert wide <= width, f"{name} is {wide} px wide in a window of {width}"
            for scheme in _SCHEMES:
                self.page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
                self.page.screenshot(path=ARTIFACTS / f"{name}-{width}-{scheme}.png", full_page=True)
                if (width, scheme) in _EXAMINED:
                    self._examine(f"{name} at {width} px, {scheme}")
        self.page.emulate_media(color_scheme="light")
        if before is not None:
            self.page.set_viewport_size(before)

    def _examine(self, what: str) -> None:
        found = self.page.evaluate("axe.run({ resultTypes: ['violations'] })")["violations"]
        grave = [fault for fault in found if fault["impact"] in _GRAVE]
        told = "\n".join(f"{fault['id']}: {[node['html'] for node in fault['nodes']]}" for fault in grave)
        assert not grave, f"{what}: {told}"


@contextmanager
def chromium() -> Iterator[Browser]:
    """Start Debian's Chromium, headless."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=_ARGUMENTS)
        yield browser
        browser.close()


@contextmanager
def open_window(browser: Browser, base_url: str) -> Iterator[BrowserWindow]:
    """Open a window with cookies of its own, and see at the end that nothing went wrong in it."""
    context = browser.new_context(
        base_url=base_url, reduced_motion="reduce", viewport={"width": 1280, "height": 800}
    )
    context.set_default_timeout(10_000)
    window = BrowserWindow(context.new_page())
    yield window
    complaints = window.complaints
    context.close()

    assert complaints == []
