"""Encryption and validation of the values in Redis."""

from dataclasses import replace
from math import inf, nan
from struct import pack
from typing import Any, Final

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from support.redis_sessions import OLD_SECRET, SECRET, STORED
from support.scripted_kratos import SESSION_ID

from ory_guard.redis.encryption import DecryptionError, Encryptor
from ory_guard.redis.serialization import decrypt_session, encrypt_session, load_ids, load_message, load_time

NAME: Final = b"ory_guard:session:00"


def encrypted(text: bytes) -> bytes:
    """Return a value without ids whose content is `text`."""
    return b"\0" + Encryptor(SECRET).encrypt(NAME, text, b"\0")


@pytest.mark.parametrize(
    ("secret", "name", "header", "change"),
    [
        pytest.param(SECRET, b"other", b"header", lambda data: data, id="other name"),
        pytest.param(OLD_SECRET, NAME, b"header", lambda data: data, id="other secret"),
        pytest.param(SECRET, NAME, b"", lambda data: data, id="other header"),
        pytest.param(SECRET, NAME, b"header", lambda data: bytes([data[0] ^ 1]) + data[1:], id="other salt"),
        pytest.param(SECRET, NAME, b"header", lambda data: data[:-1] + bytes([data[-1] ^ 1]), id="changed byte"),
        pytest.param(SECRET, NAME, b"header", lambda data: data[:40], id="truncated"),
        pytest.param(SECRET, NAME, b"header", lambda _data: b"", id="empty"),
    ],
)
def test_decrypt_rejects_data_that_was_not_encrypted_for_this_name(
    secret: str, name: bytes, header: bytes, change: Any
) -> None:
    encryptor = Encryptor(SECRET)
    data = encryptor.encrypt(NAME, b"text", b"header")
    assert encryptor.decrypt(NAME, b"header" + data, len(b"header")) == b"text"

    with pytest.raises(DecryptionError):
        Encryptor(secret).decrypt(name, header + change(data), len(header))


def test_each_value_has_its_own_key(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the same name, too: no key comes near the limit for random nonces (NIST SP 800-38D, section 8.3)."""
    keys: list[bytes] = []

    def cipher(key: bytes) -> AESGCM:
        keys.append(key)
        return AESGCM(key)

    monkeypatch.setattr("ory_guard.redis.encryption.AESGCM", cipher)
    for secret in (SECRET, OLD_SECRET):
        for name in (NAME, NAME, b"other"):
            Encryptor(secret).encrypt(name, b"text")

    assert len(set(keys)) == len(keys) == 6
    assert {len(key) for key in keys} == {32}


def test_keys_are_derived_from_the_secret() -> None:
    """The secret is text or bytes; a hashed name does not contain the name."""
    assert Encryptor(SECRET).hashing_key == Encryptor(SECRET.encode()).hashing_key
    assert Encryptor(SECRET).hashing_key != Encryptor(OLD_SECRET).hashing_key
    assert len(Encryptor(SECRET).hashing_key) == 32
    assert Encryptor(SECRET).hash_name(SESSION_ID) != Encryptor(OLD_SECRET).hash_name(SESSION_ID)
    assert SESSION_ID not in Encryptor(SECRET).hash_name(SESSION_ID)


@pytest.mark.parametrize("hashes", [[], ["0" * 32, "f" * 32]], ids=["no hash", "two hashes"])
def test_decrypt_session_adds_the_time_in_redis_to_the_age(hashes: list[str]) -> None:
    """It follows from the TTL that remains in Redis."""
    stored = replace(STORED, session_id="\udcff", memory_bytes=2**40, checksum=7)
    value = encrypt_session(Encryptor(SECRET), NAME, stored, hashes)

    loaded = decrypt_session(Encryptor(SECRET), NAME, value, 9.5, 7.0)

    assert value[1 : 1 + 32 * len(hashes)] == "".join(hashes).encode()
    assert loaded == replace(stored, age=20.5, ttl=9.5, revoked_at=7.0, memory_bytes=2**32 - 1)


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"\xff", id="only a header"),
        pytest.param(encrypted(b""), id="no content"),
        pytest.param(encrypted(pack("!4d2I2H", 0, 1, nan, 0, 0, 0, 0, 0)), id="not a number"),
        pytest.param(encrypted(pack("!4d2I2H", 0, inf, 0, 0, 0, 0, 0, 0)), id="infinite"),
        pytest.param(encrypted(pack("!4d2I2H", 0, 1, 0, 0, 0, 0, 1, 0) + b"\xff"), id="not UTF-8"),
    ],
)
def test_decrypt_session_rejects_invalid_values(value: bytes) -> None:
    assert decrypt_session(Encryptor(SECRET), NAME, value, 1.0, -inf) is None


def test_encrypt_session_rejects_long_ids() -> None:
    """Kratos' ids have 36 characters."""
    with pytest.raises(ValueError, match="the id is too long"):
        encrypt_session(Encryptor(SECRET), NAME, replace(STORED, session_id="x" * 65_536), [])


@pytest.mark.parametrize(
    ("text", "ids", "at"),
    [
        (b'{"ids": ["a", "b"], "at": 5.5}', ("a", "b"), 5.5),
        (b'{"ids": ["a"], "at": "5"}', ("a",), None),
        (b'{"ids": ["a"], "at": Infinity}', ("a",), None),
        (b'{"ids": ["a"], "at": true}', ("a",), None),
        (b'{"ids": ["a"]}', ("a",), None),
        (b'{"ids": "ab"}', None, None),
        (b'{"ids": [1]}', None, None),
        (b"{}", None, None),
        (b"[]", None, None),
        (b"{", None, None),
        (b"\xff", None, None),
    ],
)
def test_ids_and_time_of_a_message(text: bytes, ids: tuple[str, ...] | None, at: float | None) -> None:
    """The time is only measured. The store yields None for invalid ids, because any id may have been revoked."""
    loaded = load_ids(load_message(text))

    assert loaded == ids
    assert loaded is None or loaded.at == at


@pytest.mark.parametrize(
    ("value", "time"), [(b"12.5", 12.5), (b"", float("inf")), (b"soon", float("inf")), (b"nan", float("inf"))]
)
def test_load_time_returns_infinity_for_invalid_values(value: bytes, time: float) -> None:
    """As if the revocation were later than every session."""
    assert load_time(value) == time
