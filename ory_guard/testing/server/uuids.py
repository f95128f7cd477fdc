"""UUIDs in all spellings that Kratos accepts (those of the Go package gofrs/uuid)."""

import json
import re
import uuid
from typing import Final

__all__ = ["canonical_uuid", "parse_uuid"]

_CANONICAL: Final = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_HASH: Final = re.compile(r"[0-9a-fA-F]{32}")
_URN: Final = "urn:uuid:"
_LENGTHS: Final = {32: "", 36: "", 34: "{", 38: "{", 41: _URN, 45: _URN}
"""The accepted lengths, each with the prefix that it requires."""


def parse_uuid(text: str) -> str:
    """Return a UUID in its canonical spelling.

    Raises:
        ValueError: If the text is not a UUID; the message is the one that Kratos responds with.
    """
    quoted = json.dumps(text, ensure_ascii=False)
    length = len(text.encode())
    if length not in _LENGTHS:
        raise ValueError(f"uuid: incorrect UUID length {length} in string {quoted}")
    prefix = _LENGTHS[length]
    body = text.removeprefix(prefix)
    has_prefix = not prefix or body != text
    if prefix == "{":
        has_prefix = has_prefix and body.endswith("}")
        body = body.removesuffix("}")
    if not has_prefix or not (_CANONICAL.fullmatch(body) or _HASH.fullmatch(body)):
        raise ValueError(f"uuid: incorrect UUID format in string {quoted}")
    return str(uuid.UUID(body))


def canonical_uuid(text: str) -> str | None:
    """Return a UUID in its canonical spelling, or None if the text is not a UUID or is the nil UUID."""
    try:
        parsed = parse_uuid(text)
    except ValueError:
        return None
    return parsed if uuid.UUID(parsed).int else None
