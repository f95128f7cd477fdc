"""Revocation messages: a Redis stream that holds the latest ones, and a channel that announces them.

A message to each of a thousand subscribers takes Redis 5 to 8 ms, nearly all of it for the writes to their sockets.
Messages are therefore announced together: the first one immediately, and those in the following window at its end.
The window is the longer, the more subscribers there are; fewer than eight have none. The process that added the
first unannounced message announces it. If it ends before, the subscribers find the message, because they read the
stream once a second.

The entries of a stream are numbered. A subscriber that has received one entry has missed none if it finds that
entry, or the next one, and reads on from there. The first entry of a new stream has the time as its number, so that
the numbers of a stream that was lost are not used again.
"""

import asyncio
from contextvars import Context
from typing import Any, Final, NamedTuple

from redis.asyncio import Redis
from redis.exceptions import RedisError

from ory_guard.redis.scripts import RECORD_FUNCTION, RevocationRecord

__all__ = ["ANNOUNCE", "Announcer", "Stream", "parse_announcement"]

_MAX_ENTRIES: Final = 4_096
_MAX_ANNOUNCED: Final = 4_096
_MAX_ANNOUNCED_BYTES: Final = 1 << 19
_LIFETIME_MS: Final = 7 * 86_400_000
_WINDOW_MS_PER_SUBSCRIBER: Final = 0.5
_MAX_WINDOW_MS: Final = 500
_MIN_WINDOW_MS: Final = 4
"""With fewer than eight subscribers, joining messages would cost more than it saves."""
_MAX_DIGITS: Final = 16

# The result is the time until the next announcement in milliseconds, or 0 if all entries are announced. An empty
# text is not added, unless the stream is empty.
#
# The state is the number of the last announced entry, that of the newest one, and the end of the window. A stream
# that was lost gets other numbers, so the state does not count without it. A server that rejects the entry
# announces it anyway, with the number 0.
_ANNOUNCE_FUNCTION: Final = f"""
local function announce(stream, state, text, publish)
  local now, added = nil, false
  local function read_time()
    local time = redis.call('TIME')
    now = time[1] * 1000 + math.floor(time[2] / 1000)
  end
  local function add(...)
    return redis.pcall('XADD', stream, ...)
  end
  local value = redis.pcall('GET', state)
  local announced, newest, ends =
    string.match(type(value) == 'string' and value or '', '^(%d+) (%d+) (%d+)$')
  announced, newest, ends = tonumber(announced), tonumber(newest), tonumber(ends) or 0
  if newest and text ~= '' then
    newest = newest + 1
    added = add('NOMKSTREAM', 'MAXLEN', '~', {_MAX_ENTRIES}, string.format('%.0f-0', newest), 'm', text)
  end
  if type(added) ~= 'string' then
    local found = redis.pcall('XREVRANGE', stream, '+', '-', 'COUNT', 1)
    if found.err and string.find(found.err, 'WRONGTYPE', 1, true) then
      redis.call('DEL', stream)
      found = {{}}
    end
    newest = found[1] and tonumber(string.match(found[1][1], '^%d+'))
    if text ~= '' or not newest then
      if not newest then
        read_time()
      end
      newest = newest and newest + 1 or now
      added = found.err and found
        or add('MAXLEN', '~', {_MAX_ENTRIES}, string.format('%.0f-0', newest), 'm', text)
      if type(added) ~= 'string' then
        if text ~= '' then
          redis.call(publish, stream, '0 ' .. #text .. '\\n' .. text)
        end
        return added
      end
    end
    announced = announced or newest
    if announced >= newest then
      announced = text ~= '' and newest - 1 or newest
    end
  end
  if added then
    redis.call('PEXPIRE', stream, {_LIFETIME_MS})
  end
  if announced == newest then
    return 0
  end
  if ends > 0 then
    read_time()
    if ends > now and ends - now <= {_MAX_WINDOW_MS} then
      if added then
        redis.call('SET', state, string.format('%.0f %.0f %.0f', announced, newest, ends), 'PX', {_LIFETIME_MS})
      end
      return ends - now
    end
  end
  local header, body = string.format('%.0f %d\\n', newest, #text), text
  if added and announced + 1 == newest then
    announced = newest
  else
    local first, sizes, texts, bytes = nil, {{}}, {{}}, 0
    local start = string.format('%.0f-0', announced + 1)
    for _, entry in ipairs(redis.call('XRANGE', stream, start, '+', 'COUNT', {_MAX_ANNOUNCED})) do
      local entry_text = entry[2][2]
      bytes = bytes + #entry_text
      if first and bytes > {_MAX_ANNOUNCED_BYTES} then
        break
      end
      announced = tonumber(string.match(entry[1], '^%d+'))
      first = first or announced
      sizes[#sizes + 1], texts[#texts + 1] = #entry_text, entry_text
    end
    header, body = string.format('%.0f ', first) .. table.concat(sizes, ' ') .. '\\n', table.concat(texts)
  end
  local receivers = redis.call(publish, stream, header .. body)
  local window = math.min(math.floor(receivers * {_WINDOW_MS_PER_SUBSCRIBER}), {_MAX_WINDOW_MS})
  ends = 0
  if window >= {_MIN_WINDOW_MS} then
    if not now then
      read_time()
    end
    ends = now + window
  end
  redis.call('SET', state, string.format('%.0f %.0f %.0f', announced, newest, ends), 'PX', {_LIFETIME_MS})
  return announced < newest and math.max(window, 1) or 0
end
"""

# The keys are the stream and its state. The arguments are the text of the new entry, and the command for the
# channel.
ANNOUNCE: Final = f"{_ANNOUNCE_FUNCTION}return announce(KEYS[1], KEYS[2], ARGV[1], ARGV[2])"

# The same with the record of the revocations before it, whose keys and arguments follow.
REVOKE: Final = f"""{RECORD_FUNCTION}{_ANNOUNCE_FUNCTION}
local failed = record(3, ARGV[3], tonumber(ARGV[4]))
local result = announce(KEYS[1], KEYS[2], ARGV[1], ARGV[2])
return failed or result
"""


class Stream(NamedTuple):
    """The names of a stream and its state. The channel is named like the stream.

    Attributes:
        name: The name of the stream.
        state: The name of the key that holds its last announcement.
        publish: The command that publishes a message.
        subscribe: The command that subscribes to the channel.
    """

    name: str
    state: str
    publish: str = "PUBLISH"
    subscribe: str = "SUBSCRIBE"


class Announcement(NamedTuple):
    """Messages that were announced together.

    Attributes:
        first: The number of the first one, or 0 if the message has no number.
        texts: The messages.
    """

    first: int
    texts: list[bytes]


def parse_announcement(data: bytes) -> Announcement | None:
    """Return the messages in an announcement, or None if it is invalid."""
    header, newline, rest = data.partition(b"\n")
    numbers = header.split(b" ")
    if not newline or not all(each.isdigit() and len(each) <= _MAX_DIGITS for each in numbers):
        return None
    first, *sizes = map(int, numbers)
    if not sizes or sum(sizes) != len(rest):
        return None
    texts, start = [], 0
    for size in sizes:
        texts.append(rest[start : start + size])
        start += size
    return Announcement(first, texts)


class Announcer:
    """Adds messages to streams, and announces them in time.

    Args:
        client: The client of redis-py.
    """

    def __init__(self, client: Redis) -> None:
        self._script: Any = client.register_script(ANNOUNCE)
        self._revoke: Any = client.register_script(REVOKE)
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._due: dict[str, int] = {}

    async def add(self, stream: Stream, text: bytes, record: RevocationRecord | None = None) -> None:
        """Add a message to a stream, and announce it now or soon.

        Args:
            stream: The stream.
            text: The message.
            record: The record that the server must store before, or None.

        Raises:
            OSError: If the connection is lost.
            RedisError: If the server rejects the message. It is announced anyway if the server permits that.
        """
        if record is None:
            milliseconds = await self._run(stream, text)
        else:
            keys, arguments = [stream.name, stream.state, *record.keys], [text, stream.publish, *record.arguments]
            milliseconds = int(await self._revoke(keys=keys, args=arguments))
        if milliseconds > 0:
            # Also if a task is running: the reply to its last command may be older than this one.
            self._due[stream.name] = milliseconds
            if stream.name not in self._tasks:
                loop = asyncio.get_running_loop()
                self._tasks[stream.name] = asyncio.Task(self._announce(stream), loop=loop, context=Context())

    async def _announce(self, stream: Stream) -> None:
        try:
            while milliseconds := self._due.pop(stream.name, 0):
                await asyncio.sleep(milliseconds / 1_000)
                milliseconds = await self._run(stream, b"")
                if milliseconds > 0:
                    self._due[stream.name] = milliseconds
        except (OSError, RedisError):
            pass  # the subscribers find the messages in the stream
        finally:
            del self._tasks[stream.name]

    async def _run(self, stream: Stream, text: bytes) -> int:
        return int(await self._script(keys=[stream.name, stream.state], args=[text, stream.publish]))

    async def aclose(self) -> None:
        """Cancel the announcements; the subscribers find the messages in the stream."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
