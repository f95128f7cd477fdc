"""`Set-Cookie` values that remove the session cookie from a browser, whichever domain it was set for."""

import re
from collections.abc import Iterable
from typing import Final
from urllib.parse import urlsplit

__all__ = ["expired_cookies"]

_MAX_NAME_LENGTH: Final = 256  # the client chooses the name of a cookie that a wildcard in `cookie_names` matches
_NUMBER: Final = re.compile(r"[0-9]+|0x[0-9a-f]*")
# Labels under which country registries delegate (example.co.uk). Browsers know all public suffixes and ignore a
# `Set-Cookie` for one (RFC 6265, section 5.3), so this list only saves headers.
_SECOND_LEVEL: Final = frozenset({"ac", "co", "com", "edu", "gov", "mil", "ne", "net", "or", "org"})


def expired_cookies(names: Iterable[bytes], app_url: str) -> tuple[str, ...]:
    """Return the `Set-Cookie` values that expire cookies for the application's host and its parent domains.

    Cookies with another path are left to Kratos' own `Set-Cookie`.

    Args:
        names: The names of the cookies, without characters that could end a header or an attribute.
        app_url: The application's public URL.
    """
    url = urlsplit(app_url)
    domains = _domains(url.hostname or "")
    values: list[str] = []
    for name in dict.fromkeys(name.decode("ascii") for name in names if len(name) <= _MAX_NAME_LENGTH):
        prefix = name.lower()
        secure = url.scheme == "https" or prefix.startswith(("__host-", "__secure-", "__http-"))
        end = ("; Secure" if secure else "") + "; HttpOnly; SameSite=Lax"
        # A cookie with the prefix __Host- has no domain (RFC 6265bis, section 4.1.3.2).
        scopes = ("",) if prefix.startswith("__host-") else ("", *(f"; Domain={domain}" for domain in domains))
        values.extend(f"{name}=; Max-Age=0; Path=/{scope}{end}" for scope in scopes)
    return tuple(values)


def _domains(host: str) -> list[str]:
    """Return the host and its parent domains down to the registrable one; none for addresses and single labels."""
    labels = host.split(".")
    if ":" in host or not all(labels) or _NUMBER.fullmatch(labels[-1]):
        return []
    shortest = 2
    if len(labels) > 2 and len(labels[-1]) == 2 and labels[-2] in _SECOND_LEVEL:
        shortest = 3
    return [".".join(labels[start:]) for start in range(len(labels) - shortest + 1)]
