"""Sequences of requests on the guard alone, with FastAPI and with Starlette: no framework changes an answer.

The same lines are looked at closely, on the guard alone, in `test_sequences` and `test_long_lived`.
"""

import asyncio
import gzip
import resource
from collections import Counter
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import pytest
from support.memory_store import SOON
from support.raw_kratos import UNAUTHORIZED, RawKratos, RawRequest, error_body, raw_response, respond

from ory_guard import OryGuard

from .applications import KINDS, application
from .bench import TurnedClock, settings_for, token, transport_without_keep_alive
from .harness import Reply, Request, Vigil, call, navigation, socket
from .users import ALICE, BOB, kratos_with_users, session

pytestmark = pytest.mark.anyio

COOKIE: Final = Request(((b"cookie", b"ory_kratos_session=ck-A"),))
_DOWN: Final = respond(raw_response(error_body(500), 500))


class Served:
    """An application of one kind, with a clock to turn.

    Args:
        kind: The kind.
        kratos: The stub.
        transport: The HTTP transport of the guard, or None for its own.
        **changes: Settings to change.
    """

    def __init__(self, kind: str, kratos: RawKratos, transport: Any = None, **changes: object) -> None:
        self.clock = TurnedClock(datetime.now(UTC).timestamp())
        self.kratos = kratos
        self.guard = OryGuard(settings_for(kratos, **changes), clock=self.clock, transport=transport)
        self._application = application(kind, self.guard)

    async def get(self, request: Request) -> Reply:
        """Send a request."""
        return await call(self._application, request)

    async def status(self, request: Request) -> int:
        """Send a request; return the status, where it is 200 after a look at who is named."""
        reply = await self.get(request)
        assert reply.status != 200 or reply.identity in (ALICE, BOB)
        return reply.status

    async def open(self, request: Request) -> AsyncIterator[dict[str, Any]]:
        """Send a request, and yield its scope when the answer begins, and then each message."""
        scope, messages = request.scope(), asyncio.Queue[dict[str, Any]]()

        async def receive() -> dict[str, Any]:
            return {"type": "websocket.connect"} if request.websocket else {"type": "http.request"}

        running = asyncio.ensure_future(self._application(scope, receive, messages.put))
        first = await asyncio.wait_for(messages.get(), SOON)
        yield scope
        yield first
        await asyncio.wait_for(running, SOON)
        while not messages.empty():
            yield messages.get_nowait()


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest, tried: Counter[str]) -> str:
    """The kind of application."""
    tried["sequences"] += 1
    chosen: str = request.param
    return chosen


@pytest.fixture
async def served(kind: str, kratos: RawKratos) -> AsyncIterator[Served]:
    """An application of each kind, watched."""
    made = Served(kind, kratos)
    async with Vigil():
        yield made
        await made.guard.aclose()


async def test_c14_the_kind_is_part_of_the_key(served: Served) -> None:
    """What is known about a token is not known about a cookie of the same value."""
    assert await served.status(token()) == 200
    served.kratos.responses = {}
    for pair in ((b"cookie", b"ory_kratos_session=tok-A"), (b"authorization", b"Bearer tok-A")):
        assert await served.status(Request((pair,))) == 401

    assert len(served.kratos.requests) == 3


async def test_k13_only_the_configured_cookie_is_read(kind: str, kratos: RawKratos) -> None:
    """The cookie of another project is nobody's."""
    served = Served(kind, kratos, cookie_names=("ory_session_acme",))
    for name in ("ory_session_other", "ory_session_acmex", "ory_session_acm", "ory_kratos_session"):
        assert await served.status(Request(((b"cookie", f"{name}=ck-A".encode()),))) == 401
    assert kratos.requests == []

    assert await served.status(Request(((b"cookie", b"ory_session_acme=ck-A"),))) == 200
    await served.guard.aclose()


async def test_a_redirect_is_not_followed(served: Served) -> None:
    """U11, U12: the place it names sees no connection, and a loop is asked once."""
    async with kratos_with_users() as elsewhere:
        for status in (302, 307):
            for target in (elsewhere.url, served.kratos.url):
                served.kratos.requests.clear()
                location = ("Location", f"{target}/sessions/whoami")
                served.kratos.handler = respond(raw_response(b"", status, location))
                assert await served.status(token()) == 503
                assert len(served.kratos.requests) == 1
        assert elsewhere.connections == 0


@pytest.mark.parametrize(("sent", "seconds"), [("7", "7"), ("-1", "1"), ("99999999", "60"), ("x", "1")])
async def test_u17_a_429_is_waited_out(served: Served, sent: str, seconds: str) -> None:
    """Everybody gets 503 with the seconds that Kratos asks for, within reason, and Kratos is left alone."""
    served.kratos.handler = respond(raw_response(error_body(429), 429, ("Retry-After", sent)))
    replies = [await served.get(token(f"tok-{number}")) for number in range(5)]

    assert {(reply.status, reply.one(b"retry-after")) for reply in replies} == {(503, seconds)}
    assert len(served.kratos.requests) == 1


async def test_u19_a_gzip_bomb_is_not_unpacked(served: Served) -> None:
    """50 MB of nothing stay packed."""
    bomb = await asyncio.to_thread(lambda: gzip.compress(b"[" + b" " * 50_000_000 + b"]", 1))
    served.kratos.handler = respond(raw_response(bomb, 200, ("Content-Encoding", "gzip")))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    assert await served.status(token()) == 503
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 8_192  # kilobytes


@pytest.mark.parametrize("sent", ["999999", "1e9", "-5", "abc", "7"])
async def test_u34_a_lifetime_is_at_most_what_is_configured(served: Served, sent: str) -> None:
    """Whatever `Ory-Session-Cache-For` says."""
    served.kratos.responses[b"tok-A"] = raw_response(session(), 200, ("Ory-Session-Cache-For", sent))
    assert await served.status(token()) == 200
    served.clock.move(30)
    served.kratos.responses.clear()

    assert await served.status(token()) == 401


async def test_u35_a_cookie_that_is_issued_anew_reaches_one_browser(served: Served) -> None:
    """No other request gets it."""
    anew = "ory_kratos_session=issued-anew; Path=/; HttpOnly"
    served.kratos.responses[b"ck-A"] = raw_response(session(), 200, ("Set-Cookie", anew))
    bob = Request(((b"cookie", b"ory_kratos_session=ck-B"),))
    got = [(await served.get(request)).all(b"set-cookie") for request in (COOKIE, COOKIE, bob, bob)]

    assert got == [[anew.encode()], [], [], []]


async def test_u38_surplus_response_is_not_read_without_keep_alive(kind: str, kratos: RawKratos) -> None:
    """An answer that nobody asked for is never read as the next user's."""

    async def say_too_much(request: RawRequest, writer: asyncio.StreamWriter) -> None:
        writer.write(kratos.responses[request.credential] * 2)

    kratos.handler = say_too_much
    served = Served(kind, kratos, transport_without_keep_alive(), cache_ttl=0)
    for _ in range(3):
        assert (await served.get(token("tok-A"))).identity == ALICE
        assert (await served.get(token("tok-B"))).identity == BOB
    await served.guard.aclose()


@pytest.mark.parametrize("told", [False, True])
async def test_w05_a_socket_closes_with_its_session(served: Served, *, told: bool) -> None:
    """Within the interval when it ends at Kratos, at once when it is revoked here."""
    seen = []
    async for message in served.open(Request(token().headers, path="/live", websocket=True)):
        seen.append(message["type"])
        if seen[-1] == "websocket.accept":
            served.kratos.responses.clear()
            if told:
                await served.guard.invalidate(identity_id=ALICE)
            else:
                served.clock.move(60)
        elif seen[-1] == "websocket.close":
            assert message["code"] == 1008

    assert seen == ["websocket", "websocket.accept", "websocket.close"]


async def test_w06_a_socket_is_refused_before_it_is_accepted_when_kratos_fails(served: Served) -> None:
    """503 as a denial where the server can send one, else the socket is closed; never accepted."""
    served.kratos.handler = _DOWN
    denied = await served.get(socket((b"x-session-token", b"tok-A")))
    closed = await served.get(Request(token().headers, path="/ws", websocket=True))

    assert (denied.status, denied.one(b"retry-after")) == (503, "1")
    assert [message["type"] for message in closed.messages] == ["websocket.close"]


@pytest.mark.parametrize("odd", ["webtransport", "", None])
async def test_w07_a_scope_of_another_type_goes_no_further(served: Served, odd: str | None) -> None:
    """Nobody can say who is there."""

    class Odd(Request):
        def scope(self) -> dict[str, Any]:
            return {**super().scope(), "type": odd}

    with pytest.raises(RuntimeError, match="ory_guard"):
        await served.get(Odd(token().headers))


async def test_s02_s03_cancelling_some_changes_nothing_for_the_others(served: Served) -> None:
    """The first of ten, then all of ten: Kratos is asked once, the answer is kept, and nothing goes unheard."""
    for leaving in (1, 10):
        await served.guard.invalidate(identity_id=ALICE)
        served.kratos.received.clear()
        asked = len(served.kratos.requests)
        requests = [asyncio.create_task(served.status(COOKIE)) for _ in range(10)]
        await served.kratos.received.wait()
        for request in requests[:leaving]:
            request.cancel()
        outcomes = await asyncio.gather(*requests, return_exceptions=True)

        assert outcomes[leaving:] == [200] * (10 - leaving)
        assert await served.status(COOKIE) == 200
        assert len(served.kratos.requests) == asked + 1


async def test_s04_a_failure_is_shared_and_not_kept(served: Served) -> None:
    """Ten get 503 for one question, and the next request asks anew."""
    served.kratos.handler = _DOWN
    assert await asyncio.gather(*(served.status(COOKIE) for _ in range(10))) == [503] * 10
    assert len(served.kratos.requests) == 1

    served.kratos.handler = None
    assert await served.status(COOKIE) == 200


async def test_s05_unknown_tokens_evict_nobody(kind: str, kratos: RawKratos) -> None:
    """Sessions are kept apart from refusals, and both stay within `max_sessions`."""
    served = Served(kind, kratos, max_sessions=20)
    assert await served.status(token()) == 200
    assert {await served.status(token(f"tok-{number}")) for number in range(100)} == {401}
    asked = len(kratos.requests)

    assert await served.status(token()) == 200
    assert len(kratos.requests) == asked
    assert served.guard.stats().entries == 21
    await served.guard.aclose()


@pytest.mark.parametrize("request_", [token(path="/aal2"), navigation(*COOKIE.headers, path="/aal2")])
async def test_s06_who_comes_back_from_a_step_up_passes_at_once(served: Served, request_: Request) -> None:
    """Before a refusal for assurance, what was kept for over a second is asked for once more."""
    assert await served.status(request_) in (303, 403)
    methods = [{"method": "totp", "aal": "aal2", "completed_at": datetime.now(UTC).isoformat()}]
    risen = session(authenticator_assurance_level="aal2", authentication_methods=methods)
    served.kratos.responses[b"tok-A"] = served.kratos.responses[b"ck-A"] = raw_response(risen)
    served.clock.move(2)

    assert await served.status(request_) == 200
    assert len(served.kratos.requests) == 2


async def test_s07_a_handler_cannot_change_the_next_ones_session(served: Served) -> None:
    """Traits are the same object for all, and nobody can change them; the state is each request's own."""
    for _ in range(2):
        opened = served.open(token())
        state = (await anext(opened))["state"]
        assert state["session"].identity.traits == {"email": "a@x.test"}
        with pytest.raises(TypeError):
            state["session"].identity.traits["email"] = "b@x.test"
        state["session"] = None
        assert [message["type"] async for message in opened] == ["http.response.start", "http.response.body"]


async def test_s12_the_wall_clock_cannot_prolong_anything(served: Served) -> None:
    """Set back by an hour, it keeps no entry beyond its time, and revives no session that is over."""
    assert await served.status(token()) == 200
    served.clock.wall -= 3_600
    served.clock.steady += 31
    served.kratos.responses.clear()
    assert await served.status(token()) == 401

    ended = datetime.fromtimestamp(served.clock.wall, UTC) - timedelta(seconds=61)
    served.kratos.responses[b"tok-B"] = raw_response(session(BOB, expires_at=ended.isoformat()))
    assert await served.status(token("tok-B")) == 401


async def test_s14_a_refusal_is_forgotten_after_five_seconds(served: Served) -> None:
    """A token that becomes valid is asked about once until then, and accepted after that."""
    served.kratos.handler = respond(UNAUTHORIZED)
    assert [await served.status(token()) for _ in range(5)] == [401] * 5
    assert len(served.kratos.requests) == 1

    served.kratos.handler = None
    served.clock.move(5)
    assert await served.status(token()) == 200
