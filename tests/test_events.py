"""Events: their names are stable, and watching a check can't change it."""

import logging

import pytest

from ory_guard import events
from ory_guard.events import Event, Refused, SessionCacheHit, notify

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
