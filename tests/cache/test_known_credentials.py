"""Credentials that were good within the last hour."""

from typing import Any, Final

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule
from support.clock import AdjustableClock
from support.scripted_kratos import session_body

from ory_guard.cache.known_credentials import KnownCredentials
from ory_guard.models.session import Session

HOUR: Final = 3_600.0
KEYS: Final = [b"%d" % number for number in range(40)]
IDENTITIES: Final = ["ada", "bob", "eve"]
SESSIONS: Final = ["s1", "s2", "s3"]


def session(session_id: str, identity_id: str) -> Session[Any]:
    """Return a session with these ids."""
    return Session.model_validate(session_body(id=session_id, identity={"id": identity_id}))


KNOWN_SESSIONS: Final = {(each, owner): session(each, owner) for each in SESSIONS for owner in IDENTITIES}


class KnownLaws(RuleBasedStateMachine):
    """For any sequence of calls, the credentials equal a simple model: a list in the order of their times."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = AdjustableClock()
        self.known = KnownCredentials(24, self.clock.monotonic)
        self.model: dict[bytes, tuple[float, str, str]] = {}

    @rule(
        first=st.sampled_from(range(len(KEYS))),
        count=st.sampled_from([1, 1, 2, 9, 20]),
        session_id=st.sampled_from(SESSIONS),
        identity_id=st.sampled_from(IDENTITIES),
    )
    def add(self, first: int, count: int, session_id: str, identity_id: str) -> None:
        """Add credentials of a session. An identity has at most 16, so that it removes no others."""
        now = self.clock.monotonic()
        for key in KEYS[first : first + count]:
            self.known.add(key, KNOWN_SESSIONS[session_id, identity_id])
            known_at, *ids = self.model.get(key, (0.0,))
            if ids == [session_id, identity_id] and now - known_at < 60:
                continue  # is not moved to the end
            self.model.pop(key, None)
            if sum(owner == identity_id for _, _, owner in self.model.values()) < 16:
                self.model[key] = now, session_id, identity_id
            if len(self.model) > 24:
                del self.model[next(iter(self.model))]

    @rule(key=st.sampled_from(KEYS))
    def discard(self, key: bytes) -> None:
        """Discard a credential, if it is known."""
        self.known.discard(key)
        self.model.pop(key, None)

    @rule(ids=st.lists(st.sampled_from([*SESSIONS, *IDENTITIES, "other"]), max_size=2))
    def discard_ids(self, ids: list[str]) -> None:
        """Discard the credentials of sessions or identities."""
        self.known.discard_ids(*ids)
        self.model = {key: entry for key, entry in self.model.items() if not {*entry[1:]} & {*ids}}

    @rule(seconds=st.sampled_from([1.0, 59.0, 60.0, HOUR - 60, HOUR - 1, HOUR]))
    def wait(self, seconds: float) -> None:
        """Let time pass. A credential is known for an hour after its last session."""
        self.clock.advance(seconds)
        now = self.clock.monotonic()
        self.model = {key: entry for key, entry in self.model.items() if now - entry[0] < HOUR}

    @rule()
    def teardown(self) -> None:
        """Compare with the model, at the end, and in between, which removes the expired credentials."""
        for key in KEYS:
            assert self.known.identity(key) == (hash(self.model[key][2]) if key in self.model else None)
        assert repr(self.known) == f"<KnownCredentials {len(self.model)} credentials>"


TestKnownLaws = KnownLaws.TestCase
TestKnownLaws.settings = settings(max_examples=60, stateful_step_count=30)


def test_removed_credentials_leave_nothing() -> None:
    clock = AdjustableClock()
    known = KnownCredentials(100, clock.monotonic)
    for key in KEYS[:3]:
        known.add(key, session(f"s{key!r}", "ada"))
    known.discard(KEYS[0])
    known.discard_ids(f"s{KEYS[1]!r}")
    clock.advance(HOUR)

    assert known.identity(KEYS[2]) is None
    assert (len(known), known._keys_by_id) == (0, {})


def test_credential_that_was_good_the_longest_time_ago_is_removed_first() -> None:
    clock = AdjustableClock()
    known = KnownCredentials(3, clock.monotonic)
    for number in range(3):
        known.add(KEYS[number], session(f"s{number}", "ada"))
    clock.advance(60)
    known.add(KEYS[0], session("s0", "ada"))

    known.add(KEYS[3], session("s3", "ada"))

    assert [known.identity(key) is not None for key in KEYS[:4]] == [True, False, True, True]


def test_expired_credentials_do_not_count() -> None:
    """An identity whose clients log in again and again is not unknown because of its old sessions."""
    clock = AdjustableClock()
    known = KnownCredentials(100, clock.monotonic)
    for key in KEYS[:16]:
        known.add(key, session(f"s{key!r}", "ada"))
    clock.advance(HOUR)

    known.add(KEYS[16], session("new", "ada"))

    assert known.identity(KEYS[16]) is not None
    assert len(known) == 1


def test_only_hashes_are_stored() -> None:
    known = KnownCredentials(100, AdjustableClock().monotonic)
    known.add(b"k", session("session-id", "identity-id"))

    stored = repr((known._entries, known._keys_by_id))
    assert "identity-id" not in stored
    assert "session-id" not in stored
