"""The scripts on the page about step-up authentication work in Chromium as the page describes."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from example.browser_window import CHROMIUM, chromium
from playwright.sync_api import Page, Route
from support.doc_pages import ROOT, run_page

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


def test_form_data_survives_a_step_up(window: Page, tmp_path: Path) -> None:
    """A rejected form contains its values again when the browser returns to it, once."""
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
def test_rejected_call_redirects_to_login(window: Page, status: int, *, cured: bool) -> None:
    """A rejected call redirects if a login resolves the error; otherwise the caller can read the response."""
    refusal: dict[str, object] = {"error": {"code": status}} | ({"redirect_browser_to": KRATOS} if cured else {})
    window.route("**/*", shown("A page", CALLS))
    window.route("**/api", lambda route: route.fulfill(status=status, json=refusal))

    window.goto(f"{APP}/page")
    window.evaluate(
        "void call('/api').then((answer) => answer.json()).then((body) => { document.title = body.error.code })"
    )

    if cured:
        window.wait_for_url(KRATOS)
    else:
        window.wait_for_function(f"document.title === '{status}'")
        assert window.url == f"{APP}/page"
