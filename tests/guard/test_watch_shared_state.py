"""What open connections know together: the newest answer, and whether asking failed."""

import gc

from support.stub_kratos import session_body

from ory_guard import Anonymous, Authenticated, Rejected, Session, Unavailable
from ory_guard.guard.watch import Look, Looks
from ory_guard.models import SessionAuth

SOMEBODY = Authenticated(Session.model_validate(session_body()), "cookie", "upstream", 0.0)
REFUSED = Rejected("inactive", "cookie")


def test_the_newest_answer_counts() -> None:
    """Older ones, later ones of the same moment, and what is no answer change nothing."""
    look = Look()
    look.learn(SOMEBODY, None, 5.0)
    for outcome, asked_at in ((REFUSED, 4.0), (REFUSED, 5.0), (Unavailable("timeout"), 6.0), (None, 7.0)):
        look.learn(outcome, None, asked_at)
    assert (look.outcome, look.asked_at) == (SOMEBODY, 5.0)

    look.learn(REFUSED, None, 5.1)
    assert (look.outcome, look.asked_at) == (REFUSED, 5.1)


def test_an_answer_comes_with_what_applications_see_of_it() -> None:
    """The view that there is, or a new one."""
    view = SessionAuth(SOMEBODY)
    look = Look()
    look.learn(SOMEBODY, view, 1.0)
    assert look.view is view

    look.learn(Anonymous(), None, 2.0)
    assert look.view is not None
    assert look.view.session is None


def test_a_failure_counts_for_a_second() -> None:
    """Until then nobody asks again, and everybody knows how long to wait."""
    look = Look()
    assert look.failure(9.0) is None
    assert look.until_retry(9.0) == 0
    look.fail(Unavailable("timeout"), 10.0)

    assert look.failure(10.9) == Unavailable("timeout")
    assert look.until_retry(10.25) == 0.75
    assert look.failure(11.0) is None
    assert look.until_retry(12.0) == 0


def test_connections_of_one_credential_share_a_look_for_as_long_as_they_last() -> None:
    """Others have their own, and nothing is left when the last connection is gone."""
    looks = Looks()
    one, same, other = looks.of(b"a"), looks.of(b"a"), looks.of(b"b")
    assert one is same
    assert one is not other
    one.learn(SOMEBODY, None, 1.0)

    del one, same
    gc.collect()
    assert looks.of(b"a").outcome is None
