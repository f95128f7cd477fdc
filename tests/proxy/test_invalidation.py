"""Cached sessions that a forwarded request ends or changes are invalidated, and no others."""

import asyncio
from typing import Any

import httpx2
import pytest
from support.flow_client import PASSWORD, FlowClient, field_value
from support.memory_store import MemoryServer, MemoryStore, eventually

from ory_guard.events import RevocationsHeard, SessionsInvalidated
from ory_guard.testing import Fault

from .upstream import APP
from .walk import Walk, status, statuses

pytestmark = pytest.mark.anyio


async def log_out(client: FlowClient, accept: str = "application/json") -> httpx2.Response:
    """Log out as a browser."""
    flow = (await client.get("/self-service/logout/browser")).json()
    return await client.get(flow["logout_url"], accept)


@pytest.mark.parametrize("accept", ["application/json", "text/html"])
@pytest.mark.parametrize("is_cached", [True, False])
async def test_logout_ends_the_cached_session(accept: str, is_cached: bool) -> None:
    walk = Walk()
    identity = walk.fake.add_identity()
    signed_in = walk.fake.sign_in(identity)
    client, other, copy = walk.client(signed_in), walk.client(walk.fake.sign_in(identity)), walk.client(signed_in)
    assert await statuses([client, other] if is_cached else [other]) == [200, 200][: 1 + is_cached]
    response = await log_out(client, accept)

    assert response.status_code in (204, 303)
    assert client.client.cookies.get("ory_kratos_session") is None
    assert await statuses([client, copy, other]) == [401, 401, 200]
    assert len(walk.emitted(SessionsInvalidated)) == is_cached


@pytest.mark.parametrize("header", ["x-session-token", "authorization"])
async def test_native_logout_ends_the_cached_session_of_its_token(header: str) -> None:
    walk = Walk()
    signed_in = walk.fake.sign_in(walk.fake.add_identity())
    client = walk.client(native=True)
    client.client.headers[header] = signed_in.token if header == "x-session-token" else f"Bearer {signed_in.token}"
    assert await status(client) == 200
    path, body = "/self-service/logout/api", {"session_token": signed_in.token}
    response = await walk.client(native=True).client.request("DELETE", path, json=body)

    assert response.status_code == 204
    assert await status(client) == 401


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{", b"[" * 50_000, b'{"session_token": 1}', b'{"session_token": "\xc3\xa4"}']
)
async def test_native_logout_without_a_token_is_forwarded(body: bytes) -> None:
    walk = Walk()
    headers = {"content-type": "application/json"}
    response = await walk.client(native=True).client.request(
        "DELETE", "/self-service/logout/api", content=body, headers=headers
    )

    assert response.status_code in (400, 403)


@pytest.mark.parametrize("is_cached", [True, False])
async def test_revoking_the_other_sessions_ends_them_in_the_cache(is_cached: bool) -> None:
    walk = Walk()
    identity = walk.fake.add_identity()
    client, other, stranger = (
        walk.client(walk.fake.sign_in(owner)) for owner in (identity, identity, walk.fake.add_identity())
    )
    await statuses([other, stranger, *([client] if is_cached else [])])
    calls = walk.fake.requests.whoami_calls
    response = await client.client.delete("/sessions")

    assert (response.status_code, response.json()) == (200, {"count": 1})
    assert walk.fake.requests.whoami_calls == calls + (not is_cached)
    assert await statuses([other, client, stranger]) == [401, 200, 200]


async def test_revoking_one_session_ends_it_in_the_cache() -> None:
    walk = Walk()
    identity = walk.fake.add_identity()
    signed_in = walk.fake.sign_in(identity)
    client, other = walk.client(walk.fake.sign_in(identity)), walk.client(signed_in)
    assert await statuses([client, other]) == [200, 200]
    response = await client.client.delete(f"/sessions/{signed_in.session.id}")

    assert response.status_code == 204
    assert walk.events[-1] == SessionsInvalidated(signed_in.session.id, None)
    assert await statuses([client, other]) == [200, 401]


async def test_session_is_revoked_only_if_kratos_confirms_it() -> None:
    walk = Walk()
    signed_in = walk.fake.sign_in(walk.fake.add_identity())
    client = walk.client(signed_in)
    await status(client)
    refused = [
        await walk.client().client.delete(f"/sessions/{signed_in.session.id}"),  # without a credential
        await client.client.delete(f"/sessions/{signed_in.session.id}"),  # the current session
    ]

    assert [response.status_code for response in refused] == [401, 400]
    assert walk.emitted(SessionsInvalidated) == []


async def change_name(client: FlowClient, accept: str) -> httpx2.Response:
    """Change the name in the settings."""
    flow = await client.create_flow("settings")
    traits = {"traits.email": field_value(flow, "traits.email"), "traits.name.first": "Grace"}
    if accept == "text/html":
        return await client.submit_form(flow, method="profile", **traits)
    nested = {"email": traits["traits.email"], "name": {"first": "Grace"}}
    return await client.submit(flow, method="profile", traits=nested)


@pytest.mark.parametrize("accept", ["application/json", "text/html"])
@pytest.mark.parametrize("is_cached", [True, False])
async def test_changed_settings_are_seen_in_all_sessions_of_the_identity(accept: str, is_cached: bool) -> None:
    walk = Walk()
    identity = walk.fake.add_identity(traits={"name": {"first": "Ada"}})
    client, other = (walk.client(walk.fake.sign_in(identity)) for _ in range(2))
    await statuses([client, other] if is_cached else [other])
    response = await change_name(client, accept)

    assert response.status_code in (200, 303)
    assert [(await each.get(f"{APP}/me")).json()["name"] for each in (client, other)] == [{"first": "Grace"}] * 2


async def test_changed_password_that_revokes_other_sessions_ends_them_in_the_cache() -> None:
    walk = Walk()
    identity = walk.fake.add_identity()
    signed_in = walk.fake.sign_in(identity)
    client, other = walk.client(walk.fake.sign_in(identity)), walk.client(signed_in)
    assert await statuses([client, other]) == [200, 200]
    walk.fake.revoke(signed_in.session)  # as Kratos' hook `revoke_active_sessions` does
    response = await client.submit(
        await client.create_flow("settings"), method="password", password="another-quay-8"
    )

    assert response.status_code == 200
    assert await statuses([client, other]) == [200, 401]


@pytest.mark.parametrize("native", [True, False])
async def test_step_up_leaves_no_session_at_aal1(native: bool) -> None:
    walk = Walk(settings={"whoami_required_aal": "aal1"}, whoami_required_aal="aal1")
    identity = walk.fake.add_identity(totp=True)
    client = walk.client(walk.fake.sign_in(identity), native=native)
    assert await status(client) == 200
    flow = await client.create_flow("login", aal="aal2")
    response = await client.submit(flow, method="totp", totp_code=walk.fake.totp_code(identity))

    assert response.status_code == 200
    assert await statuses([client], "/vault") == [200]


async def test_attempts_without_success_invalidate_nothing() -> None:
    walk = Walk()
    identity = walk.fake.add_identity("ada@example.test")
    client = walk.client(walk.fake.sign_in(identity))
    await status(client)
    flow = await client.create_flow("login", refresh="true")
    wrong = await client.submit(flow, method="password", identifier="ada@example.test", password="wrong-password")
    await client.get("/sessions/whoami")
    await client.get("/sessions")
    await client.create_flow("settings")

    assert wrong.status_code == 400
    assert walk.emitted(SessionsInvalidated) == []


@pytest.mark.parametrize("flow_name", ["login", "recovery"])
async def test_unknown_credentials_are_not_recorded(flow_name: str) -> None:
    """A client that sends any number of cookies does not fill the log of revocations."""
    walk = Walk()
    client = walk.client()
    flow = await client.create_flow(flow_name)
    revocations = walk.guard.authentication.cache.revocations
    before = revocations.last_revocation
    for number in range(3):
        client.client.cookies.set("ory_kratos_session", f"unknown-{number}", domain="app.test", path="/")
        fields = {"identifier": "a@example.test", "password": "x", "method": "password"}
        if flow_name == "recovery":
            fields = {"email": "a@example.test", "method": "code"}
        await client.submit(flow, **fields)
        await client.submit_form(flow, **fields)

    assert revocations.last_revocation == before


async def test_cancelled_logout_ends_the_cached_session() -> None:
    """Kratos may have ended the session before the connection broke."""
    walk = Walk()
    client = walk.client(walk.fake.sign_in(walk.fake.add_identity()))
    await status(client)
    flow = (await client.get("/self-service/logout/browser")).json()
    received = asyncio.Event()

    async def never(_seconds: float) -> None:
        received.set()
        await asyncio.Event().wait()

    walk.fake.app._sleep = never
    walk.fake.fail(Fault.latency(60), path="/self-service/logout")
    task = asyncio.create_task(client.get(flow["logout_url"]))
    await received.wait()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)

    assert len(walk.emitted(SessionsInvalidated)) == 1


async def test_logout_reaches_other_processes() -> None:
    """The process of the proxy finds the session in the store, and does not ask Kratos for it."""
    memory_server = MemoryServer()
    here = Walk(store=MemoryStore(memory_server))
    there = Walk(store=MemoryStore(memory_server), fake=here.fake)
    signed_in = here.fake.sign_in(here.fake.add_identity())
    elsewhere = there.client(signed_in)
    assert await status(elsewhere) == 200
    await eventually(lambda: memory_server.entries)
    calls = here.fake.requests.whoami_calls
    await log_out(here.client(signed_in))

    assert here.fake.requests.whoami_calls == calls
    await eventually(lambda: there.emitted(RevocationsHeard))
    assert await status(elsewhere) == 401
    await asyncio.gather(here.guard.aclose(), there.guard.aclose())


async def test_walk_through_the_proxy_asks_no_whoami() -> None:
    walk = Walk()
    client = walk.client()
    flow = await client.create_flow("registration")
    traits: dict[str, Any] = {"email": "ada@example.test"}
    await client.submit(flow, method="password", password=PASSWORD, traits=traits)
    await log_out(client)
    await client.log_in("ada@example.test")
    await log_out(client)

    walk.fake.assert_whoami_calls(0)
