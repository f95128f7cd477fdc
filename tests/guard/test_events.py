"""Events, listeners and the log of events."""

import logging

import pytest

from ory_guard import events
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

NAMES = {
    "BreakerChanged": "breaker.changed",
    "CheckFailed": "check.failed",
    "CheckShared": "check.shared",
    "Refused": "request.refused",
    "RevocationLogFull": "revocations.log_full",
    "RevocationsDropped": "revocations.dropped",
    "RevocationsHeard": "revocations.heard",
    "RevocationsSent": "revocations.sent",
    "SessionCacheCleared": "session_cache.cleared",
    "SessionCacheHit": "session_cache.hit",
    "SessionCacheMiss": "session_cache.miss",
    "SessionsInvalidated": "sessions.invalidated",
    "StoreCalled": "store.called",
    "StoreChanged": "store.changed",
    "StoreHit": "store.hit",
    "StoreWaited": "store.waited",
    "TokenVerified": "token.verified",
    "WebhookReceived": "webhook.received",
    "WhoamiAnswered": "whoami.answered",
}


def test_every_event_has_a_stable_name() -> None:
    """Dashboards depend on these names."""
    assert {kind.__name__: kind.name for kind in Event.__subclasses__()} == NAMES
    assert {*NAMES} <= {*events.__all__}


def test_notify_calls_every_listener() -> None:
    """A listener that is there twice is called twice."""
    received: list[Event] = []

    notify([received.append, received.append], Refused("session_inactive"))

    assert received == [Refused("session_inactive")] * 2


def test_notify_logs_the_class_of_an_exception_in_a_listener(caplog: pytest.LogCaptureFixture) -> None:
    """The text is not logged, because it may contain a credential. The other listeners are called."""
    received: list[Event] = []

    def fail(_event: Event) -> None:
        raise RuntimeError("ory_st_secret")

    with caplog.at_level(logging.WARNING, "ory_guard"):
        notify([fail, received.append], SessionCacheHit("0a1b2c3d", 1.0))

    assert received == [SessionCacheHit("0a1b2c3d", 1.0)]
    assert caplog.messages == ["listener.failed event=session_cache.hit error=RuntimeError"]


def test_added_listener_receives_events_until_it_is_removed() -> None:
    """Other listeners stay; removing a listener again does nothing."""
    first: list[Event] = []
    second: list[Event] = []
    listeners = Listeners([first.append])
    remove = listeners.add(second.append)

    notify(listeners, Refused("one"))
    remove()
    remove()
    notify(listeners, Refused("two"))

    assert first == [Refused("one"), Refused("two")]
    assert second == [Refused("one")]


def test_listener_may_remove_itself() -> None:
    """The other listeners still receive the same event."""
    received: list[Event] = []
    listeners = Listeners()

    def once(event: Event) -> None:
        received.append(event)
        remove()

    remove = listeners.add(once)
    listeners.add(received.append)
    notify(listeners, Refused("one"))
    notify(listeners, Refused("two"))

    assert received == [Refused("one"), Refused("one"), Refused("two")]


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
