"""Static types of the public names: checked by mypy, and imported by a test."""

from collections.abc import Awaitable, Callable, Coroutine, Mapping
from pathlib import Path
from typing import Annotated, Any, assert_type
from uuid import UUID

from fastapi import Depends, FastAPI
from pydantic import BaseModel, ConfigDict
from starlette.requests import Request
from starlette.responses import Response

from ory_guard import (
    Anonymous,
    Authenticated,
    GuardSettings,
    Identity,
    OryGuard,
    OrySessionMiddleware,
    Outcome,
    Rejected,
    Requirement,
    SecondFactorRequired,
    Session,
    Unavailable,
)
from ory_guard.exceptions import Failure, OryGuardError, Refusal, SessionRequired
from ory_guard.fastapi import (
    CurrentIdentity,
    CurrentSession,
    OptionalSession,
    install,
    require,
    require_aal,
    require_fresh,
    require_session,
)
from ory_guard.forward_auth import ForwardAuth
from ory_guard.starlette import SessionRequiredMiddleware, session_required


class Traits(BaseModel):
    """The traits model of an application."""

    model_config = ConfigDict(frozen=True)

    email: str


async def handler(
    *,
    session: CurrentSession,
    optional: OptionalSession,
    identity: CurrentIdentity,
    typed: Annotated[Session[Traits], Depends(require_session)],
    current: CurrentSession[Traits],
    maybe: OptionalSession[Traits],
    person: CurrentIdentity[Traits],
) -> None:
    """Check the injected dependencies."""
    assert_type(session, Session[Mapping[str, Any]])
    assert_type(optional, Session[Mapping[str, Any]] | None)
    assert_type(identity, Identity[Mapping[str, Any]])
    assert_type(session.identity.traits, Mapping[str, Any])
    assert_type(typed.identity.traits, Traits)
    assert_type(typed.identity.traits.email, str)
    assert_type(current, Session[Traits])
    assert_type(maybe, Session[Traits] | None)
    assert_type(person, Identity[Traits])
    assert_type(session.authenticator_assurance_level, str | None)


async def typed_guard(settings: GuardSettings, request: Request, session: Session[Traits], other: Session) -> None:
    """Check a guard with a traits model, and that it is accepted as any guard."""
    guard = OryGuard(settings, traits=Traits)
    assert_type(guard, OryGuard[Traits])
    assert_type(await guard.require(request, aal="aal2"), Session[Traits])
    with guard.override(session), guard.override(Anonymous()), guard.override(None):
        pass
    guard.override("ada")  # type: ignore[arg-type] # not a session
    guard.override(other)  # type: ignore[arg-type] # other traits
    any_guard: OryGuard = guard
    assert_type(await any_guard.require(request), Session[Any])
    assert_type(await OryGuard(settings).require(request), Session[Any])


def sequences() -> None:
    """Pass each kind of sequence to a setting that is a tuple."""
    settings = GuardSettings(
        kratos_public_url="http://127.0.0.1:4433",
        app_url="http://127.0.0.1:8000",
        credentials=["cookie"],
        cookie_names=("ory_kratos_session", "ory_session_*"),
        trusted_origins=["https://admin.example.com"],
        ca_file=Path("ca.pem"),
    )
    assert_type(settings.cookie_names, tuple[str, ...])
    assert_type(settings.ca_file, str | None)


async def outcomes(guard: OryGuard, request: Request) -> None:
    """Check the outcomes of the guard."""
    outcome = await guard.authenticate(request)
    assert_type(outcome, Outcome)
    match outcome:
        case Authenticated():
            assert_type(outcome.session, Session[Any])
            assert_type(outcome.age, float)
        case Anonymous():
            pass
        case Rejected() | SecondFactorRequired():
            assert_type(outcome.credential == "cookie", bool)
        case Unavailable():
            assert_type(outcome.retry_after, int)
    assert_type(await guard.require(request, aal="aal2", max_age=300), Session[Any])
    assert_type(guard.login_url(request), str)
    assert_type(await guard.invalidate(session_id="s"), None)
    assert_type(await guard.invalidate(identity_id=UUID(int=1)), None)
    assert_type(await guard.logout(request), tuple[str, ...])
    assert_type(guard.settings, GuardSettings)


def condition(session: Session) -> bool:
    """Return a condition for `when`."""
    return session.active


async def async_condition(session: Session) -> bool:
    """Return an asynchronous condition for `when`."""
    return session.active


WHEN: list[Callable[[Session[Any]], bool | Awaitable[bool]]] = [condition, async_condition]
REQUIREMENTS = [
    require(when=condition),
    require(when=async_condition),
    require_aal("aal1"),
    require_fresh(0.5),
    require(verified="email"),
]


@session_required
async def endpoint(request: Request) -> Response:
    """Return an empty response."""
    return Response()


@session_required(aal="aal2")
def sync_endpoint(request: Request) -> Response:
    """Return an empty response from a thread."""
    return Response()


async def call_endpoints(request: Request) -> None:
    """Call decorated endpoints, which are coroutine functions with the original parameters."""
    asynchronous, threaded = endpoint(request), sync_endpoint(request)
    _ = assert_type(asynchronous, Coroutine[Any, Any, Any])
    _ = assert_type(threaded, Coroutine[Any, Any, Any])
    await asynchronous
    await threaded


async def wrong_conditions(guard: OryGuard, request: Request, app: FastAPI) -> None:
    """Make calls that type checkers reject: wrong names and wrong literals."""
    require(aal="aal3")  # type: ignore[arg-type]
    require(all="aal2")  # type: ignore[call-arg]
    require("aal2")  # type: ignore[call-arg]
    require_aal("aal3")  # type: ignore[arg-type]
    await guard.require(request, aal="aal3")  # type: ignore[arg-type]
    await guard.require(request, all="aal2")  # type: ignore[call-arg]
    session_required(aal="aal3")  # type: ignore[call-overload]
    session_required(all="aal2")  # type: ignore[call-overload]
    SessionRequiredMiddleware(app, aal="aal3")  # type: ignore[arg-type]
    app.add_middleware(SessionRequiredMiddleware, public=["/"], all="aal2")  # type: ignore[call-arg]


def refusals(refusal: Refusal) -> None:
    """Check the attributes of a refusal."""
    assert_type(refusal.code, str)
    assert_type(refusal.status_code, int)
    assert_type(refusal.failures, tuple[Failure, ...])
    error: OryGuardError = SessionRequired(aal="aal2")
    assert_type(str(error), str)


def forward_auth(guard: OryGuard) -> ForwardAuth:
    """Create the application for a reverse proxy."""
    return ForwardAuth(
        guard,
        routes={"/static/*": None, "/admin/*": Requirement(aal="aal2")},
        secret="0123456789abcdef",
        identity_headers={"X-User-Id": "identity.id", "X-Role": lambda session: session.identity.schema_id},
        for_nginx=True,
        max_age=3_600,
    )


def wiring(settings: GuardSettings) -> FastAPI:
    """Create an application."""
    app = FastAPI()
    guard = OryGuard(settings, traits=Traits)
    install(app, guard)
    app.add_middleware(OrySessionMiddleware, guard=guard)
    app.add_middleware(OrySessionMiddleware, kratos_public_url="http://127.0.0.1:4433", app_url="http://127.0.0.1")
    return app
