"""The event loop that the guard supports."""

from asyncio import get_running_loop
from typing import Final

from ory_guard._event_loop import is_asyncio
from ory_guard.exceptions import ConfigurationError

__all__ = ["event_loop_error", "require_asyncio"]

_TEXT: Final = (
    "ory_guard is asyncio only, and another event loop is running, such as trio's: run the server with asyncio "
    "(Hypercorn: --worker-class asyncio), and asynchronous tests with anyio's backend 'asyncio'"
)


def event_loop_error() -> ConfigurationError | None:
    """Return the error for another event loop than asyncio's, or None in asyncio."""
    return None if is_asyncio() else ConfigurationError(_TEXT)


def require_asyncio() -> None:
    """Check that an event loop of asyncio is running.

    Raises:
        ConfigurationError: If another event loop is running.
    """
    try:
        get_running_loop()
    except RuntimeError:
        raise ConfigurationError(_TEXT) from None
