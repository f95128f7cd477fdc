"""The state that open connections of a credential share."""

import gc

from support.scripted_kratos import session_body

from ory_guard import Anonymous, Authenticated, Rejected, Session, Unavailable
from ory_guard.guard.revalidation import SharedState, SharedStates
from ory_guard.models import SessionAuth

AUTHENTICATED = Authenticated(Session.model_validate(session_body()), "cookie", "upstream", 0.0)
REFUSED = Rejected("inactive", "cookie")


def test_newest_outcome_is_kept() -> None:
    """Older outcomes, outcomes of the same time, failures and None are ignored."""
    state = SharedState()
    state.update(AUTHENTICATED, None, 5.0)
    for outcome, asked_at in ((REFUSED, 4.0), (REFUSED, 5.0), (Unavailable("timeout"), 6.0), (None, 7.0)):
        state.update(outcome, None, asked_at)
    assert (state.outcome, state.request_time) == (AUTHENTICATED, 5.0)

    state.update(REFUSED, None, 5.1)
    assert (state.outcome, state.request_time) == (REFUSED, 5.1)


def test_outcome_has_an_auth() -> None:
    """The given first, or a new first."""
    auth = SessionAuth(AUTHENTICATED)
    state = SharedState()
    state.update(AUTHENTICATED, auth, 1.0)
    assert state.auth is auth

    state.update(Anonymous(), None, 2.0)
    assert state.auth is not None
    assert state.auth.session is None


def test_failure_is_recent_for_a_second() -> None:
    state = SharedState()
    assert state.recent_failure(9.0) is None
    assert state.seconds_until_retry(9.0) == 0
    state.record_failure(Unavailable("timeout"), 10.0)

    assert state.recent_failure(10.9) == Unavailable("timeout")
    assert state.seconds_until_retry(10.25) == 0.75
    assert state.recent_failure(11.0) is None
    assert state.seconds_until_retry(12.0) == 0


def test_state_is_shared_while_a_connection_holds_it() -> None:
    states = SharedStates()
    first, same, other = states.for_key(b"a"), states.for_key(b"a"), states.for_key(b"b")
    assert first is same
    assert first is not other
    first.update(AUTHENTICATED, None, 1.0)

    del first, same
    gc.collect()
    assert states.for_key(b"a").outcome is None
