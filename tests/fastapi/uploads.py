"""Applications with routes that read a body, and requests whose body records how often it is read."""

from collections.abc import Callable
from typing import Any

from fastapi import APIRouter, Depends, FastAPI
from fastapi.routing import APIRoute
from support.asgi_calls import SentResponse, http_scope

from ory_guard import OryGuard
from ory_guard.fastapi import CurrentSession, GuardedRoute, install, require_session

JSON = (b"content-type", b"application/json")
GATE = [Depends(require_session)]

Body = dict[str, int]
Header = tuple[bytes, bytes]


class Upload:
    """A request body that records how often the application asks for it."""

    def __init__(self, body: bytes = b'{"to": 5}', during: Callable[[], Any] = lambda: None) -> None:
        self._body = body
        self._during = during
        self.reads = 0

    async def receive(self) -> Any:
        """Return the whole body."""
        self.reads += 1
        done = self._during()
        if done is not None:
            await done
        return {"type": "http.request", "body": self._body, "more_body": False}


async def send_upload(
    app: Any, upload: Upload, *headers: Header, path: str = "/upload", content_type: Header = JSON
) -> SentResponse:
    """Send a request, and return the response."""
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    await app(http_scope(path, method="POST", headers=[content_type, *headers]), upload.receive, send)
    body = b"".join(message.get("body", b"") for message in sent[1:])
    return SentResponse(sent[0]["status"], sent[0]["headers"], body)


def application(guard: OryGuard, route_class: type[APIRoute] = GuardedRoute, **options: Any) -> FastAPI:
    """Return an application whose routes have a class."""
    app = FastAPI(**options)
    app.router.route_class = route_class
    install(app, guard)
    return app


async def with_parameter(body: Body, session: CurrentSession) -> str:
    """Return the ID of the session."""
    return session.id


async def without_gate(body: Body) -> str:
    """Return a text."""
    return "sent"


def on_route(endpoint: Any, **options: Any) -> Callable[[FastAPI], None]:
    """Return a function that adds the endpoint to an application."""
    return lambda app: app.add_api_route("/upload", endpoint, methods=["POST"], **options)


def on_router(**options: Any) -> Callable[[FastAPI], None]:
    """Return a function that includes a router with the endpoint."""

    def add(app: FastAPI) -> None:
        inner = APIRouter(route_class=app.router.route_class)
        inner.add_api_route("/upload", without_gate, methods=["POST"])
        outer = APIRouter()
        outer.include_router(inner, **options)
        app.include_router(outer)

    return add
