"""JWTs: they are accepted for the requirements that their claims prove, until their session ends."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any, Final

import httpx2
import pytest
from support.clock import NOW
from support.memory_store import MemoryServer, MemoryStore, eventually
from support.minting import claims_of, ec_key, jwks_of, raw_token, token_of
from support.scripted_kratos import SESSION_ID
from support.token_bench import KEY, TokenBench, bearer_scope, verifier_of

from ory_guard import Authenticated, Rejected, Unavailable
from ory_guard.exceptions import Refusal

pytestmark = pytest.mark.anyio

FOREIGN_KEY: Final = ec_key("k1")
NOW_S: Final = int(NOW.timestamp())
URL: Final = "https://keys.example.com/jwks.json"


@pytest.fixture
async def bench() -> AsyncIterator[TokenBench]:
    made = TokenBench(whoami_required_aal="aal1")
    yield made
    await made.guard.aclose()


async def test_expired_token_is_accepted_within_the_clock_skew(bench: TokenBench) -> None:
    """It is not cached for longer than that."""
    expired = token_of(KEY, iat=NOW_S - 500, nbf=NOW_S - 500, exp=NOW_S - 59)
    assert isinstance(await bench.ask(expired), Authenticated)

    bench.clock.advance(1)

    assert isinstance(await bench.ask(expired), Rejected)


async def test_key_urls_in_a_token_are_ignored(bench: TokenBench) -> None:
    """The server that `jku` and `x5u` name receives no request."""
    received: list[str] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        received.append((await reader.readline()).decode())
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/jwks"
    for header in ({"jku": url}, {"x5u": url}):
        assert await bench.ask(token_of(FOREIGN_KEY, header)) == Rejected("inactive", "bearer")
    server.close()
    await server.wait_closed()

    assert received == []


async def test_unknown_key_ids_cause_few_requests() -> None:
    """A thousand of them arrive in five seconds; a valid token is accepted throughout."""
    requests = 0

    def count(_request: httpx2.Request) -> httpx2.Response:
        nonlocal requests
        requests += 1
        return httpx2.Response(200, json=jwks_of(KEY))

    bench = TokenBench(verifier_of(URL, transport=httpx2.MockTransport(count)))
    valid = token_of(KEY)
    assert isinstance(await bench.ask(valid), Authenticated)
    bench.clock.advance(31)

    for number in range(1_000):
        unknown = raw_token({"alg": "ES256", "kid": f"unknown-{number}"}, claims_of(), b"s" * 64)
        assert isinstance(await bench.ask(unknown), Rejected)
        bench.clock.advance(0.005)
        if number % 100 == 0:
            assert isinstance(await bench.ask(valid), Authenticated)

    assert requests == 4
    assert bench.kratos.requests == []
    await bench.guard.aclose()


async def test_token_is_rejected_in_all_processes_after_an_invalidation() -> None:
    """Also a token of the same session that is not cached, and in a process that starts later."""
    memory_server = MemoryServer()
    first, second = TokenBench(store=MemoryStore(memory_server)), TokenBench(store=MemoryStore(memory_server))
    token = token_of(KEY)
    assert isinstance(await first.ask(token), Authenticated)
    assert isinstance(await second.ask(token), Authenticated)

    await first.guard.invalidate(session_id=SESSION_ID)
    await eventually(lambda: second.guard.authentication.cache.revocations.revoked_at(SESSION_ID) > 0)

    for bench in (first, second):
        assert await bench.ask(token) == Rejected("inactive", "bearer")
        assert await bench.ask(token_of(KEY, jti="two")) == Rejected("inactive", "bearer")
    third = TokenBench(store=MemoryStore(memory_server))
    assert await third.ask(token) == Rejected("inactive", "bearer")
    for bench in (first, second, third):
        assert bench.kratos.requests == []
        await bench.guard.aclose()


async def test_token_issued_within_the_clock_skew_of_an_invalidation_is_rejected(bench: TokenBench) -> None:
    """The clock of Kratos may be ahead by the skew, so the token may be older than the invalidation."""
    await bench.guard.invalidate(identity_id=claims_of()["sub"])
    bench.clock.advance(70)

    for issued, expected in [(10, Rejected), (60, Rejected), (61, Authenticated)]:
        iat = NOW_S + issued
        assert isinstance(await bench.ask(token_of(KEY, iat=iat, nbf=iat, exp=iat + 60)), expected)


@pytest.mark.parametrize("conditions", [{"aal": "aal2"}, {"max_age": 900.0}, {"verified": True}], ids=str)
async def test_token_must_prove_the_requirement(bench: TokenBench, conditions: dict[str, Any]) -> None:
    """The guard calls Kratos. If Kratos does not know the token, the caller stays authenticated by it."""
    scope = bearer_scope(token_of(KEY))

    with pytest.raises(Refusal) as error:
        await bench.guard.require(scope, **conditions)

    assert error.value.status_code == 403
    assert len(bench.kratos.requests) == 1
    assert scope["state"]["auth"].source == "token"
    assert isinstance(await bench.ask(token_of(KEY)), Authenticated)


@pytest.mark.parametrize(
    ("body", "keeps"),
    [(b"<html>", True), (b'{"keys": 5}', True), (b" " * 300_000, True), (b'{"keys": []}', False)],
    ids=["html", "no list", "large", "no key"],
)
async def test_invalid_jwks_keeps_the_known_keys(body: bytes, *, keeps: bool) -> None:
    """A valid JWKS without keys removes them; tokens are unavailable until there are others."""
    bodies = [json.dumps(jwks_of(KEY)).encode(), body]
    server = httpx2.MockTransport(lambda _request: httpx2.Response(200, content=bodies.pop(0)))
    bench = TokenBench(verifier_of(URL, transport=server))
    await bench.ask(token_of(KEY))
    bench.clock.advance(301)

    await bench.ask(token_of(KEY))
    await eventually(lambda: not bodies)
    outcome = await bench.ask(token_of(KEY, jti="two"))

    assert isinstance(outcome, Authenticated if keeps else Unavailable)
    await bench.guard.aclose()
