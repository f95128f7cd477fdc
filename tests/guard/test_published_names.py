"""Objects of other libraries at the names that the middleware publishes."""

import logging
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.authentication import AuthCredentials, AuthenticationBackend, SimpleUser
from starlette.middleware import Middleware
from starlette.middleware.authentication import AuthenticationMiddleware
from starlette.requests import HTTPConnection, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route
from support.applications import public, reply
from support.asgi_calls import Application, call, connect, http_scope, run_lifespan
from support.guard_bench import SESSION_TOKEN, Bench
from support.scripted_kratos import IDENTITY_ID, SESSION_ID, session_body, signed_in

from ory_guard import Anonymous, OryGuard, OrySessionMiddleware
from ory_guard.exceptions import ConfigurationError
from ory_guard.guard.context import _reported
from ory_guard.starlette import session_required

pytestmark = pytest.mark.anyio


class DatabaseSession:
    """The session of a database library."""


class Setting:
    """A middleware that sets one name of the scope or of its state for each request."""

    def __init__(self, app: Application, name: str, value: Any) -> None:
        self._app, self._name, self._value = app, name, value

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Set the name."""
        place, _, name = self._name.rpartition(".")
        (scope.setdefault("state", {}) if place else scope)[name] = self._value
        await self._app(scope, receive, send)


class ApiKeys(AuthenticationBackend):
    """A backend of the application, which accepts an API key."""

    async def authenticate(self, conn: HTTPConnection) -> tuple[AuthCredentials, SimpleUser] | None:
        """Authenticate a request with a key."""
        return (AuthCredentials(["key"]), SimpleUser("robot")) if "x-api-key" in conn.headers else None


NAMES = ["state.session", "state.ory_session", "state.auth", "user", "auth"]


# --- set before the middleware


@pytest.mark.parametrize("send", [call, connect])
@pytest.mark.parametrize("name", NAMES)
async def test_foreign_object_before_the_middleware_is_an_error(
    name: str, send: Callable[..., Awaitable[Any]]
) -> None:
    """The error contains the name, the type and the fix."""
    reached: list[str] = []

    async def app(_scope: Any, _receive: Any, _send: Any) -> None:
        reached.append("handler")

    guarded = Setting(OrySessionMiddleware(app, guard=Bench().guard), name, DatabaseSession())

    for headers in ([SESSION_TOKEN], []):
        with pytest.raises(ConfigurationError) as caught:
            await send(guarded, headers=headers)
        assert f"request.{name} holds an object of {__name__}.DatabaseSession before" in str(caught.value)
        assert "before OrySessionMiddleware, so that it runs inside" in str(caught.value)
    assert reached == []


@pytest.mark.parametrize("name", NAMES)
async def test_none_before_the_middleware_is_accepted(name: str) -> None:
    """A placeholder is not an object of another library."""
    app = Setting(public(Bench().guard), name, None)

    assert (await call(app, headers=[SESSION_TOKEN])).json["session"] == SESSION_ID


async def test_outcome_of_another_middleware_is_accepted() -> None:
    """An adapter between two middlewares may pass on standard keys and state only."""
    guard = Bench().guard

    async def copying(scope: Any, receive: Any, send: Any) -> None:
        passed = {name: value for name, value in scope.items() if name != "ory_guard"}
        await public(guard)(passed, receive, send)

    answered = await call(OrySessionMiddleware(copying, guard=guard), headers=[SESSION_TOKEN])

    assert answered.json["session"] == SESSION_ID


@pytest.mark.parametrize("name", ["session", "ory_session", "auth"])
async def test_foreign_object_in_the_lifespan_state_fails_the_startup(name: str) -> None:
    """Each request would get it."""
    sent, left = list[Any](), list[str]()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        scope["state"][name] = DatabaseSession
        try:
            await send({"type": "lifespan.startup.complete"})
        finally:
            left.append("application")

    with pytest.raises(ConfigurationError, match=rf"request\.state\.{name} holds an object of type") as caught:
        await run_lifespan(OrySessionMiddleware(app, guard=Bench().guard), sent, state={})

    assert sent == [{"type": "lifespan.startup.failed", "message": str(caught.value)}]
    assert left == ["application"]


@pytest.mark.parametrize("kind", ["lifespan.startup.failed", "lifespan.startup.complete"])
async def test_startup_failure_is_sent_once(kind: str) -> None:
    """Starlette sends the failure itself; an error at shutdown is not a startup failure."""
    sent: list[Any] = []

    async def app(_scope: Any, _receive: Any, send: Any) -> None:
        await send({"type": kind})
        raise ConfigurationError("the application's own")

    with pytest.raises(ConfigurationError, match="own"):
        await run_lifespan(OrySessionMiddleware(app, guard=Bench().guard), sent)

    assert sent == [{"type": kind}]


# --- set after the middleware


@pytest.fixture
def _nothing_reported() -> None:
    _reported.clear()


@pytest.mark.usefixtures("_nothing_reported")
@pytest.mark.parametrize("name", NAMES)
async def test_foreign_object_after_the_middleware_stays_and_is_logged_once(
    name: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Once per type and process, with and without a session."""
    seen: list[object] = []
    foreign = DatabaseSession()

    async def app(scope: Any, _receive: Any, send: Any) -> None:
        place, _, key = name.rpartition(".")
        seen.append((scope["state"] if place else scope)[key])
        await reply(send, None)

    guarded = OrySessionMiddleware(Setting(app, name, foreign), guard=Bench().guard)
    for headers in ([], [SESSION_TOKEN], []):
        assert (await call(guarded, headers=headers)).status == 200

    assert seen == [foreign] * 3
    [record] = caplog.records
    assert record.levelno == logging.WARNING
    assert record.getMessage().startswith(
        f"scope.replaced place=request.{name} type={__name__}.DatabaseSession: it is not the session"
    )


@pytest.mark.usefixtures("_nothing_reported")
async def test_inner_authentication_middleware_keeps_its_user(caplog: pytest.LogCaptureFixture) -> None:
    """`request.user` and `request.auth` are its own; the session is at `ory_session`, which dependencies use."""
    guard = Bench().guard

    @session_required
    async def gated(request: Request) -> Response:
        return JSONResponse([request.user.display_name, request.state.ory_session.id])

    async def free(request: Request) -> Response:
        return JSONResponse([type(request.user).__name__, request.state.ory_session and "session"])

    app = Starlette(
        routes=[Route("/gated", gated), Route("/", free)],
        middleware=[
            Middleware(OrySessionMiddleware, guard=guard),
            Middleware(AuthenticationMiddleware, backend=ApiKeys()),
        ],
    )
    key = (b"x-api-key", b"k")

    assert (await call(app, "/")).json == ["UnauthenticatedUser", None]
    assert (await call(app, "/gated", headers=[key])).status == 401
    assert (await call(app, "/gated", headers=[key, SESSION_TOKEN])).json == ["robot", SESSION_ID]
    places = [record.getMessage().split(":")[0] for record in caplog.records if "scope." in record.getMessage()]
    assert places == [
        "scope.replaced place=request.user type=starlette.authentication.UnauthenticatedUser",
        "scope.replaced place=request.auth type=starlette.authentication.AuthCredentials",
        "scope.replaced place=request.user type=starlette.authentication.SimpleUser",
    ]


async def test_require_without_the_middleware_keeps_foreign_objects() -> None:
    user, auth, database = DatabaseSession(), DatabaseSession(), DatabaseSession()
    shared = {"session": database}
    scope = http_scope(headers=[SESSION_TOKEN], state=shared, user=user, auth=auth)

    assert (await Bench().guard.require(scope)).id == SESSION_ID
    assert scope["user"] is user
    assert scope["auth"] is auth
    assert scope["state"]["session"] is database
    assert scope["state"]["ory_session"].id == SESSION_ID
    assert shared == {"session": database}


async def test_deleted_name_is_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    """A middleware may clean up after itself."""

    async def app(scope: Any, _receive: Any, send: Any) -> None:
        await reply(send, None)
        del scope["state"]["session"], scope["user"]

    await call(OrySessionMiddleware(app, guard=Bench().guard), headers=[SESSION_TOKEN])

    assert caplog.records == []


# --- a guard inside a guard


def _mounted(shop: OryGuard, staff: OryGuard, seen: list[Any]) -> Application:
    async def note(request: Request) -> Response:
        seen.append(_published(request.scope))
        return JSONResponse(None)

    inner = Starlette(routes=[Route("/", note)], middleware=[Middleware(OrySessionMiddleware, guard=staff)])
    mount = Starlette(routes=[Mount("/staff", inner)])

    async def around(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            return
        before = _published(scope)

        async def compare(message: Any) -> None:
            assert _published(scope) == before
            await send(message)

        await mount(scope, receive, compare)
        assert _published(scope) == before
        seen.append(before)

    return OrySessionMiddleware(around, guard=shop)


def _published(scope: Any) -> dict[str, Any]:
    return {**scope["state"], "user": scope["user"], "auth_of_scope": scope["auth"], "check": scope["ory_guard"]}


@pytest.mark.parametrize("token", [True, False])
async def test_mounted_application_with_a_guard_has_its_own_scope(*, token: bool) -> None:
    """The outer application's state, user and auth do not change, neither during the inner request nor after it."""
    shop, staff = Bench(), Bench(signed_in(session_body(id="staff")))
    seen: list[Any] = []

    await call(_mounted(shop.guard, staff.guard, seen), "/staff/", headers=[SESSION_TOKEN] if token else [])

    inner, outer = seen
    if token:
        assert (inner["session"].id, outer["session"].id) == ("staff", SESSION_ID)
        assert (inner["ory_session"].id, outer["ory_session"].id) == ("staff", SESSION_ID)
        assert inner["user"].session is inner["session"]
        assert outer["user"].session is outer["session"]
    else:
        assert (inner["session"], outer["session"]) == (None, None)
        assert isinstance(outer["auth"], Anonymous)
    assert inner["user"] is not outer["user"]


# --- attributes of the user


async def test_attributes_of_the_user_last_for_one_request() -> None:
    """Django Channels sets `_wrapped`; other requests must not have it."""
    seen: list[Any] = []

    async def app(scope: Any, _receive: Any, send: Any) -> None:
        user = scope["user"]
        seen.append(getattr(user, "_wrapped", None))
        user._wrapped = user._session = user.tenant = "eu"
        del user.tenant
        seen.append((user._wrapped, user.is_authenticated, user.identity, hasattr(user, "tenant")))
        await reply(send, None)

    guarded = OrySessionMiddleware(app, guard=Bench().guard)
    for _ in range(2):
        for headers in ([SESSION_TOKEN], []):
            await call(guarded, headers=headers)

    assert seen[::2] == [None] * 4
    assert seen[1::2] == [("eu", True, IDENTITY_ID, False), ("eu", False, "", False)] * 2
