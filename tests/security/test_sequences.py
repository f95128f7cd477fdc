"""What no single request shows: several of them, one after the other or at once."""

import asyncio
import gzip
import resource
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import pytest
from support.memory_store import eventually
from support.raw_kratos import UNAUTHORIZED, RawKratos, RawRequest, error_body, raw_response, respond

from ory_guard import Authenticated, OrySessionMiddleware, Rejected, SecondFactorRequired
from ory_guard.exceptions import EnrollmentRequired, ReauthenticationRequired
from ory_guard.guard.responses.asgi import ASGIResponse

from .bench import Bench, TurnedClock, token, transport_without_keep_alive
from .harness import Request, Vigil, call, navigation, socket
from .users import ALICE, BOB, session

pytestmark = pytest.mark.anyio

_COOKIE: Final = (b"cookie", b"ory_kratos_session=ck-A")


@pytest.fixture(autouse=True)
def _counted(tried: Counter[str]) -> None:
    tried["sequences"] += 1


async def test_the_kind_is_part_of_the_key(kratos: RawKratos) -> None:
    """C14: what is known about a token is not known about a cookie of the same value."""
    bench = Bench(kratos)
    assert await bench.who("tok-A") == ALICE
    kratos.responses = {}

    for pair in ((b"cookie", b"ory_kratos_session=tok-A"), (b"authorization", b"Bearer tok-A")):
        assert isinstance(await bench.ask(Request((pair,))), Rejected)
    assert len(kratos.requests) == 3
    assert await bench.who("tok-A") == ALICE
    await bench.guard.aclose()


async def test_the_cookies_name_is_part_of_the_key(kratos: RawKratos) -> None:
    """Two cookie names with one value are two credentials, and each goes out under its own name."""
    bench = Bench(kratos, cookie_names=("one", "two"))
    await bench.ask(Request(((b"cookie", b"one=ck-A"),)))
    await bench.ask(Request(((b"cookie", b"two=ck-A"),)))

    assert [request.credentials for request in kratos.requests] == [
        [(b"cookie", b"one=ck-A")],
        [(b"cookie", b"two=ck-A")],
    ]
    await bench.guard.aclose()


@pytest.mark.parametrize("inside", [((b"x-session-token", b"tok-B"),), (), (_COOKIE,)])
async def test_headers_that_are_changed_on_the_way_in_change_nobody(
    kratos: RawKratos, inside: tuple[tuple[bytes, bytes], ...]
) -> None:
    """A middleware in between may swap or drop the credential: who asks again, asks about the one that came in.

    Else the answer for one credential would be kept under the key of another.
    """
    bench = Bench(kratos, cookie_names=("other", "ory_kratos_session"))
    named = []

    async def endpoint(scope: Any, receive: Any, send: Any) -> None:
        scope["headers"] = list(inside)
        named.append((await bench.guard.require(scope, revalidate=True)).identity.id)
        await bench.guard.require(scope)
        await ASGIResponse(204, [], b"")(scope, receive, send)

    app = OrySessionMiddleware(endpoint, guard=bench.guard)
    for _ in range(2):
        assert (await call(app, token("tok-A"))).status == 204
    assert named == [ALICE, ALICE]
    assert {request.credential for request in kratos.requests} == {b"tok-A"}
    assert (await bench.who("tok-A"), await bench.who("tok-B")) == (ALICE, BOB)
    await bench.guard.aclose()


async def test_who_signs_out_is_who_came_in(kratos: RawKratos) -> None:
    """The same for signing out: what is ended at Kratos is the session that is forgotten here."""

    async def sign_out(request: RawRequest, writer: asyncio.StreamWriter) -> None:
        flow = {"logout_url": "https://auth.example.com/bye", "logout_token": "once"}
        known = kratos.responses[request.credential]
        writer.write(raw_response(flow) if b"/logout/browser" in request.target else known)

    kratos.handler = sign_out
    bench = Bench(kratos)

    async def endpoint(scope: Any, receive: Any, send: Any) -> None:
        scope["headers"] = [(b"cookie", b"ory_kratos_session=ck-B")]
        await bench.guard.logout(scope)
        await ASGIResponse(204, [], b"")(scope, receive, send)

    await call(OrySessionMiddleware(endpoint, guard=bench.guard), Request((_COOKIE,), method="POST"))
    asked = [request.target.partition(b"?")[0] for request in kratos.requests]
    assert asked == [b"/sessions/whoami", b"/self-service/logout/browser", b"/self-service/logout"]
    assert {request.credential for request in kratos.requests} == {b"ck-A"}
    await bench.guard.aclose()


async def test_what_cannot_be_sent_leaves_nothing_behind(kratos: RawKratos) -> None:
    """C18: an oversized credential is neither asked about nor kept."""
    bench = Bench(kratos)
    before = repr(bench.guard)
    await bench.who("a" * 8_193)

    assert repr(bench.guard) == before
    assert kratos.requests == []


async def test_a_session_that_is_kept_is_no_verdict(kratos: RawKratos) -> None:
    """A session that passed a plain gate a moment ago still fails the gates that ask for more."""
    kratos.responses[b"tok-A"] = raw_response(session(authenticated_at="2020-01-01T00:00:00Z"))
    bench = Bench(kratos)
    assert (await bench.get(token())).status == 200

    with pytest.raises(EnrollmentRequired):
        await bench.guard.require(token().scope(), aal="aal2")
    with pytest.raises(ReauthenticationRequired):
        await bench.guard.require(token().scope(), max_age=900)
    await bench.guard.aclose()


async def test_the_server_may_say_less_about_a_lifetime_but_not_more(kratos: RawKratos) -> None:
    """U34: `Ory-Session-Cache-For` shortens `cache_ttl`; nonsense in it means not to keep the answer."""
    for value, kept in (("999999", 30), ("7", 7), ("-5", 0), ("abc", 0), ("1e9", 0), ("", 0), ("9" * 400, 30)):
        clock = TurnedClock(wall=datetime.now(UTC).timestamp())
        kratos.responses[b"tok-A"] = raw_response(session(), 200, ("Ory-Session-Cache-For", value))
        bench = Bench(kratos, clock)
        await bench.who()
        asked = len(kratos.requests)
        clock.move(kept * 0.94)  # up to a twentieth is left off by chance
        await bench.who()
        assert len(kratos.requests) == (asked if kept else asked + 1), value
        clock.move(kept * 0.06 + 1)
        await bench.who()
        assert len(kratos.requests) > asked
        await bench.guard.aclose()


async def test_a_cookie_that_is_issued_anew_reaches_one_browser(kratos: RawKratos) -> None:
    """U35: it goes with the answer it came with, and no other request gets it, from the cache or at once."""
    kratos.responses[b"ck-A"] = raw_response(
        session(),
        200,
        ("Set-Cookie", "ory_kratos_session=issued-anew; Path=/; HttpOnly"),
        ("Set-Cookie", "other=app-secret"),
    )
    bench = Bench(kratos)
    async with Vigil():
        first = await bench.get(Request((_COOKIE,)))
        again = await bench.get(Request((_COOKIE,)))
        bob = await bench.get(Request(((b"cookie", b"ory_kratos_session=ck-B"),)))

    assert first.all(b"set-cookie") == [b"ory_kratos_session=issued-anew; Path=/; HttpOnly"]
    assert first.one(b"cache-control") == "private, no-store"
    assert again.all(b"set-cookie") == bob.all(b"set-cookie") == []
    assert kratos.requests[-1].credentials == [(b"cookie", b"ory_kratos_session=ck-B")]
    await bench.guard.aclose()


async def test_a_token_gets_no_cookie(kratos: RawKratos) -> None:
    """A `Set-Cookie` in the answer to a token stays here: it could make another user of this browser."""
    kratos.responses[b"tok-A"] = raw_response(session(), 200, ("Set-Cookie", "ory_kratos_session=issued-anew"))
    bench = Bench(kratos)

    assert (await bench.get(token())).all(b"set-cookie") == []
    await bench.guard.aclose()


async def test_an_early_hint_is_no_answer(kratos: RawKratos) -> None:
    """U37: an informational answer is read over."""
    kratos.handler = respond(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + raw_response(session()))
    bench = Bench(kratos)

    assert await bench.who() == ALICE
    await bench.guard.aclose()


async def test_surplus_response_is_not_read_without_keep_alive(kratos: RawKratos) -> None:
    """U38: if connections are not reused, a surplus response is never read as the response to the next request."""

    async def say_too_much(request: RawRequest, writer: asyncio.StreamWriter) -> None:
        writer.write(kratos.responses[request.credential] * 2)

    kratos.handler = say_too_much
    bench = Bench(kratos, transport=transport_without_keep_alive())
    for _ in range(5):
        assert await bench.who("tok-A") == ALICE
        assert await bench.who("tok-B") == BOB
        await bench.guard.invalidate(identity_id=ALICE)
        await bench.guard.invalidate(identity_id=BOB)
    assert kratos.connections == 10
    await bench.guard.aclose()


@pytest.mark.parametrize(("sent", "seconds"), [("7", 7), ("-1", 1), ("99999999", 60), ("x", 1), ("", 1), ("0", 1)])
async def test_a_429_is_waited_out(kratos: RawKratos, sent: str, seconds: int) -> None:
    """U17: everybody gets 503 with the seconds that Kratos asks for, within reason, and Kratos is left alone."""
    kratos.handler = respond(raw_response(error_body(429), 429, ("Retry-After", sent)))
    bench = Bench(kratos, TurnedClock())
    first = await bench.get(token())
    others = await asyncio.gather(*(bench.get(token(f"tok-{number}")) for number in range(100)))

    assert first.status == 503
    assert {reply.one(b"retry-after") for reply in (first, *others)} == {str(seconds)}
    assert len(kratos.requests) == 1
    await bench.guard.aclose()


async def test_after_a_429_one_asks_first(kratos: RawKratos) -> None:
    """No stampede follows the wait: one probe, and with its answer everybody."""
    clock = TurnedClock(wall=datetime.now(UTC).timestamp())
    kratos.handler = respond(raw_response(error_body(429), 429, ("Retry-After", "7")))
    bench = Bench(kratos, clock)
    await bench.who()
    kratos.handler = None
    kratos.requests.clear()
    clock.move(7)
    outcomes = await asyncio.gather(*(bench.who(f"tok-{number}") for number in range(100)))

    assert outcomes.count("Rejected:inactive") == len(kratos.requests) == 1
    assert outcomes.count("Unavailable:breaker") == 99
    assert await bench.who() == ALICE
    await bench.guard.aclose()


async def test_a_lone_surrogate_in_a_trait_breaks_nothing(kratos: RawKratos) -> None:
    """U24: it is a session or it is nonsense, and never an error of ours."""
    kratos.responses[b"tok-A"] = raw_response(session(identity={"id": ALICE, "traits": {"name": "\ud800"}}))
    bench = Bench(kratos)

    assert (await bench.get(token())).status in (200, 503)
    await bench.guard.aclose()


@pytest.mark.parametrize(
    "moment",
    [
        "9999-12-31T23:59:59-01:00",
        "9999-12-31T23:59:59.999999999Z",
        "2999-06-30T12:00:00.123456789Z",
        "2999-06-30t12:00:00z",
        "2999-06-30T23:59:60Z",
        "2999-06-30T12:00:00+14:00",
        "2999-06-30T12:00:00." + "1" * 400 + "Z",
    ],
)
async def test_odd_ways_to_write_a_time_never_break(kratos: RawKratos, moment: str) -> None:
    """U27, U28: the far end of the calendar and unusual spellings are a session or nonsense."""
    kratos.responses[b"tok-A"] = raw_response(session(expires_at=moment))
    bench = Bench(kratos)

    assert (await bench.get(token())).status in (200, 503)
    await bench.guard.aclose()


async def test_a_401_of_somebody_else_is_not_kept(kratos: RawKratos) -> None:
    """U16: a 401 without Kratos' error counts once and is asked again."""
    kratos.handler = respond(raw_response(b"no", 401))
    bench = Bench(kratos)
    assert await bench.who() == "Rejected:inactive"
    kratos.handler = None

    assert await bench.who() == ALICE
    await bench.guard.aclose()


async def test_a_body_cut_short_is_no_session(kratos: RawKratos) -> None:
    """U09: fewer bytes than announced, and chunks without an end."""
    whole = raw_response(session())
    body = whole.partition(b"\r\n\r\n")[2]
    chunked = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    chunks = b"%x\r\n%b\r\n" % (len(body), body)
    bench = Bench(kratos)
    for cut in (
        whole[:-1],
        chunked + chunks,
        chunked + b"ffffffffffffffff\r\n",
        chunked + b"zz\r\n{}\r\n0\r\n\r\n",
    ):
        kratos.handler = respond(cut, then_close=True)
        assert (await bench.who()).startswith("Unavailable")
        kratos.handler = None
        await bench.who("tok-other")  # an answer: the breaker stays closed
    await bench.guard.aclose()


async def test_a_gzip_bomb_is_not_unpacked(kratos: RawKratos) -> None:
    """U19: an answer that says it is packed is nonsense, and 50 MB of nothing stay packed."""
    bomb = gzip.compress(b"[" + b" " * 50_000_000 + b"]", 1)
    kratos.handler = respond(raw_response(bomb, 200, ("Content-Encoding", "gzip")))
    bench = Bench(kratos)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    assert await bench.who() == "Unavailable:protocol"
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 8_192  # kilobytes
    await bench.guard.aclose()


async def test_cancelling_the_first_of_ten_leaves_nine(kratos: RawKratos) -> None:
    """S02: who started a check may go away; the others get its answer, and Kratos is asked once."""
    bench = Bench(kratos)
    tasks = [asyncio.create_task(bench.who()) for _ in range(10)]
    await kratos.received.wait()
    tasks[0].cancel()
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)

    assert outcomes[1:] == [ALICE] * 9
    assert isinstance(outcomes[0], asyncio.CancelledError)
    assert len(kratos.requests) == 1
    await bench.guard.aclose()


async def test_cancelling_all_of_ten_loses_nothing(kratos: RawKratos) -> None:
    """S03: the check ends by itself, its answer is kept, and no task is left."""
    bench = Bench(kratos)
    async with Vigil() as vigil:
        tasks = [asyncio.create_task(bench.who()) for _ in range(10)]
        await kratos.received.wait()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert await bench.who() == ALICE
        assert vigil.unheard == []
    assert len(kratos.requests) == 1
    await bench.guard.aclose()


async def test_ten_at_once_share_a_failure_and_nobody_keeps_it(kratos: RawKratos) -> None:
    """S04: ten get 503 for one question, and the next request asks anew."""
    kratos.handler = respond(raw_response(error_body(500), 500))
    bench = Bench(kratos)
    replies = await asyncio.gather(*(bench.get(token()) for _ in range(10)))
    assert [reply.status for reply in replies] == [503] * 10
    assert len(kratos.requests) == 1

    kratos.handler = None
    assert await bench.who() == ALICE
    await bench.guard.aclose()


async def test_unknown_tokens_evict_nobody(kratos: RawKratos) -> None:
    """S05: sessions are kept apart from refusals, and both stay within `max_sessions`."""
    bench = Bench(kratos, max_sessions=50)
    await bench.who()
    for number in range(300):
        await bench.who(f"tok-{number}")
    asked = len(kratos.requests)

    assert await bench.who() == ALICE
    assert len(kratos.requests) == asked
    assert repr(bench.guard).endswith("<SessionCache 1 sessions, 50 refusals>>")
    await bench.guard.aclose()


async def test_a_kept_session_is_still_a_cookies(kratos: RawKratos) -> None:
    """A cross-site request is refused whether or not the session is cached, and never asks Kratos."""
    bench = Bench(kratos)
    assert (await bench.get(Request((_COOKIE,)))).status == 200
    foreign = Request((_COOKIE, (b"sec-fetch-site", b"cross-site")), method="POST")
    for _ in range(3):
        assert (await bench.get(foreign)).status == 403
        assert (await bench.get(foreign, verified=False, max_age=900)).status == 403
    assert len(kratos.requests) == 1
    await bench.guard.aclose()


async def test_who_insists_on_asking_takes_no_earlier_answer(kratos: RawKratos) -> None:
    """`revalidate` joins no check that was under way already: its question may have been sent before a logout."""
    gate = asyncio.Event()

    async def wait(request: RawRequest, writer: asyncio.StreamWriter) -> None:
        reply = kratos.responses.get(request.credential, UNAUTHORIZED)
        await gate.wait()
        writer.write(reply)

    bench = Bench(kratos)
    await bench.who()
    kratos.handler = wait
    kratos.received.clear()
    requests = [asyncio.create_task(bench.get(token(), revalidate=True))]
    await kratos.received.wait()
    kratos.responses.clear()
    requests.append(asyncio.create_task(bench.get(token(), revalidate=True)))
    await eventually(lambda: len(kratos.requests) == 3)
    gate.set()

    assert [reply.status for reply in await asyncio.gather(*requests)] == [200, 401]
    await bench.guard.aclose()


@pytest.mark.parametrize("pair", [token().headers[0], _COOKIE])
async def test_who_comes_back_from_a_step_up_passes_at_once(kratos: RawKratos, pair: tuple[bytes, bytes]) -> None:
    """S06: before a refusal for assurance, what was kept for over a second is asked for once more."""
    clock = TurnedClock(wall=datetime.now(UTC).timestamp())
    bench = Bench(kratos, clock)
    await bench.ask(Request((pair,)))
    now = datetime.now(UTC).isoformat()
    methods = [{"method": "totp", "aal": "aal2", "completed_at": now}]
    kratos.responses[b"tok-A"] = kratos.responses[b"ck-A"] = raw_response(
        session(authenticator_assurance_level="aal2", authentication_methods=methods)
    )
    clock.move(2)

    assert (await bench.get(Request((pair,), method="POST"), aal="aal2")).status == 200
    assert len(kratos.requests) == 2
    await bench.guard.aclose()


async def test_a_kept_second_factor_demand_ends_with_the_second_factor(kratos: RawKratos) -> None:
    """S06: a token keeps its value through a step-up, so the demand that is kept about it is asked again too."""
    clock = TurnedClock(wall=datetime.now(UTC).timestamp())
    kratos.responses[b"tok-A"] = raw_response(error_body(403, "session_aal2_required"), 403)
    bench = Bench(kratos, clock)
    assert isinstance(await bench.ask(token()), SecondFactorRequired)
    kratos.responses[b"tok-A"] = raw_response(session())
    clock.move(2)

    assert (await bench.get(token())).status == 200
    await bench.guard.aclose()


async def test_a_handler_cannot_change_the_next_ones_session(kratos: RawKratos) -> None:
    """S07: traits, metadata and unknown keys are the same objects for all, and nobody can change them."""
    kratos.responses[b"tok-A"] = raw_response(
        session(identity={"id": ALICE, "traits": {"roles": ["user"]}, "metadata_public": {"a": [{}]}, "new": {}})
    )
    bench = Bench(kratos)
    outcome = await bench.ask(token())
    assert isinstance(outcome, Authenticated)
    identity = outcome.session.identity
    for change in (
        lambda: identity.traits.__setitem__("roles", ["admin"]),
        lambda: identity.traits["roles"].append("admin"),
        lambda: identity.metadata_public["a"][0].update(admin=True),
        lambda: (identity.model_extra or {})["new"].setdefault("admin", True),
        lambda: setattr(identity, "id", BOB),
        lambda: setattr(outcome, "session", None),
    ):
        with pytest.raises((TypeError, AttributeError, ValueError)):
            change()
    await bench.guard.aclose()


async def test_the_wall_clock_cannot_prolong_anything(kratos: RawKratos) -> None:
    """S12: set back by an hour, it neither keeps an entry beyond its time nor revives a session that is over."""
    clock = TurnedClock(wall=datetime.now(UTC).timestamp())
    bench = Bench(kratos, clock)
    await bench.who()
    clock.wall -= 3_600
    clock.steady += 31
    await bench.who()
    assert len(kratos.requests) == 2

    ended = datetime.fromtimestamp(clock.wall, UTC) - timedelta(seconds=61)
    kratos.responses[b"tok-B"] = raw_response(session(BOB, expires_at=ended.isoformat()))
    assert await bench.who("tok-B") == "Rejected:inactive"
    await bench.guard.aclose()


async def test_a_steady_clock_that_stood_still_prolongs_nothing(kratos: RawKratos) -> None:
    """A machine that slept for an hour finds its entries stale: each has a wall-clock bound as well."""
    clock = TurnedClock(wall=datetime.now(UTC).timestamp())
    bench = Bench(kratos, clock)
    await bench.who()
    clock.wall += 3_600
    await bench.who()

    assert len(kratos.requests) == 2
    await bench.guard.aclose()


async def test_a_session_ends_when_it_ends(kratos: RawKratos) -> None:
    """No entry outlives `expires_at`, however long `cache_ttl` is."""
    clock = TurnedClock(wall=datetime.now(UTC).timestamp())
    kratos.responses[b"tok-A"] = raw_response(
        session(expires_at=(datetime.now(UTC) + timedelta(seconds=5)).isoformat())
    )
    bench = Bench(kratos, clock, cache_ttl=3_600, clock_skew=0)
    assert await bench.who() == ALICE
    clock.move(6)

    assert await bench.who() == "Rejected:inactive"
    await bench.guard.aclose()


async def test_a_refusal_is_forgotten_after_five_seconds(kratos: RawKratos) -> None:
    """S14: a token that becomes valid is accepted after `negative_ttl`, and asked about once until then."""
    clock = TurnedClock(wall=datetime.now(UTC).timestamp())
    kratos.handler = respond(UNAUTHORIZED)
    bench = Bench(kratos, clock)
    for _ in range(10):
        assert await bench.who() == "Rejected:inactive"
    assert len(kratos.requests) == 1

    kratos.handler = None
    clock.move(5)
    assert await bench.who() == ALICE
    await bench.guard.aclose()


async def test_a_401_for_everybody_logs_nobody_out(kratos: RawKratos) -> None:
    """Kratos answers 401 when its database is down: who is known stays known, no cookie is cleared."""
    bench = Bench(kratos)
    await bench.who()
    kratos.handler = respond(UNAUTHORIZED)
    stranger = await bench.get(navigation((b"cookie", b"ory_kratos_session=ck-B")))

    assert stranger.status == 303
    assert all(b"ory_kratos_session" not in value for value in stranger.all(b"set-cookie"))
    assert await bench.who() == ALICE
    await bench.guard.aclose()


async def test_a_socket_is_refused_before_it_is_accepted_when_kratos_fails(kratos: RawKratos) -> None:
    """W06: 503 as a denial where the server can send one, else the socket is closed; never accepted."""
    kratos.handler = respond(raw_response(error_body(500), 500))
    bench = Bench(kratos)
    denied = await bench.get(socket((b"x-session-token", b"tok-A")))
    closed = await bench.get(Request(((b"x-session-token", b"tok-A"),), path="/ws", websocket=True))

    assert (denied.status, denied.one(b"retry-after")) == (503, "1")
    assert [message["type"] for message in closed.messages] == ["websocket.close"]
    await bench.guard.aclose()


@pytest.mark.parametrize("kind", ["webtransport", "", None])
async def test_a_scope_of_another_type_goes_no_further(kratos: RawKratos, kind: str | None) -> None:
    """W07: what is neither http nor websocket nor lifespan is not passed on, since nobody can say who is there."""
    bench = Bench(kratos)

    class Odd(Request):
        def scope(self) -> dict[str, object]:
            return {**super().scope(), "type": kind}

    with pytest.raises(RuntimeError, match="ory_guard"):
        await bench.get(Odd(token().headers))
    # Asked of the guard itself, it is at least no place for a cookie without a trusted page.
    assert await bench.ask(Odd((_COOKIE,))) == Rejected("origin", "cookie")
    assert kratos.requests == []


async def test_nobody_joins_a_check_from_before_a_revocation(kratos: RawKratos) -> None:
    """A session that was revoked while it was asked about is not let in by that answer, then or later."""
    gate = asyncio.Event()

    async def wait(request: RawRequest, writer: asyncio.StreamWriter) -> None:
        reply = kratos.responses.get(request.credential, UNAUTHORIZED)
        await gate.wait()
        writer.write(reply)

    kratos.handler = wait
    bench = Bench(kratos)
    early = asyncio.create_task(bench.who())
    await kratos.received.wait()
    kratos.responses.clear()
    await bench.guard.invalidate(identity_id=ALICE)
    gate.set()

    assert await early == "Rejected:inactive"
    assert await bench.who() == "Rejected:inactive"
    await bench.guard.aclose()
