"""Faults on demand and the record of requests."""

import pytest
from starlette.types import Message
from visitor import Visitor

from ory_guard.testing import FakeKratos, Fault, ManualClock

pytestmark = pytest.mark.anyio


async def test_a_fault_hits_as_many_requests_as_asked_for(fake: FakeKratos) -> None:
    """The next requests go wrong, and then all is well again."""
    fake.fail(Fault.rate_limited(7), times=2)
    visitor = Visitor(fake)
    answers = [await visitor.whoami() for _ in range(3)]

    assert [one.status_code for one in answers] == [429, 429, 401]
    assert answers[0].headers["retry-after"] == "7"


async def test_a_fault_can_wait_for_its_path(fake: FakeKratos) -> None:
    """Requests elsewhere go well meanwhile."""
    fake.fail(Fault.server_error(502), path="/sessions/whoami")
    visitor = Visitor(fake)

    assert (await visitor.get("/health/alive")).status_code == 200
    assert (len(fake.faults), (await visitor.whoami()).status_code, len(fake.faults)) == (1, 502, 0)


async def test_faults_can_be_called_off(fake: FakeKratos) -> None:
    """What was planned is forgotten."""
    fake.fail(Fault.server_error(), times=9)
    fake.faults.clear()

    assert (await Visitor(fake).whoami()).status_code == 401


async def test_a_fault_happens_at_least_once(fake: FakeKratos) -> None:
    """Zero times is a mistake in the test."""
    with pytest.raises(ValueError, match="times must be 1 or more, not 0"):
        fake.fail(Fault.reset(), times=0)


async def test_a_reset_breaks_the_connection(fake: FakeKratos) -> None:
    """In process it is the error that a broken socket gives, and the record says that nothing was answered."""
    fake.fail(Fault.reset())
    with pytest.raises(ConnectionResetError):
        await Visitor(fake).whoami()

    assert fake.requests[0].status == 0


async def test_a_wrong_body_comes_under_the_right_headers(fake: FakeKratos) -> None:
    """Status and content type are those of the answer that is hidden."""
    fake.fail(Fault.wrong_body(b"<html>"))
    answer = await Visitor(fake).whoami()

    assert (answer.status_code, answer.headers["content-type"], answer.content) == (
        401,
        "application/json",
        b"<html>",
    )


async def test_a_truncated_body_is_shorter_than_announced(fake: FakeKratos) -> None:
    """Half of the body comes under the length of the whole."""
    whole = await Visitor(fake).whoami()
    fake.fail(Fault.truncated())
    half = await Visitor(fake).whoami()

    assert half.headers["content-length"] == whole.headers["content-length"]
    assert half.content == whole.content[: len(whole.content) // 2]


async def test_slow_answers_wait_as_long_as_told(clock: ManualClock) -> None:
    """Latency comes before the answer, a drip within it."""
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    fake = FakeKratos(clock=clock, sleep=sleep)
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        sent.append(message)

    fake.fail(Fault.latency(2.5))
    fake.fail(Fault.slow_drip(1.6))
    scope = {"type": "http", "method": "GET", "path": "/sessions/whoami", "headers": []}
    await fake.app(scope, receive, send)
    await fake.app(scope, receive, send)

    assert waits[0] == 2.5
    assert sum(waits[1:]) == pytest.approx(1.5)
    assert len([one for one in sent if one["type"] == "http.response.body"]) == 17


async def test_requests_are_recorded_and_found(fake: FakeKratos) -> None:
    """A record is found by method, path, query, headers and status, and counted for whoami."""
    visitor = Visitor(fake)
    await visitor.get("/health/alive")
    await visitor.get("/sessions/whoami", tokenize_as="x")
    await visitor.whoami()
    log = fake.requests

    assert (len(log), log.whoami_calls, next(iter(log)).path) == (3, 2, "/health/alive")
    assert len(log.matching(path="/sessions/whoami")) == 2
    assert len(log.matching(query={"tokenize_as": "x"})) == 1
    assert len(log.matching(headers={"Accept": "application/json"}, status=401)) == 2
    assert log.matching(method="post") == []
    assert repr(log) == "<RequestLog 3 requests, 2 of whoami>"
    fake.assert_whoami_calls(2)
    with pytest.raises(AssertionError, match="whoami was called 2 times, not 1"):
        fake.assert_whoami_calls(1)
    log.clear()
    fake.assert_whoami_calls(0)
