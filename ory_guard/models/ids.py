"""IDs of sessions, identities and organizations, in any spelling."""

import re
from typing import Final
from uuid import UUID

from ory_guard.exceptions import ConfigurationError

__all__ = ["id_spellings", "normalize_id", "normalize_uuid"]

# The spellings that Kratos' UUID library accepts: with or without hyphens, in braces, or as a URN (RFC 9562,
# section 4).
_UUID: Final = re.compile(
    r"(?:urn:uuid:)?(\{)?"
    r"([0-9a-f]{8})(-?)([0-9a-f]{4})\3([0-9a-f]{4})\3([0-9a-f]{4})\3([0-9a-f]{12})"
    r"(?(1)\})",
    re.ASCII | re.IGNORECASE,
)


def normalize_uuid(text: str) -> str:
    """Return a UUID in Kratos' spelling, lower case with hyphens; return any other text unchanged."""
    match = _UUID.fullmatch(text)
    return text if match is None else "-".join(match.group(2, 4, 5, 6, 7)).lower()


def normalize_id(name: str, value: object) -> str:
    """Return an ID in Kratos' spelling.

    Args:
        name: The name of the argument, for the error.
        value: A `uuid.UUID`, or a string with a UUID in any spelling or another ID.

    Raises:
        ConfigurationError: If the value is not a UUID or a string, or the string is empty or contains a space or a
            character that is not printable.
    """
    if isinstance(value, UUID):
        return str(value)
    if not isinstance(value, str):
        kind = type(value).__name__
        raise ConfigurationError(f"{name}: {value!r} is not an id: pass a string or a uuid.UUID, not {kind}")
    text = str.__str__(value)  # the value of a string enum, not its name
    if not text or not text.isprintable() or " " in text:
        raise ConfigurationError(
            f"{name}: {text!r} is not an id: it must not be empty or contain spaces or control characters"
        )
    return normalize_uuid(text)


def id_spellings(name: str, value: object) -> tuple[str, ...]:
    """Return the spellings under which an ID may be cached: Kratos' one, and the given one if it differs.

    Session IDs come from Kratos, but the `sub` of a JWT may be an ID of the application.

    Args:
        name: The name of the argument, for the error.
        value: The ID, or None.

    Raises:
        ConfigurationError: If the value is not an ID.
    """
    if value is None:
        return ()
    normalized = normalize_id(name, value)
    given = str.__str__(value) if isinstance(value, str) else normalized
    return (normalized,) if given == normalized else (normalized, given)
