"""The application of the table in Django, with Channels for the websocket."""

from typing import Any, Final

import django
from channels.generic.websocket import AsyncWebsocketConsumer
from channels.routing import ProtocolTypeRouter, URLRouter
from django.conf import settings
from django.core.asgi import get_asgi_application
from django.http import HttpRequest, HttpResponse
from django.urls import path
from support.asgi_calls import Application

from ory_guard import OryGuard, OrySessionMiddleware

_GUARDS: Final[list[OryGuard]] = []


async def public(_request: HttpRequest) -> HttpResponse:
    """Respond to all."""
    return HttpResponse("public")


async def defect(_request: HttpRequest) -> HttpResponse:
    """Fail."""
    raise ValueError("a defect")


async def me(request: Any) -> HttpResponse:
    """Respond with the identity's id."""
    return HttpResponse((await _GUARDS[-1].require(request)).identity.id)


async def vault(request: Any) -> HttpResponse:
    """Require a second factor."""
    await _GUARDS[-1].require(request, aal="aal2")
    return HttpResponse("gold")


async def logout(request: Any) -> HttpResponse:
    """Log out."""
    response = HttpResponse(status=204)
    for value in await _GUARDS[-1].logout(request):
        response.cookies.load(value)
    return response


class Socket(AsyncWebsocketConsumer):
    """Sends the identity's id."""

    async def connect(self) -> None:
        """Require a session."""
        session = await _GUARDS[-1].require(self)
        await self.accept()
        await self.send(text_data=session.identity.id)
        await self.close()


urlpatterns = [
    path("public", public),
    path("defect", defect),
    path("me", me),
    path("vault", vault),
    path("logout", logout),
]


def build(guard: OryGuard) -> Application:
    """Return the application."""
    _GUARDS.append(guard)
    if not settings.configured:
        settings.configure(
            ROOT_URLCONF=__name__,
            ALLOWED_HOSTS=["127.0.0.1"],
            SECRET_KEY="test",
            MIDDLEWARE=[],
            LOGGING_CONFIG=None,
        )
        django.setup()
    websockets = URLRouter([path("ws", Socket.as_asgi())])
    return OrySessionMiddleware(
        ProtocolTypeRouter({"http": get_asgi_application(), "websocket": websockets}), guard=guard
    )
