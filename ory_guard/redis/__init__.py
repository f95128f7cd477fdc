"""A session store in Redis or Valkey (extra `redis`): a single server, Sentinel, or a cluster."""

try:
    from ory_guard.redis.store import RedisSessionStore
except ModuleNotFoundError as _error:
    raise ModuleNotFoundError(
        f"ory_guard.redis needs {_error.name}: install the extra with pip install 'ory-guard[redis]'",
        name=_error.name,
    ) from None

__all__ = ["RedisSessionStore"]
