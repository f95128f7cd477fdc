"""The outcome under Starlette's names: `request.user` and `request.auth`."""

from typing import Any

import pytest
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
SOMEBODY = Authenticated(Session.model_validate(session_body()), "cookie", "upstream", 0.0)


@pytest.mark.parametrize("outcome", [SOMEBODY, Anonymous()])
def test_the_session_of_a_user_cannot_be_changed(outcome: Any) -> None:
    """Neither set nor deleted; `request.auth` is shared between requests, so nothing of it can be changed."""
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
        with pytest.raises((AttributeError, TypeError)):
            setattr(view, name, ())


async def test_a_handler_may_put_another_user_in_the_place_of_ours() -> None:
    """For its own request: the next one finds who is there."""
    seen = []

    async def app(scope: Any, _receive: Any, send: Any) -> None:
        seen.append(scope["user"].identity)
        scope["user"] = object()
        await send({"type": "http.response.start", "status": 204})
        await send({"type": "http.response.body"})

    wrapped = OrySessionMiddleware(app, guard=Bench().guard)
    for headers in ([SESSION_TOKEN], [SESSION_TOKEN], []):
        await call(wrapped, headers=headers)

    assert seen == [IDENTITY_ID, IDENTITY_ID, ""]


@pytest.mark.parametrize(
    "outcome",
    [SOMEBODY, Anonymous(), Rejected("origin", "cookie"), SecondFactorRequired("cookie", enrolled=True), DOWN],
    ids=lambda outcome: type(outcome).__name__,
)
def test_user_and_auth_are_true_only_for_a_session(outcome: Any) -> None:
    """An application may write `if request.user`, or `request.auth and ...`."""
    view = SessionAuth(outcome)

    assert bool(view) is bool(SessionUser(view.session)) is (outcome is SOMEBODY)


def test_nothing_of_a_session_is_in_its_representation() -> None:
    """It may end up in a log."""
    view = SessionAuth(SOMEBODY)

    assert IDENTITY_ID not in f"{view!r} {SessionUser(view.session)!r}"
