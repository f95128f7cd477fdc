"""The format `email` of identity schemas, as Kratos judges it: a host name and Go's `net/mail.ParseAddress`."""

import re
from typing import Final

__all__ = ["is_email", "is_host_name"]

MAX_BYTES: Final = 254
MAX_LOCAL_BYTES: Final = 64
MAX_HOST_BYTES: Final = 253

# RFC 5322, 3.2.3 and 3.2.4; like Go, with all characters outside of ASCII.
_ATOM: Final = r"[^\x00-\x20\x7f()<>\[\]:;@\\,\".]+"
_QUOTED: Final = r'"(?:[^\x00-\x08\x0a-\x1f\x7f"\\]|\\[^\x00-\x08\x0a-\x1f\x7f])+"'
_LOCAL_PART: Final = re.compile(rf"[ \t]*(?:{_ATOM}(?:\.{_ATOM})*|{_QUOTED})")
_LABEL: Final = re.compile(r"[A-Za-z0-9-]{0,62}[A-Za-z0-9]")


def is_email(value: str) -> bool:
    """Return whether a text is an address that Kratos accepts."""
    local, separator, host = value.rpartition("@")
    return (
        bool(separator)
        and len(value.encode(errors="replace")) <= MAX_BYTES
        and len(local.encode(errors="replace")) <= MAX_LOCAL_BYTES
        and is_host_name(host)
        and _LOCAL_PART.fullmatch(local) is not None
    )


def is_host_name(host: str) -> bool:
    """Return whether a text is a host name by RFC 1123."""
    is_short = len(host) <= MAX_HOST_BYTES
    return is_short and not host.startswith("-") and all(_LABEL.fullmatch(label) for label in host.split("."))
