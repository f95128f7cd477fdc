"""A short name for the browser of a session."""

from typing import Any, Final

from ory_guard.ui.translations import Translator

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


def device_name(session: Any, t: Translator) -> str:
    """Return the browser and system that started a session, such as `Firefox on Android`."""
    devices = session.devices or ()
    user_agent = devices[0].user_agent or "" if devices else ""
    browser = next((name for token, name in _BROWSERS if token in user_agent), t("sessions.unknown_browser"))
    system = next((name for token, name in _SYSTEMS if token in user_agent), "")
    return t("sessions.device", browser=browser, system=system) if system else browser
