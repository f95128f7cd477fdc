"""Cookies in Kratos' format: encoded values and Set-Cookie headers."""

import base64
import binascii
import hashlib
import hmac
import json
import secrets
from dataclasses import dataclass
from email.utils import formatdate
from typing import Any, Final

from ory_guard.testing.settings import FakeKratosSettings

__all__ = ["CONTINUITY_COOKIE", "CookieJar", "SessionCookie", "parse_cookies"]

CSRF_MAX_AGE: Final = 31_536_000
CONTINUITY_COOKIE: Final = "ory_kratos_continuity"
CONTINUITY_MAX_AGE: Final = 2_592_000
PADDING_BYTES: Final = 72


def parse_cookies(header: str) -> list[tuple[str, str]]:
    """Return the (name, value) pairs of a Cookie header in order, including duplicates."""
    pairs = (part.strip().partition("=") for part in header.split(";"))
    return [(name, value.strip('"')) for name, separator, value in pairs if separator and name]


@dataclass(frozen=True, slots=True)
class SessionCookie:
    """The decoded value of a session cookie."""

    session_token: str
    expires_at: int


@dataclass(frozen=True, slots=True)
class CookieAttributes:
    """The attributes in which session cookies can differ from other cookies."""

    path: str
    domain: str | None
    same_site: str


class CookieJar:
    """Encodes and decodes cookie values, and formats Set-Cookie headers.

    Args:
        settings: The names, path, domain and attributes of the cookies.
    """

    def __init__(self, settings: FakeKratosSettings) -> None:
        self._settings = settings
        self._key = secrets.token_bytes(32)
        public = f"{settings.public_url}/"
        self.csrf_cookie_name: str = f"csrf_token_{hashlib.sha256(public.encode()).hexdigest()}"

    def encode(self, values: dict[str, Any], now: int) -> str:
        """Return an opaque, signed value. It differs on every call."""
        padded = {**values, "nonce": secrets.token_urlsafe(PADDING_BYTES)}
        payload = base64.urlsafe_b64encode(json.dumps(padded).encode())
        signed = b"%d|%s|" % (now // 1_000_000_000, payload)
        return base64.urlsafe_b64encode(signed + self._mac(signed)).decode()

    def decode(self, value: str) -> dict[str, Any] | None:
        """Return the encoded values, or None if the value was not encoded with this key."""
        try:
            raw = base64.urlsafe_b64decode(value.encode())
        except (binascii.Error, ValueError):
            return None
        signed, mac = raw[:-32], raw[-32:]
        if not hmac.compare_digest(mac, self._mac(signed)):
            return None
        values: dict[str, Any] = json.loads(base64.urlsafe_b64decode(signed.split(b"|")[1]))
        return values

    def decode_session(self, value: str, now: int) -> SessionCookie | None:
        """Return the content of a session cookie; None if it cannot be decoded or is older than a session."""
        values = self.decode(value)
        if values is None or "session_token" not in values:
            return None
        issued_at = int(base64.urlsafe_b64decode(value.encode()).partition(b"|")[0])
        if issued_at < now // 1_000_000_000 - self._settings.session_lifespan:
            return None
        return SessionCookie(values["session_token"], values["expires_at"])

    def session_cookie(self, token: str, expires_at: int, now: int) -> str:
        """Return the Set-Cookie header of a session; its Max-Age is just below the remaining lifetime."""
        max_age = max(-(-(expires_at - now) // 1_000_000_000) - 1, 0)
        value = self.encode({"session_token": token, "expires_at": expires_at}, now)
        return self._set_session_cookie(value, max_age, now // 1_000_000_000 + max_age)

    def expired_session_cookie(self, token: str, now: int) -> str:
        """Return the Set-Cookie header that removes a session cookie."""
        value = self.encode({"session_token": token, "expires_at": 0}, now)
        return self._set_session_cookie(value, 0, 1)

    def continuity_cookie(self, container: str, now: int) -> str:
        """Return the Set-Cookie header that identifies an interrupted settings update."""
        value = self.encode({"continuity": container}, now)
        expires = now // 1_000_000_000 + CONTINUITY_MAX_AGE
        return self._set_cookie(CONTINUITY_COOKIE, value, CONTINUITY_MAX_AGE, expires)

    def csrf_cookie(self, secret: bytes) -> str:
        """Return the Set-Cookie header of an anti-CSRF secret."""
        return self._set_cookie(self.csrf_cookie_name, base64.b64encode(secret).decode(), CSRF_MAX_AGE, None)

    def _mac(self, signed: bytes) -> bytes:
        return hmac.digest(self._key, signed, "sha256")

    def _set_session_cookie(self, value: str, max_age: int, expires: int) -> str:
        settings = self._settings
        attributes = CookieAttributes(
            settings.session_cookie_path or settings.cookie_path,
            settings.session_cookie_domain or settings.cookie_domain,
            settings.session_cookie_same_site or settings.cookie_same_site,
        )
        return self._format(settings.cookie_name, value, max_age, expires, attributes)

    def _set_cookie(self, name: str, value: str, max_age: int, expires: int | None) -> str:
        settings = self._settings
        attributes = CookieAttributes(settings.cookie_path, settings.cookie_domain, settings.cookie_same_site)
        return self._format(name, value, max_age, expires, attributes)

    def _format(
        self, name: str, value: str, max_age: int, expires: int | None, attributes: CookieAttributes
    ) -> str:
        parts = [f"{name}={value}", f"Path={attributes.path}"]
        if attributes.domain:
            parts.append(f"Domain={attributes.domain}")
        if expires is not None:
            parts.append(f"Expires={formatdate(expires, usegmt=True)}")
        parts += [f"Max-Age={max_age}", "HttpOnly"]
        if self._settings.cookie_secure:
            parts.append("Secure")
        return "; ".join([*parts, f"SameSite={attributes.same_site}"])
