"""The cookies that pass through the proxy: Ory's, in both directions, and no others."""

import re
from collections.abc import Iterable
from typing import Final

from ory_guard.exceptions import ConfigurationError
from ory_guard.guard.settings import GuardSettings
from ory_guard.kratos.urls import host_and_port, is_loopback_host
from ory_guard.models.credential import Credential, Header

__all__ = ["ProxyCookies"]

_KRATOS_COOKIES: Final = ("csrf_token_*", "ory_kratos_continuity", "ory_kratos_oidc_*")
_NAME: Final = re.compile(r"[!#$%&'+.^_`|~0-9A-Za-z-]+\*?")
# The octets of a cookie pair (RFC 6265, section 4.1.1), and those that browsers accept in addition.
_PAIR: Final = re.compile(rb"[\x20-\x3a\x3c-\x7e]*")
_PREFIXES_WITH_SECURE: Final = (b"__host-", b"__secure-")


class ProxyCookies:
    """Selects and rewrites cookies for one guard.

    Args:
        settings: The settings of the guard.
        names: Names of further cookies of Kratos; a trailing `*` matches any suffix.

    Raises:
        ConfigurationError: If a name is not a cookie name.
    """

    def __init__(self, settings: GuardSettings, names: Iterable[str]) -> None:
        names = (*_KRATOS_COOKIES, *names)
        for name in names:
            if not _NAME.fullmatch(name):
                raise ConfigurationError(
                    f"cookies: {name!r} must be a cookie name, or a prefix such as csrf_token_*"
                )
        self._session_names = _pattern(settings.cookie_names)
        self._token_names = frozenset(name.encode() for name in settings.token_cookie_names)
        self._names = _pattern(names)
        self._drops_secure = _is_loopback_http(settings.app_url or "")

    def header(self, headers: Iterable[Header], credentials: Iterable[Credential]) -> bytes:
        """Return the `Cookie` header for Kratos, or an empty value.

        Args:
            headers: The headers of the request.
            credentials: The valid session cookies of the request.
        """
        pairs = [credential.name + b"=" + credential.value for credential in credentials]
        for name, line in headers:
            if name == b"cookie":
                pairs += [pair for part in line.split(b";") if self._is_kept(pair := part.strip(b" \t"))]
        return b"; ".join(pairs)

    def _is_kept(self, pair: bytes) -> bool:
        name, separator, _ = pair.partition(b"=")
        return bool(
            separator
            and self._names.fullmatch(name)
            and not self._session_names.fullmatch(name)
            and name not in self._token_names
            and _PAIR.fullmatch(pair)
        )

    def is_session(self, set_cookie: bytes) -> bool:
        """Return whether a `Set-Cookie` value sets or removes the session cookie."""
        return self._session_names.fullmatch(_name_of(set_cookie)) is not None

    def for_browser(self, set_cookie: bytes) -> bytes | None:
        """Return a `Set-Cookie` value for the application's host, or None if it is not a cookie of Ory.

        The cookie belongs to the host of the application (no `Domain`) and to all of its paths, because the
        application has to receive the session cookie, too.
        """
        pair, *attributes = (part.strip(b" \t") for part in set_cookie.split(b";"))
        name = _name_of(set_cookie)
        is_known = self._session_names.fullmatch(name) or self._names.fullmatch(name)
        if not is_known or not _PAIR.fullmatch(pair):
            return None
        drops_secure = self._drops_secure and not name.lower().startswith(_PREFIXES_WITH_SECURE)
        kept = [pair, b"Path=/"]
        for attribute in attributes:
            key, _, value = attribute.partition(b"=")
            key = key.strip(b" \t").lower()
            if key in (b"domain", b"path", b"") or (drops_secure and key in (b"secure", b"partitioned")):
                continue
            # Browsers require `Secure` for `SameSite=None`.
            is_insecure = drops_secure and key == b"samesite" and value.strip(b" \t").lower() == b"none"
            kept.append(b"SameSite=Lax" if is_insecure else attribute)
        return b"; ".join(kept)


def _is_loopback_http(url: str) -> bool:
    return url.startswith("http:") and is_loopback_host(host_and_port(url)[0])


def _name_of(set_cookie: bytes) -> bytes:
    return set_cookie.partition(b";")[0].partition(b"=")[0].strip(b" \t")


def _pattern(names: Iterable[str]) -> re.Pattern[bytes]:
    return re.compile(b"|".join(re.escape(name.encode()).replace(rb"\*", b"[^=;]*") for name in names))
