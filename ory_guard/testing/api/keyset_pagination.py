"""Keyset pagination of the admin API: pages begin after an entry, and there are no totals."""

import base64
import re
from collections.abc import Callable, Sequence
from typing import Any, Final, TypeVar
from urllib.parse import urlencode

from ory_guard.testing.server.request import FakeRequest
from ory_guard.testing.server.response import ApiError, FakeResponse

__all__ = ["NIL_UUID", "encode_token", "keyset_page"]

NIL_UUID: Final = "00000000-0000-0000-0000-000000000000"
_PAGINATION: Final = frozenset({"page_size", "page_token"})
_INVALID: Final = "The page token is invalid. Use the tokens of the Link header."

Entry = TypeVar("Entry")


def keyset_page(
    request: FakeRequest,
    path: str,
    entries: Sequence[Entry],
    *,
    token_of: Callable[[Entry], str],
    first: str,
    document: Callable[[Entry], Any],
    default_size: int = 250,
    max_size: int,
    invalid: Callable[[str], ApiError] = lambda problem: ApiError(400, reason=problem),
) -> FakeResponse:
    """Return a page of entries with a `Link` header.

    Args:
        request: The request, with `page_size` and `page_token`.
        path: The path of the list.
        entries: All entries in order.
        token_of: Returns the token of the page that begins after an entry.
        first: The token of the first page.
        document: Returns the JSON document of an entry.
        default_size: The number of entries of a page if the request asks for none, or for less than one.
        max_size: The highest number of entries of a page.
        invalid: Returns the error for an invalid size or token; by default with the problem as reason.

    Raises:
        ApiError: If the size is not a number, or the token is not one of a page.
    """
    size = _page_size(request, default_size, max_size, invalid)
    token = request.query.get("page_token") or first
    tokens = [first, *(token_of(entry) for entry in entries)]
    if token not in tokens:
        raise invalid(_INVALID)
    start = tokens.index(token)
    page = entries[start : start + size]
    links = [("first", first)]
    if start + size < len(entries):
        links.append(("next", token_of(page[-1])))
    query = [pair for pair in request.query_pairs if pair[0] not in _PAGINATION]
    link = ",".join(
        f'<{path}?{urlencode(sorted([*query, ("page_size", str(size)), ("page_token", value)]))}>; rel="{name}"'
        for name, value in links
    )
    return FakeResponse.json([document(entry) for entry in page], headers={"link": link})


def encode_token(text: str) -> str:
    """Return an opaque token."""
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _page_size(request: FakeRequest, default: int, maximum: int, invalid: Callable[[str], ApiError]) -> int:
    text = request.query.get("page_size", "")
    if text and not re.fullmatch("[+-]?[0-9]{1,18}", text):
        raise invalid("page_size must be an integer of at most 18 digits.")
    size = int(text or 0)
    return min(size, maximum) if size > 0 else default
