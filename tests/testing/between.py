"""What happened between the recorded requests: sign-ins, admin's doings and pages that nobody recorded."""

from collections.abc import Awaitable, Callable
from urllib.parse import parse_qsl, urlencode, urlsplit

from recorded_scenario import Exchange
from replay import Replay

ADA = "ada-1795300782@example.test"
BOB = "bob-1795300782@example.test"
EVE = "eve-1795300782@example.test"
GUS = "gus-1795300782@example.test"
STRICT_ADA = "ada-1795301002@example.test"
STRICT_BOB = "bob-1795301002@example.test"
ONE = "one-1795302876@example.test"
TWO = "two-1795302988@example.test"


async def _ada_signs_in(replay: Replay, recorded: Exchange) -> None:
    replay.sign_in(replay.person(ADA), recorded)


async def _bob_registers_and_signs_in(replay: Replay, recorded: Exchange) -> None:
    replay.sign_in(replay.person(BOB), None, "8d25dcfc-9308-4904-a5f6-d49263ae74a6")
    ada = replay.bound[_cookie(recorded)]
    replay.sign_in(replay.person(BOB), recorded, "c8a50d8e-d1e9-49b8-90da-622795cb07f4")
    replay.bound[_cookie(recorded)] = ada


async def _bob_signs_in_three_times(replay: Replay, recorded: Exchange) -> None:
    bob = replay.person(BOB)
    replay.sign_in(bob, recorded, "0453a57a-b5c0-436d-a099-c9e1d5e8f7da")
    second = replay.sign_in(bob, None, "4a10d42f-f511-478b-b40a-0baf9861d86a")
    replay.bound["ory_st_dRD0LgU9LXTLXQjc04tBcVPhSbCLJQqs"] = second.token
    replay.sign_in(bob, None, "d5a258e4-8f7a-4637-8f32-7be1842e15e7")


async def _eve_registers(replay: Replay, recorded: Exchange) -> None:
    replay.sign_in(replay.person(EVE), recorded)


async def _eve_signs_in(replay: Replay, recorded: Exchange) -> None:
    replay.sign_in(replay.person(EVE), recorded)


async def _native_settings(replay: Replay, recorded: Exchange) -> None:
    token = replay.translated(recorded.session_token or "")
    flow = await replay.send("GET", "/self-service/settings/api", x_session_token=token)
    replay.bound[_flow(recorded)] = flow.json()["id"]


async def _browser_login(replay: Replay, recorded: Exchange) -> None:
    cookie = recorded.request["headers"]["cookie"]
    flow = await replay.send("GET", "/self-service/login/browser", cookie=cookie, accept="application/json")
    replay.bound[_flow(recorded)] = flow.json()["id"]


async def _native_login(replay: Replay, recorded: Exchange) -> None:
    flow = await replay.send("GET", "/self-service/login/api")
    replay.bound[_flow(recorded)] = flow.json()["id"]


async def _ada_verifies_and_is_extended(replay: Replay, recorded: Exchange) -> None:
    ada = replay.person(ADA)
    for address in ada.verifiable_addresses:
        address.verified, address.verified_at = True, 1_795_300_866_119_442_750
    session = replay.sign_in(ada, recorded)
    replay.clock.advance(0.007)
    replay.fake.extend(session)


async def _ada_is_revoked(replay: Replay, recorded: Exchange) -> None:
    for session in replay.fake._server.store.sessions_of(replay.person(ADA)):
        replay.fake.revoke(session)


async def _gus_is_disabled(replay: Replay, recorded: Exchange) -> None:
    gus = replay.person(GUS)
    replay.sign_in(gus, recorded)
    replay.fake.set_state(gus, "inactive")


async def _strict_ada_registers(replay: Replay, recorded: Exchange) -> None:
    replay.sign_in(replay.person(STRICT_ADA), recorded)


async def _strict_bob_has_two_factors(replay: Replay, recorded: Exchange) -> None:
    replay.sign_in(replay.person(STRICT_BOB, totp=True), recorded)


async def _somebody_consents(replay: Replay, recorded: Exchange) -> None:
    """Do at the provider, and on the way back, what a browser did."""
    auth = urlsplit(replay.provider_url)
    provider = "/fake-oidc/mini/auth"
    page = await replay.send("GET", provider, auth.query)
    assert page.status_code == 200
    body = urlencode({"consent": "allow", "email": "oidc-user-1@example.test"})
    kind = "application/x-www-form-urlencoded"
    back = await replay._send("POST", provider, auth.query, {"content-type": kind}, body)
    callback = urlsplit(back.headers["location"])
    done = await replay.send("GET", callback.path, callback.query, accept="text/html")
    code = dict(parse_qsl(urlsplit(done.headers["location"]).query))["code"]
    replay.bound[dict(parse_qsl(recorded.query))["return_to_code"]] = code
    for identity in replay.fake.identities:
        for address in identity.verifiable_addresses:
            address.status = "sent"


async def _one_signs_in(replay: Replay, recorded: Exchange) -> None:
    replay.sign_in(replay.person(ONE), recorded)


async def _two_signs_in(replay: Replay, recorded: Exchange) -> None:
    replay.sign_in(replay.person(TWO), recorded, aal="aal2")


def _flow(recorded: Exchange) -> str:
    return dict(parse_qsl(recorded.query))["flow"]


def _cookie(recorded: Exchange) -> str:
    pairs = str(recorded.request["headers"]["cookie"]).split("; ")
    return next(pair.partition("=")[2] for pair in pairs if "_session=" in pair)


BEFORE: dict[str, Callable[[Replay, Exchange], Awaitable[None]]] = {
    "whoami.cookie": _ada_signs_in,
    "whoami.precedence.token_over_cookie": _bob_registers_and_signs_in,
    "sessions.list": _bob_signs_in_three_times,
    "settings.native.create": _eve_registers,
    "settings.native.submit.totp.wrong": _native_settings,
    "sessions.list.aal2_required": _eve_signs_in,
    "login.browser.submit.ajax.first_of_two_factors": _browser_login,
    "whoami.cookie.after_extend": _ada_verifies_and_is_extended,
    "whoami.after_admin_revoke": _ada_is_revoked,
    "whoami.inactive_identity": _gus_is_disabled,
    "login.native.submit.inactive_identity": _native_login,
    "custom_cookie.whoami.x_session_token": _strict_ada_registers,
    "required_aal1.whoami.one_of_two_factors": _strict_bob_has_two_factors,
    "oidc.token_exchange.success": _somebody_consents,
    "stepup.html.no_second_factor": _one_signs_in,
    "stepup.html.aal1_session": _one_signs_in,
    "refresh.whoami.before": _two_signs_in,
}
