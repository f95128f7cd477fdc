"""Cookies as Kratos writes them: sealed session values and the Set-Cookie lines."""

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

__all__ = ["CONTINUITY_COOKIE", "CookieJar", "Sealed", "parse_cookies"]

CSRF_MAX_AGE: Final = 31_536_000
CONTINUITY_COOKIE: Final = "ory_kratos_continuity"
CONTINUITY_MAX_AGE: Final = 2_592_000
PADDING_BYTES: Final = 72


def parse_cookies(header: str) -> list[tuple[str, str]]:
    """Return the (name, value) pairs of a Cookie header in order, duplicates included."""
    pairs = (part.strip().partition("=") for part in header.split(";"))
    return [(name, value.strip('"')) for name, found, value in pairs if found and name]


@dataclass(frozen=True, slots=True)
class Sealed:
    """What a session cookie holds."""

    session_token: str
    expires_at: int


class CookieJar:
    """
    Seals and opens cookie values, and writes Set-Cookie lines.

    Args:
        settings: Names, path, domain and flags of the cookies.
    """

    def __init__(self, settings: FakeKratosSettings) -> None:
        self._settings = settings
        self._key = secrets.token_bytes(32)
        public = f"{settings.public_url}/"
        self.csrf_name: str = f"csrf_token_{hashlib.sha256(public.encode()).hexdigest()}"

    def seal(self, values: dict[str, Any], now: int) -> str:
        """Return an opaque, signed value; sealing the same twice gives two values."""
        padded = {**values, "nonce": secrets.token_urlsafe(PADDING_BYTES)}
        payload = base64.urlsafe_b64encode(json.dumps(padded).encode())
        signed = b"%d|%s|" % (now, payload)
        return base64.urlsafe_b64encode(signed + self._mac(signed)).decode()

    def unseal(self, value: str) -> dict[str, Any] | None:
        """Return what was sealed, or None for anything that this jar didn't seal."""
        try:
            raw = base64.urlsafe_b64decode(value.encode())
        except (binascii.Error, ValueError):
            return None
        signed, mac = raw[:-32], raw[-32:]
        if not hmac.compare_digest(mac, self._mac(signed)):
            return None
        values: dict[str, Any] = json.loads(base64.urlsafe_b64decode(signed.split(b"|")[1]))
        return values

    def open_session(self, value: str) -> Sealed | None:
        """Return what a session cookie's value holds, or None if it does not decode."""
        values = self.unseal(value)
        if values is None or "session_token" not in values:
            return None
        return Sealed(values["session_token"], values["expires_at"])

    def session_line(self, token: str, expires_at: int, now: int) -> str:
        """Write the Set-Cookie line of a session; its Max-Age is just under the time that is left."""
        left = max(-(-(expires_at - now) // 1_000_000_000) - 1, 0)
        value = self.seal({"session_token": token, "expires_at": expires_at}, now)
        return self._line(self._settings.cookie_name, value, left, now // 1_000_000_000 + left)

    def session_removal(self, token: str, now: int) -> str:
        """Write the Set-Cookie line that ends a session in the browser."""
        value = self.seal({"session_token": token, "expires_at": 0}, now)
        return self._line(self._settings.cookie_name, value, 0, 1)

    def continuity_line(self, container: str, now: int) -> str:
        """Write the Set-Cookie line by which an interrupted update of settings is found again."""
        value = self.seal({"continuity": container}, now)
        expires = now // 1_000_000_000 + CONTINUITY_MAX_AGE
        return self._line(CONTINUITY_COOKIE, value, CONTINUITY_MAX_AGE, expires)

    def csrf_line(self, secret: bytes) -> str:
        """Write the Set-Cookie line of the anti-CSRF secret."""
        return self._line(self.csrf_name, base64.b64encode(secret).decode(), CSRF_MAX_AGE, None)

    def _mac(self, signed: bytes) -> bytes:
        return hmac.digest(self._key, signed, "sha256")

    def _line(self, name: str, value: str, max_age: int, expires: int | None) -> str:
        settings = self._settings
        parts = [f"{name}={value}", f"Path={settings.cookie_path}"]
        if settings.cookie_domain:
            parts.append(f"Domain={settings.cookie_domain}")
        if expires is not None:
            parts.append(f"Expires={formatdate(expires, usegmt=True)}")
        parts += [f"Max-Age={max_age}", "HttpOnly"]
        if settings.cookie_secure:
            parts.append("Secure")
        return "; ".join([*parts, f"SameSite={settings.cookie_same_site}"])
