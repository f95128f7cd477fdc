"""The format of the values in Redis. Values are validated when they are read.

A session is stored as a header and encrypted content. The header is readable, so that the lookup finds the
revocations that concern the session in the same round trip: the number of hashes, and the hashes of the session id,
the identity id and `ALL_IDS` under each secret. It is authenticated with the content.
"""

import json
import math
from collections.abc import Sequence
from struct import Struct, error
from typing import Any, Final

from ory_guard.cache.store_protocol import RevokedIds, StoredSession
from ory_guard.redis.encryption import DecryptionError, Encryptor

__all__ = [
    "decrypt_message",
    "decrypt_session",
    "dump_message",
    "encrypt_session",
    "load_ids",
    "load_message",
    "load_missed_ids",
    "load_time",
]

_HASH_BYTES: Final = 32
_MAX_UINT: Final = (1 << 32) - 1
_TIMES: Final = Struct("!4d2I2H")
"""Age, ttl, `asked_at`, `fresh_until`, memory, checksum, the lengths of the ids. The ids and the body follow."""
_IDS_START: Final = _TIMES.size


def encrypt_session(encryptor: Encryptor, name: bytes, stored: StoredSession, id_hashes: Sequence[str]) -> bytes:
    """Return the value of a session.

    Args:
        encryptor: Encrypts the session.
        name: The name of its key.
        stored: The session.
        id_hashes: The hashes of its ids.

    Raises:
        ValueError: If an id has more than 65,535 bytes.
    """
    header = bytes([len(id_hashes)]) + "".join(id_hashes).encode()
    session_id, identity_id = (
        id_.encode("utf-8", "surrogatepass") for id_ in (stored.session_id, stored.identity_id)
    )
    times = stored.age, stored.ttl, stored.asked_at, stored.fresh_until, min(stored.memory_bytes, _MAX_UINT)
    try:
        start = _TIMES.pack(*times, stored.checksum, len(session_id), len(identity_id))
    except error as cause:
        raise ValueError("session: the id is too long") from cause
    return header + encryptor.encrypt(name, start + session_id + identity_id + stored.body, header)


def decrypt_session(
    encryptor: Encryptor, name: bytes, value: bytes, redis_ttl: float, revoked_at: float
) -> StoredSession | None:
    """Return a session with its current age, or None if the value is invalid or belongs to another name.

    Args:
        encryptor: Decrypts the session.
        name: The name of its key.
        value: The value.
        redis_ttl: Seconds until Redis deletes the value. The rest of its lifetime has passed on Redis' clock.
        revoked_at: The time of the latest revocation of its ids, in seconds since the epoch.
    """
    header_end = 1 + value[0] * _HASH_BYTES if value else 0
    try:
        text = encryptor.decrypt(name, value, header_end)
        age, ttl, asked_at, fresh_until, memory_bytes, checksum, id_length, length = _TIMES.unpack_from(text)
    except (DecryptionError, error):
        return None
    id_end = _IDS_START + id_length
    ids_end = id_end + length
    try:
        session_id = text[_IDS_START:id_end].decode("utf-8", "surrogatepass")
        identity_id = text[id_end:ids_end].decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        return None
    if not math.isfinite(age + ttl + asked_at + fresh_until):
        return None
    return StoredSession(
        text[ids_end:],
        session_id,
        identity_id,
        age + max(ttl - redis_ttl, 0.0),
        min(ttl, redis_ttl),
        asked_at,
        fresh_until,
        revoked_at,
        memory_bytes,
        checksum,
    )


def dump_message(sender: str, ids: Sequence[str], at: float) -> bytes:
    """Return a message about ids that were revoked at a time in seconds since the epoch."""
    return json.dumps({"from": sender, "ids": list(ids), "at": at}).encode()


def load_message(text: bytes) -> dict[str, Any] | None:
    """Return a revocation message, or None if it is invalid."""
    try:
        message = json.loads(text)
    except ValueError:
        return None
    return message if isinstance(message, dict) else None


def load_ids(message: dict[str, Any] | None) -> RevokedIds | None:
    """Return the ids in a revocation message, or None if the message is invalid."""
    if message is None:
        return None
    ids, at = message.get("ids"), message.get("at")
    if not isinstance(ids, list) or not all(isinstance(key, str) for key in ids):
        return None
    return RevokedIds(ids, at if isinstance(at, float) and math.isfinite(at) else None)


def decrypt_message(encryptors: Sequence[Encryptor], name: bytes, message: bytes) -> dict[str, Any] | None:
    """Return a revocation message that one of the encryptors decrypts for this name, or None if it is invalid."""
    for encryptor in encryptors:
        try:
            return load_message(encryptor.decrypt(name, message))
        except DecryptionError:
            continue
    return None


def load_missed_ids(messages: Sequence[dict[str, Any] | None]) -> tuple[str, ...]:
    """Return a `RevokedIds` with the ids in messages, or an empty tuple if one of them is unknown or invalid."""
    missed = [load_ids(message) for message in messages]
    if None in missed:
        return ()
    return RevokedIds([id_ for ids in missed if ids is not None for id_ in ids], None)


def load_time(value: bytes | str) -> float:
    """Return a time in seconds since the epoch, or infinity if the value is invalid."""
    try:
        time = float(value)
    except ValueError:
        return math.inf
    return time if math.isfinite(time) else math.inf
