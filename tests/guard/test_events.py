"""Events, listeners and the log of events."""

import logging

import pytest

from ory_guard.events import (
    BreakerChanged,
    Event,
    Listeners,
    Refused,
    RevocationLogFull,
    RevocationsDropped,
    SessionCacheHit,
    StoreChanged,
    log_event,
    notify,
)


def test_exception_in_a_listener_is_logged_by_its_class(caplog: pytest.LogCaptureFixture) -> None:
    """The text is not logged, because it may contain a credential. The other listeners are called."""
    received: list[Event] = []

    def fail(_event: Event) -> None:
        raise RuntimeError("ory_st_secret")

    with caplog.at_level(logging.WARNING, "ory_guard"):
        notify([fail, received.append, received.append], SessionCacheHit("0a1b2c3d", 1.0))

    assert received == [SessionCacheHit("0a1b2c3d", 1.0)] * 2
    assert caplog.messages == ["listener.failed event=session_cache.hit error=RuntimeError"]


def test_added_listener_receives_events_until_it_is_removed() -> None:
    """It may remove itself; the other listeners still receive the same event. Removing it again does nothing."""
    first: list[Event] = []
    last: list[Event] = []
    once: list[Event] = []
    listeners = Listeners([first.append])

    def record_once(event: Event) -> None:
        once.append(event)
        remove()
        remove()

    remove = listeners.add(record_once)
    listeners.add(last.append)
    one, two = Refused("one"), Refused("two")
    for event in (one, two):
        notify(listeners, event)

    assert (first, once, last) == ([one, two], [one], [one, two])


@pytest.mark.parametrize(
    ("event", "level", "message"),
    [
        (BreakerChanged("open"), "WARNING", "breaker.changed state=open"),
        (BreakerChanged("half_open"), "WARNING", "breaker.changed state=half_open"),
        (BreakerChanged("closed"), "INFO", "breaker.changed state=closed"),
        (StoreChanged("down", "TimeoutError"), "WARNING", "store.changed state=down reason=TimeoutError"),
        (StoreChanged("up", ""), "INFO", "store.changed state=up reason="),
        (RevocationLogFull(2, 1.5), "WARNING", "revocations.log_full count=2 seconds=1.5"),
        (RevocationsDropped(2), "ERROR", "revocations.dropped count=2"),
    ],
    ids=str,
)
def test_log_event_logs_name_and_fields(
    event: BreakerChanged | RevocationLogFull | RevocationsDropped | StoreChanged,
    level: str,
    message: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Recovery is logged at INFO, an outage at WARNING, a loss at ERROR."""
    with caplog.at_level(logging.INFO, "ory_guard"):
        log_event(event)

    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [(level, message)]
