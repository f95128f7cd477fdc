"""Events as log records: stable names, levels, fields, and no credential."""

import logging

import pytest
from guard_bench import Bench
from stub_kratos import SESSION_ID, TOKEN

from ory_guard.events import (
    BreakerChanged,
    Event,
    Refused,
    RevocationsHeard,
    SessionCacheHit,
    SessionsInvalidated,
    StoreChanged,
)
from ory_guard.telemetry import EventLog, instrument

LOGGER = logging.getLogger("ory_guard.events")


@pytest.mark.anyio
async def test_every_step_is_a_record(caplog: pytest.LogCaptureFixture) -> None:
    """What an instrumented guard does can be read in the log, step by step."""
    bench = Bench()
    instrument(bench.guard)
    with caplog.at_level(logging.DEBUG, "ory_guard.events"):
        await bench.outcome()
        await bench.outcome()
        await bench.guard.invalidate(session_id=SESSION_ID)

    names = [vars(record)["event.name"] for record in caplog.records]
    assert names == ["session_cache.miss", "whoami.answered", "session_cache.hit", "sessions.invalidated"]
    ids = {vars(record)["ory_guard.credential_id"] for record in caplog.records[:3]}
    assert [len(one) for one in ids] == [8]
    assert caplog.messages[3] == f"sessions.invalidated session_id={SESSION_ID} identity_id=None"
    assert TOKEN.decode() not in caplog.text


@pytest.mark.parametrize(
    "event",
    [
        Refused("session_inactive"),
        BreakerChanged("open"),
        StoreChanged("down", "TimeoutError"),
        SessionsInvalidated(SESSION_ID, None),
        RevocationsHeard(2),
    ],
    ids=lambda event: event.name,
)
def test_what_operators_look_for_is_info(event: Event, caplog: pytest.LogCaptureFixture) -> None:
    """Refusals, revocations, and changes of breaker and store."""
    with caplog.at_level(logging.INFO, "ory_guard.events"):
        EventLog(LOGGER)(event)

    assert [record.levelno for record in caplog.records] == [logging.INFO]


def test_what_happens_for_every_request_is_debug(caplog: pytest.LogCaptureFixture) -> None:
    """So it is not even put into words where nobody reads it."""
    with caplog.at_level(logging.INFO, "ory_guard.events"):
        EventLog(LOGGER)(SessionCacheHit("0a1b2c3d", 0.5))
    assert caplog.records == []

    with caplog.at_level(logging.DEBUG, "ory_guard.events"):
        EventLog(LOGGER)(SessionCacheHit("0a1b2c3d", 0.5))
    (record,) = caplog.records
    assert record.getMessage() == "session_cache.hit credential_id=0a1b2c3d age=0.5"
    assert vars(record)["ory_guard.age"] == 0.5


@pytest.mark.parametrize("odd", ["\n", "\r", "\x1b[2K", "\x00", "\u2028", "\x85"])
def test_no_id_begins_a_record_of_its_own(odd: str, caplog: pytest.LogCaptureFixture) -> None:
    """What an application took from an address is escaped in the text; in the field it is as it was."""
    sent = f"s{odd}ory_guard CRITICAL forged"
    with caplog.at_level(logging.INFO, "ory_guard.events"):
        EventLog(LOGGER)(SessionsInvalidated(sent, None))

    (record,) = caplog.records
    assert record.getMessage() == f"sessions.invalidated session_id={sent!a} identity_id=None"
    assert vars(record)["ory_guard.session_id"] == sent


@pytest.mark.anyio
async def test_records_can_be_left_out(caplog: pytest.LogCaptureFixture) -> None:
    """Metrics and spans may be enough."""
    bench = Bench()
    instrument(bench.guard, logger=None)
    with caplog.at_level(logging.DEBUG, "ory_guard.events"):
        await bench.outcome()

    assert caplog.records == []
