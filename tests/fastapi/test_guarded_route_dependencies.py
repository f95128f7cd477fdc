"""Which dependencies `GuardedRoute` enforces before the body, and what FastAPI and the audit see of it."""

from types import SimpleNamespace
from typing import Annotated, Any

import fastapi
import pytest
from fastapi import Depends, FastAPI, Request
from fastapi.routing import APIRoute
from support.asgi_calls import call
from support.guard_bench import SESSION_TOKEN, guard_of
from support.scripted_kratos import ScriptedKratos, signed_in
from uploads import GATE, Body, Upload, application, on_route, on_router, send_upload, with_parameter, without_gate

from ory_guard import Session
from ory_guard.exceptions import ConfigurationError
from ory_guard.fastapi import (
    CurrentSession,
    GuardedRoute,
    OptionalSession,
    audit_routes,
    require_aal,
    require_fresh,
    require_session,
)
from ory_guard.fastapi.dependencies import SessionDependency

pytestmark = pytest.mark.anyio


class OrApiKey(SessionDependency):
    """A gate that also accepts an API key."""

    async def __call__(self, request: Request, x_api_key: Annotated[str, fastapi.Header()] = "") -> Any:  # type: ignore[override] # FastAPI passes the header
        """Return the key, or the session."""
        return x_api_key or await super().__call__(request)


class OwnGate:
    """A gate of the application."""

    requirement = require_aal("aal2").requirement

    async def __call__(self, body: Body) -> None:
        """Accept a request by its body."""
        assert body == {"to": 5}


@pytest.mark.parametrize("gate", [OrApiKey(require_session.requirement), OwnGate()], ids=["subclass", "own class"])
async def test_dependencies_of_the_application_run_after_the_body(gate: Any) -> None:
    """They may accept requests that do not meet the requirement."""
    app = application(guard_of(ScriptedKratos(signed_in())))
    on_route(without_gate, dependencies=[Depends(gate)])(app)
    upload = Upload()

    assert (await send_upload(app, upload, (b"x-api-key", b"k"))).status == 200
    assert upload.reads == 1


async def test_overrides_apply() -> None:
    app = application(guard_of(ScriptedKratos(signed_in(), signed_in(aal="aal2"))))
    on_route(without_gate, dependencies=GATE)(app)
    statuses, reads = [], []
    for override in (lambda: None, require_aal("aal2"), None):
        app.dependency_overrides = {} if override is None else {require_session: override}
        upload = Upload()
        statuses.append((await send_upload(app, upload)).status)
        reads.append(upload.reads)

    assert statuses == [200, 401, 401]
    assert reads == [1, 0, 0]


async def test_misread_route_fails_before_the_body_is_read() -> None:
    """Also after the first request to it."""
    app = application(guard_of(ScriptedKratos(signed_in())))
    on_route(without_gate, dependencies=GATE)(app)
    assert (await send_upload(app, Upload(), SESSION_TOKEN)).status == 200
    upload = Upload()

    async def misread(body: Body, session: Session) -> None: ...

    app.add_api_route("/misread", misread, methods=["POST"])
    with pytest.raises(ConfigurationError, match="a client can forge its Session"):
        await send_upload(app, upload, SESSION_TOKEN, path="/misread")
    assert upload.reads == 0


async def test_missing_middleware_is_an_error() -> None:
    app = FastAPI()
    app.router.route_class = GuardedRoute
    on_route(without_gate, dependencies=GATE)(app)

    with pytest.raises(ConfigurationError, match="OrySessionMiddleware is not installed"):
        await send_upload(app, Upload(), SESSION_TOKEN)


async def test_requirements_are_enforced_before_other_dependencies() -> None:
    """Also before one that reads the body."""
    app = application(guard_of(ScriptedKratos(signed_in())))

    async def read(request: Request) -> bytes:
        return await request.body()

    @app.post("/upload", dependencies=[Depends(read), Depends(require_session)])
    async def stream(request: Request) -> str:
        return str([len(part) async for part in request.stream()])

    upload = Upload()
    assert (await send_upload(app, upload)).status == 401
    assert upload.reads == 0
    assert (await send_upload(app, upload, SESSION_TOKEN)).json == "[9, 0]"


async def test_routes_without_requirements_and_other_methods_are_as_before() -> None:
    app = application(guard_of(ScriptedKratos(signed_in())))
    on_route(without_gate)(app)
    app.add_api_route("/optional", optional, methods=["POST", "OPTIONS", "HEAD"])
    app.add_api_route("/member", member_only, methods=["OPTIONS", "HEAD"])

    assert (await send_upload(app, Upload())).status == 200
    assert (await send_upload(app, Upload(), path="/optional")).json is None
    for method in ("OPTIONS", "HEAD"):
        assert (await call(app, "/optional", method=method)).status == 200
        assert (await call(app, "/member", method=method)).status == 401
        assert (await call(app, "/upload", method=method)).status == 405


async def optional(session: OptionalSession) -> str | None:
    return session.id if session else None


async def member_only(session: CurrentSession) -> str:
    return session.id


def test_schema_and_audit_are_those_of_an_ordinary_route() -> None:
    found = []
    for route_class in (GuardedRoute, APIRoute, type("Derived", (GuardedRoute,), {})):
        app = application(guard_of(ScriptedKratos()), route_class)
        on_route(with_parameter)(app)
        on_router(prefix="/vault", dependencies=[Depends(require_fresh(60))])(app)
        found.append((app.openapi(), [str(route) + route.description for route in audit_routes(app)]))

    assert found[0] == found[1] == found[2]
    assert "POST /upload -> uploads:with_parametersession" in found[0][1]


def test_audit_reports_a_subclass_that_replaces_the_handler() -> None:
    class Replaced(GuardedRoute):
        def get_route_handler(self) -> Any:
            return super().get_route_handler()

    app = application(guard_of(ScriptedKratos()), Replaced)
    on_route(with_parameter)(app)

    assert audit_routes(app)[-1].note == "can't be inspected"


async def test_requirements_of_routers_are_enforced_after_the_body_if_fastapi_does_not_pass_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("ory_guard.guard.fastapi_routes.sys", SimpleNamespace(modules={}))
    app = application(guard_of(ScriptedKratos(signed_in())))
    on_router(dependencies=GATE)(app)
    upload = Upload()

    assert (await send_upload(app, upload)).status == 401
    assert upload.reads == 1
