"""A Redis or Valkey server as the store that processes share (extra `redis`).

Needs a server that knows Lua scripts (any Redis or Valkey), on one node: a cluster's keys would lie apart.
"""

try:
    from ory_guard.redis.store import RedisSessionStore
except ModuleNotFoundError as _error:
    raise ModuleNotFoundError(
        f"ory_guard.redis needs {_error.name}: install the extra with pip install 'ory-guard[redis]'",
        name=_error.name,
    ) from None

__all__ = ["RedisSessionStore"]
