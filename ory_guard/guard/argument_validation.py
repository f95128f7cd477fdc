"""Checks of the arguments of a guard, so that mistakes are reported when the guard is created."""

import logging
from collections.abc import Iterable
from typing import Any, Final
from urllib.parse import urlsplit

from ory_guard.events.listeners import Listener, is_listener
from ory_guard.exceptions import ConfigurationError
from ory_guard.guard.authentication import ANONYMOUS
from ory_guard.guard.settings import GuardSettings
from ory_guard.models.outcomes import (
    Anonymous,
    Authenticated,
    Outcome,
    Rejected,
    SecondFactorRequired,
    Unavailable,
)
from ory_guard.models.session import Session

__all__ = ["check_arguments", "checked_listeners", "checked_override"]

_log = logging.getLogger("ory_guard")

_ADMIN_PORT: Final = 4434

_EXPECTED: Final = {
    "transport": (("handle_async_request",), "an HTTP transport, such as httpx2.ASGITransport(app=fake.app)"),
    "store": (
        ("hashing_keys", "get", "put", "delete", "revoke", "revoked_at", "subscribe", "aclose"),
        "a session store, such as RedisSessionStore(...)",
    ),
    "tokens": (("verify", "max_lifetime"), "a verifier of tokens, such as TokenVerifier(...)"),
    "clock": (("time", "monotonic"), "an object with the methods time() and monotonic()"),
    "listeners": (("__iter__",), "a list of functions, such as listeners=[function]"),
}
"""The attributes of each argument, and a description of it."""


def check_arguments(settings: GuardSettings, **arguments: Any) -> None:
    """Check that the arguments of a guard have the attributes that it uses; warn about the port of the admin API.

    Raises:
        ConfigurationError: If one of them is something else, such as an HTTP client instead of a transport.
    """
    for name, value in arguments.items():
        attributes, description = _EXPECTED[name]
        if value is not None and not all(hasattr(value, attribute) for attribute in attributes):
            raise ConfigurationError(f"{name} must be {description}; {_name_of(value)} is not")
    if arguments.get("transport") is None:
        _warn_about_admin_port(settings)


def _warn_about_admin_port(settings: GuardSettings) -> None:
    if urlsplit(settings.kratos_public_url).port == _ADMIN_PORT:
        _log.warning(
            "settings.admin_port kratos_public_url=%s: 4434 is the default port of Kratos' admin API; set it "
            "to the URL of the public API (default port 4433)",
            settings.kratos_public_url,
        )


def checked_listeners(listeners: Iterable[Listener] | None) -> tuple[Listener, ...]:
    """Return the listeners of a guard.

    Raises:
        ConfigurationError: If one of them cannot be called, or is an async function, which would never run.
    """
    checked = tuple(listeners or ())
    for listener in checked:
        if not is_listener(listener):
            raise ConfigurationError(f"listeners must be functions that are not async; {_name_of(listener)} is not")
    return checked


def checked_override(value: object) -> Outcome:
    """Return the outcome for the argument of `OryGuard.override`.

    Raises:
        ConfigurationError: If it is not a session, an outcome or None.
    """
    if value is None:
        return ANONYMOUS
    if isinstance(value, Session):
        return Authenticated(value, "x_session_token", "override", 0.0)
    if isinstance(value, Authenticated) and isinstance(value.session, Session):
        return value
    if isinstance(value, Anonymous | Rejected | SecondFactorRequired | Unavailable):
        return value
    raise ConfigurationError(
        f"override() accepts an ory_guard.Session, an outcome or None, not {_name_of(value)}; use the session of a "
        "fake through its cookie or token, with as_user(client, user=signed_in)"
    )


def _name_of(value: object) -> str:
    kind = type(value)  # the representation may contain a password
    return f"{kind.__module__}.{kind.__qualname__}"
