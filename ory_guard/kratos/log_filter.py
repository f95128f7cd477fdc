"""A filter for log records of httpcore that contain cookies."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final

__all__ = ["suppress_header_logs"]

_request_active: Final = ContextVar("request_active", default=False)


class _ResponseHeaderFilter(logging.Filter):
    """Drops the DEBUG records of httpcore that contain response headers, such as `Set-Cookie`."""

    def filter(self, record: logging.LogRecord) -> bool:
        return not (_request_active.get() and str(record.msg).startswith("receive_response_headers."))


_RESPONSE_HEADER_FILTER: Final = _ResponseHeaderFilter()
for _name in ("httpcore2.http11", "httpcore2.http2"):
    logging.getLogger(_name).addFilter(_RESPONSE_HEADER_FILTER)


@contextmanager
def suppress_header_logs() -> Iterator[None]:
    """Keep the headers of responses that arrive in this block out of the log."""
    token = _request_active.set(True)
    try:
        yield
    finally:
        _request_active.reset(token)
