"""Functions and classes of the application that return or create a dependency are refused as dependencies."""

import asyncio
import dis
from collections.abc import Callable
from functools import cache
from time import time
from types import CellType, FunctionType
from typing import Annotated, Any

import pytest
from anyio import from_thread
from fastapi import Depends, FastAPI, Request
from starlette.testclient import TestClient
from support.guard_bench import guard_of
from support.scripted_kratos import ScriptedKratos, refused, session_body, signed_in

import ory_guard.fastapi
from ory_guard import OrySessionMiddleware, Session
from ory_guard.exceptions import ConfigurationError
from ory_guard.fastapi import CurrentSession, install, require, require_aal, require_session

GUARD = guard_of(ScriptedKratos(refused()))


@cache
def require_role(role: str) -> Any:
    """Return a dependency, as in the documentation of roles."""
    return require(when=lambda session: role in (session.identity.metadata_public or ()))


def require_admin() -> Any:
    return require_role("admin")


async def require_later(role: str) -> Any:
    return ory_guard.fastapi.require_aal("aal2")


def with_annotation(role: str) -> Any:
    async def check(session: CurrentSession) -> Session:
        return session

    return check


def with_text(role: str) -> Any:
    async def check(session: "CurrentSession") -> Session:
        return session

    return check


def with_default(role: str) -> Any:
    def check(session: Any = Depends(require_session)) -> Any:  # noqa: B008 - the older way to declare a dependency
        return session

    return check


def with_call(role: str) -> Any:
    async def check(request: Request) -> Session:
        return await GUARD.require(request)

    return check


def with_closure(factory: Any) -> Any:
    def returned(role: str) -> Any:
        return factory(aal="aal2")

    return returned


class Checker:
    """A dependency of the application with an argument."""

    def __init__(self, role: str) -> None:
        self._role = role


class AnnotationChecker(Checker):
    """Its call has an annotation."""

    async def __call__(self, session: CurrentSession) -> Session:
        """Return the session."""
        return session


class TextChecker(Checker):
    """Its call has an annotation that is a text."""

    async def __call__(self, session: "CurrentSession") -> Session:
        """Return the session."""
        return session


class DefaultChecker(Checker):
    """Its call has a default."""

    async def __call__(self, session: Any = Depends(require_session)) -> Any:  # noqa: B008 - the older way to declare a dependency
        """Return the session."""
        return session


class GuardChecker(Checker):
    """Its call calls the guard."""

    async def __call__(self, request: Request) -> Session:
        """Return the session."""
        return await GUARD.require(request)


class FactoryChecker:
    """Its call calls a dependency that its constructor has made."""

    def __init__(self, role: str) -> None:
        self._check = require_aal("aal2")

    async def __call__(self, request: Request) -> Any:
        """Return the session."""
        return await self._check(request)


@pytest.mark.parametrize(
    ("dependency", "example"),
    [
        (require_role, "Depends(require_role(...))"),
        (require_admin, "Depends(require_admin(...))"),
        (require_later, "Depends(require_later(...))"),
        (with_annotation, "Depends(with_annotation(...))"),
        (with_text, "Depends(with_text(...))"),
        (with_default, "Depends(with_default(...))"),
        (with_call, "Depends(with_call(...))"),
        (with_closure(require), "Depends(returned(...))"),
        (lambda: require_aal("aal2"), "or pass the dependency itself"),
        (AnnotationChecker, "Depends(AnnotationChecker())"),
        (TextChecker, "Depends(TextChecker())"),
        (DefaultChecker, "Depends(DefaultChecker())"),
        (GuardChecker, "Depends(GuardChecker())"),
        (FactoryChecker, "Depends(FactoryChecker())"),
    ],
)
def test_dependency_that_only_makes_another_one_is_refused(dependency: Any, example: str) -> None:
    """FastAPI would read its arguments from the request, and ignore the returned dependency."""
    app = FastAPI()
    app.add_middleware(OrySessionMiddleware, guard=GUARD)
    calls: list[None] = []
    app.get("/x", dependencies=[Depends(dependency)])(lambda: calls.append(None))

    with pytest.raises(ConfigurationError) as caught:
        TestClient(app).get("/x?role=admin")

    assert example in str(caught.value)
    assert calls == []


async def page_size(size: int = 7) -> int:
    await asyncio.sleep(0)
    return size


def clock() -> Callable[[], float]:
    def now() -> float:
        return time()

    return now


def in_thread(request: Request) -> Any:
    return from_thread.run(require(verified=True), request)


class Paging:
    """A class that is a dependency itself."""

    def __init__(self, page: int = 1) -> None:
        self.page = page

    def __call__(self) -> int:
        """Return the page."""
        return self.page


def test_other_functions_and_classes_are_not_refused() -> None:
    """Also if they return a function, or call a dependency."""
    app = FastAPI()
    install(app, guard_of(ScriptedKratos(signed_in())))
    unset = FunctionType(with_closure(None).__code__, globals(), "unset", None, (CellType(),))

    @app.get("/x")
    async def endpoint(
        size: Annotated[int, Depends(page_size)],
        now: Annotated[Callable[[], float], Depends(clock)],
        paging: Annotated[Paging, Depends(Paging)],
        session: Annotated[Session, Depends(in_thread)],
    ) -> tuple[int, bool, int, str]:
        return size, now() > 0, paging.page, session.id

    app.get("/unset", dependencies=[Depends(unset)])(lambda: None)

    with TestClient(app) as client:
        answered = client.get("/x", headers={"x-session-token": "ory_st_ada"})

    assert answered.json() == [7, True, 1, session_body()["id"]]


def test_code_of_a_dependency_is_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A thousand routes may share it, and must not delay the start by seconds."""
    read: list[Any] = []
    get_instructions = dis.get_instructions

    def count(code: Any) -> Any:
        read.append(code)
        return get_instructions(code)

    monkeypatch.setattr(dis, "get_instructions", count)

    def shared() -> None: ...

    app = FastAPI()
    install(app, GUARD)
    for number in range(3):
        app.get(f"/{number}", dependencies=[Depends(shared)])(lambda: None)

    with TestClient(app):
        pass

    once = read.count(shared.__code__)
    assert once > 0
    app.get("/added", dependencies=[Depends(shared)])(lambda: None)
    TestClient(app).get("/added")
    assert read.count(shared.__code__) == once <= 3
