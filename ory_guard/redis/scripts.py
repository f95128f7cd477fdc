"""The scripts that store sessions and record revocations. Each one is atomic, and uses the keys of one shard."""

from collections.abc import Sequence
from typing import Final, NamedTuple

__all__ = ["PUT", "RECORD_FUNCTION", "RECORD_REVOCATIONS", "RevocationRecord"]

_MAX_SESSIONS_PER_ID: Final = 256

# The keys are: the session, its lease, the lists of its session id and identity id, and the revocations of both and
# of all sessions.
# The lease is deleted last, because a server that is full rejects only the first write of a script.
_LISTS: Final = 2
PUT: Final = f"""
local name, value, ttl, ends, since = KEYS[1], ARGV[1], tonumber(ARGV[2]), ARGV[3], tonumber(ARGV[4])
for at = {_LISTS + 3}, #KEYS do
  local revoked = redis.pcall('GET', KEYS[at])
  if revoked and (tonumber(revoked) or math.huge) >= since then
    redis.call('DEL', KEYS[2])
    return
  end
end
local stored = redis.pcall('SET', name, value, 'PX', ttl)
redis.call('DEL', KEYS[2])
if stored.err then
  return stored
end
for at = 3, {_LISTS + 2} do
  redis.call('ZADD', KEYS[at], ends, name)
  redis.call('ZREMRANGEBYRANK', KEYS[at], 0, -{_MAX_SESSIONS_PER_ID + 1})
  if redis.call('PTTL', KEYS[at]) < ttl then
    redis.call('PEXPIRE', KEYS[at], ttl)
  end
end
"""

# The keys are the revocations, from a position on, and as many lists of sessions. The arguments are the time of the
# revocation, and the lifetime of its record in milliseconds. The result is false, or the first error.
#
# A later time is kept: a revocation can be repeated, or arrive late. All writes are tried before the first error is
# returned. A key of another type is replaced or deleted, so that the next attempt succeeds.
RECORD_FUNCTION: Final = """
local function record(first, at, ttl)
  local failed, last = false, (#KEYS + first - 1) / 2
  local function check(reply)
    if type(reply) == 'table' and reply.err then
      failed = failed or reply
    end
  end
  for index = first, last do
    local name = KEYS[index]
    local added = redis.pcall('SET', name, at, 'PX', ttl, 'NX')
    check(added)
    if not added then
      local known = redis.pcall('GET', name)
      known = type(known) == 'string' and tonumber(known)
      if not (known and known >= tonumber(at)) then
        check(redis.pcall('SET', name, at, 'PX', ttl))
      elseif redis.call('PTTL', name) < ttl then
        check(redis.pcall('PEXPIRE', name, ttl))
      end
    end
  end
  for index = last + 1, #KEYS do
    local sessions = redis.pcall('ZRANGE', KEYS[index], 0, -1)
    check(sessions)
    for _, session in ipairs(sessions) do
      check(redis.pcall('DEL', session))
    end
    if sessions.err or #sessions > 0 then
      check(redis.pcall('DEL', KEYS[index]))
    end
  end
  return failed
end
"""
RECORD_REVOCATIONS: Final = f"{RECORD_FUNCTION}return record(1, ARGV[1], tonumber(ARGV[2]))"


class RevocationRecord(NamedTuple):
    """The keys and the arguments of the function `record`."""

    keys: Sequence[str]
    arguments: Sequence[str | int]
