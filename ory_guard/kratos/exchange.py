"""A request of the connection pool and its result.

Callbacks of the event loop lead from the first byte sent to the last byte read, so the cancellation of a waiting
task cannot reach an exchange.
"""

from collections.abc import Callable
from typing import Final, Protocol

from ory_guard.kratos.admission import Admission, Ticket
from ory_guard.kratos.caller import Caller
from ory_guard.kratos.http import PoolTimeout
from ory_guard.kratos.http_response import HTTPResponse

__all__ = ["Exchange", "OnResult", "pool_closed"]

OnResult = Callable[[HTTPResponse | Exception], None]

_TOO_MANY_REQUESTS: Final = 429


class Connection(Protocol):
    """The connection of an exchange."""

    def abort(self) -> None:
        """Close the connection at once."""


class Exchange(Ticket):
    """A request and its result.

    Args:
        admission: The slots of the pool.
        dispatch: Sends the request; the same object for all requests of a pool.
        request: The bytes of the request.
        on_result: Called exactly once, with the response or the error. It must not raise.
        caller: The credential of the call.

    Attributes:
        request: The bytes of the request; empty after the result.
        connection: The connection that the request was sent on, or None.
        is_retry: Whether the request was sent before.
        is_done: Whether the result was delivered.
    """

    is_retry: bool = False
    is_done: bool = False
    connection: Connection | None = None

    def __init__(
        self,
        admission: Admission,
        dispatch: "Callable[[Exchange], None]",
        request: bytes,
        on_result: OnResult,
        caller: Caller,
    ) -> None:
        self.caller = caller
        self._admission = admission
        self._dispatch = dispatch
        self.request: bytes = request
        self._on_result: OnResult = on_result

    def admit(self) -> None:
        """Send the request."""
        self._dispatch(self)

    def shed(self) -> None:
        """End the exchange without a request."""
        self.finish(pool_closed() if self._admission.is_closed else PoolTimeout())

    def finish(self, result: HTTPResponse | Exception) -> None:
        """Deliver the result, unless another one was delivered, or the request is sent again after a 429."""
        if self.is_done:
            return
        if isinstance(result, HTTPResponse) and result[0] == _TOO_MANY_REQUESTS:
            self.is_limited = True
            if self._admission.retry_later(self):
                self.connection = None
                return
        self.is_done = True
        on_result = self._on_result
        del self._on_result  # the pool keeps the exchange until its deadline
        self.connection = None
        self.request = b""
        self._admission.leave(self)
        on_result(result)


def pool_closed() -> ConnectionError:
    """Return the error of an exchange whose pool was closed."""
    return ConnectionError("the connection pool was closed")
