"""Events: their names are stable, and watching a check can't change it."""

import logging

import pytest

from ory_guard import events
from ory_guard.events import Event, Listeners, Refused, SessionCacheHit, notify

NAMES = {
    "SessionCacheHit": "session_cache.hit",
    "SessionCacheMiss": "session_cache.miss",
    "CheckShared": "check.shared",
    "WhoamiAnswered": "whoami.answered",
    "CheckFailed": "check.failed",
    "BreakerChanged": "breaker.changed",
    "Refused": "request.refused",
    "SessionsInvalidated": "sessions.invalidated",
}


def test_every_event_has_a_stable_name() -> None:
    """Dashboards are built on these names."""
    kinds = {kind.__name__: kind.name for kind in Event.__subclasses__()}

    assert kinds.items() >= NAMES.items()
    assert len(set(kinds.values())) == len(kinds)
    assert {*NAMES} <= {*events.__all__}


def test_every_listener_hears_of_an_event() -> None:
    """Listeners are told one after the other."""
    heard: list[Event] = []

    notify([heard.append, heard.append], Refused("session_inactive"))

    assert heard == [Refused("session_inactive")] * 2


def test_a_listener_that_raises_is_logged_and_stops_nobody(caplog: pytest.LogCaptureFixture) -> None:
    """Its error's text may hold anything, so only its class is logged."""
    heard: list[Event] = []

    def careless(_event: Event) -> None:
        raise RuntimeError("ory_st_secret")

    with caplog.at_level(logging.WARNING, "ory_guard"):
        notify([careless, heard.append], SessionCacheHit("0a1b2c3d", 1.0))

    assert heard == [SessionCacheHit("0a1b2c3d", 1.0)]
    assert caplog.messages == ["listener.failed event=session_cache.hit error=RuntimeError"]


def test_listeners_come_and_go() -> None:
    """Who was added hears of everything until it is taken away; the others stay."""
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


def test_a_listener_may_take_itself_away() -> None:
    """The others hear of the same event all the same."""
    heard: list[Event] = []
    listeners = Listeners()

    def once(event: Event) -> None:
        heard.append(event)
        remove()

    remove = listeners.add(once)
    listeners.add(heard.append)
    notify(listeners, Refused("one"))
    notify(listeners, Refused("two"))

    assert heard == [Refused("one"), Refused("one"), Refused("two")]
