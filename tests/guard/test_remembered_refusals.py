"""A refusal that a framework turns into a 500 gets its own response."""

import asyncio
import gc
import weakref
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import httpx2
import pytest
from support.asgi_calls import NAVIGATE, call, connect, http_scope
from support.guard_bench import SESSION_COOKIE, SESSION_TOKEN, Bench
from support.scripted_kratos import refused

from ory_guard import OryGuard, OrySessionMiddleware
from ory_guard.exceptions import OryGuardError, Refusal, SessionRequired, StepUpRequired

pytestmark = pytest.mark.anyio

Handler = Callable[[OryGuard, Any], Awaitable[Any]]

ORIGIN = (b"origin", b"https://app.example.com")


async def respond(send: Any, status: int, body: bytes = b"of the framework", parts: int = 1) -> None:
    """Send a response with a body in parts."""
    await send({"type": "http.response.start", "status": status, "headers": [(b"content-type", b"text/plain")]})
    for part in range(parts):
        await send({"type": "http.response.body", "body": body, "more_body": part + 1 < parts})


def framework(guard: OryGuard, handler: Handler, *, status: int = 500, size: int = 1, parts: int = 1) -> Any:
    """Return an application of a framework that turns each error of a handler into a response."""

    async def app(scope: Any, _receive: Any, send: Any) -> None:
        try:
            await handler(guard, scope)
        except OryGuardError:
            if scope["type"] == "websocket":
                await send({"type": "websocket.close", "code": 1011})
            else:
                await respond(send, status, b"a" * size, parts)
            return
        await respond(send, 200)

    return OrySessionMiddleware(app, guard=guard)


async def record(app: Any, sent: list[Any]) -> None:
    """Add the messages that the application sends for a request."""

    async def send(message: Any) -> None:
        sent.append(message)

    await app(http_scope(), None, send)


async def require(guard: OryGuard, scope: Any) -> None:
    await guard.require(scope)


@pytest.mark.parametrize("size", [1, 2 * 1024 * 1024])
@pytest.mark.parametrize("parts", [1, 3])
async def test_500_made_of_a_refusal_is_replaced(parts: int, size: int) -> None:
    """Even if the framework raises nothing, and sends the body in parts; nothing of the body is sent."""
    app = framework(Bench().guard, require, parts=parts, size=size)

    api, page = await call(app), await call(app, headers=[NAVIGATE])

    assert (api.status, api.error_id) == (401, "session_inactive")
    assert (page.status, page.body) == (303, b"")
    assert (await call(app, headers=[SESSION_TOKEN])).status == 200


@pytest.mark.parametrize("status", [200, 401, 418, 502])
async def test_other_status_of_the_application_is_kept(status: int) -> None:
    answered = await call(framework(Bench().guard, require, status=status))

    assert (answered.status, answered.body) == (status, b"a")


async def fail_after_a_met_requirement(guard: OryGuard, scope: Any) -> None:
    """Handle the refusal of one requirement, meet another one, and fail."""
    with pytest.raises(StepUpRequired):
        await guard.require(scope, aal="aal2")
    await guard.require(scope)
    raise OryGuardError("a defect")


async def fail_after_a_met_token(guard: OryGuard, scope: Any) -> None:
    """Handle the refusal of the request, require the session of a token in the body, and fail."""
    with pytest.raises(SessionRequired):
        await guard.require(scope)
    outcome = await guard.authenticate_token("ory_st_other", kind="bearer")
    await guard.require(scope, outcome=outcome)
    raise OryGuardError("a defect")


@pytest.mark.parametrize(
    ("handler", "headers"), [(fail_after_a_met_requirement, [SESSION_TOKEN]), (fail_after_a_met_token, [])]
)
async def test_requirement_that_is_met_afterwards_clears_the_refusal(handler: Handler, headers: Any) -> None:
    """The 500 is about the defect."""
    guard = Bench(whoami_required_aal="aal1").guard

    answered = await call(framework(guard, handler), headers=headers)

    assert (answered.status, answered.body) == (500, b"a")


async def test_optional_session_does_not_clear_the_refusal() -> None:
    """The error page of the framework may show the name of the user."""

    async def handler(guard: OryGuard, scope: Any) -> None:
        try:
            await guard.require(scope, aal="aal2")
        finally:
            await guard.enforcement.optional(scope, guard.enforcement.get_context(scope))

    answered = await call(framework(Bench(whoami_required_aal="aal1").guard, handler), headers=[SESSION_TOKEN])

    assert answered.error_id == "session_aal2_required"


TRAILERS = {"type": "http.response.trailers", "headers": [], "more_trailers": False}
FILE = {"type": "http.response.pathsend", "path": "/srv/500.html"}
START_200 = {"type": "http.response.start", "status": 200, "headers": []}
START_500 = {**START_200, "status": 500}


@pytest.mark.parametrize("message", [TRAILERS, FILE, START_200, START_500], ids=["trailers", "file", "200", "500"])
async def test_no_message_after_the_500_is_sent(message: Any) -> None:
    guard = Bench().guard

    async def app(scope: Any, _receive: Any, send: Any) -> None:
        with pytest.raises(Refusal):
            await guard.require(scope)
        await asyncio.gather(send(START_500), send(message))

    sent: list[Any] = []
    await record(OrySessionMiddleware(app, guard=guard), sent)

    assert [(one["type"], one.get("status")) for one in sent] == [
        ("http.response.start", 401),
        ("http.response.body", None),
    ]


def in_task_group(guard: OryGuard, defect: Exception | None, *, responds: bool) -> Any:
    """Return an application whose handler requires a session in a task group, next to a task that may fail."""

    async def fail() -> None:
        if defect is not None:
            raise defect

    async def app(scope: Any, _receive: Any, send: Any) -> None:
        try:
            async with asyncio.TaskGroup() as outer, asyncio.TaskGroup() as inner:
                inner.create_task(require(guard, scope))
                outer.create_task(fail())
        except ExceptionGroup:
            if responds:
                await respond(send, 500)
            raise

    return OrySessionMiddleware(app, guard=guard)


@pytest.mark.parametrize("responds", [True, False])
async def test_refusal_in_a_task_group_is_answered(responds: bool) -> None:
    answered = await call(in_task_group(Bench().guard, None, responds=responds))

    assert (answered.status, answered.error_id) == (401, "session_inactive")


@pytest.mark.parametrize("responds", [True, False])
async def test_defect_beside_a_refusal_in_a_task_group_reaches_the_server(responds: bool) -> None:
    with pytest.raises(ExceptionGroup):
        await call(in_task_group(Bench().guard, ValueError("a defect"), responds=responds))


@pytest.mark.parametrize("size", [1, 2 * 1024 * 1024])
async def test_defect_that_is_raised_after_the_500_keeps_it(size: int) -> None:
    """The server makes the 500 if the body was too large to be kept."""
    guard = Bench().guard

    async def app(scope: Any, _receive: Any, send: Any) -> None:
        with pytest.raises(Refusal):
            await guard.require(scope)
        await respond(send, 500, b"a" * size, parts=2)
        raise ValueError("a defect")

    sent: list[Any] = []
    with pytest.raises(ValueError, match="a defect"):
        await record(OrySessionMiddleware(app, guard=guard), sent)

    assert [message.get("status") for message in sent] == ([500, None, None] if size == 1 else [])


@pytest.mark.parametrize("url_only", [False, True])
async def test_failed_logout_is_a_503(url_only: bool) -> None:
    """A framework catches `KratosUnavailable`, too."""
    guard = Bench(httpx2.ConnectError("refused")).guard

    async def handler(guard: OryGuard, scope: Any) -> None:
        await (guard.logout_url(scope) if url_only else guard.logout(scope))

    answered = await call(
        framework(guard, handler), method="GET" if url_only else "POST", headers=[SESSION_COOKIE, ORIGIN]
    )

    assert (answered.status, answered.error_id) == (503, "session_check_unavailable")
    assert answered.header(b"retry-after") == b"1"


async def test_message_of_an_extension_before_the_response_is_forwarded() -> None:
    """Such as the early hints that a server sends before the response."""
    hint = {"type": "http.response.early_hint", "links": [b"</style.css>; rel=preload"]}

    async def app(_scope: Any, _receive: Any, send: Any) -> None:
        await send(hint)
        await respond(send, 200)

    sent: list[Any] = []
    await record(OrySessionMiddleware(app, guard=Bench().guard), sent)

    assert sent[0] == hint
    assert sent[1]["status"] == 200


CLOSE = {"type": "websocket.close", "code": 1011}


@pytest.mark.parametrize("kind", ["http", "websocket"])
async def test_refused_request_leaves_no_reference_cycle(kind: str) -> None:
    """The refusal that the middleware keeps has no traceback, whose frames refer to the scope."""

    class Marker:
        """An object in the scope."""

    guard, markers = Bench(refused(401)).guard, list[weakref.ref[Marker]]()

    async def app(scope: Any, _receive: Any, send: Any) -> None:
        scope["marker"] = marker = Marker()
        markers.append(weakref.ref(marker))
        with suppress(Refusal):
            await guard.require(scope)
        if kind == "http":
            await respond(send, 500)
        else:
            await send(CLOSE)

    wrapped = OrySessionMiddleware(app, guard=guard)
    gc.collect()
    gc.disable()
    try:
        await (call(wrapped) if kind == "http" else connect(wrapped))
        await asyncio.sleep(0)
        assert markers[0]() is None
    finally:
        gc.enable()
