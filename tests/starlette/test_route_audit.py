"""The route audit: its result agrees with requests without a credential."""

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from audited_apps import (
    LIBRARY,
    SHOP,
    Handlers,
    foreign,
    hello,
    library,
    members,
    requires_session,
    requires_session_in_code,
    shop,
)
from fastapi import Depends, FastAPI
from starlette.applications import Starlette
from starlette.endpoints import HTTPEndpoint
from starlette.middleware import Middleware
from starlette.routing import BaseRoute, Mount, Route
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect
from support.guard_bench import guard_of
from support.scripted_kratos import ScriptedKratos, refused

from ory_guard import OrySessionMiddleware
from ory_guard.fastapi import require, require_session
from ory_guard.guard.requirements import Requirement
from ory_guard.starlette import AuditedRoute, SessionRequiredMiddleware, assert_guarded, audit_routes
from ory_guard.starlette.audited_routes import _HANDLERS
from ory_guard.starlette.route_requirements import describe_requirement, requirement_of_dependency

DOCUMENTATION = ("/docs", "/docs/oauth2-redirect", "/openapi.json", "/redoc")


def descriptions(app: Any) -> dict[str, str]:
    """Return the description of each route, by method and path, without FastAPI's documentation pages."""
    routes = [route for route in audit_routes(app) if route.path not in DOCUMENTATION]
    return {f"{route.methods[0]} {route.host}{route.path}": route.description for route in routes}


# Protected by code that the audit can't inspect, so it reports them as open.
REPORTED_AS_OPEN = {"/by-scope", "/wrapped", "/inside/{name}", "/inside/static/{path:path}"}


@pytest.mark.parametrize(("make", "expected"), [(shop, SHOP), (library, LIBRARY)], ids=["fastapi", "starlette"])
def test_audit_agrees_with_requests(make: Callable[[Path], Any], expected: dict[str, str], tmp_path: Path) -> None:
    """It lists all kinds of routes in the order in which they match.

    A route rejects a request without a credential if and only if the audit reports it as guarded.
    """
    (tmp_path / "x").write_text("hello")
    app = make(tmp_path)
    audited = audit_routes(app)
    assert descriptions(app) == expected
    app.add_middleware(OrySessionMiddleware, guard=guard_of(ScriptedKratos(refused())))

    rejected = {str(route): is_rejected(TestClient(app), route) for route in audited}

    reported = {str(route): route.guarded or route.path in REPORTED_AS_OPEN for route in audited}
    assert rejected == reported


def is_rejected(client: TestClient, route: AuditedRoute) -> bool:
    path = re.sub(r"\{.*?\}", "x", route.path)
    headers = {"host": route.host} if route.host else {}
    if route.methods != ("WEBSOCKET",):
        method = "GET" if route.methods == ("*",) else route.methods[0]
        return client.request(method, path, headers=headers).status_code == 401
    try:
        with client.websocket_connect(path) as websocket:
            websocket.receive()
    except WebSocketDisconnect:
        return True
    return False


def only(app: Any) -> AuditedRoute:
    """Return the only route of an application, without FastAPI's documentation pages."""
    (route,) = [route for route in audit_routes(app) if route.path not in DOCUMENTATION]
    return route


def starlette_with(*routes: BaseRoute, **options: Any) -> Starlette:
    return Starlette(routes=routes, **options)


def test_middleware_protects_every_route_inside_it() -> None:
    """It can be added to the application, or be outside of it with another middleware in between."""
    middleware = Middleware(SessionRequiredMiddleware, public=["/"], aal="aal2")
    routes = [Route("/page", hello), Mount("/files", foreign), Route("/", hello)]
    inside = starlette_with(*routes, middleware=[middleware])
    outside = OrySessionMiddleware(SessionRequiredMiddleware(starlette_with(*routes), public=["/"], aal="aal2"))

    expected = {"GET /page": "aal2", "* /files/{path:path}": "aal2", "GET /": "nothing"}
    assert descriptions(inside) == descriptions(outside) == expected
    assert audit_routes(inside)[-1].note == "public at /"


@pytest.mark.parametrize(
    ("template", "is_covered"),
    [
        ("/static/", True),
        ("/static/{name}", True),
        ("/static/{path:path}", True),
        ("/{path:path}", True),
        ("/{directory}/{number:int}", True),
        ("/{start}tic/x", True),
        ("/st{rest}/x", True),
        ("/", False),
        ("/static", False),
        ("/static-x/x", False),
        ("/{number:int}", False),
        ("/st{rest}", False),
        ("/static{rest}/x", False),
        ("/api/{path:path}", False),
    ],
)
def test_public_prefix_is_listed_for_each_route_that_it_may_cover(template: str, *, is_covered: bool) -> None:
    middleware = Middleware(SessionRequiredMiddleware, public=["/static/*"])

    (route,) = audit_routes(starlette_with(Route(template, hello), middleware=[middleware]))

    assert route.guarded is not is_covered
    assert route.note == ("public at /static/*" if is_covered else "")


def test_subclass_of_the_middleware_does_not_count() -> None:
    """A subclass may replace the check."""

    class Lenient(SessionRequiredMiddleware):
        async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
            await self._app(scope, receive, send)

    route = Route("/page", hello)

    for app in (starlette_with(route, middleware=[Middleware(Lenient)]), Lenient(starlette_with(route))):
        assert descriptions(app) == {"* /{path:path}": "nothing", "GET /page": "nothing"}


def test_requirements_of_a_dependency() -> None:
    """Each is listed once, and an override replaces it."""
    app = FastAPI(dependencies=[Depends(require_session)])
    app.add_middleware(SessionRequiredMiddleware)
    app.get("/page", dependencies=[Depends(require(aal="aal2"))])(requires_session)
    plain = FastAPI()
    plain.get("/page")(requires_session)

    found = [only(app).description, only(plain).description]
    for override in (lambda: None, require(aal="aal2")):
        plain.dependency_overrides[require_session] = override
        found.append(only(plain).description)

    assert found == ["session + aal2", "session", "nothing", "aal2"]


def test_uninspectable_routes_are_reported_as_open() -> None:
    """ASGI applications, custom routes, classes without handlers, and checks in the code of a dependency."""

    class ForeignRoute(BaseRoute):
        pass

    class Endpoint:
        def __init__(self, *_: Any) -> None: ...

    class Dispatching(Handlers):
        async def dispatch(self) -> None: ...

    app = FastAPI()
    app.get("/page", dependencies=[Depends(requires_session_in_code)])(lambda: "hello")

    class Cycle:
        def __init__(self) -> None:
            self.app = self

    for unknown, path in [
        (Cycle(), "/{path:path}"),
        (foreign, "/{path:path}"),
        (starlette_with(ForeignRoute()), "/{path:path}"),
        (starlette_with(Route("/class", Endpoint)), "/class"),
        (starlette_with(Route("/empty", HTTPEndpoint)), "/empty"),
        (starlette_with(Route("/any", Dispatching)), "/any"),
    ]:
        route = only(unknown)
        assert (route.path, route.methods, route.guarded) == (path, ("*",), False)
        assert route.note == "can't be inspected"
    assert not only(app).guarded


def test_audit_knows_all_handlers_of_endpoint_classes() -> None:
    """The list must contain the methods that the installed Starlette dispatches."""

    async def nothing(_message: Any = None) -> Any: ...

    class Everything(HTTPEndpoint):
        def __getattr__(self, name: str) -> Any:
            return name

    scope = {"type": "http", "method": "GET"}
    known = Everything(scope, nothing, nothing)._allowed_methods
    assert {method.lower() for method in known} <= set(_HANDLERS)


def test_copied_attribute_is_not_a_requirement() -> None:
    """`functools.wraps` copies the attributes of the wrapped function."""

    def decorator() -> None: ...

    decorator.requirement = Requirement()  # type: ignore[attr-defined] # as copied by wraps()

    assert requirement_of_dependency(decorator) is None
    assert requirement_of_dependency(object()) is None
    assert requirement_of_dependency(members) == Requirement()


def test_description_contains_every_condition() -> None:
    """A function passed as `when` appears by its name."""

    def is_staff(_session: Any) -> bool:
        return True

    class Condition:
        def __call__(self, _session: Any) -> bool:
            return True

    requirement = Requirement("aal2", 300, ["totp", "webauthn"], True, "acme", is_staff, revalidate=True)
    words = "aal2, max age 300 s, by totp or webauthn, verified address, organization acme, when is_staff"

    assert describe_requirement(requirement) == f"{words}, revalidated"
    assert describe_requirement(Requirement(when=Condition())) == "session, when Condition"
    assert describe_requirement(Requirement()) == "session"


@pytest.mark.parametrize(
    ("public", "message"),
    [
        (["/", "POST /by-method"], None),
        (
            ["/"],
            (
                "these routes do not require a session; add require_session, or list them in public=[...]:\n"
                "  POST /by-method -> audited_apps:hello"
            ),
        ),
        (
            ["/", "POST /by-method", "/members", "/gone"],
            "these items of public=[...] do not match an open route; remove them:\n  /members\n  /gone",
        ),
    ],
)
def test_assert_guarded(public: list[str], message: str | None) -> None:
    """A public route is listed by its path, or by one method and the path."""
    app = starlette_with(
        Route("/", hello), Route("/members", members), Route("/by-method", hello, methods=["POST"])
    )

    if message is None:
        assert_guarded(app, public=public)
        return
    with pytest.raises(AssertionError) as caught:
        assert_guarded(app, public=public)
    assert str(caught.value) == message


def test_audit_works_without_fastapi_installed() -> None:
    program = """
import sys
sys.modules["fastapi"] = sys.modules["fastapi.routing"] = None
from starlette.routing import Route, Router
from ory_guard.starlette import audit_routes
from ory_guard.starlette import session_required
@session_required
async def page(request): ...
app = Router([Route("/", page), Route("/open", lambda request: None)])
print(*[route.description for route in audit_routes(app)])
"""
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert result.stdout == "session nothing\n"


def test_audit_uses_the_routes_of_starlette_if_fastapi_cannot_be_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "fastapi.routing", None)

    assert only(starlette_with(Route("/members", members))).description == "session"
