"""What is written into Redis, as JSON, and read again without trusting it."""

import math
from typing import Any

from ory_guard.cache.store import StoredSession

__all__ = ["ids_in", "session_in", "time_in", "value_of"]


def value_of(stored: StoredSession, key: bytes) -> dict[str, Any]:
    """Return a session as JSON, its key inside.

    Raises:
        ValueError: The session's own JSON is no UTF-8.
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


def session_in(value: dict[str, Any], key: bytes, left: float) -> StoredSession | None:
    """Return the session as of now, or None where the value is none of this key.

    Args:
        value: What was kept.
        key: The key that it was found under.
        left: Seconds until Redis forgets it; by Redis' clock the rest of its ttl has passed.
    """
    try:
        if value["key"] != key.hex():
            return None
        times = {name: _number(value[name]) for name in ("age", "ttl", "asked_at", "fresh_until")}
        body, session_id, identity_id = value["session"], value["session_id"], value["identity_id"]
        times["age"] += max(times["ttl"] - left, 0.0)
        times["ttl"] = min(times["ttl"], left)
        return StoredSession(body.encode(), str(session_id), str(identity_id), **times)
    except (AttributeError, KeyError, TypeError, ValueError):
        return None


def ids_in(message: dict[str, Any] | None) -> tuple[str, ...] | None:
    """Return the ids of a revocation, or None where the message can't be read."""
    ids = None if message is None else message.get("ids")
    if not isinstance(ids, list) or not all(isinstance(one, str) for one in ids):
        return None
    return tuple(ids)


def time_in(value: bytes | str) -> float:
    """Return a time, in seconds since the epoch; what is none counts as one that never ends."""
    try:
        return _number(float(value))
    except ValueError:
        return math.inf


def _number(value: Any) -> float:
    if type(value) not in (int, float) or not math.isfinite(value):
        raise ValueError
    return float(value)
