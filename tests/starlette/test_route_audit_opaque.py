"""The audit reports routes that it can't inspect as open."""

from collections.abc import Callable
from functools import partial, wraps
from typing import Any

import pytest
from audited_apps import CustomDependency, foreign, hello, hello_live, members
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
from support.guard_bench import guard_of
from support.scripted_kratos import ScriptedKratos

from ory_guard import OrySessionMiddleware
from ory_guard.fastapi import install, require_session
from ory_guard.fastapi.dependencies import IdentityDependency, SessionDependency
from ory_guard.guard.requirements import Requirement
from ory_guard.starlette import SessionRequiredMiddleware, assert_guarded, audit_routes, session_required

GUARDED = Route("/members", members)
NOT_INSPECTABLE = "can't be inspected"


class Responding:
    """A middleware that may respond by itself."""

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Respond to `/metrics`, and forward every other path."""
        await (foreign if scope["path"] == "/metrics" else self.app)(scope, receive, send)


class RespondingWithDispatch(BaseHTTPMiddleware):
    """The same as a subclass of Starlette's `BaseHTTPMiddleware`."""

    async def dispatch(self, request: Request, call_next: Any) -> Response:
        """Respond without the handler of the base class."""
        return PlainTextResponse("hello")


async def dispatch(request: Request, call_next: Any) -> Response:
    """Respond without the handler of the base class."""
    return PlainTextResponse("hello")


def responding(app: Any) -> Any:
    """Wrap an application in a function."""

    async def wrapper(scope: Any, receive: Any, send: Any) -> None:
        await app(scope, receive, send)

    return wrapper


class InstanceAttribute:
    """A dependency with the requirement as an instance attribute."""

    def __init__(self) -> None:
        self.requirement = Requirement()

    async def __call__(self, request: Request) -> None:
        """Do nothing: the audit trusts the attribute."""


class Lenient(SessionDependency):
    """A subclass of a dependency without the check."""

    async def __call__(self, connection: Any = None) -> Any:
        """Do nothing."""


class LenientIdentity(IdentityDependency):
    """The same, with the name and module of the original method."""

    @wraps(IdentityDependency.__call__)
    async def __call__(self, connection: Any = None) -> Any:  # type: ignore[override]
        """Do nothing."""


class Renamed(SessionDependency):
    """A subclass of a dependency that does not replace `__call__`."""


@pytest.mark.parametrize(
    ("dependency", "description"),
    [
        (CustomDependency(), "aal2, max age 300 s"),
        (partial(CustomDependency()), "aal2, max age 300 s"),
        (InstanceAttribute(), "session"),
        (Renamed(Requirement()), "session"),
        (CustomDependency, "nothing"),
        (partial(CustomDependency), "nothing"),
        (InstanceAttribute, "nothing"),
        (IdentityDependency, "nothing"),
        (Lenient(Requirement()), "nothing"),
        (LenientIdentity(), "nothing"),
    ],
)
def test_only_instances_with_a_check_count(dependency: Any, description: str) -> None:
    """A class only creates an instance, and a replaced `__call__` needs a declared requirement."""
    app = FastAPI(openapi_url=None)
    app.get("/page", dependencies=[Depends(dependency)])(lambda: "hello")

    assert [route.description for route in audit_routes(app)] == [description]


def uninspectable(app: Any) -> list[str]:
    """Return path and endpoint of each route that can't be inspected; all of them must be open."""
    found = [route for route in audit_routes(app) if route.note == NOT_INSPECTABLE]
    assert not any(route.guarded for route in found)
    return [f"{route.host}{route.path} {route.endpoint.rpartition(':')[2]}" for route in found]


def fastapi_with(*middlewares: Any) -> FastAPI:
    """Return a protected application with these middlewares, the outermost one last."""
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
    """Build the middleware stack of an application, as its first request does."""
    app.middleware_stack = app.build_middleware_stack()
    return app


def with_wrapped_stack() -> FastAPI:
    """Return an application with a wrapped middleware stack."""
    app = built(fastapi_with())
    app.middleware_stack = responding(app.middleware_stack)
    return app


class CustomStack(FastAPI):
    """An application that replaces its middleware stack."""

    def build_middleware_stack(self) -> Any:
        """Respond without the handler of the base class."""
        return Responding(super().build_middleware_stack())


class CustomCall(Starlette):
    """An application that may respond by itself."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Respond without the handler of the base class."""
        await foreign(scope, receive, send)


class CustomRouterApp(Router):
    """A router that may respond by itself."""

    async def app(self, scope: Any, receive: Any, send: Any) -> None:
        """Respond without the handler of the base class."""
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
        (with_wrapped_stack, [EVERYWHERE + "responding.<locals>.wrapper"]),
        (lambda: CustomStack(openapi_url=None), [EVERYWHERE + "CustomStack"]),
        (lambda: CustomCall(routes=[GUARDED]), [EVERYWHERE + "CustomCall"]),
        (lambda: CustomRouterApp([GUARDED]), [EVERYWHERE + "CustomRouterApp.app"]),
        (lambda: Responding(OrySessionMiddleware(Starlette(routes=[GUARDED]))), [EVERYWHERE + "Responding"]),
        (lambda: Router([GUARDED], middleware=[Middleware(Responding)]), [EVERYWHERE + "Responding"]),
        (lambda: Router([Mount("/in", Responding(Router([GUARDED])))]), ["/in/{path:path} Responding"]),
        (lambda: Router([Host("a.test", Responding(Router([GUARDED])))]), ["a.test/{path:path} Responding"]),
        (lambda: Router([Route("/page", members, middleware=[Middleware(Responding)])]), ["/page Responding"]),
        (lambda: fastapi_with(GZipMiddleware), []),
        (lambda: Router([Route("/page", members, middleware=[Middleware(GZipMiddleware)])]), []),
    ],
)
def test_layer_that_may_respond_is_listed(make: Callable[[], Any], expected: list[str]) -> None:
    """Middlewares, wrappers and applications are listed unless their class belongs to a framework."""
    assert uninspectable(make()) == expected


def test_middleware_is_protected_by_the_layers_outside_of_it() -> None:
    outside = fastapi_with(Responding, SessionRequiredMiddleware)
    inside = fastapi_with(SessionRequiredMiddleware, Responding)
    install(outside, guard_of(ScriptedKratos()))

    assert [route.guarded for route in audit_routes(outside)] == [True, True]
    assert [route.guarded for route in audit_routes(built(outside))] == [True, True]
    assert [route.guarded for route in audit_routes(inside)] == [False, True]


class CustomFallback(Router):
    """A router that replaces its fallback."""

    async def not_found(self, scope: Any, receive: Any, send: Any) -> None:
        """Respond without the handler of the base class."""
        await foreign(scope, receive, send)


def with_default(default: Any) -> FastAPI:
    """Return a protected application with this fallback."""
    app = fastapi_with()
    app.router.default = default
    return app


def test_custom_fallback_is_listed() -> None:
    """`router.default` responds to every path without a route. If it is an application, its routes are listed."""
    assert uninspectable(with_default(foreign)) == [EVERYWHERE + "foreign"]
    assert uninspectable(CustomFallback([GUARDED])) == [EVERYWHERE + "CustomFallback.not_found"]
    assert uninspectable(Router([GUARDED], default=foreign)) == [EVERYWHERE + "foreign"]
    assert uninspectable(with_default(PlainTextResponse("hello").__call__)) == [EVERYWHERE + "Response.__call__"]
    assert [route.path for route in audit_routes(with_default(Router([GUARDED])))] == ["/page", "/members"]
    assert all(route.guarded for route in audit_routes(with_default(Router([GUARDED]))))


class CustomHandler(APIRoute):
    """A route that may respond by itself."""

    def get_route_handler(self) -> Any:
        """Respond without the handler of the base class."""
        return hello


class CustomHandle(APIRoute):
    """A route that may respond by itself."""

    async def handle(self, scope: Any, receive: Any, send: Any) -> None:
        """Respond without the handler of the base class."""
        await foreign(scope, receive, send)


class CustomApp(APIRoute):
    """A route that wraps its application."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        inner = self.app

        @wraps(inner)
        async def wrapper(scope: Any, receive: Any, send: Any) -> None:
            await inner(scope, receive, send)

        self.app = wrapper


class Labeled(APIRoute):
    """A route that does not replace its handler."""


class CustomMount(Mount):
    """A mount that may respond by itself."""

    async def handle(self, scope: Any, receive: Any, send: Any) -> None:
        """Respond without the handler of the base class."""
        await foreign(scope, receive, send)


class CustomSocketRoute(APIWebSocketRoute):
    """A websocket route that may respond by itself."""

    async def handle(self, scope: Any, receive: Any, send: Any) -> None:
        """Respond without the handler of the base class."""
        await foreign(scope, receive, send)


@pytest.mark.parametrize(
    ("route_class", "guarded"), [(CustomHandler, False), (CustomHandle, False), (CustomApp, False), (Labeled, True)]
)
def test_route_class_that_replaces_the_handler_is_open(route_class: type[APIRoute], guarded: bool) -> None:
    router = APIRouter(route_class=route_class, dependencies=[Depends(require_session)])
    router.get("/page")(lambda: "hello")

    assert [route.guarded for route in audit_routes(router)] == [guarded]


def test_included_route_that_replaces_the_handler_is_open() -> None:
    app = FastAPI(openapi_url=None)
    router = APIRouter(route_class=CustomHandler)
    router.get("/page")(lambda: "hello")
    app.include_router(router, prefix="/included", dependencies=[Depends(require_session)])

    assert uninspectable(app) == ["/included/page CustomHandler"]


class FixedResponse(Route):
    """A route that replaces its application with an object of Starlette."""

    def __init__(self, path: str, endpoint: Any) -> None:
        super().__init__(path, endpoint)
        self.app = PlainTextResponse("hello")


def with_handle_of(other: Route) -> Route:
    """Return a protected route that calls the handler of another route."""
    route = Route("/members", members)
    route.handle = other.handle  # type: ignore[method-assign] # the point of the test
    return route


def test_route_that_replaces_its_application_is_open() -> None:
    assert uninspectable(Router([with_handle_of(Route("/open", hello))])) == ["/members Route"]
    assert uninspectable(Router([FixedResponse("/members", members)])) == ["/members PlainTextResponse"]


def test_mount_and_websocket_that_replace_the_handler_are_open() -> None:
    socket = CustomSocketRoute("/live", hello_live, dependencies=[Depends(require_session)])

    assert uninspectable(Router([CustomMount("/in", Router([GUARDED])), socket])) == [
        "/in/{path:path} CustomMount",
        "/live CustomSocketRoute",
    ]


class CustomMethods(HTTPEndpoint):
    """An endpoint class with a response to every other method."""

    @session_required
    async def get(self, request: Request) -> Response:
        """Respond."""
        return await hello(request)

    async def method_not_allowed(self, request: Request) -> Response:
        """Respond without a check."""
        return await hello(request)


class GuardedMethods(CustomMethods):
    """The same with a protected fallback."""

    method_not_allowed = session_required(CustomMethods.method_not_allowed)  # type: ignore[arg-type]


class CustomAwait(CustomMethods):
    """An endpoint class that is not called by Starlette's code."""

    def __await__(self) -> Any:
        """Respond without the handler of the base class."""
        return hello_live(self).__await__()


class CustomSocket(WebSocketEndpoint):
    """A websocket endpoint class that is not called by Starlette's code."""

    @session_required
    async def on_connect(self, websocket: Any) -> None:
        """Accept members."""

    async def dispatch(self) -> None:
        """Respond without the handler of the base class."""


class Unrelated:
    """A class with a protected method that it may not call."""

    def __init__(self, *_: Any) -> None: ...

    get = session_required(CustomMethods.get)

    def __await__(self) -> Any:
        """Respond without the handler of the base class."""
        return hello_live(self).__await__()


def test_endpoint_class_counts_if_starlette_dispatches() -> None:
    """`method_not_allowed` responds to every method without a handler."""
    app = Router([Route("/custom", CustomMethods), Route("/guarded", GuardedMethods)])

    assert [(f"{route.methods[0]} {route.path}", route.description) for route in audit_routes(app)] == [
        ("GET /custom", "session"),
        ("* /custom", "nothing"),
        ("GET /guarded", "session"),
        ("* /guarded", "session"),
    ]
    classes = Router([Route("/a", CustomAwait), WebSocketRoute("/b", CustomSocket), Route("/c", Unrelated)])
    assert uninspectable(classes) == ["/a CustomAwait", "/b CustomSocket", "/c Unrelated"]


def test_attribute_of_an_application_is_not_a_requirement() -> None:
    """An attribute `requirement` counts for dependencies only."""

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
    assert uninspectable(Router([Route("/page", Responding(guarded))])) == ["/page Responding"]


def test_overrides_apply_to_included_routers_only() -> None:
    """FastAPI does not apply them to mounted routers."""
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


def test_layer_is_listed_as_public_by_its_endpoint() -> None:
    """Its path would also match other layers and the fallback."""
    app = fastapi_with(Responding)

    assert_guarded(app, public=["test_route_audit_opaque:Responding"])
    with pytest.raises(AssertionError, match="do not match an open route"):
        assert_guarded(fastapi_with(), public=["test_route_audit_opaque:Responding"])
