"""Several Kratos behind one application: each request has one guard, and nothing of one is used for another."""

from typing import Any

import pytest
from support.asgi_calls import CacheableOutcome, call, connect, http_scope
from support.stub_kratos import StubKratos, guard_of, session_body, signed_in

from ory_guard import OryGuard, OrySessionMiddleware
from ory_guard.exceptions import ConfigurationError
from ory_guard.guard.guard import get_guard
from ory_guard.guard.resolver import Connection

pytestmark = pytest.mark.anyio

TOKEN = (b"x-session-token", b"one-token-for-both")


class Tenants:
    """Two companies with a Kratos each, told apart by host."""

    def __init__(self) -> None:
        self.kratos = {
            name: StubKratos(signed_in(session_body(identity={"id": name}))) for name in ("acme", "umbrella")
        }
        self.guards = {
            f"{name}.example.com": guard_of(
                kratos, kratos_public_url=f"http://{name}.test", cookie_names=(f"{name}_session",)
            )
            for name, kratos in self.kratos.items()
        }
        self.app = OrySessionMiddleware(_who, guard=self.pick)

    def pick(self, connection: Connection) -> OryGuard | None:
        """Pick by host."""
        return self.guards.get(connection.host)

    async def get(self, host: str, *headers: tuple[bytes, bytes]) -> CacheableOutcome:
        """Ask who is there."""
        return await call(self.app, "/", headers=[(b"host", host.encode()), *headers])


async def _who(scope: Any, _receive: Any, send: Any) -> None:
    """Say whose the request is, and which Kratos was asked."""
    session = scope["state"]["session"]
    who = f"{session.identity.id if session else 'nobody'} {get_guard(scope).settings.kratos_public_url}"
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1000, "reason": who})
        return
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": who.encode()})


@pytest.fixture
def tenants() -> Tenants:
    """Two companies."""
    return Tenants()


async def test_each_request_has_the_guard_that_the_resolver_picks(tenants: Tenants) -> None:
    """The same token means somebody else at each Kratos, and no cache crosses over."""
    for _ in range(2):
        assert (await tenants.get("acme.example.com", TOKEN)).body == b"acme http://acme.test"
        assert (await tenants.get("umbrella.example.com:8443", TOKEN)).body == b"umbrella http://umbrella.test"

    assert [len(kratos.asked) for kratos in tenants.kratos.values()] == [1, 1]


async def test_a_cookie_of_one_is_no_credential_for_the_other(tenants: Tenants) -> None:
    """Each guard looks for its own name only."""
    cookie = (b"cookie", b"acme_session=ck; umbrella_session=")

    assert (await tenants.get("acme.example.com", cookie)).body.startswith(b"acme ")
    assert (await tenants.get("umbrella.example.com", cookie)).body.startswith(b"nobody ")
    assert tenants.kratos["acme"].asked[0].credentials() == [("cookie", "acme_session=ck")]
    assert tenants.kratos["umbrella"].asked == []


@pytest.mark.parametrize(
    "headers",
    [[], [(b"host", b"unknown.example.com")], [(b"host", b"acme.example.com"), (b"host", b"umbrella.example.com")]],
    ids=["no host", "unknown", "two"],
)
async def test_a_request_that_belongs_to_no_kratos_is_misdirected(
    tenants: Tenants, headers: list[tuple[bytes, bytes]]
) -> None:
    """421, and the application does not run."""
    answer = await call(tenants.app, "/", headers=headers)

    assert answer.status == 421
    assert answer.error_id == "misdirected_request"
    sent = await connect(tenants.app, headers=headers, denial=False)
    assert sent == [{"type": "websocket.close", "code": 1008, "reason": ""}]


async def test_websockets_are_resolved_too(tenants: Tenants) -> None:
    """By the same function."""
    sent = await connect(tenants.app, headers=[(b"host", b"acme.example.com"), TOKEN])

    assert sent[0]["reason"] == "acme http://acme.test"


@pytest.mark.parametrize("nonsense", ["acme", 5, object()])
async def test_a_resolver_that_returns_nonsense_opens_no_door(nonsense: Any) -> None:
    """It is a clear error, and the application does not run."""
    app = OrySessionMiddleware(_who, guard=lambda _connection: nonsense)

    with pytest.raises(ConfigurationError, match="the guard resolver returned"):
        await call(app, "/")


async def test_a_resolver_that_raises_opens_no_door() -> None:
    """What it raises is the application's own error."""

    def pick(_connection: Connection) -> OryGuard:
        raise LookupError("no such tenant")

    with pytest.raises(LookupError, match="no such tenant"):
        await call(OrySessionMiddleware(_who, guard=pick), "/")


async def test_a_resolver_that_is_asynchronous_inside_is_told() -> None:
    """A coroutine is no guard, and is not left unawaited."""

    async def later() -> None:
        """Do nothing."""

    resolve: Any = lambda _connection: later()  # noqa: E731 - the shape of the mistake
    with pytest.raises(ConfigurationError, match="the guard resolver returned <coroutine"):
        await call(OrySessionMiddleware(_who, guard=resolve), "/")


async def _asynchronous(_connection: Connection) -> OryGuard:
    raise AssertionError


@pytest.mark.parametrize("resolver", [OryGuard, _asynchronous, 5, "acme"])
async def test_what_is_no_resolver_fails_at_the_start(resolver: Any) -> None:
    """Like any other wrong setting: told when the server starts."""
    app = OrySessionMiddleware(_who, guard=resolver)
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "lifespan.startup"}

    async def send(message: Any) -> None:
        sent.append(message)

    with pytest.raises(ConfigurationError, match="pass an OryGuard, or a plain function"):
        await app({"type": "lifespan"}, receive, send)
    assert sent[0]["type"] == "lifespan.startup.failed"
    with pytest.raises(ConfigurationError, match="pass an OryGuard"):
        await call(app, "/")


async def test_a_resolver_and_settings_exclude_each_other(tenants: Tenants) -> None:
    """One or the other."""
    app = OrySessionMiddleware(_who, guard=tenants.pick, cache_ttl=5)

    with pytest.raises(ConfigurationError, match="a guard and also cache_ttl"):
        await call(app, "/")


async def test_every_guard_that_was_picked_is_closed_at_the_end(
    tenants: Tenants, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before the server is told that the shutdown is complete."""
    closed: list[str] = []
    for host, guard in tenants.guards.items():

        async def close(host: str = host) -> None:
            closed.append(host)
            if len(closed) == 1:
                await tenants.get("umbrella.example.com")  # a last request

        monkeypatch.setattr(guard, "aclose", close)
    await tenants.get("acme.example.com")
    messages = [{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}]

    async def receive() -> Any:
        return messages.pop(0)

    async def send(message: Any) -> None:
        if message["type"] == "lifespan.shutdown.complete":
            closed.append("the server")

    async def lifespan(_scope: Any, receive: Any, send: Any) -> None:
        for kind in ("startup", "shutdown"):
            await receive()
            await send({"type": f"lifespan.{kind}.complete"})

    app = OrySessionMiddleware(lifespan, guard=tenants.pick)
    app._resolver = tenants.app._resolver
    await app({"type": "lifespan"}, receive, send)

    assert closed == ["acme.example.com", "umbrella.example.com", "the server"]


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        (b"Acme.Example.com", "acme.example.com"),
        (b"acme.example.com:443", "acme.example.com"),
        (b"[::1]:8000", "[::1]"),
        (b"[::1]", "[::1]"),
        (b"", ""),
        (b"\xff", "\xff"),
    ],
)
def test_a_connection_shows_its_host(host: bytes, expected: str) -> None:
    """In lower case and without the port, as the client sent it."""
    assert Connection(http_scope(headers=[(b"host", host)])).host == expected


def test_a_connection_shows_path_and_headers() -> None:
    """The values of a repeated header equal no single one; the scope tells the rest."""
    scope = http_scope("/acme/x", headers=[(b"X-Tenant", b"a"), (b"x-tenant", b"b"), (b"accept", b"*/*")])
    connection = Connection(scope)

    assert connection.path == "/acme/x"
    assert connection.headers == {"x-tenant": "a, b", "accept": "*/*"}
    assert connection.scope is scope
    assert Connection(http_scope()).host == ""
