"""`GuardedRoute` refuses a request before its body is read, as the dependencies do afterwards."""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Annotated, Any

import fastapi
import pytest
from fastapi import Depends, FastAPI, Query, Request, Security
from fastapi.routing import APIRoute
from support.asgi_calls import NAVIGATE
from support.clock import AdjustableClock
from support.guard_bench import SESSION_COOKIE, SESSION_TOKEN, guard_of
from support.scripted_kratos import SESSION_ID, ScriptedKratos, refused, signed_in
from support.served_kratos import listening_socket, serving
from uploads import (
    GATE,
    Body,
    Header,
    Upload,
    application,
    on_route,
    on_router,
    send_upload,
    with_parameter,
    without_gate,
)

from ory_guard import Session
from ory_guard.fastapi import CurrentIdentity, CurrentSession, GuardedRoute, require, require_aal, require_session
from ory_guard.starlette import session_required

pytestmark = pytest.mark.anyio

FOREIGN = (b"sec-fetch-site", b"cross-site")


async def with_identity(body: Body, identity: CurrentIdentity) -> str:
    return identity.id


async def with_security(body: Body, session: Annotated[Session, Security(require_session, scopes=["a"])]) -> str:
    return session.id


async def member(
    session: CurrentSession, page: Annotated[int, Query()], x_client: Annotated[str, fastapi.Header()]
) -> str:
    return session.id


async def with_nested(body: Body, member: Annotated[str, Depends(member)]) -> str:
    return member


@session_required
async def with_decorator(request: Request, body: Body) -> str:
    return "sent"


@session_required
async def decorated_dependency(request: Request) -> None:
    """Require a session."""


@pytest.mark.parametrize(
    "add",
    [
        pytest.param(on_route(with_parameter), id="parameter"),
        pytest.param(on_route(with_identity), id="identity"),
        pytest.param(on_route(with_security), id="Security"),
        pytest.param(on_route(with_nested), id="sub-dependency with parameters"),
        pytest.param(on_route(without_gate, dependencies=GATE), id="route"),
        pytest.param(on_route(without_gate, dependencies=[Depends(partial(require_session))]), id="partial"),
        pytest.param(
            on_route(without_gate, dependencies=[Depends(decorated_dependency)]), id="decorated dependency"
        ),
        pytest.param(on_route(with_decorator), id="decorator"),
        pytest.param(on_router(dependencies=GATE), id="included router"),
    ],
)
@pytest.mark.parametrize(
    ("headers", "kratos", "status"),
    [
        pytest.param((), signed_in(), 401, id="anonymous"),
        pytest.param((SESSION_TOKEN,), refused(), 401, id="rejected"),
        pytest.param((SESSION_TOKEN,), refused(503), 503, id="unavailable"),
        pytest.param((NAVIGATE,), signed_in(), 303, id="navigation"),
        pytest.param((SESSION_COOKIE, FOREIGN), signed_in(), 403, id="cross-site"),
    ],
)
async def test_request_is_refused_before_its_body_is_read(
    add: Callable[[FastAPI], None], headers: tuple[Header, ...], kratos: Any, status: int
) -> None:
    """With the response of a route of FastAPI, whose body is read first."""
    uploads, responses = (Upload(), Upload()), []
    for upload, route_class in zip(uploads, (GuardedRoute, APIRoute), strict=True):
        app = application(guard_of(ScriptedKratos(kratos)), route_class)
        add(app)
        responses.append(await send_upload(app, upload, *headers))

    assert [upload.reads for upload in uploads] == [0, 1]
    assert responses[0].status == status
    assert responses[0] == responses[1]


@pytest.mark.parametrize("included", [False, True])
async def test_dependencies_of_the_application_are_enforced(*, included: bool) -> None:
    app = application(guard_of(ScriptedKratos(signed_in())), dependencies=[Depends(require_aal("aal2"))])
    (on_router() if included else on_route(without_gate))(app)
    upload = Upload()

    assert (await send_upload(app, upload, SESSION_TOKEN)).status == 403
    assert upload.reads == 0


async def test_requirement_is_evaluated_once() -> None:
    """Also if it calls Kratos in every request, and if routers and the endpoint repeat it."""
    kratos, conditions = ScriptedKratos(signed_in(), signed_in(), signed_in()), []

    def condition(session: Session) -> bool:
        conditions.append(session.id)
        return True

    gate, other = require(revalidate=True, when=condition), require(when=condition)
    app = application(guard_of(kratos), dependencies=[Depends(gate), Depends(other)])

    @app.post("/upload", dependencies=[Depends(gate)])
    async def upload(body: Body, session: Annotated[Session, Depends(gate)]) -> str:
        assert body == {"to": 5}
        return session.id

    assert (await send_upload(app, Upload(), SESSION_TOKEN)).json == SESSION_ID
    # The session and its revalidation; the conditions of two requirements.
    assert (len(kratos.requests), conditions) == (2, [SESSION_ID] * 2)


async def test_early_evaluation_counts_once() -> None:
    """A requirement that the endpoint repeats is evaluated again."""
    results = [True, False]
    gate = require(when=lambda _: results.pop(0))
    app = application(guard_of(ScriptedKratos(signed_in())))

    @app.post("/upload", dependencies=[Depends(gate)])
    async def upload(request: Request, body: Body) -> str:
        return str((await gate(request)).id)

    assert (await send_upload(app, Upload(), SESSION_TOKEN)).status == 403


@pytest.mark.parametrize(("revoked", "seconds", "status"), [(True, 0, 401), (False, 40, 401), (False, 1, 200)])
@pytest.mark.parametrize("gate", [require_session, require_aal("aal1"), require(revalidate=True)], ids=repr)
async def test_session_that_ends_while_the_body_arrives_is_refused(
    gate: Any, *, revoked: bool, seconds: float, status: int
) -> None:
    clock = AdjustableClock()
    answers = [signed_in(), signed_in()] if "revalidate=True" in repr(gate) else [signed_in()]
    guard = guard_of(ScriptedKratos(*answers, refused()), clock=clock)
    app = application(guard)
    on_route(without_gate, dependencies=[Depends(gate)])(app)

    async def during() -> None:
        clock.advance(seconds)
        if revoked:
            await guard.invalidate(session_id=SESSION_ID)

    assert (await send_upload(app, Upload(during=during), SESSION_TOKEN)).status == status


async def test_client_that_waits_for_100_continue_does_not_send_the_body() -> None:
    """The server sends it when the application reads the body."""
    app = application(guard_of(ScriptedKratos(signed_in())))
    on_route(with_parameter)(app)

    async def first_line(credential: bytes) -> bytes:
        reader, writer = await asyncio.open_connection(*listener.getsockname())
        writer.write(
            b"POST /upload HTTP/1.1\r\nHost: test\r\nContent-Type: application/json\r\nContent-Length: 9\r\n"
            b"Expect: 100-continue\r\n" + credential + b"\r\n"
        )
        line = await reader.readline()
        writer.close()
        return line

    with listening_socket() as listener:
        async with serving(app, listener):
            assert await first_line(b"") == b"HTTP/1.1 401 Unauthorized\r\n"
            assert await first_line(b"X-Session-Token: t\r\n") == b"HTTP/1.1 100 Continue\r\n"
