"""FastAPI: dependencies that give the session, or refuse the request."""

from typing import Annotated, Any

import pytest
from fastapi import Depends, FastAPI
from pydantic import BaseModel, ConfigDict
from support.asgi_calls import CacheableOutcome, call
from support.fastapi_applications import application
from support.guard_bench import SESSION_COOKIE, SESSION_TOKEN, Bench
from support.stub_kratos import (
    IDENTITY_ID,
    SESSION_ID,
    STEP_UP,
    StubKratos,
    guard_of,
    refused,
    session_body,
    signed_in,
)

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


async def ask(
    told: Any, path: str, *headers: tuple[bytes, bytes], method: str = "GET", **changes: Any
) -> CacheableOutcome:
    """Ask for a path of the application whose Kratos answers so."""
    return await call(application(Bench(told, **changes).guard), path, method=method, headers=headers)


async def test_handlers_get_the_session_and_the_identity() -> None:
    """By annotation alone."""
    answered = await ask(signed_in(), "/me", SESSION_TOKEN)

    assert answered.json == {"session": SESSION_ID, "identity": IDENTITY_ID, "email": "ada@example.com"}


@pytest.mark.parametrize(
    ("told", "session"),
    [(signed_in(), SESSION_ID), (refused(401), None), (STEP_UP, None), (refused(500), None)],
)
async def test_an_optional_session_is_none_for_everything_but_a_session(told: Any, session: str | None) -> None:
    """A public page works for everybody, also while Kratos is down."""
    answered = await ask(told, "/", SESSION_TOKEN)

    assert (answered.status, answered.json) == (200, {"session": session})
    assert (await ask(told, "/")).json == {"session": None}


@pytest.mark.parametrize("path", ["/me", "/sync", "/vault", "/transfer"])
async def test_without_a_session_no_handler_runs(path: str) -> None:
    """Whatever kind of route it is."""
    answered = await ask(refused(401), path, SESSION_TOKEN)

    assert (answered.status, answered.error_id) == (401, "session_inactive")


@pytest.mark.parametrize(
    ("path", "status", "error_id"),
    [
        ("/sync", 200, None),
        ("/vault", 403, "session_aal2_enrollment_required"),
        ("/transfer", 200, None),
    ],
)
async def test_each_route_asks_for_its_own(path: str, status: int, error_id: str | None) -> None:
    """The same session passes one and not the other."""
    answered = await ask(signed_in(), path, SESSION_TOKEN)

    assert answered.status == status
    assert error_id is None or answered.error_id == error_id


async def test_a_cross_site_request_is_anonymous_to_an_optional_session() -> None:
    """A gate refuses it; an optional session is None, so the handler acts for nobody."""
    guard = Bench().guard
    app = FastAPI()
    install(app, guard)

    @app.post("/vote")
    async def vote(session: OptionalSession) -> bool:
        return session is not None

    foreign = (b"sec-fetch-site", b"cross-site")
    refused = await call(application(guard), "/me", method="POST", headers=[SESSION_COOKIE, foreign])
    assert (refused.status, refused.error_id) == (403, "security_csrf_violation")
    answers = [
        (await call(app, "/vote", method="POST", headers=headers)).json
        for headers in ([SESSION_COOKIE, foreign], [foreign], [SESSION_COOKIE])
    ]
    assert answers == [False, False, True]


async def test_the_answer_of_a_guarded_route_is_private() -> None:
    """No shared cache keeps it; the optional session's neither, where somebody is signed in."""
    for path in ("/me", "/"):
        assert (await ask(signed_in(), path, SESSION_TOKEN)).header(b"cache-control") == b"private, no-store"


async def test_so_is_an_optional_sessions_answer_to_a_credential_that_is_refused() -> None:
    """Once the credential is good again, the same address shows it something else."""
    for told in (refused(), STEP_UP, refused(500)):
        assert (await ask(told, "/", SESSION_TOKEN)).header(b"cache-control") == b"private, no-store"


def test_equal_arguments_give_the_same_dependency() -> None:
    """So FastAPI calls it once for a request, and overrides find it."""
    assert require() is require_session
    assert require(aal="aal2") is require_aal("aal2")
    assert require(max_age=300) is require_fresh(300)
    assert require(authentication_methods=["totp"]) is require(authentication_methods=("totp",))
    assert require(aal="aal1") is not require(aal="aal2")


def test_a_dependency_says_what_it_asks_for() -> None:
    """In a debugger, and in error messages."""
    assert repr(require(aal="aal2")).startswith("<require Requirement(aal='aal2', max_age=None")


@pytest.mark.parametrize("conditions", [{"aal": "aal3"}, {"max_age": 0}, {"authentication_methods": "totp"}])
def test_a_condition_without_a_meaning_fails_where_the_route_is_made(conditions: dict[str, Any]) -> None:
    """At import, not at the first request."""
    with pytest.raises(ConfigurationError):
        require(**conditions)


async def test_a_session_that_two_dependencies_ask_for_is_looked_up_once() -> None:
    """However many gates a request passes."""
    bench = Bench(cache_ttl=0)
    app = FastAPI(dependencies=[Depends(require_session)])
    install(app, bench.guard)

    @app.get("/", dependencies=[Depends(require(verified=True))])
    async def both(session: CurrentSession, identity: CurrentIdentity, optional: OptionalSession) -> bool:
        return optional is session and session.identity is identity

    assert (await call(app, headers=[SESSION_TOKEN])).json is True
    assert bench.calls == 1


async def test_dependency_overrides_work() -> None:
    """FastAPI's own way to test a handler without a session."""
    app = application(Bench(refused(401)).guard)
    app.dependency_overrides[require_aal("aal2")] = lambda: None
    app.dependency_overrides[optional_session] = lambda: None

    assert (await call(app, "/vault", headers=[SESSION_TOKEN])).json == "gold"
    assert (await call(app, "/sync", headers=[SESSION_TOKEN])).status == 401


@pytest.mark.parametrize("path", ["/me", "/", "/sync"])
async def test_a_dependency_without_the_middleware_is_no_open_door(path: str) -> None:
    """It is a mistake of the set-up, and says how to mend it."""
    app = application(Bench().guard)
    app.user_middleware.clear()

    with pytest.raises(
        ConfigurationError, match=r"OrySessionMiddleware is not installed for this route.*install\(app, guard\)"
    ):
        await call(app, path, headers=[SESSION_TOKEN])


def test_install_takes_a_guard_and_nothing_else() -> None:
    """At once, not when the server starts."""
    with pytest.raises(ConfigurationError, match="install: 'guard' is not a guard: pass an OryGuard"):
        install(FastAPI(), "guard")  # type: ignore[arg-type] # the point of the test


async def test_a_condition_of_the_applications_own() -> None:
    """Roles stand where the operator put them, so the application looks for itself."""
    body = session_body(identity={"metadata_public": {"roles": ["editor"]}})
    app = FastAPI()
    install(app, Bench(signed_in(body)).guard)

    def is_editor(session: Any) -> bool:
        return "editor" in session.identity.metadata_public["roles"]

    @app.get("/", dependencies=[Depends(require(when=is_editor))])
    async def edit() -> str:
        return "edited"

    assert (await call(app, headers=[SESSION_TOKEN])).json == "edited"


class Traits(BaseModel):
    """Traits as an application types them."""

    model_config = ConfigDict(frozen=True)

    email: str


TypedSession = Annotated[Session[Traits], Depends(require_session)]


async def test_typed_traits_reach_the_handler() -> None:
    """The guard reads them once; the handler names the type."""
    app = FastAPI()
    install(app, guard_of(StubKratos(signed_in()), traits=Traits))

    @app.get("/")
    async def mine(session: TypedSession) -> str:
        return session.identity.traits.email

    assert (await call(app, headers=[SESSION_TOKEN])).json == "ada@example.com"
