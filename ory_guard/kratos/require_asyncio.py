"""The event loop that the guard supports."""

from asyncio import get_running_loop

from ory_guard._event_loop import is_asyncio
from ory_guard.exceptions import ConfigurationError

__all__ = ["event_loop_error", "require_asyncio"]


def event_loop_error() -> ConfigurationError | None:
    """Return the error for another event loop than asyncio's, or None in asyncio."""
    if is_asyncio():
        return None
    return ConfigurationError(
        "ory_guard is asyncio only, and another event loop is running, such as trio's: run the server with asyncio "
        "(Hypercorn: --worker-class asyncio), and asynchronous tests with anyio's backend 'asyncio'"
    )


def require_asyncio() -> None:
    """Check that an event loop of asyncio is running.

    Raises:
        ConfigurationError: If another event loop is running.
    """
    try:
        get_running_loop()
    except RuntimeError:
        error = event_loop_error()
        assert error is not None  # noqa: S101 - no event loop of asyncio is running
        raise error from None
