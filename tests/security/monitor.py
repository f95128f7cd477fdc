"""A monitor of logs, tasks and the event loop."""

import asyncio
import base64
import gc
import logging
import time
from collections.abc import Iterable
from types import TracebackType
from typing import Any, Final, Self

__all__ = ["SECRETS", "Monitor", "leaks", "texts_of"]

SECRETS: Final = (b"tok-A", b"tok-B", b"ck-A", b"ck-B", b"app-secret")
"""All credentials that the tests send."""

_LONGEST_BLOCK: Final = 0.5


def leaks(text: str) -> bool:
    """Return whether a text contains a secret, in plain text or in base64."""
    return any(
        secret.decode() in text or base64.b64encode(secret).decode().rstrip("=")[:-1] in text for secret in SECRETS
    )


def texts_of(error: BaseException | None) -> Iterable[str]:
    """Yield the text and the repr of an exception and of all its causes."""
    while error is not None:
        yield str(error)
        yield repr(error)
        error = error.__cause__ or error.__context__


class _LogRecorder(logging.Handler):
    """Records the text of every log record."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.texts.append(f"{record.getMessage()} {record.msg!r} {record.args!r}")
        if record.exc_info:
            self.texts.extend(texts_of(record.exc_info[1]))


class Monitor:
    """Asserts that a block logs no secret, does not block the event loop, and leaves no unhandled exception.

    Blocking is measured as the CPU time of this thread between two heartbeats, so a busy machine does not look like
    a blocked loop. The garbage collector pauses, because it would scan all objects of pytest.

    Args:
        longest_block: The maximum CPU time between two heartbeats, in seconds.
    """

    def __init__(self, longest_block: float = _LONGEST_BLOCK) -> None:
        self._allowed = longest_block
        self._handler = _LogRecorder()
        self._blocked = 0.0
        self._unhandled: list[str] = []

    async def __aenter__(self) -> Self:
        root = logging.getLogger()
        self._level = root.level
        root.setLevel(logging.DEBUG)
        root.addHandler(self._handler)
        asyncio.get_running_loop().set_exception_handler(self._record_unhandled)
        gc.disable()
        self._heart = asyncio.create_task(self._beat())
        await asyncio.sleep(0)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        await asyncio.sleep(0.002)
        self._heart.cancel()
        await asyncio.gather(self._heart, return_exceptions=True)
        gc.enable()
        asyncio.get_running_loop().set_exception_handler(None)
        root = logging.getLogger()
        root.removeHandler(self._handler)
        root.setLevel(self._level)
        if kind is None:
            assert self._blocked < self._allowed, f"the event loop was blocked for {self._blocked:.3f} s"
            assert self._unhandled == []
            assert [text for text in self._handler.texts if leaks(text)] == []

    def _record_unhandled(self, _loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        self._unhandled.append(repr(context))

    async def _beat(self) -> None:
        while True:
            before = time.thread_time()
            await asyncio.sleep(0.001)
            self._blocked = max(self._blocked, time.thread_time() - before)
