"""The scripts on the how-to pages work in Chromium as the pages describe."""

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from example.browser_window import CHROMIUM, chromium
from playwright.sync_api import Page, Route
from support.doc_pages import ROOT, run_page

from ory_guard.testing import FakeKratos

pytestmark = pytest.mark.browser


def scripts_of(page: str) -> list[str]:
    """Return the blocks with JavaScript of a page."""
    text = (ROOT / page).read_text(encoding="utf-8")
    return re.findall(r"^```js\b[^\n]*\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


PAGE = "docs/how-to/step-up.md"
APP = "http://127.0.0.1:8000"
KRATOS = "http://127.0.0.1:4433/self-service/login/browser?refresh=true"
KEEPS, CALLS = scripts_of(PAGE)
(API,) = scripts_of("docs/how-to/spa.md")
(ERRORS,) = scripts_of("docs/how-to/htmx.md")

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


@pytest.mark.parametrize(
    ("status", "body", "title"),
    [
        pytest.param(200, {"id": "ada"}, "ada", id="success"),
        pytest.param(403, {"error": {"reason": "Not for you."}}, "Not for you. 403 0", id="not resolvable"),
        pytest.param(503, {"error": {"reason": "Try again."}}, "Try again. 503 7", id="outage"),
        pytest.param(422, {"detail": []}, " 422 0", id="another error"),
    ],
)
def test_api_of_an_spa_returns_json_or_throws(window: Page, status: int, body: object, title: str) -> None:
    call = "(reply) => reply.id, (error) => `${error.message} ${error.status} ${error.retryAfter}`"
    script = f"import {{ api }} from '/api.js'; document.title = await api('/me').then({call});"
    window.route(
        "**/*", lambda route: route.fulfill(content_type="text/html", body=f"<script type=module>{script}</script>")
    )
    window.route("**/api.js", lambda route: route.fulfill(content_type="text/javascript", body=API))
    window.route(
        "**/api/me",
        lambda route: route.fulfill(
            status=status, json=body, headers={"Retry-After": "7"} if status == 503 else {}
        ),
    )

    window.goto(f"{APP}/")

    window.wait_for_function(f"document.title.endsWith({title.strip()!r})")


def test_api_of_an_spa_returns_to_the_view_after_the_login(window: Page) -> None:
    """The fragment, which the server does not see, is part of `return_to`."""
    refusal = {"error": {"reason": "-"}, "redirect_browser_to": f"{KRATOS}&return_to=elsewhere"}
    script = "import { api } from '/api.js'; await api('/me');"
    window.route("**/*", lambda route: route.fulfill(content_type="text/html", body="The login page"))
    window.route("**/api.js", lambda route: route.fulfill(content_type="text/javascript", body=API))
    window.route("**/api/me", lambda route: route.fulfill(status=401, json=refusal))
    window.route(
        f"{APP}/",
        lambda route: route.fulfill(content_type="text/html", body=f"<script type=module>{script}</script>"),
    )

    window.goto(f"{APP}/#/orders/17")
    window.wait_for_url("http://127.0.0.1:4433/**")

    assert window.url == f"{KRATOS}&return_to=http%3A%2F%2F127.0.0.1%3A8000%2F%23%2Forders%2F17"


def test_reason_of_an_htmx_error_is_shown(window: Page) -> None:
    window.route("**/*", shown("<p id=message></p>", ERRORS))
    window.goto(f"{APP}/account")

    body = json.dumps({"error": {"reason": "<b>Kratos</b> is unavailable."}})
    window.evaluate(
        "(responseText) => document.body.dispatchEvent("
        "new CustomEvent('htmx:responseError', { bubbles: true, detail: { xhr: { responseText } } }))",
        body,
    )

    assert window.locator("#message").text_content() == "<b>Kratos</b> is unavailable."
