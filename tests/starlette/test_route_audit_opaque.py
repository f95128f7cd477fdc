"""The audit reports routes that it can't inspect as open."""

from collections.abc import Callable
from functools import partial, wraps
from typing import Any

import pytest
from audited_apps import CustomDependency, foreign, hello, members
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

GATE = [Depends(require_session)]
GUARDED = Route("/members", members)
INNER = Router([GUARDED])
NOT_INSPECTABLE = "can't be inspected"


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
    async def __call__(self, connection: Any = None) -> Any:  # type: ignore[override] # it returns nothing
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


def replacing(base: Any, method: str) -> Any:
    """Return a subclass with a method that responds by itself."""

    async def respond(_self: Any, scope: Any, receive: Any, send: Any) -> None:
        await foreign(scope, receive, send)

    respond.__qualname__ = f"Custom.{method}"
    return type("Custom", (base,), {method: respond, "__module__": __name__})


class Responding:
    """A middleware that may respond by itself."""

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Respond to `/metrics`, and forward every other path."""
        await (foreign if scope["path"] == "/metrics" else self.app)(scope, receive, send)


class CustomStack(FastAPI):
    """An application that replaces its middleware stack."""

    def build_middleware_stack(self) -> Any:
        """Add a middleware."""
        return Responding(super().build_middleware_stack())


class CustomHandler(APIRoute):
    """A route that may respond by itself."""

    def get_route_handler(self) -> Any:
        """Respond without the handler of the base class."""
        return hello


class CustomApp(APIRoute):
    """A route that wraps its application."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.app = wraps(self.app)(responding(self.app))


class FixedResponse(Route):
    """A route that replaces its application with an object of Starlette."""

    def __init__(self, path: str, endpoint: Any) -> None:
        super().__init__(path, endpoint)
        self.app = PlainTextResponse("hello")


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

    method_not_allowed = session_required(CustomMethods.method_not_allowed)  # type: ignore[arg-type] # a method


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
        """Respond."""


def responding(app: Any) -> Any:
    async def wrapper(scope: Any, receive: Any, send: Any) -> None:
        await app(scope, receive, send)

    return wrapper


async def dispatch(request: Request, call_next: Any) -> Response:
    return PlainTextResponse("hello")


def fastapi_with(*middlewares: Any, **options: Any) -> FastAPI:
    """Return a protected application with these middlewares, the outermost one last."""
    app = FastAPI(openapi_url=None, dependencies=GATE, **options)
    app.get("/page")(lambda: "hello")
    for middleware in middlewares:
        app.add_middleware(middleware)
    return app


def decorated() -> FastAPI:
    app = fastapi_with()
    app.middleware("http")(dispatch)
    return app


def built(app: FastAPI) -> FastAPI:
    """Build the middleware stack of an application, as its first request does."""
    app.middleware_stack = app.build_middleware_stack()
    return app


def with_wrapped_stack() -> FastAPI:
    app = built(fastapi_with())
    app.middleware_stack = responding(app.middleware_stack)
    return app


def with_default(default: Any) -> FastAPI:
    app = fastapi_with()
    app.router.default = default
    return app


def with_handle_of(other: Route) -> Router:
    """Return an application with a protected route that calls the handler of another route."""
    route = Route("/members", members)
    route.handle = other.handle  # type: ignore[method-assign] # the point of the test
    return Router([route])


def router_of(route_class: type[APIRoute]) -> APIRouter:
    router = APIRouter(route_class=route_class, dependencies=GATE)
    router.get("/page")(lambda: "hello")
    return router


def including(router: APIRouter) -> FastAPI:
    app = FastAPI(openapi_url=None)
    app.include_router(router, prefix="/in")
    return app


EVERYWHERE = "/{path:path} "


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda: fastapi_with(Responding), [EVERYWHERE + "Responding"]),
        (lambda: built(fastapi_with(Responding)), [EVERYWHERE + "Responding"]),
        (lambda: fastapi_with(GZipMiddleware, responding), [EVERYWHERE + "responding"]),
        (lambda: fastapi_with(replacing(BaseHTTPMiddleware, "dispatch")), [EVERYWHERE + "Custom"]),
        (decorated, [EVERYWHERE + "dispatch"]),
        (lambda: built(decorated()), [EVERYWHERE + "dispatch"]),
        (with_wrapped_stack, [EVERYWHERE + "responding.<locals>.wrapper"]),
        (lambda: CustomStack(openapi_url=None), [EVERYWHERE + "CustomStack"]),
        (lambda: replacing(Starlette, "__call__")(routes=[GUARDED]), [EVERYWHERE + "Custom"]),
        (lambda: replacing(Router, "app")([GUARDED]), [EVERYWHERE + "Custom.app"]),
        (lambda: Responding(OrySessionMiddleware(Starlette(routes=[GUARDED]))), [EVERYWHERE + "Responding"]),
        (lambda: Router([GUARDED], middleware=[Middleware(Responding)]), [EVERYWHERE + "Responding"]),
        (lambda: Router([Mount("/in", Responding(INNER))]), ["/in/{path:path} Responding"]),
        (lambda: Router([Host("a.test", Responding(INNER))]), ["a.test/{path:path} Responding"]),
        (lambda: Router([Route("/page", members, middleware=[Middleware(Responding)])]), ["/page Responding"]),
        (lambda: Router([Route("/page", Responding(SessionRequiredMiddleware(foreign)))]), ["/page Responding"]),
        (lambda: fastapi_with(GZipMiddleware), []),
        (lambda: Router([Route("/page", members, middleware=[Middleware(GZipMiddleware)])]), []),
        (lambda: with_default(foreign), [EVERYWHERE + "foreign"]),
        (lambda: with_default(PlainTextResponse("hello").__call__), [EVERYWHERE + "Response.__call__"]),
        (lambda: Router([GUARDED], default=foreign), [EVERYWHERE + "foreign"]),
        (lambda: replacing(Router, "not_found")([GUARDED]), [EVERYWHERE + "Custom.not_found"]),
        (lambda: with_handle_of(Route("/open", hello)), ["/members Route"]),
        (lambda: Router([FixedResponse("/members", members)]), ["/members PlainTextResponse"]),
        (lambda: Router([replacing(Mount, "handle")("/in", INNER)]), ["/in/{path:path} Custom"]),
        (
            lambda: Router([replacing(APIWebSocketRoute, "handle")("/live", live, dependencies=GATE)]),
            ["/live Custom"],
        ),
        (lambda: including(router_of(CustomHandler)), ["/in/page CustomHandler"]),
        (lambda: router_of(CustomHandler), ["/page CustomHandler"]),
        (lambda: router_of(replacing(APIRoute, "handle")), ["/page Custom"]),
        (lambda: router_of(type("Labeled", (APIRoute,), {})), []),
        (lambda: Router([Route("/page", replacing(CustomMethods, "__await__"))]), ["/page Custom"]),
        (lambda: Router([WebSocketRoute("/live", CustomSocket)]), ["/live CustomSocket"]),
        (lambda: Router([Route("/page", Unrelated)]), ["/page Unrelated"]),
    ],
)
def test_layer_that_may_respond_is_listed(make: Callable[[], Any], expected: list[str]) -> None:
    """Middlewares, applications, fallbacks, routes and endpoints, unless their code belongs to a framework."""
    assert uninspectable(make()) == expected


async def live(websocket: Any) -> None: ...


def test_route_that_wraps_its_application_is_open() -> None:
    assert [route.guarded for route in audit_routes(router_of(CustomApp))] == [False]


def test_middleware_is_protected_by_the_layers_outside_of_it() -> None:
    outside = fastapi_with(Responding, SessionRequiredMiddleware)
    inside = fastapi_with(SessionRequiredMiddleware, Responding)
    install(outside, guard_of(ScriptedKratos()))

    assert [route.guarded for route in audit_routes(outside)] == [True, True]
    assert [route.guarded for route in audit_routes(built(outside))] == [True, True]
    assert [route.guarded for route in audit_routes(inside)] == [False, True]


def test_routes_of_a_fallback_are_listed() -> None:
    routes = audit_routes(with_default(INNER))

    assert [(route.path, route.guarded) for route in routes] == [("/page", True), ("/members", True)]


def test_description_of_classes_and_applications() -> None:
    """`method_not_allowed` counts as a handler; an attribute `requirement` counts for dependencies only."""

    class Claiming:
        requirement = Requirement()

        async def __call__(self, scope: Any, receive: Any, send: Any) -> None: ...

    guarded = SessionRequiredMiddleware(foreign, public=["/public"])
    endpoints: dict[str, Any] = {"custom": CustomMethods, "methods": GuardedMethods, "claiming": Claiming()}
    routes = [Route(f"/{path}", endpoint) for path, endpoint in endpoints.items()]
    app = Router([*routes, Route("/guarded", guarded), Route("/public", guarded)])

    assert [(f"{route.methods[0]} {route.path}", route.description) for route in audit_routes(app)] == [
        ("GET /custom", "session"),
        ("* /custom", "nothing"),
        ("GET /methods", "session"),
        ("* /methods", "session"),
        ("* /claiming", "nothing"),
        ("* /guarded", "session"),
        ("* /public", "nothing"),
    ]


def test_overrides_apply_to_included_routers_only() -> None:
    """FastAPI does not apply them to mounted routers."""
    router = APIRouter()
    router.get("/page", dependencies=GATE)(lambda: "hello")
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
