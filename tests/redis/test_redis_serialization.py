"""What lies in Redis: sealed, and read without trust."""

from typing import Any

import pytest
from support.redis_bench import KEY, OLD_SECRET, SECRET, STORED
from support.scripted_kratos import SESSION_ID

from ory_guard.redis.encryption import DecryptionError, Encryptor
from ory_guard.redis.serialization import dump_session, load_ids, load_session, load_time


def test_a_seal_opens_what_it_closed_under_the_same_name_only() -> None:
    """Another name, another secret, another byte, or nothing at all: unreadable."""
    seal = Encryptor(SECRET)
    sealed = seal.encrypt("name", {"a": 1})

    assert seal.decrypt("name", sealed) == {"a": 1}
    assert seal.encrypt("name", {"a": 1}) != sealed
    for other, name, value in [
        (seal, "eman", sealed),
        (Encryptor(OLD_SECRET), "name", sealed),
        (seal, "name", sealed[:-1] + bytes([sealed[-1] ^ 1])),
        (seal, "name", sealed[:20]),
        (seal, "name", b""),
        (seal, "name", seal._cipher("name").encrypt(b"n" * 12, b"[]", None)),
    ]:
        with pytest.raises(DecryptionError):
            other.decrypt(name, value)
    with pytest.raises(DecryptionError):
        seal.decrypt("name", b"n" * 12 + seal._cipher("name").encrypt(b"n" * 12, b"[1]", None))


def test_a_seal_has_a_key_for_each_purpose() -> None:
    """Secrets may be text or bytes; a hash of an id tells nothing of it."""
    assert (
        Encryptor(SECRET).hashing_key == Encryptor(SECRET.encode()).hashing_key != Encryptor(OLD_SECRET).hashing_key
    )
    assert len(Encryptor(SECRET).hashing_key) == 32
    assert Encryptor(SECRET).hash_name(SESSION_ID) != Encryptor(OLD_SECRET).hash_name(SESSION_ID)
    assert SESSION_ID not in Encryptor(SECRET).hash_name(SESSION_ID)


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
    value = dump_session(STORED, KEY)
    assert load_session(value, KEY, 29.5) == STORED

    assert load_session(value | change, KEY, 29.5) is None
    assert load_session({}, KEY, 29.5) is None


def test_a_session_is_aged_by_the_time_that_redis_counted() -> None:
    """What is left of its life there tells how long it has been there."""
    aged = load_session(dump_session(STORED, KEY), KEY, 9.5)

    assert aged is not None
    assert (aged.age, aged.ttl) == (20.5, 9.5)


def test_messages_and_times_are_read_without_trust() -> None:
    """What is none is the worst: a revocation of anything, for ever."""
    assert load_ids({"ids": ["a", "b"]}) == ("a", "b")
    assert [load_ids(odd) for odd in (None, {}, {"ids": "ab"}, {"ids": [1]})] == [None] * 4
    assert load_time(b"12.5") == 12.5
    assert [load_time(odd) for odd in (b"", b"soon", b"nan")] == [float("inf")] * 3
