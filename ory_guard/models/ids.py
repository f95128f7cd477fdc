"""Ids of sessions, identities and organizations, as applications write them."""

import re
from typing import Final
from uuid import UUID

from ory_guard.exceptions import ConfigurationError

__all__ = ["id_spellings", "normalize_id", "normalize_uuid"]

# The forms that Kratos' UUID library reads: with or without hyphens, in braces, or as a URN (RFC 9562, section 4).
_UUID: Final = re.compile(
    r"(?:urn:uuid:)?(\{)?"
    r"([0-9a-f]{8})(-?)([0-9a-f]{4})\3([0-9a-f]{4})\3([0-9a-f]{4})\3([0-9a-f]{12})"
    r"(?(1)\})",
    re.ASCII | re.IGNORECASE,
)


def normalize_uuid(text: str) -> str:
    """Return a UUID in Kratos' spelling: lower case, with hyphens; any other text is returned unchanged."""
    match = _UUID.fullmatch(text)
    return text if match is None else "-".join(match.group(2, 4, 5, 6, 7)).lower()


def normalize_id(name: str, value: object) -> str:
    """Return an id as Kratos spells it.

    Args:
        name: The argument, for the text of the error.
        value: A `uuid.UUID`, a UUID in any of its spellings, or another id as a string.

    Raises:
        ConfigurationError: If the value is not a UUID and not a non-empty string of printable characters without
            blanks.
    """
    if isinstance(value, UUID):
        return str(value)
    if not isinstance(value, str):
        kind = type(value).__name__
        raise ConfigurationError(f"{name}: {value!r} is not an id: pass a string or a uuid.UUID, not {kind}")
    text = str.__str__(value)  # the value of a string enumeration, not its name
    if not text or not text.isprintable() or " " in text:
        raise ConfigurationError(
            f"{name}: {text!r} is not an id: it must not be empty, nor contain blanks or control characters"
        )
    return normalize_uuid(text)


def id_spellings(name: str, value: object) -> tuple[str, ...]:
    """Return the spellings under which an id may be cached: Kratos', and the given one if it differs.

    Session ids come from Kratos, but a JWT's `sub` may be an id of the application's own.

    Args:
        name: The argument, for the text of the error.
        value: The id; None has no spelling.

    Raises:
        ConfigurationError: If the value is not an id.
    """
    if value is None:
        return ()
    normalized = normalize_id(name, value)
    given = str.__str__(value) if isinstance(value, str) else normalized
    return (normalized,) if given == normalized else (normalized, given)
