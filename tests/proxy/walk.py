"""An application with a fake Kratos behind its proxy, and clients that use both."""

from collections.abc import Iterable
from typing import Any

import httpx2
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route
from support.flow_client import FlowClient

from ory_guard import OryGuard, OrySessionMiddleware
from ory_guard.cache import SessionStore
from ory_guard.events import Event
from ory_guard.proxy import KratosProxy
from ory_guard.starlette import session_required
from ory_guard.testing import FakeKratos, ManualClock, SignedIn

from .upstream import APP, KRATOS, PROXY, guard_for


def describe_session(request: Request) -> Response:
    """Respond with the session of the request."""
    session = request.state.ory_session
    name = dict(session.identity.traits).get("name", {})
    return JSONResponse({"id": session.id, "aal": session.authenticator_assurance_level, "name": dict(name)})


@session_required
async def me(request: Request) -> Response:
    """Respond to any session."""
    return describe_session(request)


@session_required(aal="aal2")
async def vault(request: Request) -> Response:
    """Respond to a session with a second factor."""
    return describe_session(request)


def guarded_application(guard: OryGuard, **options: Any) -> Starlette:
    """Return an application with the proxy at `/.ory` and two protected routes."""
    proxy = Mount("/.ory", KratosProxy(guard, **options))
    app = Starlette(routes=[proxy, Route("/me", me), Route("/vault", vault)])
    app.add_middleware(OrySessionMiddleware, guard=guard)
    return app


class Walk:
    """A fake Kratos on another host, and an application with its proxy.

    Args:
        store: A store that the guard shares with other processes.
        fake: The fake of another application.
        settings: Settings of the guard.
        options: Settings of the fake.

    Attributes:
        fake: The fake.
        guard: The guard.
        events: The events of the guard.
        app: The application.
    """

    def __init__(
        self,
        *,
        store: SessionStore | None = None,
        fake: FakeKratos | None = None,
        settings: dict[str, Any] | None = None,
        **options: Any,
    ) -> None:
        values = {"public_url": KRATOS, "ui_url": APP, "allowed_return_urls": (APP,), **options}
        self.fake = fake or FakeKratos(clock=ManualClock(), **values)
        self.events: list[Event] = []
        base = guard_for(None, **(settings or {})).settings
        self.guard = OryGuard(
            base,
            transport=httpx2.ASGITransport(app=self.fake.app),
            clock=self.fake.clock,
            store=store,
            listeners=[self.events.append],
        )
        self.app = guarded_application(self.guard)

    def client(self, signed_in: SignedIn | None = None, *, native: bool = False) -> FlowClient:
        """Return a client of the application, which reaches Kratos only through the proxy."""
        client = FlowClient(httpx2.ASGITransport(app=self.app), PROXY, native=native)
        if signed_in is not None and native:
            client.use(signed_in)
        elif signed_in is not None:
            client.client.cookies.set(signed_in.cookie_name, signed_in.cookie, domain="app.test", path="/")
        return client

    def emitted(self, *kinds: type[Event]) -> list[Event]:
        """Return the events of some classes."""
        return [event for event in self.events if isinstance(event, kinds)]


async def status(client: FlowClient, path: str = "/me") -> int:
    """Return the status of a route of the application."""
    return (await client.get(f"{APP}{path}")).status_code


async def statuses(clients: Iterable[FlowClient], path: str = "/me") -> list[int]:
    """Return the status of a route for each client."""
    return [await status(client, path) for client in clients]
