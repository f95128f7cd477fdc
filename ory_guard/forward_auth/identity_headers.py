"""The headers of a 200 response that name the user, for the service behind the proxy."""

import logging
import re
from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType
from typing import Any, Final
from urllib.parse import quote

from pydantic import BaseModel

from ory_guard.exceptions import ConfigurationError
from ory_guard.models.credential import Header
from ory_guard.models.session import Identity, Session

__all__ = ["DEFAULT_IDENTITY_HEADERS", "IdentityHeaders", "IdentityValue"]

_log = logging.getLogger("ory_guard")

IdentityValue = str | Callable[["Session[Any]"], object]
"""A path of names in the session, such as `identity.traits.email`, or a function of the session."""

DEFAULT_IDENTITY_HEADERS: Final[Mapping[str, IdentityValue]] = MappingProxyType(
    {"X-User-Id": "identity.id", "X-User-Email": "identity.traits.email"}
)

_MAX_VALUE_BYTES: Final = 1_024
# Printable ASCII without the space, the percent sign, and the comma, which separates several values.
_SAFE: Final = "".join(chr(code) for code in range(0x21, 0x7F) if chr(code) not in "%,")
# Without an underscore: many services treat X_User_Id and X-User-Id as the same header.
_NAME: Final = re.compile(r"[A-Za-z0-9]+(?:-[A-Za-z0-9]+)*")
_RESERVED: Final = re.compile(
    r"(?:(?:proxy|sec|access-control|content|x-forwarded|x-original|x-set-cookie|x-ory-guard)-.*"
    r"|.*cookie|cache-control|connection|date|forwarded|host|keep-alive|location|origin|referer|retry-after|server"
    r"|te|trailer|transfer-encoding|upgrade|vary|via|www-authenticate|x-session-token|authorization)",
    re.IGNORECASE,
)
_FREE: Final = ("traits", "metadata_public")


class IdentityHeaders:
    """Makes the identity headers of a session.

    Values are ASCII: other characters, spaces, control characters, commas and percent signs are percent-encoded as
    UTF-8, so that different values stay different. The values of a list are joined with commas. A value is never
    shortened, because two users could then have the same one: a header over 1,024 bytes is left out.

    Args:
        headers: The value of each header.

    Raises:
        ConfigurationError: If the name of a header or a path is invalid.
    """

    def __init__(self, headers: Mapping[str, IdentityValue]) -> None:
        self._reported: set[bytes] = set()
        readers = [(name, _reader(name, value)) for name, value in headers.items()]
        self._values = [(name.lower().encode("ascii"), read) for name, read in readers]

    def headers(self, session: "Session[Any]") -> list[Header]:
        """Return the identity headers of a session; a missing or empty value has no header."""
        found: list[Header] = []
        for name, read in self._values:
            value = _encode(read(session))
            if len(value) > _MAX_VALUE_BYTES:
                if name not in self._reported:
                    self._reported.add(name)
                    _log.warning("forward_auth.identity_header_too_long name=%s", name.decode("ascii"))
            elif value:
                found.append((name, value))
        return found


def _encode(value: object) -> bytes:
    """Return the value as ASCII; nothing for a value that is not text, an integer, a boolean or a list of them."""
    if isinstance(value, str):
        if len(value) > _MAX_VALUE_BYTES:
            return value[: _MAX_VALUE_BYTES + 1].encode("ascii", "replace")  # too long, whatever its encoding is
        return quote(value, safe=_SAFE, errors="surrogatepass").encode("ascii")
    if isinstance(value, bool):
        return b"true" if value else b"false"
    if isinstance(value, int):
        return b"%d" % value
    if isinstance(value, tuple | list) and all(isinstance(item, str | int) for item in value):
        return b",".join(map(_encode, value))
    return b""


def _reader(name: Any, value: Any) -> Callable[["Session[Any]"], object]:
    if not isinstance(name, str) or not _NAME.fullmatch(name) or _RESERVED.fullmatch(name):
        raise ConfigurationError(
            f"ForwardAuth: identity_headers: {name!r} is not allowed: use letters, digits and hyphens, and not the "
            "name of a standard header, such as X-User-Id"
        )
    if callable(value):
        read: Callable[[Session[Any]], object] = value
        return read
    path = value.split(".") if isinstance(value, str) else [""]
    if path[0] == "identity" and len(path) > 1:
        is_known = path[1] in Identity.model_fields and (len(path) == 2 or path[1] in _FREE)
    else:
        is_known = len(path) == 1 and path[0] in Session.model_fields and path[0] != "identity"
    if not is_known or not all(path):
        raise ConfigurationError(
            f"ForwardAuth: identity_headers: the value {value!r} of {name} is not in a session: use a path such as "
            "identity.id or identity.traits.email"
        )
    return partial(_look_up, tuple(path))


def _look_up(path: tuple[str, ...], session: "Session[Any]") -> object:
    value: Any = session
    for name in path:
        if isinstance(value, Mapping):
            value = value.get(name)
        elif isinstance(value, BaseModel) and (
            name in type(value).model_fields or name in (value.model_extra or {})
        ):
            value = getattr(value, name)
        else:
            return None
    return value
