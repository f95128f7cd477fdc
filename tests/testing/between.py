"""What happened between the recorded requests: sign-ins, admin's doings and pages that nobody recorded.

All of it goes over Kratos' public and admin APIs, so that it happens to any Kratos alike.
"""

from collections.abc import Awaitable, Callable
from urllib.parse import parse_qsl, urlencode, urlsplit

from people import PASSWORD
from recorded_scenario import Exchange
from replay import FORM, Replay

ADA = "ada-1795300782@example.test"
BOB = "bob-1795300782@example.test"
EVE = "eve-1795300782@example.test"
GUS = "gus-1795300782@example.test"
STRICT_ADA = "ada-1795301002@example.test"
STRICT_BOB = "bob-1795301002@example.test"
ONE = "one-1795302876@example.test"
TWO = "two-1795302988@example.test"

EVES_NEW_PASSWORD = f"{PASSWORD}x"
BOBS_SESSION = "0453a57a-b5c0-436d-a099-c9e1d5e8f7da"
BOBS_SECOND_SESSION = "4a10d42f-f511-478b-b40a-0baf9861d86a"
BOBS_SECOND_TOKEN = "ory_st_dRD0LgU9LXTLXQjc04tBcVPhSbCLJQqs"
A_MOMENT = 0.01


async def _register(replay: Replay, email: str, recorded: Exchange | None = None) -> str:
    """Register by an app; the token stands in for that of a recorded request. Return the identity's id."""
    registered = await replay.people.register(replay.rewrite(email))
    if recorded is not None:
        replay.bound[str(recorded.session_token)] = registered["session_token"]
    return str(registered["identity"]["id"])


async def _sign_in(
    replay: Replay, email: str, recorded: Exchange, session: str = "", password: str = PASSWORD
) -> None:
    """Sign in by an app; token and session id stand in for recorded ones."""
    signed_in = await replay.people.sign_in_app(replay.rewrite(email), password)
    replay.bound[str(recorded.session_token)] = signed_in["session_token"]
    if session:
        replay.bound[session] = signed_in["session"]["id"]


async def _sign_in_browser(replay: Replay, email: str, recorded: Exchange) -> None:
    """Sign in with a browser, whose cookies stand in for those of a recorded request."""
    replay.bind_browser(await replay.people.sign_in_browser(replay.rewrite(email), PASSWORD), recorded)


async def _ada_signs_in(replay: Replay, recorded: Exchange) -> None:
    await _sign_in_browser(replay, ADA, recorded)


async def _bob_registers_and_signs_in(replay: Replay, recorded: Exchange) -> None:
    await _register(replay, BOB)
    await _sign_in(replay, BOB, recorded)


async def _bob_signs_in_three_times(replay: Replay, recorded: Exchange) -> None:
    await _sign_in(replay, BOB, recorded, BOBS_SESSION)
    second = await replay.people.sign_in_app(replay.rewrite(BOB), PASSWORD)
    replay.bound |= {BOBS_SECOND_SESSION: second["session"]["id"], BOBS_SECOND_TOKEN: second["session_token"]}
    await replay.people.sign_in_app(replay.rewrite(BOB), PASSWORD)


async def _eve_registers(replay: Replay, recorded: Exchange) -> None:
    await _register(replay, EVE, recorded)


async def _eve_signs_in(replay: Replay, recorded: Exchange) -> None:
    await _sign_in(replay, EVE, recorded, password=EVES_NEW_PASSWORD)


async def _native_settings(replay: Replay, recorded: Exchange) -> None:
    headers = {"x-session-token": replay.translated(str(recorded.session_token))}
    flow = await replay.send("GET", "/self-service/settings/api", headers=headers)
    replay.bound[_flow(recorded)] = flow.json()["id"]


async def _browser_login(replay: Replay, recorded: Exchange) -> None:
    headers = {"cookie": replay.translated(recorded.request["headers"]["cookie"]), "accept": "application/json"}
    flow = await replay.send("GET", "/self-service/login/browser", headers=headers)
    replay.bound[_flow(recorded)] = flow.json()["id"]


async def _native_login(replay: Replay, recorded: Exchange) -> None:
    flow = await replay.send("GET", "/self-service/login/api")
    replay.bound[_flow(recorded)] = flow.json()["id"]


async def _ada_is_extended(replay: Replay, recorded: Exchange) -> None:
    browser = await replay.people.sign_in_browser(replay.rewrite(ADA), PASSWORD)
    replay.bind_browser(browser, recorded)
    session = (await browser.whoami()).json()["id"]
    await replay.place.wait(A_MOMENT)
    await replay.people.admin("PATCH", f"/admin/sessions/{session}/extend")


async def _ada_is_revoked(replay: Replay, recorded: Exchange) -> None:
    headers = {"cookie": replay.translated(recorded.request["headers"]["cookie"])}
    ada = (await replay.send("GET", "/sessions/whoami", headers=headers)).json()["identity"]["id"]
    await replay.people.admin("DELETE", f"/admin/identities/{ada}/sessions")


async def _gus_is_disabled(replay: Replay, recorded: Exchange) -> None:
    gus = await _register(replay, GUS, recorded)
    patch = [{"op": "replace", "path": "/state", "value": "inactive"}]
    await replay.people.admin("PATCH", f"/admin/identities/{gus}", patch)


async def _strict_ada_registers(replay: Replay, recorded: Exchange) -> None:
    await _register(replay, STRICT_ADA, recorded)


async def _strict_bob_has_two_factors(replay: Replay, recorded: Exchange) -> None:
    await _register(replay, STRICT_BOB)
    await replay.people.enrol(await replay.people.sign_in_browser(STRICT_BOB, PASSWORD))
    await _sign_in(replay, STRICT_BOB, recorded)


async def _somebody_consents(replay: Replay, recorded: Exchange) -> None:
    """Do at the provider, and on the way back, what a browser did."""
    auth = urlsplit(replay.provider_url)
    provider = "/fake-oidc/mini/auth"
    page = await replay.send("GET", provider, auth.query)
    assert page.status_code == 200
    body = urlencode({"consent": "allow", "email": "oidc-user-1@example.test"})
    back = await replay.send("POST", provider, auth.query, {"content-type": FORM}, body)
    callback = urlsplit(back.headers["location"])
    done = await replay.send("GET", callback.path, callback.query, {"accept": "text/html"})
    code = dict(parse_qsl(urlsplit(done.headers["location"]).query))["code"]
    replay.bound[dict(parse_qsl(recorded.query))["return_to_code"]] = code


async def _one_registers_and_signs_in(replay: Replay, recorded: Exchange) -> None:
    await _register(replay, ONE)
    await _sign_in_browser(replay, ONE, recorded)


async def _one_signs_in(replay: Replay, recorded: Exchange) -> None:
    await _sign_in_browser(replay, ONE, recorded)


async def _two_enrols(replay: Replay, recorded: Exchange) -> None:
    await _register(replay, TWO)
    browser = await replay.people.sign_in_browser(replay.rewrite(TWO), PASSWORD)
    await replay.people.enrol(browser)
    replay.bind_browser(browser, recorded)


def _flow(recorded: Exchange) -> str:
    return dict(parse_qsl(recorded.query))["flow"]


BEFORE: dict[str, Callable[[Replay, Exchange], Awaitable[None]]] = {
    "whoami.cookie": _ada_signs_in,
    "whoami.precedence.token_over_cookie": _bob_registers_and_signs_in,
    "sessions.list": _bob_signs_in_three_times,
    "settings.native.create": _eve_registers,
    "settings.native.submit.totp.wrong": _native_settings,
    "sessions.list.aal2_required": _eve_signs_in,
    "login.browser.submit.ajax.first_of_two_factors": _browser_login,
    "whoami.cookie.after_extend": _ada_is_extended,
    "whoami.after_admin_revoke": _ada_is_revoked,
    "whoami.inactive_identity": _gus_is_disabled,
    "login.native.submit.inactive_identity": _native_login,
    "custom_cookie.whoami.x_session_token": _strict_ada_registers,
    "required_aal1.whoami.one_of_two_factors": _strict_bob_has_two_factors,
    "oidc.token_exchange.success": _somebody_consents,
    "stepup.html.no_second_factor": _one_registers_and_signs_in,
    "stepup.html.aal1_session": _one_signs_in,
    "refresh.whoami.before": _two_enrols,
}
