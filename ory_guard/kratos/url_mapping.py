"""The mapping of Kratos' URLs to the URLs under which browsers reach Kratos."""

import re
from typing import Final
from urllib.parse import unquote, urlsplit

from ory_guard.kratos.urls import origin_of

__all__ = ["URLMapping"]

_LINK_TARGET: Final = re.compile(rb"<([^<>]*)>")
_DOT_SEGMENT: Final = re.compile(r"(?:\A|/)\.\.?(?:/|\Z)")


class URLMapping:
    """Maps URLs with the origin and the path of Kratos, and leaves all other URLs unchanged.

    Args:
        kratos_url: The base URL of Kratos.
        browser_url: The base URL of Kratos for browsers.
    """

    def __init__(self, kratos_url: str, browser_url: str) -> None:
        self._origin = origin_of(kratos_url)
        self._base_path = urlsplit(kratos_url).path
        self._browser_url = browser_url

    def map_url(self, url: str) -> str:
        """Return the URL for browsers of an absolute URL of Kratos; any other text unchanged."""
        try:
            # It fails for a user name, such as in http://kratos@evil.example, and for characters that parsers
            # treat differently.
            origin = origin_of(url)
        except ValueError:
            return url
        return self._for_browsers(url, url.partition("//")[2]) if origin == self._origin else url

    def path_below(self, url: str) -> str | None:
        """Return the path of a URL below the URL for browsers, without query and fragment; None for other URLs."""
        rest = url.removeprefix(self._browser_url)
        return re.split(r"[?#]", rest, maxsplit=1)[0] if rest != url and rest.startswith("/") else None

    def map_reference(self, reference: str) -> str:
        """Return the URL for a reference in a header of Kratos; a path from the root belongs to Kratos, too."""
        if reference.startswith("/") and not reference.startswith("//"):
            return self.map_url(self._origin + reference)
        return self.map_url(reference)

    def map_link(self, value: bytes) -> bytes:
        """Return a `Link` header with mapped targets (RFC 8288)."""
        return _LINK_TARGET.sub(
            lambda match: b"<" + self.map_reference(match[1].decode("latin-1")).encode("latin-1") + b">", value
        )

    def _for_browsers(self, url: str, rest: str) -> str:
        start = re.search(r"[/?#]", rest)
        tail = rest[start.start() :] if start else ""
        path = re.split(r"[?#]", tail, maxsplit=1)[0]
        inner = path.removeprefix(self._base_path)
        is_below = path.startswith(self._base_path) and inner[:1] in ("", "/")
        if not is_below or _DOT_SEGMENT.search(unquote(path)):
            return url
        return self._browser_url + tail[len(self._base_path) :]
