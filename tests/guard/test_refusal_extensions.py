"""`Refusal.extensions`: the refusal as a plain dict, which GraphQL libraries copy into the error."""

import json
from typing import Any

import httpx2
import pytest
from support.asgi_calls import http_scope
from support.guard_bench import SESSION_TOKEN, Bench

from ory_guard import OryGuard
from ory_guard.exceptions import Refusal, RequirementNotMet

pytestmark = pytest.mark.anyio

LOGIN = "https://id.example.com/self-service/login/browser?"
PAGE = "return_to=https%3A%2F%2Fapp.example.com%2Fshop"
REFERER = (b"referer", b"https://app.example.com/shop")


async def extensions_of(guard: OryGuard, *headers: Any, **conditions: Any) -> dict[str, Any]:
    """Return the extensions of a refused GraphQL request."""
    with pytest.raises(Refusal) as caught:
        await guard.require(http_scope("/graphql", method="POST", headers=[REFERER, *headers]), **conditions)
    return caught.value.extensions


async def test_extensions_are_a_plain_dict_with_the_next_step() -> None:
    found = await extensions_of(Bench().guard)

    assert type(found) is dict
    assert found == {
        "code": "session_inactive",
        "status": 401,
        "failures": [],
        "redirect_browser_to": LOGIN + PAGE,
    }
    assert json.loads(json.dumps(found)) == found


@pytest.mark.parametrize(
    ("conditions", "code", "redirect", "failed"),
    [
        ({"aal": "aal2"}, "session_aal2_required", f"{LOGIN}aal=aal2&{PAGE}", []),
        ({"max_age": 0.001}, "session_refresh_required", f"{LOGIN}refresh=true&{PAGE}", []),
        ({"organization": "o", "when": lambda _: False}, "requirement_not_met", None, ["organization", "when"]),
    ],
)
async def test_extensions_name_the_failed_conditions(
    conditions: dict[str, Any], code: str, redirect: str | None, failed: list[str]
) -> None:
    found = await extensions_of(Bench(whoami_required_aal="aal1").guard, SESSION_TOKEN, **conditions)

    assert (found["code"], found["status"], found["redirect_browser_to"]) == (code, 403, redirect)
    assert {failure["id"] for failure in found["failures"]} >= set(failed)
    assert all(type(failure) is dict for failure in found["failures"])


async def test_extensions_of_an_outage_have_no_redirect() -> None:
    found = await extensions_of(Bench(httpx2.ConnectError("refused")).guard, SESSION_TOKEN)

    assert (found["code"], found["status"], found["redirect_browser_to"]) == (
        "session_check_unavailable",
        503,
        None,
    )


async def test_api_without_cookies_gets_no_redirect() -> None:
    """As in the JSON response: a client with tokens has no browser to redirect."""
    guard = Bench(credentials=("x_session_token",), app_url=None).guard

    assert (await extensions_of(guard))["redirect_browser_to"] is None


def test_refusal_of_the_application_has_extensions() -> None:
    assert RequirementNotMet().extensions == {
        "code": "requirement_not_met",
        "status": 403,
        "failures": [],
        "redirect_browser_to": None,
    }
