"""A Redis or Valkey server as the store that processes share (extra `redis`).

Needs a server that knows Lua scripts (any Redis or Valkey), on one node: a cluster's keys would lie apart.
"""

try:
    from ory_guard.redis.store import RedisSessionStore
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
        f"ory_guard.redis needs {error.name}: install the extra with pip install 'ory-guard[redis]'",
        name=error.name,
    ) from None

__all__ = ["RedisSessionStore"]
