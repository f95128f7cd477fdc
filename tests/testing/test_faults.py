"""Faults and the request log."""

import contextlib
from collections.abc import AsyncIterator

import httpx2
import pytest
from starlette.types import Message
from support.flow_client import PASSWORD, FlowClient
from support.served_kratos import listening_socket, serving

from ory_guard.testing import FakeKratos, Fault, ManualClock

pytestmark = pytest.mark.anyio


async def test_fault_applies_to_the_given_number_of_requests(fake: FakeKratos, browser: FlowClient) -> None:
    fake.fail(Fault.rate_limited(7), times=2)
    responses = [await browser.whoami() for _ in range(3)]

    assert [response.status_code for response in responses] == [429, 429, 401]
    assert responses[0].headers["retry-after"] == "7"


async def test_fault_can_be_limited_to_a_path(fake: FakeKratos, browser: FlowClient) -> None:
    fake.fail(Fault.server_error(502), path="/sessions/whoami")

    assert (await browser.get("/health/alive")).status_code == 200
    assert (len(fake.faults), (await browser.whoami()).status_code, len(fake.faults)) == (1, 502, 0)


async def test_faults_can_be_cleared(fake: FakeKratos, browser: FlowClient) -> None:
    fake.fail(Fault.server_error(), times=9)
    fake.faults.clear()

    assert (await browser.whoami()).status_code == 401


def test_fault_must_apply_at_least_once(fake: FakeKratos) -> None:
    with pytest.raises(ValueError, match="times must be 1 or more, not 0"):
        fake.fail(Fault.reset(), times=0)


async def test_reset_raises_in_process_and_is_logged_without_a_status(
    fake: FakeKratos, browser: FlowClient
) -> None:
    fake.fail(Fault.reset())
    with pytest.raises(ConnectionResetError):
        await browser.whoami()

    assert fake.requests[0].status == 0


async def test_wrong_body_keeps_status_and_headers(fake: FakeKratos, browser: FlowClient) -> None:
    fake.fail(Fault.wrong_body(b"<html>"))
    response = await browser.whoami()

    assert (response.status_code, response.headers["content-type"]) == (401, "application/json")
    assert response.content == b"<html>"


async def test_truncated_body_is_shorter_than_its_content_length(fake: FakeKratos, browser: FlowClient) -> None:
    complete = await browser.whoami()
    fake.fail(Fault.truncated())
    truncated = await browser.whoami()

    assert truncated.headers["content-length"] == complete.headers["content-length"]
    assert truncated.content == complete.content[: len(complete.content) // 2]


async def test_latency_and_drip_wait_for_their_seconds(clock: ManualClock) -> None:
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
    assert len([message for message in sent if message["type"] == "http.response.body"]) == 17


async def test_request_log_is_searchable(fake: FakeKratos, browser: FlowClient) -> None:
    await browser.get("/health/alive")
    await browser.get("/sessions/whoami", tokenize_as="x")
    await browser.whoami()
    log = fake.requests

    assert (len(log), log.whoami_calls, next(iter(log)).path) == (3, 2, "/health/alive")
    assert len(log.matching(path="/sessions/whoami")) == 2
    assert len(log.matching(query={"tokenize_as": "x"})) == 1
    assert len(log.matching(headers={"Accept": "application/json"}, status=401)) == 2
    assert log.matching(method="post") == []
    assert repr(log) == "<RequestLog 3 requests, 2 of whoami>"


async def test_assert_whoami_calls_counts_since_the_log_was_cleared(fake: FakeKratos, browser: FlowClient) -> None:
    for _ in range(2):
        await browser.whoami()
    fake.assert_whoami_calls(2)
    with pytest.raises(AssertionError, match="whoami was called 2 times, not 1"):
        fake.assert_whoami_calls(1)
    fake.requests.clear()

    fake.assert_whoami_calls(0)


@contextlib.asynccontextmanager
async def served(fake: FakeKratos) -> AsyncIterator[httpx2.AsyncClient]:
    """Serve the fake on a socket, and yield a client of it."""
    with listening_socket() as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        headers = {"user-agent": "my-app/1"}
        async with serving(fake.app, listener), httpx2.AsyncClient(base_url=url, headers=headers) as client:
            yield client


@pytest.mark.parametrize("fault", [Fault.reset(), Fault.truncated()], ids=["reset", "truncated"])
async def test_broken_connection_is_seen_by_the_client(fake: FakeKratos, fault: Fault) -> None:
    """The next request succeeds."""
    async with served(fake) as client:
        fake.fail(fault)
        with pytest.raises((httpx2.RemoteProtocolError, httpx2.ReadError)):
            await client.get("/sessions/whoami")
        response = await client.get("/health/ready")

    assert response.json() == {"status": "ok"}


@pytest.mark.usefixtures("ada")
async def test_device_is_taken_from_the_connection(fake: FakeKratos) -> None:
    form = {"method": "password", "identifier": "ada@example.test", "password": PASSWORD}
    async with served(fake) as client:
        flow = (await client.get("/self-service/login/api")).json()
        response = await client.post("/self-service/login", params={"flow": flow["id"]}, json=form)

    device = response.json()["session"]["devices"][0]
    assert (device["user_agent"], device["ip_address"].split(":")[0]) == ("my-app/1", "127.0.0.1")
