"""The Enter key and repeated clicks in the forms of flows, in Chromium with and without JavaScript."""

from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qs

import pytest
from playwright.sync_api import Browser, Page, Request, Route

from .rendered_flows import an_input, flow_of, render_flow
from .test_forms import CODE, CSRF, HIDDEN_IDENTIFIER, IDENTIFIER, PASSWORD_METHOD, RESEND_CODE, SEND_CODE

pytestmark = pytest.mark.browser

SCRIPT: Final = Path(__file__).parents[2] / "ory_guard" / "ui" / "static" / "pages.js"

WRONG_CODE: Final = (CSRF, HIDDEN_IDENTIFIER, CODE, RESEND_CODE, SEND_CODE)
TWO_FIELDS: Final = (CSRF, IDENTIFIER, *PASSWORD_METHOD, CODE, RESEND_CODE, SEND_CODE)
SECURITY_KEY: Final = (
    an_input("webauthn_register_displayname", group="webauthn"),
    an_input("add", "button", "webauthn", value="{}", onclickTrigger="oryWebAuthnRegistration"),
)


def open_flow(
    browser: Browser, nodes: tuple[dict[str, Any], ...], script: str = "", body: str = ""
) -> tuple[Page, list[Request]]:
    """Open a page with a flow, and return it with a list of the requests that it sends after it has loaded.

    Args:
        browser: The browser.
        nodes: The nodes of the flow.
        script: A script that runs before those of the page.
        body: The attributes of the page's body.
    """
    page = browser.new_context().new_page()
    page.add_init_script(script)
    html = f"<!doctype html><body {body}>{render_flow(flow_of(*nodes))}<script>{SCRIPT.read_text()}</script>"
    sent: list[Request] = []

    def receive(route: Route) -> None:
        sent.append(route.request)
        route.fulfill(body="received")

    page.route("**/*", receive)
    page.route("https://app.example/login", lambda route: route.fulfill(body=html, content_type="text/html"))
    page.goto("https://app.example/login")
    return page, sent


@pytest.mark.parametrize("name", ["password", "code"])
def test_enter_submits_the_method_of_the_field_in_a_form_with_several(browser: Browser, name: str) -> None:
    page, sent = open_flow(browser, TWO_FIELDS)
    page.locator(f'[name="{name}"]').fill("123456")

    page.keyboard.press("Enter")

    page.wait_for_url("https://id.example/**")
    (request,) = sent
    assert parse_qs(request.post_data or "")["method"] == [name]
    page.context.close()


def test_enter_in_the_name_of_a_security_key_calls_its_function(browser: Browser) -> None:
    called = "window.oryWebAuthnRegistration = () => { document.title = 'called'; }"
    page, sent = open_flow(browser, SECURITY_KEY, called)
    page.locator("input").fill("Key")

    page.keyboard.press("Enter")

    page.wait_for_function("document.title === 'called'")
    assert sent == []
    page.context.close()


def test_form_is_not_submitted_twice_unless_its_request_was_stopped(browser: Browser) -> None:
    page, _ = open_flow(browser, WRONG_CODE)
    submitted: list[str] = []
    page.clock.install()
    page.reload()

    def stop(route: Route) -> None:
        submitted.append("stopped")
        route.abort("aborted")

    page.route("https://id.example/submit**", stop)
    page.locator('[name="code"]').fill("123456")
    with page.expect_event("requestfailed"):
        page.keyboard.press("Enter")
    page.keyboard.press("Enter")
    page.evaluate("0")
    assert submitted == ["stopped"]

    page.clock.run_for(5_000)
    with page.expect_event("requestfailed"):
        page.keyboard.press("Enter")

    assert submitted == ["stopped", "stopped"]
    page.context.close()
