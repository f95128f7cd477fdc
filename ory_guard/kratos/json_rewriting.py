"""The rewriting of URLs in JSON of Kratos: only strings at known positions change, and no other byte.

The text is not serialized again, so numbers, escapes and duplicate keys stay as Kratos has sent them.
"""

import json
import re
from collections.abc import Callable
from typing import Any, Final

__all__ = ["InvalidJSON", "rewrite_urls"]

_CONTINUE_WITH: Final = ("continue_with.*.redirect_browser_to", "continue_with.*.flow.url")
_POSITIONS: Final = (
    # flows
    "ui.action",
    "ui.nodes.*.attributes.src",
    "ui.nodes.*.attributes.href",
    "request_url",
    "return_to",
    # the next steps, and errors
    "redirect_browser_to",
    "logout_url",
    *_CONTINUE_WITH,
    "error.details.redirect_browser_to",
    "error.details.redirect_to",
    "error.details.return_to",
    "error.details.api",
    *(f"error.details.{position}" for position in _CONTINUE_WITH),
    # sessions, and lists of them
    "identity.schema_url",
    "session.identity.schema_url",
    "*.identity.schema_url",
)
_LEAF: Final[dict[str, Any]] = {}
_SPACE: Final = re.compile(r"[ \t\n\r]*")


class InvalidJSON(ValueError):
    """The text is not JSON. The message contains no part of it."""


def _tree(positions: tuple[str, ...]) -> dict[str, Any]:
    root: dict[str, Any] = {}
    for position in positions:
        *parents, last = position.split(".")
        node = root
        for name in parents:
            node = node.setdefault(name, {})
        node[last] = _LEAF
    return root


_TREE: Final = _tree(_POSITIONS)


def _reject_constant(_name: str) -> None:
    raise InvalidJSON("it contains a number that is not finite")


# Numbers are only skipped, so their size does not matter.
_skip: Final = json.JSONDecoder(parse_int=len, parse_float=len, parse_constant=_reject_constant).raw_decode


def rewrite_urls(body: bytes, map_url: Callable[[str], str]) -> bytes:
    """Return the JSON text with mapped URLs.

    Args:
        body: The JSON text.
        map_url: Returns the new URL; the same one if it should not change.

    Raises:
        InvalidJSON: If the body is not JSON, or too deeply nested for the parser.
    """
    try:
        text = body.decode()
        rewriter = _Rewriter(text, map_url)
        end = rewriter.walk(_space(text, 0), _TREE)
        if _space(text, end) != len(text):
            raise InvalidJSON("it is followed by other text")
    except (ValueError, IndexError, RecursionError):
        raise InvalidJSON("the body is not JSON") from None
    return rewriter.result().encode()


class _Rewriter:
    def __init__(self, text: str, map_url: Callable[[str], str]) -> None:
        self._text = text
        self._map_url = map_url
        self._parts: list[str] = []
        self._copied = 0

    def result(self) -> str:
        return "".join([*self._parts, self._text[self._copied :]])

    def walk(self, start: int, tree: dict[str, Any]) -> int:
        """Rewrite the value at an index, and return the index after it."""
        opening = self._text[start]
        if tree and opening == "{":
            return self._walk_object(start + 1, tree)
        if "*" in tree and opening == "[":
            return self._walk_array(start + 1, tree["*"])
        value, end = _skip(self._text, start)
        if tree is _LEAF and isinstance(value, str):
            self._replace(start, end, value)
        return int(end)

    def _walk_object(self, index: int, tree: dict[str, Any]) -> int:
        text = self._text
        index = _space(text, index)
        if text[index] == "}":
            return index + 1
        while True:
            key, index = _skip(text, index)
            index = _space(text, index)
            if not isinstance(key, str) or text[index] != ":":
                raise InvalidJSON("a name is invalid")
            index = self.walk(_space(text, index + 1), tree.get(key, {}))
            index = _space(text, index)
            if text[index] == "}":
                return index + 1
            if text[index] != ",":
                raise InvalidJSON("a comma is missing")
            index = _space(text, index + 1)

    def _walk_array(self, index: int, tree: dict[str, Any]) -> int:
        text = self._text
        index = _space(text, index)
        if text[index] == "]":
            return index + 1
        while True:
            index = _space(text, self.walk(index, tree))
            if text[index] == "]":
                return index + 1
            if text[index] != ",":
                raise InvalidJSON("a comma is missing")
            index = _space(text, index + 1)

    def _replace(self, start: int, end: int, url: str) -> None:
        mapped = self._map_url(url)
        if mapped != url:
            self._parts += [self._text[self._copied : start], json.dumps(mapped)]
            self._copied = end


def _space(text: str, index: int) -> int:
    match = _SPACE.match(text, index)
    return match.end() if match else index
