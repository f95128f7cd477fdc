"""HTTP responses."""

import re
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from ory_guard.models.credential import Header

__all__ = ["HTTPResponse", "HeaderLines"]

_FIELD: Final = re.compile(rb"\n([^:]+):([^\r]*)\r")


class HeaderLines:
    """The header lines of a response, which are searched and not parsed: a call needs three of them.

    Args:
        text: A line feed and well-formed header lines, each of which ends with CRLF.
    """

    __slots__ = ("_lower", "_text")

    def __init__(self, text: bytes) -> None:
        self._text = text
        self._lower = b""  # at the first search

    def __iter__(self) -> Iterator[Header]:
        return iter([(name.lower(), value.strip(b" \t")) for name, value in _FIELD.findall(self._text)])

    def first(self, name: bytes) -> bytes | None:
        """Return the first value of a header, or None.

        Args:
            name: The name in lower case.
        """
        if not self._lower:
            self._lower = self._text.lower()
        start = self._lower.find(b"\n" + name + b":")  # no value contains a line feed
        if start < 0:
            return None
        start += len(name) + 2
        return self._text[start : self._text.find(b"\r", start)].strip(b" \t")


class HTTPResponse(NamedTuple):
    """A complete HTTP response. Header names are in lower case."""

    status: int
    headers: Iterable[Header]
    body: bytes

    def values(self, name: bytes) -> list[bytes]:
        """Return all values of a header.

        Args:
            name: The name in lower case.
        """
        return [value for key, value in self.headers if key == name]

    def header(self, name: bytes) -> bytes | None:
        """Return the first value of a header, or None."""
        headers = self.headers
        if isinstance(headers, HeaderLines):
            return headers.first(name)
        return next((value for key, value in headers if key == name), None)

    def is_encoded(self) -> bool:
        """Return whether the body has a content encoding, such as gzip."""
        return self.header(b"content-encoding") is not None and any(
            value.strip().lower() not in (b"", b"identity") for value in self.values(b"content-encoding")
        )

    def is_json(self) -> bool:
        """Return whether the content type is JSON, without a content encoding."""
        media_type = (self.header(b"content-type") or b"").partition(b";")[0].strip().lower()
        return media_type == b"application/json" and not self.is_encoded()
