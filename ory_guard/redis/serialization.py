"""The JSON format of the values in Redis. Values are validated when they are read."""

import math
from typing import Any

from ory_guard.cache.store import StoredSession

__all__ = ["dump_session", "load_ids", "load_session", "load_time"]


def dump_session(stored: StoredSession, key: bytes) -> dict[str, Any]:
    """Return a session and its key as JSON.

    Raises:
        ValueError: If the body of the session is not UTF-8.
    """
    return {
        "key": key.hex(),
        "session": stored.body.decode(),
        "session_id": stored.session_id,
        "identity_id": stored.identity_id,
        "age": stored.age,
        "ttl": stored.ttl,
        "asked_at": stored.asked_at,
        "fresh_until": stored.fresh_until,
    }


def load_session(value: dict[str, Any], key: bytes, redis_ttl: float) -> StoredSession | None:
    """Return a session with its current age, or None if the value is invalid or belongs to another key.

    Args:
        value: The decrypted value.
        key: The key of the session.
        redis_ttl: Seconds until Redis deletes the value. The rest of its lifetime has passed on Redis' clock.
    """
    try:
        if value["key"] != key.hex():
            return None
        times = {name: _number(value[name]) for name in ("age", "ttl", "asked_at", "fresh_until")}
        body, session_id, identity_id = value["session"], value["session_id"], value["identity_id"]
        times["age"] += max(times["ttl"] - redis_ttl, 0.0)
        times["ttl"] = min(times["ttl"], redis_ttl)
        return StoredSession(body.encode(), str(session_id), str(identity_id), **times)
    except (AttributeError, KeyError, TypeError, ValueError):
        return None


def load_ids(message: dict[str, Any] | None) -> tuple[str, ...] | None:
    """Return the ids in a revocation message, or None if the message is invalid."""
    ids = None if message is None else message.get("ids")
    if not isinstance(ids, list) or not all(isinstance(key, str) for key in ids):
        return None
    return tuple(ids)


def load_time(value: bytes | str) -> float:
    """Return a time in seconds since the epoch, or infinity if the value is invalid."""
    try:
        return _number(float(value))
    except ValueError:
        return math.inf


def _number(value: Any) -> float:
    if type(value) not in (int, float) or not math.isfinite(value):
        raise ValueError
    return float(value)
