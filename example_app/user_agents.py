"""What a session was begun with, in words."""

from typing import Any, Final

__all__ = ["device_of"]

# Each browser also claims to be those after it.
_BROWSERS: Final = (
    ("Edg", "Edge"),
    ("OPR/", "Opera"),
    ("Firefox/", "Firefox"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
)
_SYSTEMS: Final = (
    ("Android", "Android"),
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Windows", "Windows"),
    ("Mac OS", "Mac"),
    ("Linux", "Linux"),
)


def device_of(session: Any) -> str:
    """Return what a session was begun with, such as `Firefox on Android`, as far as its browser told."""
    devices = session.devices or ()
    agent = devices[0].user_agent or "" if devices else ""
    browser = next((name for mark, name in _BROWSERS if mark in agent), "an unknown browser")
    system = next((f" on {name}" for mark, name in _SYSTEMS if mark in agent), "")
    return browser + system
