"""What open connections know together: the newest answer, and whether asking failed."""

import gc

from support.scripted_kratos import session_body

from ory_guard import Anonymous, Authenticated, Rejected, Session, Unavailable
from ory_guard.guard.revalidation import SharedState, SharedStates
from ory_guard.models import SessionAuth

SOMEBODY = Authenticated(Session.model_validate(session_body()), "cookie", "upstream", 0.0)
REFUSED = Rejected("inactive", "cookie")


def test_the_newest_answer_counts() -> None:
    """Older ones, later ones of the same moment, and what is no answer change nothing."""
    state = SharedState()
    state.update(SOMEBODY, None, 5.0)
    for outcome, asked_at in ((REFUSED, 4.0), (REFUSED, 5.0), (Unavailable("timeout"), 6.0), (None, 7.0)):
        state.update(outcome, None, asked_at)
    assert (state.outcome, state.request_time) == (SOMEBODY, 5.0)

    state.update(REFUSED, None, 5.1)
    assert (state.outcome, state.request_time) == (REFUSED, 5.1)


def test_an_answer_comes_with_what_applications_see_of_it() -> None:
    """The view that there is, or a new one."""
    view = SessionAuth(SOMEBODY)
    state = SharedState()
    state.update(SOMEBODY, view, 1.0)
    assert state.view is view

    state.update(Anonymous(), None, 2.0)
    assert state.view is not None
    assert state.view.session is None


def test_a_failure_counts_for_a_second() -> None:
    """Until then nobody asks again, and everybody knows how long to wait."""
    state = SharedState()
    assert state.recent_failure(9.0) is None
    assert state.seconds_until_retry(9.0) == 0
    state.record_failure(Unavailable("timeout"), 10.0)

    assert state.recent_failure(10.9) == Unavailable("timeout")
    assert state.seconds_until_retry(10.25) == 0.75
    assert state.recent_failure(11.0) is None
    assert state.seconds_until_retry(12.0) == 0


def test_connections_of_one_credential_share_a_look_for_as_long_as_they_last() -> None:
    """Others have their own, and nothing is left when the last connection is gone."""
    states = SharedStates()
    one, same, other = states.for_key(b"a"), states.for_key(b"a"), states.for_key(b"b")
    assert one is same
    assert one is not other
    one.update(SOMEBODY, None, 1.0)

    del one, same
    gc.collect()
    assert states.for_key(b"a").outcome is None
