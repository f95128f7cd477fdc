"""Query strings and form bodies, as Go's `url.ParseQuery` reads them."""

import re
from typing import Final
from urllib.parse import unquote_plus

__all__ = ["parse_query"]

_BAD_ESCAPE: Final = re.compile(r"%(?![0-9a-fA-F]{2}).{0,2}", re.DOTALL)


def parse_query(text: str, *, strict: bool = False) -> list[tuple[str, str]]:
    """Return the (name, value) pairs of a query string in order.

    Args:
        text: The query string.
        strict: Whether malformed pairs are errors instead of being left out.

    Raises:
        ValueError: If `strict` is true and a pair is malformed.
    """
    pairs: list[tuple[str, str]] = []
    for part in filter(None, text.split("&")):
        if problem := _problem(part):
            if strict:
                raise ValueError(problem)
            continue
        name, _, value = part.partition("=")
        pairs.append((unquote_plus(name), unquote_plus(value)))
    return pairs


def _problem(part: str) -> str:
    if ";" in part:
        return "invalid semicolon separator in query"
    match = _BAD_ESCAPE.search(part)
    return f'invalid URL escape "{match[0]}"' if match else ""
