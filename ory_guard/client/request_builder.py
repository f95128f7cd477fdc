"""An operation's arguments as the one HTTP request that Kratos gets."""

import json
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote

import httpx2
from pydantic import BaseModel

from ory_guard.client.operations.table import Operation
from ory_guard.exceptions import ConfigurationError
from ory_guard.ids import normalize_id

__all__ = ["Body", "build_request"]

Body = BaseModel | Mapping[str, Any]
"""What an update sends: the update's model, or a mapping that goes out as it is."""

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
        ValueError: A value can't go into a header, a path or a URL, or a mapping is no JSON. The text does not
            hold the value.
        TypeError: The body is neither a model nor a mapping, or holds what JSON has no form for.
    """
    headers = [
        (b"Accept", b"application/json"),
        (b"Accept-Encoding", b"identity"),
        (b"User-Agent", b"ory-guard"),
    ]
    for name in (*operation.headers, *operation.undocumented):
        value = arguments.get(name)
        if value is not None:
            headers.append((_HEADERS[name][0], _header_value(name, value)))
    content = None if body is None else _json(body)
    if content is not None:
        headers.append((b"Content-Type", b"application/json"))
    url = base_url + _path(operation.path, arguments) + _query(operation.query, arguments)
    try:
        return httpx2.Request(operation.method, url, headers=headers, content=content)
    except httpx2.InvalidURL:
        raise ValueError("the parameters are longer than a URL may be") from None


def _header_value(name: str, value: str) -> bytes:
    alphabet = _HEADERS[name][1]
    if value != value.strip(" ") or not all(ord(character) in alphabet for character in value):
        raise ValueError(
            f"{name} holds a character that can't go into a header: visible ASCII is allowed"
            + (", and spaces between" if 0x20 in alphabet else "")
        )
    return value.encode("ascii")


def _path(path: str, arguments: Mapping[str, Any]) -> str:
    if "{id}" not in path:
        return path
    # Kratos answers 204 for an id that it does not know, and an empty one would revoke all other sessions.
    try:
        segment = normalize_id("id", arguments["id"])
    except ConfigurationError:
        segment = ""
    if segment in ("", ".", ".."):
        raise ValueError("id must be a uuid.UUID, or a string that is not empty, '.' or '..' and has no blanks")
    return path.replace("{id}", _quoted(segment))


def _query(names: tuple[str, ...], arguments: Mapping[str, Any]) -> str:
    pairs = [(name, arguments.get(name)) for name in names]
    query = "&".join(f"{name}={_quoted(_text(value))}" for name, value in pairs if value is not None)
    return f"?{query}" if query else ""


def _quoted(text: str) -> str:
    return quote(text, safe="", errors="replace")


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def _json(body: Body) -> bytes:
    if isinstance(body, BaseModel):
        return body.model_dump_json(by_alias=True, exclude_none=True).encode()
    if not isinstance(body, Mapping):
        raise TypeError(f"body must be the update's model or a mapping, not {type(body).__name__}")
    return json.dumps(dict(body), allow_nan=False).encode()
