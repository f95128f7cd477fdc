"""Tests of `EventLog`: names, levels and fields of the records, without credentials."""

import logging

import pytest
from support.guard_bench import Bench
from support.scripted_kratos import SESSION_ID, TOKEN

from ory_guard.events import (
    BreakerChanged,
    Event,
    Refused,
    RevocationsDropped,
    RevocationsHeard,
    RevocationsSent,
    SessionCacheHit,
    SessionsInvalidated,
    StoreChanged,
    WebhookReceived,
)
from ory_guard.telemetry import EventLog, instrument

LOGGER = logging.getLogger("ory_guard.events")


@pytest.mark.anyio
async def test_every_event_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    bench = Bench()
    instrument(bench.guard)
    with caplog.at_level(logging.DEBUG, "ory_guard.events"):
        await bench.outcome()
        await bench.outcome()
        await bench.guard.invalidate(session_id=SESSION_ID)

    names = [vars(record)["event.name"] for record in caplog.records]
    assert names == ["session_cache.miss", "whoami.answered", "session_cache.hit", "sessions.invalidated"]
    ids = {vars(record)["ory_guard.credential_id"] for record in caplog.records[:3]}
    assert [len(credential_id) for credential_id in ids] == [8]
    assert caplog.messages[3] == f"sessions.invalidated session_id={SESSION_ID} identity_id=None"
    assert TOKEN.decode() not in caplog.text


@pytest.mark.parametrize(
    "event",
    [
        BreakerChanged("open"),
        StoreChanged("down", "TimeoutError"),
        SessionsInvalidated(SESSION_ID, None),
        RevocationsHeard(2),
        RevocationsSent(2),
        RevocationsDropped(2),
        WebhookReceived(204),
    ],
    ids=lambda event: event.name,
)
def test_rare_events_are_info(event: Event, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "ory_guard.events"):
        EventLog(LOGGER)(event)

    assert [record.levelno for record in caplog.records] == [logging.INFO]


def test_events_of_every_request_are_debug(caplog: pytest.LogCaptureFixture) -> None:
    """At INFO they are not formatted."""
    with caplog.at_level(logging.INFO, "ory_guard.events"):
        EventLog(LOGGER)(SessionCacheHit("0a1b2c3d", 0.5))
        EventLog(LOGGER)(Refused("session_inactive"))  # the guard logs it at INFO itself
        EventLog(LOGGER)(WebhookReceived(401))  # the receiver logs it itself, in limited numbers
    assert caplog.records == []

    with caplog.at_level(logging.DEBUG, "ory_guard.events"):
        EventLog(LOGGER)(SessionCacheHit("0a1b2c3d", 0.5))
    (record,) = caplog.records
    assert record.getMessage() == "session_cache.hit credential_id=0a1b2c3d age=0.5"
    assert vars(record)["ory_guard.age"] == 0.5


@pytest.mark.parametrize("separator", ["\n", "\r", "\x1b[2K", "\x00", "\u2028", "\x85"])
def test_message_escapes_line_breaks(separator: str, caplog: pytest.LogCaptureFixture) -> None:
    """An ID from a URL cannot forge a record; the field keeps the original value."""
    session_id = f"s{separator}ory_guard CRITICAL forged"
    with caplog.at_level(logging.INFO, "ory_guard.events"):
        EventLog(LOGGER)(SessionsInvalidated(session_id, None))

    (record,) = caplog.records
    assert record.getMessage() == f"sessions.invalidated session_id={session_id!a} identity_id=None"
    assert vars(record)["ory_guard.session_id"] == session_id


@pytest.mark.anyio
async def test_logger_none_disables_records(caplog: pytest.LogCaptureFixture) -> None:
    bench = Bench()
    instrument(bench.guard, logger=None)
    with caplog.at_level(logging.DEBUG, "ory_guard.events"):
        await bench.outcome()

    assert caplog.records == []
