"""What lies in Redis: sealed, and read without trust."""

from typing import Any

import pytest
from support.redis_bench import KEY, OLD_SECRET, SECRET, STORED
from support.stub_kratos import SESSION_ID

from ory_guard.redis.sealing import Seal, Unreadable
from ory_guard.redis.values import ids_in, session_in, time_in, value_of


def test_a_seal_opens_what_it_closed_under_the_same_name_only() -> None:
    """Another name, another secret, another byte, or nothing at all: unreadable."""
    seal = Seal(SECRET)
    sealed = seal.close("name", {"a": 1})

    assert seal.open("name", sealed) == {"a": 1}
    assert seal.close("name", {"a": 1}) != sealed
    for other, name, value in [
        (seal, "eman", sealed),
        (Seal(OLD_SECRET), "name", sealed),
        (seal, "name", sealed[:-1] + bytes([sealed[-1] ^ 1])),
        (seal, "name", sealed[:20]),
        (seal, "name", b""),
        (seal, "name", seal._cipher("name").encrypt(b"n" * 12, b"[]", None)),
    ]:
        with pytest.raises(Unreadable):
            other.open(name, value)
    with pytest.raises(Unreadable):
        seal.open("name", b"n" * 12 + seal._cipher("name").encrypt(b"n" * 12, b"[1]", None))


def test_a_seal_has_a_key_for_each_purpose() -> None:
    """Secrets may be text or bytes; a hash of an id tells nothing of it."""
    assert Seal(SECRET).hashing_key == Seal(SECRET.encode()).hashing_key != Seal(OLD_SECRET).hashing_key
    assert len(Seal(SECRET).hashing_key) == 32
    assert Seal(SECRET).hashed(SESSION_ID) != Seal(OLD_SECRET).hashed(SESSION_ID)
    assert SESSION_ID not in Seal(SECRET).hashed(SESSION_ID)


@pytest.mark.parametrize(
    "change",
    [
        {"key": "00"},
        {"key": None},
        {"session": 5},
        {"age": "0"},
        {"ttl": True},
        {"asked_at": float("nan")},
        {"fresh_until": None},
    ],
    ids=str,
)
def test_a_value_of_another_form_is_no_session(change: dict[str, Any]) -> None:
    """Whoever wrote it, it counts as nothing."""
    value = value_of(STORED, KEY)
    assert session_in(value, KEY, 29.5) == STORED

    assert session_in(value | change, KEY, 29.5) is None
    assert session_in({}, KEY, 29.5) is None


def test_a_session_is_aged_by_the_time_that_redis_counted() -> None:
    """What is left of its life there tells how long it has been there."""
    aged = session_in(value_of(STORED, KEY), KEY, 9.5)

    assert aged is not None
    assert (aged.age, aged.ttl) == (20.5, 9.5)


def test_messages_and_times_are_read_without_trust() -> None:
    """What is none is the worst: a revocation of anything, for ever."""
    assert ids_in({"ids": ["a", "b"]}) == ("a", "b")
    assert [ids_in(odd) for odd in (None, {}, {"ids": "ab"}, {"ids": [1]})] == [None] * 4
    assert time_in(b"12.5") == 12.5
    assert [time_in(odd) for odd in (b"", b"soon", b"nan")] == [float("inf")] * 3
