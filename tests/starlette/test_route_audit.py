"""The audit of routes: what it says is what a request without a credential finds out."""

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fastapi import Depends, FastAPI
from starlette.applications import Starlette
from starlette.endpoints import HTTPEndpoint
from starlette.middleware import Middleware
from starlette.routing import BaseRoute, Mount, Route
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect
from support.audited_apps import (
    LIBRARY,
    SHOP,
    Handlers,
    asks_below,
    asks_in_its_code,
    foreign,
    hello,
    library,
    members,
    shop,
)
from support.stub_kratos import StubKratos, guard_of, refused

import ory_guard.fastapi.dependencies
from ory_guard import OrySessionMiddleware
from ory_guard.fastapi import install, require, require_session
from ory_guard.guard.requirements import Requirement
from ory_guard.starlette import AuditedRoute, SessionRequiredMiddleware, assert_guarded, audit_routes
from ory_guard.starlette.audited_routes import _HANDLERS
from ory_guard.starlette.route_requirements import describe_requirement, requirement_of_dependency

DOCUMENTATION = ("/docs", "/docs/oauth2-redirect", "/openapi.json", "/redoc")


def guards(app: Any) -> dict[str, str]:
    """Return what guards each route, by method and path, without the pages of FastAPI's documentation."""
    routes = [route for route in audit_routes(app) if route.path not in DOCUMENTATION]
    return {f"{route.methods[0]} {route.host}{route.path}": route.description for route in routes}


# Open as far as the audit can see, and closed in truth: the safe way to be wrong.
CLOSED_OUT_OF_SIGHT = {"/by-scope", "/wrapped", "/inside/{name}", "/inside/static/{path:path}"}


def test_every_kind_of_route_of_fastapi_is_found(tmp_path: Path) -> None:
    """Included, nested, mounted and low-priority routes are listed as they answer, with what guards them."""
    assert guards(shop(tmp_path)) == SHOP


def test_every_kind_of_route_of_starlette_is_found() -> None:
    """Endpoints under the decorator and routes behind the middleware count, decorated ones in between don't."""
    assert guards(library()) == LIBRARY


@pytest.mark.parametrize("make", [shop, library], ids=["fastapi", "starlette"])
def test_the_audit_is_true(make: Callable[..., Any], tmp_path: Path) -> None:
    """A request without a credential is refused by every route that is said to be guarded, and by no other."""
    (tmp_path / "x").write_text("hello")
    app = make(*([tmp_path] if make is shop else []))
    audited = audit_routes(app)
    guard = guard_of(StubKratos(refused()))
    if isinstance(app, FastAPI):
        install(app, guard)
    else:
        app.add_middleware(OrySessionMiddleware, guard=guard)

    refusals = {str(route): is_refused(TestClient(app), route) for route in audited}

    said = {str(route): route.guarded or route.path in CLOSED_OUT_OF_SIGHT for route in audited}
    assert refusals == said


def is_refused(client: TestClient, route: AuditedRoute) -> bool:
    """Tell whether a route refuses a request without a credential."""
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
    """Return the one route of an application, FastAPI's documentation left out."""
    (route,) = [route for route in audit_routes(app) if route.path not in DOCUMENTATION]
    return route


def starlette_with(*routes: BaseRoute, **options: Any) -> Starlette:
    """Return a Starlette application with these routes."""
    return Starlette(routes=routes, **options)


def test_a_middleware_around_the_whole_application_guards_all_of_it() -> None:
    """Whether it was added to the application or put around it, and whatever stands between."""
    door = Middleware(SessionRequiredMiddleware, public=["/"], aal="aal2")
    routes = [Route("/page", hello), Mount("/files", foreign), Route("/", hello)]
    inside = starlette_with(*routes, middleware=[door])
    outside = OrySessionMiddleware(SessionRequiredMiddleware(starlette_with(*routes), public=["/"], aal="aal2"))

    expected = {"GET /page": "aal2", "* /files/{path:path}": "aal2", "GET /": "nothing"}
    assert guards(inside) == guards(outside) == expected
    assert audit_routes(inside)[-1].note == "public at /"


def test_a_middleware_of_another_class_counts_for_nothing() -> None:
    """A subclass may let anybody pass, and no audit reads its code."""

    class Lenient(SessionRequiredMiddleware):
        async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
            await self._app(scope, receive, send)

    route = Route("/page", hello)

    for app in (starlette_with(route, middleware=[Middleware(Lenient)]), Lenient(starlette_with(route))):
        assert guards(app) == {"* /{path:path}": "nothing", "GET /page": "nothing"}


def test_several_gates_are_all_told_once_each() -> None:
    """A route behind a middleware, with a dependency that its router has too, says so in one line."""
    app = FastAPI(dependencies=[Depends(require_session)])
    app.add_middleware(SessionRequiredMiddleware)
    app.get("/page", dependencies=[Depends(require(aal="aal2"))])(asks_below)

    assert only(app).description == "session + aal2"


def test_a_dependency_that_is_overridden_counts_for_what_replaces_it() -> None:
    """The override runs, and the gate below it does not."""
    app = FastAPI()
    app.get("/page")(asks_below)
    before = only(app).description

    app.dependency_overrides[require_session] = lambda: None
    opened = only(app).description
    app.dependency_overrides[require_session] = require(aal="aal2")

    assert (before, opened, only(app).description) == ("session", "nothing", "aal2")


def test_what_can_not_be_looked_into_is_unguarded() -> None:
    """Bare ASGI applications, foreign routes, classes without handlers, and checks in a dependency's code."""

    class ForeignRoute(BaseRoute):
        pass

    class Endpoint:
        def __init__(self, *_: Any) -> None: ...

    class Dispatching(Handlers):
        async def dispatch(self) -> None: ...

    app = FastAPI()
    app.get("/page", dependencies=[Depends(asks_in_its_code)])(lambda: "hello")

    for unknown, path in [
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


def test_every_method_that_a_class_of_handlers_may_have_is_looked_at() -> None:
    """Those that Starlette knows by now."""

    async def nothing(_message: Any = None) -> Any: ...

    class Everything(HTTPEndpoint):
        def __getattr__(self, name: str) -> Any:
            return name

    scope = {"type": "http", "method": "GET"}
    known = Everything(scope, nothing, nothing)._allowed_methods
    assert {method.lower() for method in known} <= set(_HANDLERS)


def test_middlewares_that_refer_to_each_other_end_the_walk() -> None:
    """A cycle of wrappers is no application, and no reason to hang."""

    class Cycle:
        def __init__(self) -> None:
            self.app = self

    assert not only(Cycle()).guarded


def test_an_attribute_that_a_decorator_copied_is_no_gate() -> None:
    """`functools.wraps` copies attributes of what it wraps; a class has to be a gate itself."""

    def decorator() -> None: ...

    decorator.requirement = Requirement()  # type: ignore[attr-defined] # what wraps() would have copied

    assert requirement_of_dependency(decorator) is None
    assert requirement_of_dependency(object()) is None
    assert requirement_of_dependency(members) == Requirement()


def test_conditions_are_told_in_words() -> None:
    """Every condition of a requirement is in the listing, and a condition of the application's by its name."""

    def is_staff(_session: Any) -> bool:
        return True

    class Condition:
        def __call__(self, _session: Any) -> bool:
            return True

    whole = Requirement("aal2", 300, ["totp", "webauthn"], True, "acme", is_staff, revalidate=True)
    words = "aal2, max age 300 s, by totp or webauthn, verified address, organization acme, when is_staff"

    assert describe_requirement(whole) == f"{words}, revalidated"
    assert describe_requirement(Requirement(when=Condition())) == "session, when Condition"
    assert describe_requirement(Requirement()) == "session"


def test_a_guarded_application_passes() -> None:
    """Public routes may be named by their path, or by one method and the path."""
    routes = (Route("/", hello), Route("/members", members), Route("/by-method", hello, methods=["POST"]))

    assert_guarded(starlette_with(*routes), public=["/", "POST /by-method"])
    assert_guarded(starlette_with(routes[1]))


def test_a_forgotten_route_fails_and_is_named() -> None:
    """The text says which route, what answers there, and what to do."""
    with pytest.raises(AssertionError) as caught:
        assert_guarded(starlette_with(Route("/admin", hello), Route("/members", members)))

    assert str(caught.value) == (
        "these routes do not require a session; add require_session, or list them in public=[...]:\n"
        "  GET,HEAD /admin -> support.audited_apps:hello"
    )


def test_a_public_name_that_names_nothing_open_fails() -> None:
    """A route that was guarded meanwhile, or is gone, has no place in the list."""
    with pytest.raises(AssertionError) as caught:
        assert_guarded(starlette_with(Route("/members", members)), public=["/members", "/gone"])

    assert str(caught.value) == (
        "these items of public=[...] do not match an open route; remove them:\n  /members\n  /gone"
    )


def test_the_audit_is_found_where_fastapi_users_look() -> None:
    """`ory_guard.fastapi` has it by the same name."""
    assert ory_guard.fastapi.audit_routes is audit_routes
    assert ory_guard.fastapi.assert_guarded is assert_guarded


def test_starlette_alone_is_enough() -> None:
    """Without FastAPI installed, Starlette's applications and routers are audited all the same."""
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
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert done.stdout == "session nothing\n"


def test_routers_are_walked_without_fastapi_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where FastAPI can't be imported, the routes are those that Starlette keeps."""
    monkeypatch.setitem(sys.modules, "fastapi.routing", None)

    assert only(starlette_with(Route("/members", members))).description == "session"
