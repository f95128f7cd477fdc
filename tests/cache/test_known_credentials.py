"""Credentials that were good within the last hour."""

from typing import Any

import pytest
from support.clock import AdjustableClock
from support.scripted_kratos import session_body

from ory_guard.cache.known_credentials import KnownCredentials
from ory_guard.models.session import Session

HOUR = 3_600.0


def session(session_id: str = "s", identity_id: str = "i") -> Session[Any]:
    """Return a session with these ids."""
    return Session.model_validate(session_body(id=session_id, identity={"id": identity_id}))


class Bench:
    """At most 100 credentials, and their clock."""

    def __init__(self, max_credentials: int = 100) -> None:
        self.clock = AdjustableClock()
        self.known = KnownCredentials(max_credentials, self.clock.monotonic)

    def is_known(self, key: bytes = b"k") -> bool:
        """Return whether a credential is known."""
        return self.known.identity(key) is not None


def test_credential_is_known_for_an_hour_after_its_last_session() -> None:
    bench = Bench()
    bench.known.add(b"k", session())
    bench.clock.advance(HOUR - 1)
    assert bench.is_known()
    bench.known.add(b"k", session())
    bench.clock.advance(HOUR - 1)
    assert bench.is_known()

    bench.clock.advance(1)

    assert not bench.is_known()
    assert (len(bench.known), bench.known._keys_by_id) == (0, {})


def test_identity_is_the_same_for_all_its_sessions() -> None:
    bench = Bench()
    for key, identity_id in ((b"1", "i"), (b"2", "i"), (b"3", "other")):
        bench.known.add(key, session(key.decode(), identity_id))

    assert bench.known.identity(b"1") == bench.known.identity(b"2")
    assert bench.known.identity(b"3") != bench.known.identity(b"1")


@pytest.mark.parametrize(
    ("ids", "left"),
    [
        (["s1"], {b"2", b"3"}),
        (["i"], {b"3"}),
        (["s1", "s2"], {b"3"}),
        (["x"], {b"1", b"2", b"3"}),
        (["i", "j"], set()),
    ],
)
def test_ids_remove_their_credentials(ids: list[str], left: set[bytes]) -> None:
    bench = Bench()
    for key, session_id, identity_id in ((b"1", "s1", "i"), (b"2", "s2", "i"), (b"3", "s3", "j")):
        bench.known.add(key, session(session_id, identity_id))

    bench.known.discard_ids(*ids)

    assert {key for key in (b"1", b"2", b"3") if bench.is_known(key)} == left


def test_discarded_credential_is_unknown() -> None:
    bench = Bench()
    bench.known.add(b"k", session())

    bench.known.discard(b"k")
    bench.known.discard(b"k")

    assert not bench.is_known()
    assert repr(bench.known) == "<KnownCredentials 0 credentials>"


def test_credential_of_another_session_replaces_the_entry() -> None:
    """A token may be the one of another session in another test, or after a restore of the database."""
    bench = Bench()
    bench.known.add(b"k", session("s1"))
    bench.known.add(b"k", session("s2"))

    bench.known.discard_ids("s1")
    assert bench.is_known()
    bench.known.discard_ids("s2")
    assert (bench.is_known(), bench.known._keys_by_id) == (False, {})


def test_number_of_credentials_is_limited() -> None:
    bench = Bench()
    for number in range(100):
        bench.known.add(b"%d" % number, session(f"s{number}", f"i{number}"))
    bench.clock.advance(60)
    bench.known.add(b"0", session("s0", "i0"))

    bench.known.add(b"new", session("new", "new"))

    assert len(bench.known) == 100
    assert [bench.is_known(key) for key in (b"0", b"1", b"new")] == [True, False, True]


def test_one_identity_has_a_limited_number_of_credentials() -> None:
    """An account with thousands of sessions does not make the credentials of others unknown."""
    bench = Bench()
    for number in range(80):
        bench.known.add(b"u%d" % number, session(f"s{number}", f"i{number}"))
    for number in range(1_000):
        bench.known.add(b"a%d" % number, session(f"a{number}", "attacker"))

    assert all(bench.is_known(b"u%d" % number) for number in range(80))
    assert len(bench.known) == 96
    assert [bench.is_known(key) for key in (b"a0", b"a15", b"a16", b"a999")] == [True, True, False, False]
    bench.known.discard(b"a0")
    bench.known.add(b"a999", session("a999", "attacker"))
    assert bench.is_known(b"a999")


def test_expired_credentials_do_not_count() -> None:
    """An identity whose clients log in again and again is not unknown because of its old sessions."""
    bench = Bench()
    for number in range(16):
        bench.known.add(b"old%d" % number, session(f"old{number}"))
    bench.clock.advance(HOUR)

    bench.known.add(b"new", session("new"))

    assert bench.is_known(b"new")
    assert len(bench.known) == 1


def test_only_hashes_are_stored() -> None:
    bench = Bench()
    bench.known.add(b"k", session("session-id", "identity-id"))

    stored = repr((bench.known._entries, bench.known._keys_by_id))
    assert "identity-id" not in stored
    assert "session-id" not in stored
