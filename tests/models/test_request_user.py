"""`request.user` and `request.auth`."""

import copy
import dataclasses
from typing import Any

import pytest
from support.applications import reply
from support.asgi_calls import call
from support.guard_bench import SESSION_TOKEN, Bench
from support.scripted_kratos import IDENTITY_ID, session_body

from ory_guard import (
    Anonymous,
    Authenticated,
    OrySessionMiddleware,
    Rejected,
    SecondFactorRequired,
    Session,
    Unavailable,
)
from ory_guard.models import SessionAuth, SessionUser

pytestmark = pytest.mark.anyio

DOWN = Unavailable("timeout")
AUTHENTICATED = Authenticated(Session.model_validate(session_body()), "cookie", "upstream", 0.0)


@pytest.mark.parametrize("outcome", [AUTHENTICATED, Anonymous()])
def test_session_of_outcome_user_and_auth_is_immutable(outcome: Any) -> None:
    view = SessionAuth(outcome)
    user = SessionUser(view.session)
    before = (user.session, user.is_authenticated, user.identity, user.display_name)
    for name in ("is_authenticated", "identity", "display_name", "session"):
        with pytest.raises(AttributeError):
            setattr(user, name, True)
        with pytest.raises(AttributeError):
            delattr(user, name)
    assert (user.session, user.is_authenticated, user.identity, user.display_name) == before
    for name in ("session", "scopes", "other"):
        with pytest.raises(dataclasses.FrozenInstanceError, match=f"cannot assign to field '{name}'"):
            setattr(view, name, ())
        with pytest.raises(dataclasses.FrozenInstanceError, match=f"cannot delete field '{name}'"):
            delattr(view, name)
    with pytest.raises(AttributeError):
        outcome.session = None
    assert copy.deepcopy(view).session == view.session


async def test_handler_may_replace_the_user_of_its_request() -> None:
    seen = []

    async def app(scope: Any, _receive: Any, send: Any) -> None:
        seen.append(scope["user"].identity)
        scope["user"] = object()
        await reply(send, {})

    wrapped = OrySessionMiddleware(app, guard=Bench().guard)
    for headers in ([SESSION_TOKEN], [SESSION_TOKEN], []):
        await call(wrapped, headers=headers)

    assert seen == [IDENTITY_ID, IDENTITY_ID, ""]


@pytest.mark.parametrize(
    "outcome",
    [AUTHENTICATED, Anonymous(), Rejected("origin", "cookie"), SecondFactorRequired("cookie", enrolled=True), DOWN],
    ids=lambda outcome: type(outcome).__name__,
)
def test_outcome_user_and_auth_are_true_only_with_a_session(outcome: Any) -> None:
    """`if request.state.auth:` and `if await guard.authenticate(request):` must be false without a session."""
    view = SessionAuth(outcome)

    assert bool(outcome) is bool(view) is bool(SessionUser(view.session)) is (outcome is AUTHENTICATED)
    assert IDENTITY_ID not in f"{view!r} {SessionUser(view.session)!r}"
    assert "ada@example.com" not in repr(outcome)
