"""Encryption and validation of the values in Redis."""

from typing import Any

import pytest
from support.redis_sessions import KEY, OLD_SECRET, SECRET, STORED
from support.scripted_kratos import SESSION_ID

from ory_guard.redis.encryption import DecryptionError, Encryptor
from ory_guard.redis.serialization import dump_session, load_ids, load_session, load_time


def encrypted(text: bytes) -> bytes:
    """Return `text` encrypted for "name"."""
    nonce = b"n" * 12
    return nonce + Encryptor(SECRET)._cipher("name").encrypt(nonce, text, None)


def test_decrypt_returns_the_encrypted_value() -> None:
    """Each encryption has its own nonce."""
    encryptor = Encryptor(SECRET)
    data = encryptor.encrypt("name", {"a": 1})

    assert encryptor.decrypt("name", data) == {"a": 1}
    assert encryptor.encrypt("name", {"a": 1}) != data


@pytest.mark.parametrize(
    ("secret", "name", "change"),
    [
        (SECRET, "other name", lambda data: data),
        (OLD_SECRET, "name", lambda data: data),
        (SECRET, "name", lambda data: data[:-1] + bytes([data[-1] ^ 1])),
        (SECRET, "name", lambda data: data[:20]),
        (SECRET, "name", lambda _data: b""),
        (SECRET, "name", lambda _data: encrypted(b"[1]")),
        (SECRET, "name", lambda _data: encrypted(b"{")),
    ],
    ids=["other name", "other secret", "changed byte", "truncated", "empty", "not an object", "not JSON"],
)
def test_decrypt_rejects_data_that_was_not_encrypted_for_this_name(secret: str, name: str, change: Any) -> None:
    """With this secret, and as a JSON object."""
    data = Encryptor(SECRET).encrypt("name", {"a": 1})

    with pytest.raises(DecryptionError):
        Encryptor(secret).decrypt(name, change(data))


def test_keys_are_derived_from_the_secret() -> None:
    """The secret is text or bytes; a hashed name does not contain the name."""
    assert Encryptor(SECRET).hashing_key == Encryptor(SECRET.encode()).hashing_key
    assert Encryptor(SECRET).hashing_key != Encryptor(OLD_SECRET).hashing_key
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
def test_load_session_rejects_invalid_values(change: dict[str, Any]) -> None:
    """Also those of another key, and an empty object."""
    value = dump_session(STORED, KEY)
    assert load_session(value, KEY, 29.5) == STORED

    assert load_session(value | change, KEY, 29.5) is None
    assert load_session({}, KEY, 29.5) is None


def test_load_session_adds_the_time_in_redis_to_the_age() -> None:
    """It follows from the TTL that remains in Redis."""
    stored = load_session(dump_session(STORED, KEY), KEY, 9.5)

    assert stored is not None
    assert (stored.age, stored.ttl) == (20.5, 9.5)


@pytest.mark.parametrize(
    ("message", "ids"),
    [({"ids": ["a", "b"]}, ("a", "b")), (None, None), ({}, None), ({"ids": "ab"}, None), ({"ids": [1]}, None)],
    ids=str,
)
def test_load_ids_returns_none_for_invalid_messages(
    message: dict[str, Any] | None, ids: tuple[str, ...] | None
) -> None:
    """The store yields None, because any id may have been revoked."""
    assert load_ids(message) == ids


@pytest.mark.parametrize(
    ("value", "time"), [(b"12.5", 12.5), (b"", float("inf")), (b"soon", float("inf")), (b"nan", float("inf"))]
)
def test_load_time_returns_infinity_for_invalid_values(value: bytes, time: float) -> None:
    """As if the revocation were later than every session."""
    assert load_time(value) == time
