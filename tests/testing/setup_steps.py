"""Steps between the recorded requests that were not recorded: logins, admin calls, and page loads.

They only use the public and admin APIs, so they work with any Kratos.
"""

from collections.abc import Awaitable, Callable
from urllib.parse import parse_qsl, urlencode, urlsplit

from support.flow_client import PASSWORD

from .recorded_story import RecordedExchange
from .replay import FORM, Replay

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
INSTANT = 0.01

Step = Callable[[Replay, RecordedExchange], Awaitable[None]]


async def _register(replay: Replay, email: str, recorded: RecordedExchange | None = None) -> str:
    """Register with an app, use its token in the recorded request, and return the identity's id."""
    registered = await replay.users.register(replay.rewrite(email))
    if recorded is not None:
        replay.replacements[str(recorded.session_token)] = registered["session_token"]
    return str(registered["identity"]["id"])


async def _log_in(
    replay: Replay, email: str, recorded: RecordedExchange, session: str = "", password: str = PASSWORD
) -> None:
    """Log in with an app, and use its token and session id in the recorded request."""
    signed_in = await replay.users.log_in_app(replay.rewrite(email), password)
    replay.replacements[str(recorded.session_token)] = signed_in["session_token"]
    if session:
        replay.replacements[session] = signed_in["session"]["id"]


def _browser_login(email: str, *, register: bool = False) -> Step:
    """Return a step that logs in with a browser, whose cookies the recorded request then uses."""

    async def step(replay: Replay, recorded: RecordedExchange) -> None:
        if register:
            await _register(replay, email)
        replay.use_cookies(await replay.users.log_in_browser(replay.rewrite(email)), recorded)

    return step


def _app_registration(email: str) -> Step:
    """Return a step that registers with an app, whose token the recorded request then uses."""

    async def step(replay: Replay, recorded: RecordedExchange) -> None:
        await _register(replay, email, recorded)

    return step


def _create_flow(name: str, credential: str = "") -> Step:
    """Return a step that creates the flow of the recorded request, with its cookie or session token."""

    async def step(replay: Replay, recorded: RecordedExchange) -> None:
        kind = "browser" if credential == "cookie" else "api"
        headers = {"accept": "application/json"}
        if credential:
            headers[credential] = replay.replaced(recorded.request["headers"][credential])
        flow = await replay.send("GET", f"/self-service/{name}/{kind}", headers=headers)
        replay.replacements[_query(recorded)["flow"]] = flow.json()["id"]

    return step


async def _register_and_log_in_bob(replay: Replay, recorded: RecordedExchange) -> None:
    await _register(replay, BOB)
    await _log_in(replay, BOB, recorded)


async def _log_in_bob_three_times(replay: Replay, recorded: RecordedExchange) -> None:
    await _log_in(replay, BOB, recorded, BOBS_SESSION)
    second = await replay.users.log_in_app(replay.rewrite(BOB))
    replay.replacements |= {
        BOBS_SECOND_SESSION: second["session"]["id"],
        BOBS_SECOND_TOKEN: second["session_token"],
    }
    await replay.users.log_in_app(replay.rewrite(BOB))


async def _log_in_eve(replay: Replay, recorded: RecordedExchange) -> None:
    await _log_in(replay, EVE, recorded, password=EVES_NEW_PASSWORD)


async def _extend_adas_session(replay: Replay, recorded: RecordedExchange) -> None:
    browser = await replay.users.log_in_browser(replay.rewrite(ADA))
    replay.use_cookies(browser, recorded)
    session_id = (await browser.whoami()).json()["id"]
    await replay.server.wait(INSTANT)
    await replay.users.admin("PATCH", f"/admin/sessions/{session_id}/extend")


async def _revoke_adas_sessions(replay: Replay, recorded: RecordedExchange) -> None:
    headers = {"cookie": replay.replaced(recorded.request["headers"]["cookie"])}
    session = (await replay.send("GET", "/sessions/whoami", headers=headers)).json()
    await replay.users.admin("DELETE", f"/admin/identities/{session['identity']['id']}/sessions")


async def _register_and_deactivate_gus(replay: Replay, recorded: RecordedExchange) -> None:
    identity_id = await _register(replay, GUS, recorded)
    patch = [{"op": "replace", "path": "/state", "value": "inactive"}]
    await replay.users.admin("PATCH", f"/admin/identities/{identity_id}", patch)


async def _register_bob_with_two_factors(replay: Replay, recorded: RecordedExchange) -> None:
    await _register(replay, STRICT_BOB)
    await replay.users.enroll_totp(await replay.users.log_in_browser(STRICT_BOB))
    await _log_in(replay, STRICT_BOB, recorded)


async def _consent(replay: Replay, recorded: RecordedExchange) -> None:
    """Consent at the provider and follow the redirects, as a browser does."""
    query = urlsplit(replay.provider_url).query
    consent_path = "/fake-oidc/mini/auth"
    page = await replay.send("GET", consent_path, query)
    assert page.status_code == 200
    body = urlencode({"consent": "allow", "email": "oidc-user-1@example.test"})
    redirect = await replay.send("POST", consent_path, query, {"content-type": FORM}, body)
    callback = urlsplit(redirect.headers["location"])
    response = await replay.send("GET", callback.path, callback.query, {"accept": "text/html"})
    code = dict(parse_qsl(urlsplit(response.headers["location"]).query))["code"]
    replay.replacements[_query(recorded)["return_to_code"]] = code


async def _register_and_enroll_two(replay: Replay, recorded: RecordedExchange) -> None:
    await _register(replay, TWO)
    browser = await replay.users.log_in_browser(replay.rewrite(TWO))
    await replay.users.enroll_totp(browser)
    replay.use_cookies(browser, recorded)


def _query(recorded: RecordedExchange) -> dict[str, str]:
    return dict(parse_qsl(recorded.query))


BEFORE: dict[str, Step] = {
    "whoami.cookie": _browser_login(ADA),
    "whoami.precedence.token_over_cookie": _register_and_log_in_bob,
    "sessions.list": _log_in_bob_three_times,
    "settings.native.create": _app_registration(EVE),
    "settings.native.submit.totp.wrong": _create_flow("settings", "x-session-token"),
    "sessions.list.aal2_required": _log_in_eve,
    "login.browser.submit.ajax.first_of_two_factors": _create_flow("login", "cookie"),
    "whoami.cookie.after_extend": _extend_adas_session,
    "whoami.after_admin_revoke": _revoke_adas_sessions,
    "whoami.inactive_identity": _register_and_deactivate_gus,
    "login.native.submit.inactive_identity": _create_flow("login"),
    "custom_cookie.whoami.x_session_token": _app_registration(STRICT_ADA),
    "required_aal1.whoami.one_of_two_factors": _register_bob_with_two_factors,
    "oidc.token_exchange.success": _consent,
    "stepup.html.no_second_factor": _browser_login(ONE, register=True),
    "stepup.html.aal1_session": _browser_login(ONE),
    "refresh.whoami.before": _register_and_enroll_two,
}


async def run_with_setup(replay: Replay, recorded: RecordedExchange) -> list[str]:
    """Run the step before a recorded request, if there is one, and then the request."""
    if step := BEFORE.get(recorded.case):
        await step(replay, recorded)
    return await replay.run(recorded)
