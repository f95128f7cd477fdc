"""The messages for errors of passkeys and security keys, in Chromium."""

from typing import Final

import pytest
from playwright.sync_api import Browser, expect

from .test_enter_key_in_browser import SECURITY_KEY, open_flow

pytestmark = pytest.mark.browser

KRATOS_SCRIPT: Final = """
    window.oryWebAuthnRegistration = () => {
      const publicKey = {
        challenge: new Uint8Array(32),
        rp: { id: "another.example", name: "x" },
        user: { id: new Uint8Array(16), name: "x", displayName: "x" },
        pubKeyCredParams: [{ type: "public-key", alg: -7 }],
      };
      return navigator.credentials.create({ publicKey }).catch(() => { document.title = "caught"; });
    };
    window.suggest = () => navigator.credentials.get({ mediation: "conditional" }).catch(() => {});
"""
BODY: Final = """
    data-mount="/auth" data-credential-rejected="rejected" data-credential-exists="exists"
    data-credential-failed="failed"
"""
FAIL: Final = """
    for (const method of ["create", "get"]) {
      CredentialsContainer.prototype[method] = async () => { throw new DOMException("", "NAME"); };
    }
"""


@pytest.mark.parametrize(
    ("error", "text", "reported"),
    [
        pytest.param(None, "rejected", True, id="another relying party"),
        pytest.param("NotAllowedError", "failed", False, id="canceled"),
        pytest.param("InvalidStateError", "exists", False, id="registered before"),
    ],
)
def test_error_is_shown_beside_the_button(browser: Browser, error: str | None, text: str, reported: bool) -> None:
    script = KRATOS_SCRIPT + (FAIL.replace("NAME", error) if error else "")
    page, reports = open_flow(browser, SECURITY_KEY, script, BODY)
    for _ in range(2):
        page.evaluate("document.title = ''")
        page.get_by_role("button").click()
        page.wait_for_function("document.title === 'caught'")

        expect(page.get_by_role("alert")).to_have_text([text])

    assert [report.url for report in reports] == ["https://app.example/auth/credential-failure"] * 2 * reported
    page.context.close()


def test_error_of_suggested_passkeys_is_not_shown(browser: Browser) -> None:
    page, reports = open_flow(browser, SECURITY_KEY, KRATOS_SCRIPT + FAIL.replace("NAME", "NotAllowedError"), BODY)
    page.get_by_role("button").click()
    expect(page.get_by_role("alert")).to_have_count(1)
    page.evaluate("document.querySelector('[role=alert]').remove()")

    page.evaluate("suggest()")

    expect(page.get_by_role("alert")).to_have_count(0)
    assert reports == []
    page.context.close()
