"""The fake behind a real server on a real socket."""

import contextlib
from collections.abc import AsyncIterator

import httpx2
import pytest
from served_kratos import listening_socket, serving

from ory_guard.testing import FakeKratos, Fault

pytestmark = pytest.mark.anyio


@contextlib.asynccontextmanager
async def served(fake: FakeKratos) -> AsyncIterator[str]:
    """Serve the fake on a free port of the loopback interface."""
    with listening_socket() as listener:
        async with serving(fake.app, listener):
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"


@pytest.mark.parametrize("fault", [Fault.reset(), Fault.truncated()], ids=["reset", "truncated"])
async def test_a_connection_that_breaks_is_seen_by_the_client(fake: FakeKratos, fault: Fault) -> None:
    """Over a socket both faults are a broken answer, and the next request goes well."""
    async with served(fake) as url, httpx2.AsyncClient(base_url=url) as client:
        fake.fail(fault)
        with pytest.raises((httpx2.RemoteProtocolError, httpx2.ReadError)):
            await client.get("/sessions/whoami")
        answer = await client.get("/health/ready")

    assert answer.json() == {"status": "ok"}


async def test_a_session_has_the_device_it_was_begun_with(fake: FakeKratos) -> None:
    """The address and the client's name come from the connection."""
    fake.add_identity("ada@example.test")
    form = {"method": "password", "identifier": "ada@example.test", "password": "correct-horse-battery-9"}
    async with served(fake) as url, httpx2.AsyncClient(base_url=url, headers={"user-agent": "my-app/1"}) as client:
        flow = (await client.get("/self-service/login/api")).json()
        answer = await client.post("/self-service/login", params={"flow": flow["id"]}, json=form)

    device = answer.json()["session"]["devices"][0]
    assert (device["user_agent"], device["ip_address"].split(":")[0]) == ("my-app/1", "127.0.0.1")
