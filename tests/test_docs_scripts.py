"""The scripts on the page about stepping up do in Chromium what the page says."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from doc_pages import ROOT, run_page
from example.eyes import CHROMIUM, chromium
from playwright.sync_api import Page, Route

from ory_guard.testing import FakeKratos

pytestmark = pytest.mark.browser

PAGE = "docs/how-to/step-up.md"
APP = "http://127.0.0.1:8000"
KRATOS = "http://127.0.0.1:4433/self-service/login/browser?refresh=true"
KEEPS, CALLS = re.findall(
    r"^```js\n(.*?)^```$", (ROOT / PAGE).read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
)

Answers = Callable[[Route], None]


@pytest.fixture
def window() -> Iterator[Page]:
    """A window of a browser."""
    if not CHROMIUM.exists():
        pytest.skip("needs the Debian package chromium")
    with chromium() as browser:
        yield browser.new_page()


def shown(body: str, script: str = "") -> Answers:
    """Return what answers with a page."""
    html = f"<!doctype html><title>-</title>{body}<script>{script}</script>"
    return lambda route: route.fulfill(content_type="text/html", body=html)


def test_what_was_typed_is_there_again(window: Page, tmp_path: Path) -> None:
    """A form that was sent in vain has its values when the browser comes back to it, once."""
    form = run_page(PAGE, tmp_path, FakeKratos())["FORM"]
    asks, refuses = shown(form, KEEPS), shown("Sign in again")
    window.route("**/*", lambda route: (refuses if route.request.method == "POST" else asks)(route))
    typed = window.locator("[name=to]")

    window.goto(f"{APP}/transfer")
    typed.fill("Bob")
    window.click("button")
    assert "Sign in again" in window.content()
    window.goto(f"{APP}/transfer")
    assert typed.input_value() == "Bob"
    window.goto(f"{APP}/transfer")
    assert typed.input_value() == ""


@pytest.mark.parametrize(("status", "cured"), [(401, True), (403, True), (403, False)])
def test_a_refused_call_goes_where_it_is_told(window: Page, status: int, *, cured: bool) -> None:
    """A refusal that a sign-in cures leads there, and any other one is the caller's to show."""
    refusal: dict[str, object] = {"error": {"code": status}} | ({"redirect_browser_to": KRATOS} if cured else {})
    window.route("**/*", shown("A page", CALLS))
    window.route("**/api", lambda route: route.fulfill(status=status, json=refusal))

    window.goto(f"{APP}/page")
    window.evaluate("void call('/api').then((answer) => { document.title = answer.status })")

    if cured:
        window.wait_for_url(KRATOS)
    else:
        window.wait_for_function(f"document.title === '{status}'")
        assert window.url == f"{APP}/page"
