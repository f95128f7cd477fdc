"""The audit reports what it can't look into as not guarded."""

from collections.abc import Callable
from functools import partial, wraps
from typing import Any

import pytest
from fastapi import APIRouter, Depends, FastAPI
from fastapi.routing import APIRoute, APIWebSocketRoute
from starlette.applications import Starlette
from starlette.endpoints import HTTPEndpoint, WebSocketEndpoint
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Host, Mount, Route, Router, WebSocketRoute
from support.audited_apps import OwnGate, foreign, hello, hello_live, members
from support.stub_kratos import StubKratos, guard_of

from ory_guard import OrySessionMiddleware
from ory_guard.fastapi import install, require_session
from ory_guard.fastapi.dependencies import IdentityDependency, SessionDependency
from ory_guard.guard.requirements import Requirement
from ory_guard.starlette import SessionRequiredMiddleware, assert_guarded, audit_routes, session_required

GUARDED = Route("/members", members)
OPAQUE = "can't be inspected"


class Responding:
    """A middleware that may respond by itself."""

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Respond to one path, and forward the others."""
        await (foreign if scope["path"] == "/metrics" else self.app)(scope, receive, send)


class RespondingWithDispatch(BaseHTTPMiddleware):
    """The same on top of Starlette's class."""

    async def dispatch(self, request: Request, call_next: Any) -> Response:
        """Respond by itself."""
        return PlainTextResponse("hello")


async def dispatch(request: Request, call_next: Any) -> Response:
    """Respond by itself."""
    return PlainTextResponse("hello")


def responding(app: Any) -> Any:
    """Wrap an application in a function."""

    async def wrapper(scope: Any, receive: Any, send: Any) -> None:
        await app(scope, receive, send)

    return wrapper


class GateOfInit:
    """A gate whose instances have the requirement."""

    def __init__(self) -> None:
        self.requirement = Requirement()

    async def __call__(self, request: Request) -> None:
        """Do nothing: the audit believes the attribute."""


class Lenient(SessionDependency):
    """A subclass of our gate that lets every request pass."""

    async def __call__(self, connection: Any = None) -> Any:
        """Do nothing."""


class LenientIdentity(IdentityDependency):
    """The same with the name of our method."""

    @wraps(IdentityDependency.__call__)
    async def __call__(self, connection: Any = None) -> Any:  # type: ignore[override]
        """Do nothing."""


class Renamed(SessionDependency):
    """A subclass of our gate that leaves `__call__` alone."""


@pytest.mark.parametrize(
    ("dependency", "guards"),
    [
        (OwnGate(), "aal2, max age 300 s"),
        (partial(OwnGate()), "aal2, max age 300 s"),
        (GateOfInit(), "session"),
        (Renamed(Requirement()), "session"),
        (OwnGate, "nothing"),
        (partial(OwnGate), "nothing"),
        (GateOfInit, "nothing"),
        (IdentityDependency, "nothing"),
        (Lenient(Requirement()), "nothing"),
        (LenientIdentity(), "nothing"),
    ],
)
def test_a_class_is_not_a_gate(dependency: Any, guards: str) -> None:
    """Only instances run, and only with our own `__call__` or a declared requirement."""
    app = FastAPI(openapi_url=None)
    app.get("/page", dependencies=[Depends(dependency)])(lambda: "hello")

    assert [route.description for route in audit_routes(app)] == [guards]


def opaque_rows(app: Any) -> list[str]:
    """Return path and endpoint of each route that can't be inspected, and assert that none is guarded."""
    found = [route for route in audit_routes(app) if route.note == OPAQUE]
    assert not any(route.guarded for route in found)
    return [f"{route.host}{route.path} {route.endpoint.rpartition(':')[2]}" for route in found]


def fastapi_with(*middlewares: Any) -> FastAPI:
    """Return an application that is guarded as a whole, with these middlewares, the outermost one last."""
    app = FastAPI(openapi_url=None, dependencies=[Depends(require_session)])
    app.get("/page")(lambda: "hello")
    for middleware in middlewares:
        app.add_middleware(middleware)
    return app


def decorated() -> FastAPI:
    """Return an application with a middleware that is a function."""
    app = fastapi_with()
    app.middleware("http")(dispatch)
    return app


def built(app: FastAPI) -> FastAPI:
    """Return an application whose middlewares are built, as after its first request."""
    app.middleware_stack = app.build_middleware_stack()
    return app


def wrapped_after_it_was_built() -> FastAPI:
    """Return an application whose stack was replaced."""
    app = built(fastapi_with())
    app.middleware_stack = responding(app.middleware_stack)
    return app


class OwnStack(FastAPI):
    """An application with a stack of its own."""

    def build_middleware_stack(self) -> Any:
        """Respond by itself."""
        return Responding(super().build_middleware_stack())


class OwnCall(Starlette):
    """An application that may respond by itself."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Respond by itself."""
        await foreign(scope, receive, send)


class OwnRouterApp(Router):
    """A router that may respond by itself."""

    async def app(self, scope: Any, receive: Any, send: Any) -> None:
        """Respond by itself."""
        await foreign(scope, receive, send)


EVERYWHERE = "/{path:path} "


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda: fastapi_with(Responding), [EVERYWHERE + "Responding"]),
        (lambda: fastapi_with(GZipMiddleware, responding), [EVERYWHERE + "responding"]),
        (lambda: fastapi_with(RespondingWithDispatch), [EVERYWHERE + "RespondingWithDispatch"]),
        (decorated, [EVERYWHERE + "dispatch"]),
        (lambda: built(decorated()), [EVERYWHERE + "dispatch"]),
        (lambda: built(fastapi_with(Responding)), [EVERYWHERE + "Responding"]),
        (wrapped_after_it_was_built, [EVERYWHERE + "responding.<locals>.wrapper"]),
        (lambda: OwnStack(openapi_url=None), [EVERYWHERE + "OwnStack"]),
        (lambda: OwnCall(routes=[GUARDED]), [EVERYWHERE + "OwnCall"]),
        (lambda: OwnRouterApp([GUARDED]), [EVERYWHERE + "OwnRouterApp.app"]),
        (lambda: Responding(OrySessionMiddleware(Starlette(routes=[GUARDED]))), [EVERYWHERE + "Responding"]),
        (lambda: Router([GUARDED], middleware=[Middleware(Responding)]), [EVERYWHERE + "Responding"]),
        (lambda: Router([Mount("/in", Responding(Router([GUARDED])))]), ["/in/{path:path} Responding"]),
        (lambda: Router([Host("a.test", Responding(Router([GUARDED])))]), ["a.test/{path:path} Responding"]),
        (lambda: Router([Route("/page", members, middleware=[Middleware(Responding)])]), ["/page Responding"]),
        (lambda: fastapi_with(GZipMiddleware), []),
        (lambda: Router([Route("/page", members, middleware=[Middleware(GZipMiddleware)])]), []),
    ],
)
def test_a_layer_that_may_respond_by_itself_is_a_row(make: Callable[[], Any], expected: list[str]) -> None:
    """A middleware, a wrapper or an application of a class of its own; those of frameworks are known."""
    assert opaque_rows(make()) == expected


def test_a_middleware_is_guarded_by_what_is_in_front_of_it() -> None:
    """The order of the middlewares decides."""
    outside = fastapi_with(Responding, SessionRequiredMiddleware)
    inside = fastapi_with(SessionRequiredMiddleware, Responding)
    install(outside, guard_of(StubKratos()))

    assert [route.guarded for route in audit_routes(outside)] == [True, True]
    assert [route.guarded for route in audit_routes(built(outside))] == [True, True]
    assert [route.guarded for route in audit_routes(inside)] == [False, True]


class OwnFallback(Router):
    """A router with a fallback of its own."""

    async def not_found(self, scope: Any, receive: Any, send: Any) -> None:
        """Respond by itself."""
        await foreign(scope, receive, send)


def with_default(default: Any) -> FastAPI:
    """Return a guarded application with this fallback."""
    app = fastapi_with()
    app.router.default = default
    return app


def test_a_fallback_that_is_not_starlettes_is_a_row() -> None:
    """`router.default` responds to every path without a route; one that is an application is looked into."""
    assert opaque_rows(with_default(foreign)) == [EVERYWHERE + "foreign"]
    assert opaque_rows(OwnFallback([GUARDED])) == [EVERYWHERE + "OwnFallback.not_found"]
    assert opaque_rows(Router([GUARDED], default=foreign)) == [EVERYWHERE + "foreign"]
    assert [route.path for route in audit_routes(with_default(Router([GUARDED])))] == ["/page", "/members"]
    assert all(route.guarded for route in audit_routes(with_default(Router([GUARDED]))))


class OwnHandler(APIRoute):
    """A route that may respond by itself."""

    def get_route_handler(self) -> Any:
        """Respond by itself."""
        return hello


class OwnHandle(APIRoute):
    """A route that may respond by itself."""

    async def handle(self, scope: Any, receive: Any, send: Any) -> None:
        """Respond by itself."""
        await foreign(scope, receive, send)


class OwnApp(APIRoute):
    """A route whose application is wrapped."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        inner = self.app

        @wraps(inner)
        async def wrapper(scope: Any, receive: Any, send: Any) -> None:
            await inner(scope, receive, send)

        self.app = wrapper


class Labeled(APIRoute):
    """A route that leaves the handler alone."""


class OwnMount(Mount):
    """A mount that may respond by itself."""

    async def handle(self, scope: Any, receive: Any, send: Any) -> None:
        """Respond by itself."""
        await foreign(scope, receive, send)


class OwnSocketRoute(APIWebSocketRoute):
    """A websocket route that may respond by itself."""

    async def handle(self, scope: Any, receive: Any, send: Any) -> None:
        """Respond by itself."""
        await foreign(scope, receive, send)


@pytest.mark.parametrize(
    ("route_class", "guarded"), [(OwnHandler, False), (OwnHandle, False), (OwnApp, False), (Labeled, True)]
)
def test_a_route_that_replaces_the_handler_is_not_guarded(route_class: type[APIRoute], guarded: bool) -> None:
    """Whatever its dependencies are."""
    router = APIRouter(route_class=route_class, dependencies=[Depends(require_session)])
    router.get("/page")(lambda: "hello")

    assert [route.guarded for route in audit_routes(router)] == [guarded]


def test_an_included_route_that_replaces_the_handler_is_not_guarded() -> None:
    """The class of the route decides in the application that includes it, too."""
    app = FastAPI(openapi_url=None)
    router = APIRouter(route_class=OwnHandler)
    router.get("/page")(lambda: "hello")
    app.include_router(router, prefix="/included", dependencies=[Depends(require_session)])

    assert opaque_rows(app) == ["/included/page OwnHandler"]


def test_mounts_and_websockets_that_replace_the_handler_are_not_guarded() -> None:
    """Mounts respond to everything below them."""
    socket = OwnSocketRoute("/live", hello_live, dependencies=[Depends(require_session)])

    assert opaque_rows(Router([OwnMount("/in", Router([GUARDED])), socket])) == [
        "/in/{path:path} OwnMount",
        "/live OwnSocketRoute",
    ]


class OwnMethods(HTTPEndpoint):
    """Handlers with a response to every other method."""

    @session_required
    async def get(self, request: Request) -> Response:
        """Respond to members."""
        return await hello(request)

    async def method_not_allowed(self, request: Request) -> Response:
        """Respond to any caller."""
        return await hello(request)


class GuardedMethods(OwnMethods):
    """The same with a guard in front of the fallback."""

    method_not_allowed = session_required(OwnMethods.method_not_allowed)  # type: ignore[arg-type]


class OwnAwait(OwnMethods):
    """Handlers that are not called by Starlette."""

    def __await__(self) -> Any:
        """Respond by itself."""
        return hello_live(self).__await__()


class OwnSocket(WebSocketEndpoint):
    """A websocket that is not handled by Starlette."""

    @session_required
    async def on_connect(self, websocket: Any) -> None:
        """Let members connect."""

    async def dispatch(self) -> None:
        """Respond by itself."""


class Unrelated:
    """A class with a guarded method that does not decide who calls it."""

    def __init__(self, *_: Any) -> None: ...

    get = session_required(OwnMethods.get)

    def __await__(self) -> Any:
        """Respond by itself."""
        return hello_live(self).__await__()


def test_a_class_of_handlers_counts_for_what_it_leaves_to_starlette() -> None:
    """`method_not_allowed` responds to every method without a handler."""
    app = Router([Route("/own", OwnMethods), Route("/guarded", GuardedMethods)])

    assert [(f"{route.methods[0]} {route.path}", route.description) for route in audit_routes(app)] == [
        ("GET /own", "session"),
        ("* /own", "nothing"),
        ("GET /guarded", "session"),
        ("* /guarded", "session"),
    ]
    classes = Router([Route("/a", OwnAwait), WebSocketRoute("/b", OwnSocket), Route("/c", Unrelated)])
    assert opaque_rows(classes) == ["/a OwnAwait", "/b OwnSocket", "/c Unrelated"]


def test_an_application_as_an_endpoint_is_not_guarded_by_its_attributes() -> None:
    """An attribute `requirement` counts for dependencies; a `SessionRequiredMiddleware` for what it guards."""

    class Claiming:
        requirement = Requirement()

        async def __call__(self, scope: Any, receive: Any, send: Any) -> None: ...

    guarded = SessionRequiredMiddleware(foreign, public=["/public"])
    app = Router([Route("/claiming", Claiming()), Route("/guarded", guarded), Route("/public", guarded)])

    assert [(route.path, route.description) for route in audit_routes(app)] == [
        ("/claiming", "nothing"),
        ("/guarded", "session"),
        ("/public", "nothing"),
    ]
    assert opaque_rows(Router([Route("/page", Responding(guarded))])) == ["/page Responding"]


def test_overrides_of_a_parent_are_not_those_of_a_mounted_router() -> None:
    """FastAPI applies them to included routers and not to mounted ones."""
    router = APIRouter()
    router.get("/page", dependencies=[Depends(require_session)])(lambda: "hello")
    app = FastAPI(openapi_url=None)
    app.include_router(router, prefix="/included")
    app.mount("/mounted", router)
    app.dependency_overrides[require_session] = lambda: None

    assert [(route.path, route.description) for route in audit_routes(app)] == [
        ("/included/page", "nothing"),
        ("/mounted/page", "session"),
    ]


def test_a_layer_is_named_as_public_by_its_endpoint() -> None:
    """So that no other layer or fallback is public with it."""
    app = fastapi_with(Responding)

    assert_guarded(app, public=["test_route_audit_opaque:Responding"])
    with pytest.raises(AssertionError, match="do not match an open route"):
        assert_guarded(fastapi_with(), public=["test_route_audit_opaque:Responding"])
