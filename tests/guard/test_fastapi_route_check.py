"""Misread routes are closed wherever the application keeps them, and nothing else is."""

import functools
import gc
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Any, ClassVar

import pytest
from fastapi import APIRouter, Depends, FastAPI, Request
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route, Router
from starlette.testclient import TestClient
from support.guard_bench import guard_of
from support.scripted_kratos import ScriptedKratos, refused

from ory_guard import OrySessionMiddleware, Requirement
from ory_guard.exceptions import ConfigurationError
from ory_guard.fastapi import install
from ory_guard.starlette import session_required

GUARD = guard_of(ScriptedKratos(refused()))


class _OwnGate:
    requirement = Requirement(aal="aal2")

    async def __call__(self) -> None:
        pass


def vault() -> str:
    return "gold"


def misread() -> FastAPI:
    app = FastAPI()
    app.get("/x", dependencies=[Depends(_OwnGate)])(vault)
    return app


GLOBAL = misread()


async def by_global_name(scope: Any, receive: Any, send: Any) -> None:
    await GLOBAL(scope, receive, send)


async def by_two_names(scope: Any, receive: Any, send: Any) -> None:
    await by_global_name(scope, receive, send)


async def by_module(scope: Any, receive: Any, send: Any) -> None:
    await functools.GLOBAL(scope, receive, send)  # type: ignore[attr-defined] # a test sets it


class _ByGlobalName:
    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await GLOBAL(scope, receive, send)


class _Slotted:
    __slots__ = ("__app",)

    def __init__(self, app: Any) -> None:
        self.__app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await self.__app(scope, receive, send)


class _Dispatcher:
    def __init__(self, mounts: Any) -> None:
        self._mounts = mounts

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        mounts = self._mounts
        app = mounts["/"] if isinstance(mounts, dict) else mounts[0][1]
        await app(scope, receive, send)


class _Routes(_Dispatcher):  # which are not Starlette's
    def __init__(self, routes: list[tuple[str, Any]]) -> None:
        super().__init__(routes)
        self.routes = routes


class _Bypass:
    def __init__(self, app: Any, target: Any) -> None:
        self._app = app
        self._target = target

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await (self._target if scope["type"] == "http" else self._app)(scope, receive, send)


def as_fallback(app: Any) -> Any:
    app.router.default = misread()
    return app


def as_default_argument() -> Any:
    target = misread()

    async def app(scope: Any, receive: Any, send: Any, inner: Any = target) -> None:
        await inner(scope, receive, send)

    return app


def as_keyword_default() -> Any:
    target = misread()

    async def app(scope: Any, receive: Any, send: Any, *, inner: Any = target) -> None:
        await inner(scope, receive, send)

    return app


async def call(inner: Any, scope: Any, receive: Any, send: Any) -> None:
    await inner(scope, receive, send)


HIDDEN = [
    lambda: by_global_name,
    lambda: by_two_names,
    lambda: by_module,
    _ByGlobalName,
    lambda: _Slotted(misread()),
    lambda: _Dispatcher({"/": misread()}),
    lambda: _Dispatcher([("/", misread())]),
    lambda: _Routes([("/", misread())]),
    lambda: as_fallback(FastAPI()),
    lambda: as_fallback(Starlette()),
    as_default_argument,
    as_keyword_default,
    lambda: functools.partial(call, misread()),
    lambda: FastAPI(middleware=[Middleware(_Bypass, target=misread())]),
    lambda: Router([Mount("/", app=misread(), middleware=[Middleware(_Slotted)])]),
]


@pytest.mark.parametrize("build", HIDDEN)
@pytest.mark.parametrize("mount", [False, True])
def test_a_misread_route_is_closed_wherever_it_is(
    monkeypatch: pytest.MonkeyPatch, build: Callable[[], Any], mount: bool
) -> None:
    """Behind other applications, middlewares and functions."""
    monkeypatch.setattr(functools, "GLOBAL", GLOBAL, raising=False)
    app = Starlette(routes=[Mount("/", app=build())]) if mount else build()

    with pytest.raises(ConfigurationError, match=r"Depends\(_OwnGate\)"):
        TestClient(OrySessionMiddleware(app, guard=GUARD)).get("/x")


def test_the_check_does_not_slow_down_an_application() -> None:
    """Python 3.11 and 3.12 keep attributes in a slower dict after `__dict__` has been read."""
    mounts = {"/": PlainTextResponse("hello")}
    app = _Dispatcher(mounts)

    assert TestClient(OrySessionMiddleware(app, guard=GUARD)).get("/").text == "hello"
    assert any(value is mounts for value in gc.get_referents(app))


def test_a_route_that_can_not_be_checked_is_closed_alone() -> None:
    """The others are checked, and go on working."""
    app = misread()
    install(app, GUARD)

    def unresolved(value: Any) -> None:
        raise AssertionError(value)

    unresolved.__annotations__["value"] = "Annotated[Missing, Depends(vault)]"
    app.get("/unresolved")(unresolved)
    app.get("/public")(lambda: "public")
    client = TestClient(app, raise_server_exceptions=False)

    for _ in range(2):
        assert client.get("/public").status_code == 200
        assert client.get("/unresolved").status_code == 500
        assert client.get("/x").status_code == 500
    with pytest.raises(ConfigurationError, match=r"GET /unresolved: its parameters can't be read"), TestClient(app):
        pass


def test_a_closed_route_stays_closed_when_files_are_added(tmp_path: Path) -> None:
    """FastAPI derives the routes of an included router again."""
    router = APIRouter()
    router.get("/x", dependencies=[Depends(_OwnGate)])(vault)
    app = FastAPI()
    app.include_router(router)
    install(app, GUARD)
    client = TestClient(app, raise_server_exceptions=False)

    for path in ("/files", "/more"):
        assert client.get("/x").status_code == 500
        router.frontend(path, directory=tmp_path)
    assert client.get("/x").status_code == 500


def test_a_list_of_routes_that_replaces_another_at_startup_is_checked() -> None:
    """A startup handler may assign it."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        app.router.routes = [*app.router.routes, *misread().routes]
        yield

    app = FastAPI(lifespan=lifespan)
    install(app, GUARD)

    with TestClient(app) as client, pytest.raises(ConfigurationError, match=r"Depends\(_OwnGate\)"):
        client.get("/x")


class _RequirementOfBase:
    def __init__(self, requirement: Any = None) -> None:
        self.requirement = requirement


class _InheritedGate(_RequirementOfBase):
    async def __call__(self, request: Request) -> None:
        pass


class _GateOfProperty:
    @property
    def requirement(self) -> Requirement:
        return Requirement()

    async def __call__(self, request: Request) -> None:
        pass


class _Job:
    kinds: ClassVar[tuple[str, ...]] = ()

    def __init__(self, requirement: str = "") -> None:
        self.requirement = requirement

    def __call__(self) -> str:
        return "done"


@pytest.mark.parametrize("gate", [_InheritedGate, _GateOfProperty])
def test_a_gate_class_is_recognized_by_its_requirement(gate: type[Any]) -> None:
    """However an instance gets it."""
    app = FastAPI()
    app.get("/x", dependencies=[Depends(gate)])(vault)

    with pytest.raises(ConfigurationError, match=rf"write Depends\({gate.__name__}\(\)\)"):
        TestClient(OrySessionMiddleware(app, guard=GUARD)).get("/x")


def test_a_callable_class_without_a_requirement_of_a_session_is_no_gate() -> None:
    """Other things have requirements, too."""
    app = FastAPI()

    @app.get("/x")
    def handler(value: Annotated[Any, Depends(_Job)]) -> str:
        result: str = value()
        return result

    assert TestClient(OrySessionMiddleware(app, guard=GUARD)).get("/x").json() == "done"


def by_add_route(app: FastAPI, endpoint: Any) -> None:
    app.add_route("/private", endpoint)


def by_mount(app: FastAPI, endpoint: Any) -> None:
    app.mount("/private", Starlette(routes=[Route("/", endpoint)]))


@pytest.mark.parametrize("add", [by_add_route, by_mount])
def test_an_endpoint_may_be_public_and_private(add: Callable[[FastAPI, Any], None]) -> None:
    """Its wrapper has a route of its own, so it did not replace the endpoint by mistake."""
    app = FastAPI()

    async def endpoint(request: Request) -> PlainTextResponse:
        return PlainTextResponse("hello")

    app.get("/public")(endpoint)
    add(app, session_required(endpoint))
    client = TestClient(OrySessionMiddleware(app, guard=GUARD))

    assert client.get("/public").text == "hello"
    assert client.get("/private").status_code == 401


class _Proxy:
    def __getattr__(self, name: str) -> "_Proxy":
        return _Proxy()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await PlainTextResponse("hello")(scope, receive, send)


class _Options(dict[str, Any]):
    def values(self) -> Any:
        raise RuntimeError

    def __bool__(self) -> bool:
        raise RuntimeError


class _Configured:
    def __init__(self, app: Any, options: _Options) -> None:
        self._app = app
        self._options = options

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await self._app(scope, receive, send)


def test_the_check_calls_no_methods_of_an_application() -> None:
    """A mapping may compute its values, and any object its truth."""
    app = FastAPI(middleware=[Middleware(_Configured, options=_Options(app=GLOBAL))])
    app.get("/public")(lambda: "public")
    client = TestClient(OrySessionMiddleware(_Configured(app, _Options()), guard=GUARD))

    assert client.get("/public").json() == "public"


def test_the_check_ends_at_an_application_that_makes_up_its_attributes() -> None:
    """Proxies and mocks have no end of them."""
    assert TestClient(OrySessionMiddleware(_Proxy(), guard=GUARD)).get("/").text == "hello"
