"""The allowed values of `FakeKratosSettings`."""

from typing import Final
from urllib.parse import urlsplit

from ory_guard.exceptions import ConfigurationError

__all__ = ["CHOICES", "DURATIONS", "PAGES", "require_absolute_url", "require_one_of"]

PAGES: Final = {
    "default_return_url": "welcome",
    "logout_return_url": "login",
    "login_ui_url": "login",
    "registration_ui_url": "registration",
    "recovery_ui_url": "recovery",
    "verification_ui_url": "verification",
    "settings_ui_url": "settings",
    "error_ui_url": "error",
}

CHOICES: Final[dict[str, tuple[str, ...]]] = {
    "whoami_required_aal": ("aal1", "highest_available"),
    "settings_required_aal": ("aal1", "highest_available"),
    "cookie_same_site": ("Lax", "Strict", "None"),
    "login_style": ("unified", "identifier_first"),
    "recovery_use": ("code", "link"),
    "verification_use": ("code", "link"),
    "hasher": ("bcrypt", "argon2"),
}

DURATIONS: Final = (
    "session_lifespan",
    "privileged_session_max_age",
    "cacheable_sessions_max_age",
    "login_lifespan",
    "registration_lifespan",
    "recovery_lifespan",
    "verification_lifespan",
    "settings_lifespan",
    "code_lifespan",
    "link_lifespan",
)


def require_absolute_url(name: str, url: str) -> str:
    """Return a base URL without trailing slash.

    Raises:
        ConfigurationError: If it is not absolute.
    """
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.netloc or parts.query or parts.fragment:
        raise ConfigurationError(f"{name} must be an absolute http(s) URL without query and fragment, not {url!r}")
    return url.rstrip("/")


def require_one_of(name: str, value: object, allowed: tuple[str, ...]) -> None:
    """Check that a value is allowed.

    Raises:
        ConfigurationError: If it is not.
    """
    if value not in allowed:
        raise ConfigurationError(f"{name} must be one of {', '.join(allowed)}, not {value!r}")
