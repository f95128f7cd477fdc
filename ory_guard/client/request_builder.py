"""Build the HTTP request of an operation."""

import json
import re
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote

import httpx2
from pydantic import BaseModel

from ory_guard.client.operations.operation import Operation
from ory_guard.exceptions import ConfigurationError
from ory_guard.kratos.http import COMMON_HEADERS
from ory_guard.models.ids import normalize_id

__all__ = ["Body", "build_request"]

Body = BaseModel | Mapping[str, Any]
"""The body of an update: the update's model, or a mapping that is sent unchanged."""

_UNREADABLE: Final = re.compile(r"[\t\x80-\U0010ffff]")
_HEADERS: Final = {
    "cookie": (b"Cookie", frozenset(range(0x20, 0x7F))),
    "authorization": (b"Authorization", frozenset(range(0x20, 0x7F))),
    "x_session_token": (b"X-Session-Token", frozenset(range(0x21, 0x7F))),
}


def build_request(
    base_url: str, operation: Operation, arguments: Mapping[str, Any], body: Body | None
) -> httpx2.Request:
    """Return the request of an operation; arguments that are None are left out.

    Raises:
        ValueError: If a value is not allowed in a header, a path or a URL, or if a mapping is not valid JSON. The
            message does not contain the value.
        TypeError: If the body is neither a model nor a mapping, or contains an object that JSON cannot represent.
    """
    headers = [*COMMON_HEADERS]
    for name in operation.headers:
        value = arguments.get(name)
        if value is not None and name == "cookie":
            value = _without_unreadable_cookies(value)
        if value is not None:
            headers.append((_HEADERS[name][0], _header_value(name, value)))
    content = None if body is None else _encode_json(body)
    if content is not None:
        headers.append((b"Content-Type", b"application/json"))
    url = base_url + _path(operation.path, arguments) + _query(operation.query, arguments)
    try:
        return httpx2.Request(operation.method, url, headers=headers, content=content)
    except httpx2.InvalidURL:
        raise ValueError("the parameters make the URL too long; shorten them") from None


def _without_unreadable_cookies(header: str) -> str | None:
    """Leave out cookies with a tab or a character beyond ASCII, which Kratos ignores.

    Any application of the domain can set such a cookie, and browsers send it with all requests.
    """
    if _UNREADABLE.search(header) is None:
        return header
    pairs = (pair.strip(" ") for pair in header.split(";"))
    return "; ".join(pair for pair in pairs if not _UNREADABLE.search(pair)) or None


def _header_value(name: str, value: str) -> bytes:
    allowed = _HEADERS[name][1]
    if value != value.strip(" ") or not all(ord(character) in allowed for character in value):
        characters = "visible ASCII characters" + (", with spaces between them" if 0x20 in allowed else "")
        raise ValueError(f"{name} contains a character that is not allowed in its header; use {characters}")
    return value.encode("ascii")


def _path(path: str, arguments: Mapping[str, Any]) -> str:
    if "{id}" not in path:
        return path
    # Kratos responds with 204 to an unknown ID, and an empty one would address all other sessions.
    try:
        segment = normalize_id("id", arguments["id"])
    except ConfigurationError:
        segment = ""
    if segment in ("", ".", ".."):
        raise ValueError("id must be a uuid.UUID, or a string that is not empty, '.' or '..' and has no blanks")
    return path.replace("{id}", _quote(segment))


def _query(names: tuple[str, ...], arguments: Mapping[str, Any]) -> str:
    pairs = [(name, arguments.get(name)) for name in names]
    query = "&".join(f"{name}={_quote(_format(value))}" for name, value in pairs if value is not None)
    return f"?{query}" if query else ""


def _quote(text: str) -> str:
    return quote(text, safe="", errors="replace")


def _format(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def _encode_json(body: Body) -> bytes:
    if isinstance(body, BaseModel):
        return body.model_dump_json(by_alias=True, exclude_none=True).encode()
    if not isinstance(body, Mapping):
        raise TypeError(f"body must be the update's model or a mapping, not {type(body).__name__}")
    return json.dumps(dict(body), allow_nan=False).encode()
