"""The Enter key and repeated clicks in the forms of flows, in Chromium with and without JavaScript."""

from pathlib import Path
from typing import Final
from urllib.parse import parse_qs

import pytest
from playwright.sync_api import Browser, Page, Route

from ory_guard.client.models.flows import Flow

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


def open_flow(browser: Browser, flow: Flow, *, java_script: bool) -> tuple[Page, list[str]]:
    """Open a page with a flow, and return it with a list of the bodies that it submits."""
    page = browser.new_context(java_script_enabled=java_script).new_page()
    page.add_init_script("window.oryWebAuthnRegistration = () => { document.title = 'called'; }")
    html = f"<!doctype html>{render_flow(flow)}<script>{SCRIPT.read_text()}</script>"
    submitted: list[str] = []

    def receive(route: Route) -> None:
        submitted.append(route.request.post_data or "")
        route.fulfill(body="submitted")

    page.route("https://id.example/submit**", receive)
    page.route("https://app.example/login", lambda route: route.fulfill(body=html, content_type="text/html"))
    page.goto("https://app.example/login")
    return page, submitted


@pytest.mark.parametrize("name", ["password", "code"])
def test_enter_submits_the_method_of_the_field_in_a_form_with_several(browser: Browser, name: str) -> None:
    page, submitted = open_flow(browser, flow_of(*TWO_FIELDS), java_script=True)
    page.locator(f'[name="{name}"]').fill("123456")

    page.keyboard.press("Enter")

    page.wait_for_url("https://id.example/**")
    (fields,) = map(parse_qs, submitted)
    assert fields["method"] == [name]
    page.context.close()


def test_enter_in_the_name_of_a_security_key_calls_its_function(browser: Browser) -> None:
    page, submitted = open_flow(browser, flow_of(*SECURITY_KEY), java_script=True)
    page.locator("input").fill("Key")

    page.keyboard.press("Enter")

    page.wait_for_function("document.title === 'called'")
    assert submitted == []
    page.context.close()


def test_form_is_not_submitted_twice_unless_its_request_was_stopped(browser: Browser) -> None:
    page, submitted = open_flow(browser, flow_of(*WRONG_CODE), java_script=True)
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
