"""Tests of keys in files and URLs: their refreshes, and the budget of reads."""

import asyncio
import json
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import httpx2
import pytest
from support.clock import AdjustableClock
from support.memory_store import eventually
from support.minting import claims_of, ec_key, jwks_of, raw_token, token_of
from support.token_bench import KEY, TokenBench, verifier_of

from ory_guard import Authenticated, Rejected, Unavailable

pytestmark = pytest.mark.anyio

URL = "https://keys.example.com/jwks.json"


class KeyServer(httpx2.AsyncBaseTransport):
    """A JWKS URL with delayed responses."""

    def __init__(self) -> None:
        self.ring = [KEY]
        self.fetched = 0
        self.open = asyncio.Event()
        self.open.set()
        self.status = 200

    async def handle_async_request(self, _request: httpx2.Request) -> httpx2.Response:
        """Return the keys at the time of the request."""
        self.fetched += 1
        content = json.dumps(jwks_of(*self.ring)).encode()
        await self.open.wait()
        return httpx2.Response(self.status, content=content)


async def test_file_is_refreshed_for_an_unknown_key(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A missing file keeps the keys."""
    path = tmp_path / "jwks.json"
    path.write_text(json.dumps(jwks_of(KEY)))
    bench = TokenBench(verifier_of(str(path)))
    assert isinstance(await bench.ask(token_of(KEY)), Authenticated)

    new = ec_key("k2")
    path.write_text(json.dumps(jwks_of(KEY, new)))
    assert isinstance(await bench.ask(token_of(new)), Authenticated)
    path.unlink()
    bench.clock.advance(400)
    assert isinstance(await bench.ask(token_of(new, exp=claims_of()["exp"])), Authenticated)
    await eventually(lambda: caplog.messages)
    assert caplog.messages == [f"jwks.refresh_failed error=FileNotFoundError ({path})"]
    await bench.guard.aclose()


async def test_concurrent_tokens_share_one_request() -> None:
    server = KeyServer()
    server.open.clear()
    bench = TokenBench(verifier_of(URL, transport=server))
    calls = [asyncio.create_task(bench.ask(token_of(KEY, jti=str(number)))) for number in range(20)]
    await eventually(lambda: server.fetched)

    server.open.set()
    outcomes = await asyncio.gather(*calls)

    assert all(isinstance(outcome, Authenticated) for outcome in outcomes)
    assert server.fetched == 1
    await bench.guard.aclose()


async def test_keys_are_refreshed_in_the_background() -> None:
    server = KeyServer()
    bench = TokenBench(verifier_of(URL, transport=server))
    await bench.ask(token_of(KEY))
    server.open.clear()
    bench.clock.advance(301)

    assert isinstance(await bench.ask(token_of(KEY, jti="two")), Authenticated)
    assert isinstance(await bench.ask(token_of(KEY, jti="three")), Authenticated)
    await eventually(lambda: server.fetched == 2)
    await bench.guard.aclose()


async def test_aclose_is_idempotent() -> None:
    verifier = verifier_of(URL, transport=KeyServer())
    await verifier.verify(token_of(KEY), AdjustableClock())
    await verifier.aclose()
    await verifier.aclose()
    await verifier_of().aclose()


async def test_aclose_cancels_the_refresh() -> None:
    """Waiting requests are unavailable, and no task remains."""
    server = KeyServer()
    server.open.clear()
    verifier = verifier_of(URL, transport=server)
    bench = TokenBench(verifier)
    before = asyncio.all_tasks()
    call = asyncio.create_task(bench.ask(token_of(KEY)))
    await eventually(lambda: server.fetched)

    await verifier.aclose()

    assert await call == Unavailable("unreachable")
    await bench.guard.aclose()
    assert asyncio.all_tasks() == before


async def test_canceled_refresh_does_not_delay_the_next_one() -> None:
    server = KeyServer()
    server.open.clear()
    bench = TokenBench(verifier_of(URL, transport=server))
    call = asyncio.create_task(bench.ask(token_of(KEY)))
    await eventually(lambda: server.fetched)
    await bench.guard.aclose()
    await call
    server.open.set()

    assert isinstance(await bench.ask(token_of(KEY)), Authenticated)
    await bench.guard.aclose()


async def test_tokens_are_unavailable_until_the_keys_are_read() -> None:
    """Without keys, a token is unavailable, not rejected, and reads are half a second apart."""
    server = KeyServer()
    server.status = 500
    bench = TokenBench(verifier_of(URL, transport=server))
    for _ in range(20):
        assert await bench.ask(token_of(KEY)) == Unavailable("unreachable")
        await bench.guard.aclose()  # a new event loop has to wait as well
        bench.clock.advance(0.25)
    assert server.fetched == 10

    server.status = 200

    assert isinstance(await bench.ask(token_of(KEY)), Authenticated)
    new = ec_key("k2")
    server.ring.append(new)
    assert isinstance(await bench.ask(token_of(new)), Authenticated)
    await bench.guard.aclose()


def unknown(number: int, **changes: Any) -> str:
    """Return a token with a well-formed signature of an unknown key."""
    return raw_token({"alg": "ES256", "kid": f"unknown-{number}"}, claims_of(**changes), b"s" * 64)


async def test_unknown_key_does_not_delay_a_rotation() -> None:
    server = KeyServer()
    bench = TokenBench(verifier_of(URL, transport=server))
    assert isinstance(await bench.ask(token_of(KEY)), Authenticated)
    assert isinstance(await bench.ask(unknown(1)), Rejected)

    new = ec_key("k2")
    server.ring.append(new)

    assert isinstance(await bench.ask(token_of(new)), Authenticated)
    assert server.fetched == 3
    await bench.guard.aclose()


async def test_reads_are_limited_to_three_in_thirty_seconds() -> None:
    """Whatever tokens arrive; known keys are used all the time."""
    server = KeyServer()
    verifier, clock = verifier_of(URL, transport=server), AdjustableClock()
    fetched_at: list[float] = []
    for number in range(1_000):
        before = server.fetched
        assert await verifier.verify(token_of(KEY, exp=claims_of()["exp"]), clock) is not None
        assert await verifier.verify(unknown(number), clock) is None
        fetched_at += [clock.monotonic()] * (server.fetched - before)
        clock.advance(0.1)

    assert len(fetched_at) == 12
    assert all(later - first >= 30 for first, later in zip(fetched_at, fetched_at[3:], strict=False))
    await verifier.aclose()


@pytest.mark.parametrize(
    "token",
    [
        raw_token({"alg": "ES256", "kid": "x"}, claims_of(exp=1), b"s" * 64),
        raw_token({"alg": "ES256", "kid": "x"}, claims_of(aud="other"), b"s" * 64),
        raw_token({"alg": "ES256", "kid": "x"}, claims_of(iss="other"), b"s" * 64),
        raw_token({"alg": "ES256", "kid": "x"}, [1], b"s" * 64),
        raw_token({"alg": "ES256", "kid": "x"}, claims_of(), b"s" * 63),
        raw_token({"alg": "ES384", "kid": "x"}, claims_of(), b"s" * 64),
        raw_token({"alg": "RS256", "kid": "x"}, claims_of(), b"s" * 255),
        raw_token({"alg": "HS256", "kid": "x"}, claims_of(), b"s" * 64),
        raw_token({"alg": "ES256"}, claims_of(), b"s" * 64),
        unknown(1) + "=",
        "a.b.c",
    ],
    ids=["expired", "aud", "iss", "list", "63 bytes", "ES384", "255 bytes", "HS256", "no kid", "padding", "text"],
)
async def test_token_that_is_invalid_with_any_key_causes_no_read(token: str) -> None:
    server = KeyServer()

    assert await verifier_of(URL, transport=server).verify(token, AdjustableClock()) is None

    assert server.fetched == 0


async def test_url_without_a_usable_key_is_logged_and_read_again(caplog: pytest.LogCaptureFixture) -> None:
    server = KeyServer()
    server.ring = []
    bench = TokenBench(verifier_of(URL, transport=server))
    assert await bench.ask(token_of(KEY)) == Unavailable("unreachable")
    assert caplog.messages[0].startswith("jwks.refresh_failed error=ValueError: the JWKS contains no key that can")
    assert caplog.messages[0].endswith(" (https://keys.example.com)")

    server.ring = [KEY]
    bench.clock.advance(0.5)
    assert isinstance(await bench.ask(token_of(KEY)), Authenticated)

    server.ring = []
    assert await bench.ask(unknown(1)) == Unavailable("unreachable")
    assert await bench.ask(token_of(KEY, jti="two")) == Unavailable("unreachable")
    server.ring = [KEY]
    bench.clock.advance(0.5)
    assert isinstance(await bench.ask(token_of(KEY, jti="two")), Authenticated)
    await bench.guard.aclose()


async def test_key_published_during_a_refresh_is_read_by_the_next_one() -> None:
    server = KeyServer()
    bench = TokenBench(verifier_of(URL, transport=server))
    await bench.ask(token_of(KEY))
    server.open.clear()
    stranger = asyncio.create_task(bench.ask(unknown(1)))
    await eventually(lambda: server.fetched == 2)
    new = ec_key("k2")
    user = asyncio.create_task(bench.ask(token_of(new)))
    await asyncio.sleep(0)
    server.ring.append(new)

    server.open.set()

    assert isinstance(await stranger, Rejected)
    assert isinstance(await user, Authenticated)
    assert server.fetched == 3
    await bench.guard.aclose()


async def test_stale_keys_are_not_used() -> None:
    server = KeyServer()
    bench = TokenBench(verifier_of(URL, transport=server, max_stale=60))
    await bench.ask(token_of(KEY))
    server.status = 500
    bench.clock.advance(61)

    assert await bench.ask(token_of(KEY, jti="two")) == Unavailable("unreachable")
    await bench.guard.aclose()


async def test_refresh_runs_in_an_empty_context() -> None:
    variable: ContextVar[str] = ContextVar("variable", default="unset")
    seen: list[str] = []

    class Transport(KeyServer):
        async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
            seen.append(variable.get())
            return await super().handle_async_request(request)

    bench = TokenBench(verifier_of(URL, transport=Transport()))
    variable.set("of the first request")
    assert isinstance(await bench.ask(token_of(KEY)), Authenticated)

    assert seen == ["unset"]
    await bench.guard.aclose()
