"""A short name for the browser of a session."""

from typing import Any, Final

__all__ = ["device_name"]

# The user agent of each browser also contains the names of the browsers after it in this list.
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


def device_name(session: Any) -> str:
    """Return the browser and system that started a session, such as `Firefox on Android`."""
    devices = session.devices or ()
    user_agent = devices[0].user_agent or "" if devices else ""
    browser = next((name for token, name in _BROWSERS if token in user_agent), "unknown browser")
    system = next((f" on {name}" for token, name in _SYSTEMS if token in user_agent), "")
    return browser + system
