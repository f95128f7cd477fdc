"""Declarations that FastAPI would misread are refused, and their endpoints never run."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import pytest
from fastapi import APIRouter, Body, Depends, FastAPI, Header, Request, Security, WebSocket
from pydantic import BaseModel, SkipValidation
from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.testclient import TestClient
from support.guard_bench import guard_of
from support.scripted_kratos import ScriptedKratos, refused, session_body, signed_in
from typing_extensions import TypeAliasType

from ory_guard import Anonymous, Authenticated, Identity, OryGuard, OrySessionMiddleware, Outcome, Session
from ory_guard.exceptions import ConfigurationError
from ory_guard.fastapi import (
    CurrentIdentity,
    CurrentSession,
    install,
    optional_session,
    require,
    require_aal,
    require_fresh,
    require_session,
)
from ory_guard.fastapi.dependencies import IdentityDependency, SessionDependency, require_identity
from ory_guard.guard.guard import get_guard
from ory_guard.guard.requirements import Requirement
from ory_guard.starlette import session_required

GUARD = guard_of(ScriptedKratos(refused()))
FORGED = "/x?aal=aal2&max_age=3&conditions=x&connection=x&endpoint=x&args=1&kwargs=2&id=1&active=1"

FORGEABLE = (
    "POST /x: FastAPI reads the parameter 'value' from the request, so a client can forge its Session: "
    "write value: CurrentSession"
)

Build = Callable[[FastAPI, Callable[[], None]], object]


class OwnGate:
    """A dependency of the application."""

    requirement = Requirement(aal="aal2")

    async def __call__(self, request: Request) -> Session:
        """Return a session at aal2."""
        return await GUARD.require(request, aal="aal2")


class AnnotatedGate:
    """A dependency that only annotates the requirement."""

    requirement: Requirement

    async def __call__(self, request: Request) -> None:
        """Do nothing."""


@dataclass(frozen=True)
class DataclassGate:
    """A dependency whose requirement is an argument."""

    requirement: Requirement = Requirement(aal="aal2")  # noqa: RUF009 - it is frozen

    async def __call__(self, request: Request) -> None:
        """Do nothing."""


class Traits(BaseModel, frozen=True):
    """A traits model."""

    email: str


class Envelope(BaseModel):
    """A body that contains sessions."""

    children: "list[Envelope]"
    items: list[Session]


@dataclass
class Record:
    """A dataclass that contains a session."""

    session: Session


class Pair(NamedTuple):
    """A tuple that contains an identity."""

    identity: Identity


class Subclass(Session):
    """A subclass of `Session`."""


Alias = TypeAliasType("Alias", Session)

CALL_AAL = 'Depends(require_aal("aal2"))'
CALL_REQUIRE = 'Depends(require(aal="aal2"))'
DEPENDENCIES: list[tuple[Any, str]] = [
    (require, CALL_REQUIRE),
    (require_aal, CALL_AAL),
    (require_fresh, "Depends(require_fresh(300))"),
    (partial(require_aal, "aal2"), CALL_AAL),
    (partial(partial(require_aal)), CALL_AAL),
    (session_required, "Depends(require_session)"),
    (SessionDependency, CALL_REQUIRE),
    (IdentityDependency, "Depends(IdentityDependency())"),
    (OwnGate, "Depends(OwnGate())"),
    (AnnotatedGate, "Depends(AnnotatedGate())"),
    (DataclassGate, "Depends(OwnGate(...))"),
    (GUARD.require, "Depends(require(...))"),
    (GUARD.authenticate, "Depends(require_session)"),
    (partial(GUARD.watch), "Depends(require_session)"),
    (Session, "session: CurrentSession"),
    (Session[Traits], "Depends(require_session)]"),
    (CurrentSession, "session: CurrentSession"),
    (CurrentIdentity, "session: CurrentIdentity"),
    (Anonymous, "request.state.auth"),
]
PARAMETERS: list[tuple[Any, str]] = [
    (Session, "value: CurrentSession"),
    ("Session", "value: CurrentSession"),
    (Session | None, "value: OptionalSession"),
    (Annotated[Session, "a note"] | None, "value: OptionalSession"),
    (Session[Traits], "value: Annotated[Session[Traits], Depends(require_session)]"),
    (Subclass, "value: Annotated[Subclass, Depends(require_session)]"),
    (Identity, "value: CurrentIdentity"),
    (Alias, ": CurrentSession"),
    (list[Session], "session: CurrentSession"),
    (Annotated[Session, Body()], "value: CurrentSession"),
    (Annotated[Session, Header()], "value: CurrentSession"),
    (Annotated[Session, Depends()], "session: CurrentSession"),
    (Annotated[Session, require_session], "value: CurrentSession"),
    (SkipValidation[Session], "value: CurrentSession"),
    (Envelope, "session: CurrentSession"),
    (Record, "session: CurrentSession"),
    (Pair, "session: CurrentIdentity"),
    (Outcome, "request.state.auth"),
    (Authenticated, "request.state.auth"),
]


def on_route(dependency: Any) -> Build:
    return lambda app, run: app.post("/x", dependencies=[Depends(dependency)])(run)


def on_router(dependency: Any) -> Build:
    def build(app: FastAPI, run: Callable[[], None]) -> None:
        router = APIRouter()
        router.post("/x")(run)
        app.include_router(router, dependencies=[Security(dependency)])

    return build


def on_parameter(dependency: Any) -> Build:
    def build(app: FastAPI, run: Callable[[], None]) -> None:
        async def below(value: Annotated[Any, Depends(dependency)]) -> Any:
            return value

        app.post("/x", dependencies=[Depends(below)])(run)

    return build


def with_parameter(annotation: Any) -> Build:
    def build(app: FastAPI, run: Callable[[], None]) -> None:
        def handler(value: Any) -> None:
            run()

        handler.__annotations__["value"] = annotation
        app.post("/x")(handler)

    return build


def with_default(app: FastAPI, run: Callable[[], None]) -> None:
    @app.post("/x")
    def handler(session: Any = require_session) -> None:
        run()


def decorated_above(app: FastAPI, run: Callable[[], None]) -> None:
    @session_required(aal="aal2")
    @app.post("/x")
    def handler(request: Request) -> None:
        run()


def guarded_app() -> FastAPI:
    app = FastAPI()
    app.add_middleware(OrySessionMiddleware, guard=GUARD)
    app.get("/public")(lambda: "public")
    return app


def started(build: Build, run: Callable[[], None]) -> None:
    build(app := guarded_app(), run)
    with TestClient(app):
        pass


def first_requested(build: Build, run: Callable[[], None]) -> None:
    build(app := guarded_app(), run)
    TestClient(app).post(FORGED, json=session_body())


def mounted(build: Build, run: Callable[[], None]) -> None:
    """Send a request to a mounted application with a middleware, which is not started by the outer one."""
    build(app := guarded_app(), run)
    with TestClient(Starlette(routes=[Mount("/mounted", app)])) as client:
        client.post("/mounted" + FORGED, json=session_body())


def added_later(build: Build, run: Callable[[], None]) -> None:
    """Add a route to an included router while the application is running."""
    app, router = guarded_app(), FastAPI()
    app.include_router(router.router, prefix="/included")
    with TestClient(app) as client:
        assert client.get("/public").status_code == 200
        build(router, run)
        client.post("/included" + FORGED, json=session_body())


USES = pytest.mark.parametrize("use", [started, first_requested, mounted, added_later])


@pytest.fixture
def ran() -> Iterator[list[None]]:
    """Calls of handlers; there must be none."""
    calls: list[None] = []
    yield calls
    assert calls == []


def refused_with(
    example: str, use: Callable[[Build, Callable[[], None]], None], build: Build, ran: list[None]
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        use(build, lambda: ran.append(None))
    assert example in str(caught.value)


@USES
@pytest.mark.parametrize("build", [on_route, on_router, on_parameter])
@pytest.mark.parametrize(("dependency", "example"), DEPENDENCIES)
def test_dependency_that_does_not_check_the_session_is_refused(
    dependency: Any, example: str, build: Callable[[Any], Build], use: Any, ran: list[None]
) -> None:
    """Factories, classes, methods and annotations."""
    refused_with(example, use, build(dependency), ran)


@USES
@pytest.mark.parametrize(("annotation", "example"), PARAMETERS)
def test_parameter_with_session_is_refused(annotation: Any, example: str, use: Any, ran: list[None]) -> None:
    """Also inside containers, models and bodies."""
    refused_with(example, use, with_parameter(annotation), ran)


@USES
@pytest.mark.parametrize(
    ("build", "example"),
    [(with_default, "session=Depends(...)"), (decorated_above, "@session_required has no effect above")],
)
def test_check_outside_of_the_route_is_refused(build: Build, example: str, use: Any, ran: list[None]) -> None:
    """A dependency as a default value, and a decorator above the decorator of the route."""
    refused_with(example, use, build, ran)


@pytest.mark.parametrize("dependency", [require_session, require_aal("aal1"), optional_session, require_identity])
def test_assurance_level_in_the_scopes_of_security_is_refused(dependency: Any, ran: list[None]) -> None:
    """The scopes of `@requires` have the same names, but FastAPI checks no scopes."""

    def build(app: FastAPI, run: Callable[[], None]) -> None:
        app.get("/other", dependencies=[Security(dependency, scopes=["reports"])])(lambda: None)
        app.post("/x", dependencies=[Security(dependency, scopes=["reports", "aal2"])])(run)

    refused_with('POST /x: Security(..., scopes=["aal2"]) checks nothing', started, build, ran)
    refused_with('write Depends(require_aal("aal2"))', first_requested, build, ran)


def test_misread_websocket_is_refused(ran: list[None]) -> None:
    """The error is raised before the handshake is accepted."""
    app = guarded_app()

    @app.websocket("/x")
    async def live(websocket: WebSocket, checked: Annotated[Any, Depends(OwnGate)]) -> None:
        ran.append(None)

    with (
        pytest.raises(ConfigurationError, match=r"WEBSOCKET /x: .*OwnGate"),
        TestClient(app).websocket_connect("/x"),
    ):
        pass


def test_misread_files_are_refused(tmp_path: Path) -> None:
    """The dependencies of a router also apply to its static files."""
    (tmp_path / "index.html").write_text("hello")
    app = FastAPI(dependencies=[Depends(OwnGate)])
    app.frontend("/files", directory=tmp_path)

    with pytest.raises(ConfigurationError, match=r"files: Depends\(OwnGate\)"):
        TestClient(OrySessionMiddleware(app, guard=GUARD)).get("/files/")


def test_misread_routes_stay_closed_after_a_failed_startup(ran: list[None]) -> None:
    """The error lists all of them, and a server may ignore it."""
    app = guarded_app()
    app.get("/one", dependencies=[Depends(OwnGate)])(lambda: ran.append(None))
    with_parameter(Session)(app, lambda: ran.append(None))

    with pytest.raises(ConfigurationError) as caught, TestClient(app):
        pass

    assert str(caught.value).splitlines() == [
        "GET /one: Depends(OwnGate) creates an object and does not check the session: write Depends(OwnGate())",
        FORGEABLE,
    ]
    with pytest.raises(ConfigurationError):
        TestClient(app).post(FORGED, json=session_body())


@pytest.mark.parametrize(
    ("declare", "example"),
    [
        (require_session, "Depends(require_session)"),
        (require(aal="aal2"), "Depends(require(...))"),
        (optional_session, "without another call"),
        (require_identity, "without another call"),
        (lambda: with_dependencies(FastAPI(dependencies=[require()])), "dependencies=[Depends(require_session)]"),  # type: ignore[list-item] # the mistake
        (lambda: with_dependencies(FastAPI(), require_session), "dependencies=[Depends(require_session)]"),
        (lambda: with_dependencies(FastAPI(dependencies=[Depends(require_fresh)])), "Depends(require_fresh(300))"),
        (lambda: OryGuard("http://kratos.test:4433"), "OryGuard(GuardSettings(...))"),  # type: ignore[arg-type] # the mistake
    ],
)
def test_mistake_raises_at_its_line(declare: Callable[[], Any], example: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        declare()
    assert example in str(caught.value)


def with_dependencies(app: FastAPI, *dependencies: Any) -> None:
    app.get("/", dependencies=dependencies)(lambda: None)


def test_valid_declarations_are_not_refused() -> None:
    """Return annotations, response models, instances, unrelated classes, and a route without the decorator."""

    class Paging:
        requirement = "what a client needs"

        def __init__(self, page: int = 1) -> None:
            self.page = page

    class Counter(Paging):
        def __call__(self) -> int:
            return self.page

    async def local(request: Request) -> str:
        return "local"

    app = FastAPI()
    install(app, guard_of(ScriptedKratos(signed_in())))

    @app.post("/all", response_model=list[Session], dependencies=[Depends(partial(require(verified=True)))])
    async def all_of_them(
        session: CurrentSession,
        gate: Annotated[Session | None, Depends(OwnGateOfAnySession())],
        paging: Annotated[Paging, Depends()],
        counter: Annotated[Counter, Depends()],
        body: Annotated[dict[str, Any], Body()],
    ) -> Any:
        return [session, gate]

    for endpoint in (local, page):
        app.get(f"/{endpoint.__name__}")(endpoint)
        app.get(f"/members/{endpoint.__name__}")(session_required(endpoint))

    with TestClient(app) as client:
        sessions = client.post("/all", headers={"x-session-token": "ory_st_ada"}, json={}).json()
        assert {session["id"] for session in sessions} == {session_body()["id"]}
        for name in ("local", "page"):
            assert client.get(f"/{name}").json() == name
            assert client.get(f"/members/{name}").status_code == 401


class OwnGateOfAnySession(OwnGate):
    """A dependency of the application for any session."""

    requirement = Requirement()

    async def __call__(self, request: Request) -> Session:
        """Return the session."""
        return await get_guard(request.scope).require(request)


async def page(request: Request) -> str:
    return "page"


def test_objects_around_a_mounted_application_do_not_prevent_startup() -> None:
    """A closure may contain any object, and names that are not defined yet."""

    class Proxy:
        def __getattr__(self, name: str) -> Any:
            raise RuntimeError(name)

    proxy = Proxy()

    async def mounted(scope: Any, receive: Any, send: Any) -> None:
        defined_later(proxy)

    app = guarded_app()
    app.mount("/mounted", mounted)

    with TestClient(app) as client:
        assert client.get("/public").status_code == 200

    def defined_later(_proxy: Proxy) -> None: ...
