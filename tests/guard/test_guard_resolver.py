"""Several guards in one application: a resolver selects one for each request, and they share nothing."""

from typing import Any

import pytest
from starlette.requests import HTTPConnection
from support.asgi_calls import SentResponse, call, connect, run_lifespan
from support.guard_bench import guard_of
from support.scripted_kratos import ScriptedKratos, session_body, signed_in

from ory_guard import OryGuard, OrySessionMiddleware
from ory_guard.exceptions import ConfigurationError
from ory_guard.guard.guard import get_guard
from ory_guard.guard.responses.asgi import Scope

pytestmark = pytest.mark.anyio

TOKEN = (b"x-session-token", b"one-token-for-both")


class Tenants:
    """Two tenants with a Kratos each, selected by host."""

    def __init__(self) -> None:
        self.kratos = {
            name: ScriptedKratos(signed_in(session_body(identity={"id": name}))) for name in ("acme", "umbrella")
        }
        self.guards = {
            f"{name}.example.com": guard_of(
                kratos, kratos_public_url=f"http://{name}.test", cookie_names=(f"{name}_session",)
            )
            for name, kratos in self.kratos.items()
        }
        self.app = OrySessionMiddleware(_respond, guard=self.select)

    def select(self, scope: Scope) -> OryGuard | None:
        """Select the guard by host."""
        return self.guards.get(HTTPConnection(scope).headers.get("host", "").partition(":")[0])

    async def get(self, host: str, *headers: tuple[bytes, bytes]) -> SentResponse:
        """Send a request."""
        return await call(self.app, "/", headers=[(b"host", host.encode()), *headers])


async def _respond(scope: Any, _receive: Any, send: Any) -> None:
    """Send the identity and the URL of its Kratos."""
    session = scope["state"]["session"]
    text = f"{session.identity.id if session else 'anonymous'} {get_guard(scope).settings.kratos_public_url}"
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1000, "reason": text})
        return
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": text.encode()})


async def test_each_request_has_the_guard_that_the_resolver_returns() -> None:
    """The same token belongs to another identity at each Kratos, and the caches are separate."""
    tenants = Tenants()
    for _ in range(2):
        assert (await tenants.get("acme.example.com", TOKEN)).body == b"acme http://acme.test"
        assert (await tenants.get("umbrella.example.com:8443", TOKEN)).body == b"umbrella http://umbrella.test"

    assert [len(kratos.requests) for kratos in tenants.kratos.values()] == [1, 1]
    sent = await connect(tenants.app, headers=[(b"host", b"acme.example.com"), TOKEN])
    assert sent[0]["reason"] == "acme http://acme.test"


async def test_a_cookie_of_one_guard_is_not_a_credential_for_the_other() -> None:
    """Each guard reads only cookies with its own name."""
    tenants, cookie = Tenants(), (b"cookie", b"acme_session=ck; umbrella_session=")

    assert (await tenants.get("acme.example.com", cookie)).body.startswith(b"acme ")
    assert (await tenants.get("umbrella.example.com", cookie)).body.startswith(b"anonymous ")
    assert tenants.kratos["acme"].requests[0].credentials() == [("cookie", "acme_session=ck")]
    assert tenants.kratos["umbrella"].requests == []


@pytest.mark.parametrize("headers", [[], [(b"host", b"unknown.example.com")]], ids=["no host", "unknown"])
async def test_a_request_without_a_guard_is_misdirected(headers: list[tuple[bytes, bytes]]) -> None:
    """The status is 421, and the application is not called."""
    tenants = Tenants()
    response = await call(tenants.app, "/", headers=headers)

    assert response.status == 421
    assert response.error_id == "misdirected_request"
    sent = await connect(tenants.app, headers=headers, denial=False)
    assert sent == [{"type": "websocket.close", "code": 1008, "reason": ""}]


async def _coroutine(_scope: Scope) -> None:
    raise AssertionError


@pytest.mark.parametrize(
    "resolve",
    [lambda _scope: "acme", lambda _scope: 5, lambda scope: _coroutine(scope)],  # noqa: PLW0108 - not a coroutine function
)
async def test_a_resolver_must_return_a_guard(resolve: Any) -> None:
    """Otherwise the application is not called; a coroutine is closed, so that Python does not warn about it."""
    with pytest.raises(ConfigurationError, match="the guard resolver must return an OryGuard or None"):
        await call(OrySessionMiddleware(_respond, guard=resolve), "/")


async def test_all_selected_guards_are_closed_before_the_shutdown_completes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tenants = Tenants()
    closed: list[Any] = []
    for host, guard in tenants.guards.items():

        async def close(host: str = host) -> None:
            closed.append(host)
            if len(closed) == 2:
                await tenants.get("umbrella.example.com")  # a last request

        monkeypatch.setattr(guard, "aclose", close)

    async def application(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "lifespan":
            await _respond(scope, receive, send)
            return
        for kind in ("startup", "shutdown"):
            await receive()
            await send({"type": f"lifespan.{kind}.complete"})

    tenants.app = OrySessionMiddleware(application, guard=tenants.select)
    await tenants.get("acme.example.com")
    await run_lifespan(tenants.app, closed)

    assert closed[1:] == ["acme.example.com", "umbrella.example.com", {"type": "lifespan.shutdown.complete"}]
