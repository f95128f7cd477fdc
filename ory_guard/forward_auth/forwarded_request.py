"""The request of the client, as the reverse proxy describes it in the headers of its sub-request.

Nothing has a default: with a default, a header that a proxy forgets or a client repeats would select the rule.
"""

import re
from collections.abc import Iterable
from typing import Final, NamedTuple

from ory_guard.models.credential import Header

__all__ = ["ForwardedRequest", "read_forwarded_request"]

_FIELDS: Final = {
    b"x-forwarded-method": "method",
    b"x-original-method": "method",
    b"x-forwarded-uri": "URI",
    b"x-original-uri": "URI",
    b"x-forwarded-host": "host",
    b"x-original-host": "host",
}
_TOKEN: Final = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")  # RFC 9110, section 5.6.2
_ORIGIN_FORM: Final = re.compile(rb"/[^\x00- #\x7f]*")  # RFC 9112, section 3.2.1; other forms name another host
_UNUSUAL: Final = re.compile(rb"//|/\.\.?(?:/|\Z)|[\\%;]|[^!-~]")


class ForwardedRequest(NamedTuple):
    """The request of the client.

    Attributes:
        method: The method, in the client's spelling.
        raw_path: The path, without the query, as it was sent.
        query: The query, without the question mark.
        host: The host with the port, if there is one, in lower case.
        is_websocket: Whether the request may open a websocket.
    """

    method: str
    raw_path: bytes
    query: bytes
    host: bytes
    is_websocket: bool

    @property
    def is_plain(self) -> bool:
        """Whether every server reads the path as it was sent, without decoding or normalizing it."""
        return not _UNUSUAL.search(self.raw_path)


def read_forwarded_request(headers: Iterable[Header]) -> ForwardedRequest:
    """Return the request that the headers of a sub-request describe.

    A websocket is recognized by each of its marks, because proxies remove some of them.

    Raises:
        ValueError: If the method, the URI or the host is missing, repeated or invalid.
    """
    values: dict[str, bytes] = {}
    is_websocket = False
    for name, value in headers:
        field = _FIELDS.get(name)
        if field is not None:
            if field in values:
                raise ValueError(f"the forwarded {field} is repeated")
            values[field] = value
        elif not is_websocket:
            is_websocket = _is_websocket_mark(name, value)
    missing = [field for field in ("method", "URI", "host") if field not in values]
    if missing:
        raise ValueError(f"the forwarded {missing[0]} is missing")
    method, uri = values["method"], values["URI"]
    if not _TOKEN.fullmatch(method):
        raise ValueError("the forwarded method is invalid")
    if not _ORIGIN_FORM.fullmatch(uri):
        raise ValueError("the forwarded URI is invalid")
    raw_path, _, query = uri.partition(b"?")
    is_websocket = is_websocket or method == b"CONNECT"  # RFC 8441, section 4
    return ForwardedRequest(method.decode("ascii"), raw_path, query, values["host"].lower(), is_websocket)


def _is_websocket_mark(name: bytes, value: bytes) -> bool:
    if name == b"upgrade" or name == b"sec-fetch-mode":  # noqa: PLR1714 - faster
        return b"websocket" in value.lower()
    if name == b"x-forwarded-proto" or name == b"x-original-proto":  # noqa: PLR1714 - faster
        return b"ws" in value.lower()  # ws and wss, which Traefik sends
    return name.startswith(b"sec-websocket-")
