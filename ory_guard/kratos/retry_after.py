"""The `Retry-After` header of a response (RFC 9110, section 10.2.3)."""

from datetime import UTC
from email.utils import parsedate_to_datetime
from math import ceil
from typing import Final

__all__ = ["retry_after_seconds"]

_MAX_RETRY_AFTER: Final = 60
"""The longest time in seconds for which a response of Kratos is heeded."""

_MAX_DATE_LENGTH: Final = 64


def retry_after_seconds(value: bytes | None, now: float) -> int:
    """Return the seconds of a `Retry-After` header, limited to 1 to 60; 1 if it is missing or invalid.

    Args:
        value: A number of seconds or an HTTP date.
        now: The time of the response, in seconds since the epoch.
    """
    if value is None:
        return 1
    if value.isdigit():
        return _limited(int(value[:9]))
    if len(value) > _MAX_DATE_LENGTH:
        return 1
    try:
        date = parsedate_to_datetime(value.decode("ascii"))
        # An HTTP date is in UTC; without a zone, `timestamp` would use the zone of this host.
        at = (date if date.tzinfo is not None else date.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return 1
    return _limited(ceil(at - now))


def _limited(seconds: int) -> int:
    return min(max(seconds, 1), _MAX_RETRY_AFTER)
