"""The dependencies of `ory_guard.fastapi`."""

from typing import Annotated, Any

import pytest
from fastapi import Depends, FastAPI
from pydantic import BaseModel, ConfigDict
from support.asgi_calls import SentResponse, call
from support.fastapi_applications import application
from support.guard_bench import SESSION_COOKIE, SESSION_TOKEN, Bench, guard_of
from support.scripted_kratos import IDENTITY_ID, SESSION_ID, STEP_UP, ScriptedKratos, refused, signed_in

from ory_guard import Session
from ory_guard.exceptions import ConfigurationError
from ory_guard.fastapi import (
    CurrentIdentity,
    CurrentSession,
    OptionalSession,
    install,
    optional_session,
    require,
    require_aal,
    require_fresh,
    require_session,
)

pytestmark = pytest.mark.anyio

CROSS_SITE = (b"sec-fetch-site", b"cross-site")


async def get(kratos_response: Any, path: str, *headers: tuple[bytes, bytes]) -> SentResponse:
    return await call(application(Bench(kratos_response).guard), path, headers=headers)


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/me", {"session": SESSION_ID, "identity": IDENTITY_ID, "email": "ada@example.com"}),
        ("/sync", "ok"),
        ("/transfer", "sent"),
        ("/vault", "session_aal2_enrollment_required"),
    ],
)
async def test_route_enforces_its_own_requirement(path: str, body: object) -> None:
    rejected, response = await get(refused(401), path, SESSION_TOKEN), await get(signed_in(), path, SESSION_TOKEN)

    assert (rejected.status, rejected.error_id) == (401, "session_inactive")
    assert (response.error_id if response.status == 403 else response.json) == body


@pytest.mark.parametrize(
    ("kratos_response", "session"),
    [(signed_in(), SESSION_ID), (refused(401), None), (STEP_UP, None), (refused(500), None)],
    ids=["session", "401", "aal2-required", "500"],
)
async def test_optional_session_is_none_without_a_session(kratos_response: Any, session: str | None) -> None:
    """A public page works for all users, also while Kratos is unavailable."""
    response = await get(kratos_response, "/", SESSION_TOKEN)

    assert (response.status, response.json) == (200, {"session": session})
    assert response.header(b"cache-control") == b"private, no-store"
    assert (await get(kratos_response, "/")).json == {"session": None}


async def test_optional_session_is_none_for_cross_site_request() -> None:
    """A required session rejects the request; with an optional session, the handler acts for an anonymous user."""
    guard = Bench().guard
    app = FastAPI()
    install(app, guard)

    @app.post("/vote")
    async def vote(session: OptionalSession) -> bool:
        return session is not None

    rejected = await call(application(guard), "/me", method="POST", headers=[SESSION_COOKIE, CROSS_SITE])
    assert (rejected.status, rejected.error_id) == (403, "security_csrf_violation")
    for headers, has_session in (
        ([SESSION_COOKIE, CROSS_SITE], False),
        ([CROSS_SITE], False),
        ([SESSION_COOKIE], True),
    ):
        assert (await call(app, "/vote", method="POST", headers=headers)).json is has_session


def test_equal_arguments_return_the_same_dependency() -> None:
    """FastAPI calls it once per request, and overrides find it."""
    assert require() is require_session
    assert require(aal="aal2") is require_aal("aal2")
    assert require(max_age=300) is require_fresh(300)
    assert require(authentication_methods=["totp"]) is require(authentication_methods=("totp",))
    assert require(aal="aal1") is not require(aal="aal2")


@pytest.mark.parametrize("gate", [require_aal, require_fresh])
def test_value_that_is_none_is_not_the_absence_of_a_requirement(gate: Any) -> None:
    """Such as the value of a setting that is not set: any session would meet the requirement."""
    with pytest.raises(ConfigurationError, match="must not be None: use"):
        gate(None)


async def test_session_is_checked_once_per_request() -> None:
    bench = Bench(cache_ttl=0)
    app = FastAPI(dependencies=[Depends(require_session)])
    install(app, bench.guard)

    @app.get("/", dependencies=[Depends(require(verified=True))])
    async def both(session: CurrentSession, identity: CurrentIdentity, optional: OptionalSession) -> bool:
        return optional is session and session.identity is identity

    assert (await call(app, headers=[SESSION_TOKEN])).json is True
    assert bench.calls == 1


async def test_dependency_overrides_replace_a_dependency() -> None:
    app = application(Bench(refused(401)).guard)
    app.dependency_overrides[require_aal("aal2")] = lambda: None
    app.dependency_overrides[optional_session] = lambda: None

    assert (await call(app, "/vault", headers=[SESSION_TOKEN])).json == "gold"
    assert (await call(app, "/sync", headers=[SESSION_TOKEN])).status == 401


@pytest.mark.parametrize("path", ["/me", "/", "/sync"])
async def test_dependency_without_middleware_raises(path: str) -> None:
    app = application(Bench().guard)
    app.user_middleware.clear()

    with pytest.raises(
        ConfigurationError, match=r"OrySessionMiddleware is not installed for this route.*install\(app, guard\)"
    ):
        await call(app, path, headers=[SESSION_TOKEN])


def test_install_rejects_other_types_than_a_guard() -> None:
    with pytest.raises(ConfigurationError, match="install: 'guard' is not a guard: pass an OryGuard"):
        install(FastAPI(), "guard")  # type: ignore[arg-type] # the point of the test


class Traits(BaseModel):
    """The application's model of the traits."""

    model_config = ConfigDict(frozen=True)

    email: str


TypedSession = Annotated[Session[Traits], Depends(require_session)]
TypedCurrentSession = CurrentSession[Traits]
TypedOptionalSession = OptionalSession[Traits]
TypedCurrentIdentity = CurrentIdentity[Traits]


async def test_handler_receives_typed_traits() -> None:
    app = FastAPI()
    install(app, guard_of(ScriptedKratos(signed_in()), traits=Traits))

    @app.get("/")
    async def emails(
        session: TypedSession,
        current: TypedCurrentSession,
        optional: TypedOptionalSession,
        identity: TypedCurrentIdentity,
    ) -> set[str]:
        assert optional is not None
        return {value.traits.email for value in (session.identity, current.identity, optional.identity, identity)}

    assert (await call(app, headers=[SESSION_TOKEN])).json == ["ada@example.com"]
