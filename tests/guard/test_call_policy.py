"""The policy of calls: no client closes the door for others."""

import asyncio
from typing import Any

import pytest
from support.guard_bench import Bench, Pair
from support.scripted_kratos import STEP_UP, KratosRequest, KratosResponse, refused, session_body, signed_in

from ory_guard import Authenticated, Rejected, Unavailable
from ory_guard.events import BreakerChanged, CheckFailed
from ory_guard.models.credential import Credential

pytestmark = pytest.mark.anyio


def token(value: str) -> Pair:
    return b"x-session-token", value.encode()


def user_session(request_: KratosRequest) -> KratosResponse:
    """Return a session whose identity is the first part of the token, or 401 for other tokens."""
    value = request_.header("x-session-token") or ""
    if not value.startswith("user"):
        return refused(401)
    return signed_in(session_body(id=f"session-{value}", identity={"id": value.partition(".")[0]}))


async def bench_of_users(*names: str, **options: Any) -> Bench:
    """Return a guard without a cache that knows these tokens."""
    bench = Bench(user_session, cache_ttl=0, negative_ttl=0, **options)
    for name in names:
        assert isinstance(await bench.outcome(token(name)), Authenticated)
    return bench


def fail(request_: KratosRequest) -> KratosResponse:
    """Fail for all credentials but those of users."""
    response = user_session(request_)
    return refused(500) if response.status == 401 else response


async def test_known_credentials_pass_the_breaker_that_invented_ones_opened() -> None:
    """A token that makes a firewall fail is not an outage of Kratos."""
    bench = await bench_of_users("user1", "user2")
    bench.kratos.responses = [fail]
    for number in range(5):
        assert await bench.outcome(token(f"poison{number}")) == Unavailable("unreachable")

    assert await bench.outcome(token("poison")) == Unavailable("breaker", 1)
    assert bench.guard.stats().breaker == "open"
    assert isinstance(await bench.outcome(token("user1")), Authenticated)
    assert bench.guard.stats().breaker == "closed"  # Kratos answers


async def test_failures_of_invented_credentials_do_not_count_while_kratos_responds_to_known_ones() -> None:
    """Users who log in during the attack are unknown, too. A failure of a known credential ends this."""
    bench = await bench_of_users(*["user1", "user2"] * 4)
    bench.kratos.responses = [fail]
    for number in range(20):
        assert await bench.outcome(token(f"poison{number}")) == Unavailable("unreachable")
    assert isinstance(await bench.outcome(token("user3")), Authenticated)

    bench.kratos.responses = [refused(500)]
    for value in ("user1", "poison1", "poison2", "poison3", "poison4"):
        assert await bench.outcome(token(value)) == Unavailable("unreachable")
    assert await bench.outcome(token("user4")) == Unavailable("breaker", 1)


@pytest.mark.parametrize(
    ("addresses", "outcome"),
    [
        pytest.param(["192.0.2.1"] * 8, Authenticated, id="one address"),
        pytest.param(["192.0.2.1", "192.0.2.2"] * 4, Authenticated, id="two addresses"),
        pytest.param(["192.0.2.1", "192.0.2.2", "192.0.2.3"] * 3, Unavailable, id="three addresses"),
        pytest.param(["192.0.2.9"] * 8, Unavailable, id="the address of the user"),
    ],
)
async def test_failures_of_few_clients_stop_no_login_of_others(addresses: list[str], outcome: type[Any]) -> None:
    """Even if no known credential shows that Kratos responds. Those clients themselves are stopped."""
    bench = Bench(fail)
    for number, address in enumerate(addresses):
        await bench.outcome(token(f"poison{number}"), client=(address, 1))
    calls = bench.calls
    assert await bench.outcome(token("poison"), client=(addresses[-1], 1)) == Unavailable("breaker", 1)
    assert bench.calls == calls == 5

    assert isinstance(await bench.outcome(token("user1"), client=("192.0.2.9", 1)), outcome)


async def test_failures_of_one_identity_do_not_open_the_breaker() -> None:
    """However many sessions it has; the same holds for two cookies of a request."""
    bench = await bench_of_users(*(f"user1.{number}" for number in range(10)), "user2")
    bench.kratos.responses = [refused(500)]
    for number in range(10):
        assert await bench.outcome(token(f"user1.{number}")) == Unavailable("unreachable")

    bench.kratos.responses = [user_session]
    assert isinstance(await bench.outcome(token("user2")), Authenticated)


async def test_failures_of_known_credentials_stop_all_calls() -> None:
    bench = await bench_of_users("user1", "user2", "user3")
    bench.kratos.responses = [OSError()]
    for name in ("user1", "user2") * 3:
        await bench.outcome(token(name))
    calls = bench.calls

    assert await bench.outcome(token("user3")) == Unavailable("breaker", 1)
    assert await bench.outcome(token("stranger")) == Unavailable("breaker", 1)
    assert bench.calls == calls
    bench.clock.advance(1)
    bench.kratos.responses = [user_session]
    assert isinstance(await bench.outcome(token("user3")), Authenticated)
    assert isinstance(await bench.outcome(token("stranger")), Rejected)
    states = [event.state for event in bench.emitted(BreakerChanged) if isinstance(event, BreakerChanged)]
    assert states[0] == "open"
    assert states[-1] == "closed"


@pytest.mark.parametrize("number", [3, 300])
async def test_429_of_three_accounts_hold_no_other_user(number: int) -> None:
    """Each of their sessions is held for its own time."""
    users = [f"user{name}" for name in range(4, 10)]
    attackers = [f"user{session % 3}.{session}" for session in range(number)]
    bench = await bench_of_users(*attackers, *users)

    def limit(request_: KratosRequest) -> KratosResponse:
        if request_.header("x-session-token") in attackers:
            return KratosResponse(429, b"", (("retry-after", "30"),))
        return user_session(request_)

    bench.kratos.responses = [limit]
    for name in users:
        await bench.outcome(token(name))
    assert {await bench.outcome(token(name)) for name in attackers} == {Unavailable("rate_limited", 30)}
    assert {type(await bench.outcome(token(name))) for name in users} == {Authenticated}
    assert isinstance(await bench.outcome(token("new")), Rejected)
    assert not bench.guard.stats().rate_limited


async def test_429_of_most_users_hold_all_but_probes() -> None:
    users = [f"user{name}" for name in range(10)]
    bench = await bench_of_users(*users)
    bench.clock.advance(2)
    bench.kratos.responses = [KratosResponse(429, b"", (("retry-after", "30"),))]
    for name in users[:5]:
        assert await bench.outcome(token(name)) == Unavailable("rate_limited", 30)
    calls = bench.calls
    assert calls == 10 + 4  # the fourth one was a probe

    stats = bench.guard.stats()
    assert (stats.rate_limited, stats.degraded, stats.breaker) == (True, True, "closed")
    assert await bench.outcome(token("stranger")) == Unavailable("rate_limited", 30)
    assert bench.calls == calls
    bench.kratos.responses = [user_session]
    bench.clock.advance(0.1)
    assert isinstance(await bench.outcome(token("user9")), Authenticated)
    assert await bench.outcome(token("user0")) == Unavailable("rate_limited", 30)
    assert not bench.guard.stats().rate_limited


@pytest.mark.parametrize(
    ("ids", "response", "known"),
    [
        ({"session_id": "session-user1"}, None, 0),
        ({"identity_id": "user1"}, None, 0),
        ({"identity_id": "another"}, None, 1),
        ({}, refused(401), 0),
        ({}, STEP_UP, 1),
        ({}, refused(500), 1),
    ],
)
async def test_rejection_or_invalidation_makes_a_credential_unknown(
    ids: dict[str, str], response: KratosResponse | None, known: int
) -> None:
    bench = await bench_of_users("user1")
    if response is None:
        await bench.guard.invalidate(**ids)
    else:
        bench.kratos.responses = [response]
        await bench.outcome(token("user1"))

    assert bench.guard.stats().known_credentials == known


async def test_revoked_credential_becomes_unknown() -> None:
    """As after a logout whose session is unknown."""
    bench = await bench_of_users("user1")
    authentication, credential = bench.guard.authentication, Credential("x_session_token", b"", b"user1")

    await authentication.invalidate_credential(authentication.cache_key(credential), credential)

    assert bench.guard.stats().known_credentials == 0


async def test_call_without_a_slot_is_counted_by_class() -> None:
    """A credential without a slot comes first at its next try, and the event says that Kratos was not called."""
    bench = Bench(max_upstream_concurrency=1, timeout=0.05)
    bench.kratos.hold()
    tasks = [asyncio.ensure_future(bench.outcome(token(f"t{number}"))) for number in range(3)]
    await asyncio.sleep(0.01)
    stats = bench.guard.stats()
    assert (stats.unknown.calls, stats.unknown.waiting, stats.known.calls) == (1, 2, 0)

    outcomes = await asyncio.gather(*tasks)

    assert outcomes == [Unavailable("timeout"), Unavailable("overloaded"), Unavailable("overloaded")]
    assert bench.guard.stats().unknown.shed == 2
    failed = [event for event in bench.emitted(CheckFailed) if isinstance(event, CheckFailed)]
    assert sorted((event.reason, event.sent, event.known) for event in failed) == [
        ("overloaded", False, False),
        ("overloaded", False, False),
        ("timeout", True, False),
    ]
    bench.kratos.release()
    assert isinstance(await bench.outcome(token("t1")), Authenticated)


@pytest.mark.parametrize(
    ("client", "is_first"),
    [(("192.0.2.7", 1), True), (("192.0.2.1", 2), False), (None, True), ((), True)],
    ids=["another address", "the same address", "no address", "an empty address"],
)
async def test_login_of_another_client_comes_before_a_flood(client: object, *, is_first: bool) -> None:
    """Even if its credential has the same form; within one address, the newest request comes first anyway."""
    bench = Bench(user_session, max_upstream_concurrency=2, timeout=5)
    bench.kratos.hold()

    def send(value: str, address: object) -> asyncio.Task[Any]:
        return asyncio.ensure_future(bench.outcome(token(value), client=address))

    flood = [send(f"random{number:04}", ("192.0.2.1", number)) for number in range(20)]
    await asyncio.sleep(0.001)
    login = send("user-newest", client)
    await asyncio.sleep(0.001)
    late = send("random9999", ("192.0.2.1", 1))
    await asyncio.sleep(0.001)
    bench.kratos.release()
    await asyncio.gather(*flood, login, late)

    order = [sent.header("x-session-token") for sent in bench.kratos.requests]
    assert (order[1] == "user-newest") is is_first


def test_number_of_returning_credentials_is_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ory_guard.guard.call_policy._MAX_SHED", 3)
    policy = Bench().guard.authentication.checker.calls.policy
    credential = Credential("x_session_token", b"", b"t")
    for number in range(5):
        policy.record(policy.caller(b"%d" % number, credential), Unavailable("overloaded"))

    flows = [policy.caller(b"%d" % number, credential, client=("192.0.2.1", 1)).flow for number in range(5)]
    assert [flow == ("192.0.2.1", "returning") for flow in flows] == [False, False, True, True, True]
    # A returning credential of another client does not keep one from the last slots.
    assert policy.caller(b"4", credential, client=("192.0.2.2", 1)).flow not in flows
