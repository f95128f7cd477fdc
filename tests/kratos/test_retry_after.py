"""`Retry-After`: a number of seconds or an HTTP date, limited to 1 to 60 seconds."""

import time
from datetime import UTC, datetime

import pytest

from ory_guard.kratos.retry_after import retry_after_seconds

NOW = datetime(2026, 10, 21, 7, 28, tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (None, 1),
        (b"", 1),
        (b"0", 1),
        (b"12", 12),
        (b"61", 60),
        (b"-5", 1),
        (b"1.5", 1),
        (b"x", 1),
        (b"9" * 5_000, 60),
        ("²".encode(), 1),
        (b"Wed, 21 Oct 2026 07:28:30 GMT", 30),
        (b"Wed, 21 Oct 2026 07:28:30 -0000", 30),
        (b"Wed Oct 21 07:28:30 2026", 30),
        (b"Wednesday, 21-Oct-26 07:28:30 GMT", 30),
        (b"Wed, 21 Oct 2026 07:27:59 GMT", 1),
        (b"Fri, 31 Dec 9999 23:59:59 GMT", 60),
        (b"Mon, 01 Jan 0001 00:00:00 +2359", 1),
        (b"Wed, 32 Oct 2026 07:28:30 GMT", 1),
        (b"Wed, 21 Oct 2026 07:28:30 GMT" + b" " * 100, 1),
    ],
)
def test_value_is_limited(value: bytes | None, seconds: int) -> None:
    assert retry_after_seconds(value, NOW) == seconds


def test_date_is_in_utc(monkeypatch: pytest.MonkeyPatch) -> None:
    """The time zone of this host does not matter."""
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    try:
        assert retry_after_seconds(b"Wed Oct 21 07:28:30 2026", NOW) == 30
    finally:
        monkeypatch.undo()
        time.tzset()
