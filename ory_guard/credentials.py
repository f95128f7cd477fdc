"""Which one credential a request carries, read from its raw header bytes.

The order is Kratos' (`extractToken` in its session manager): `X-Session-Token`, the session cookie, a bearer
token. The first kind that is present is the one that counts, and it hides the later ones even when its value
can't be sent. Nothing is unquoted or unescaped: parsers that do disagree about whose value it is.
"""

import hashlib
from collections.abc import Iterable
from typing import Final, Literal, NamedTuple

from ory_guard.settings import GuardSettings

__all__ = ["Credential", "CredentialHasher", "CredentialKind", "CredentialReader", "Unusable"]

CredentialKind = Literal["x_session_token", "cookie", "bearer"]

# RFC 9110 field values without spaces, and RFC 6265's cookie-octet.
_VISIBLE: Final = bytes(range(0x21, 0x7F))
_COOKIE_OCTETS: Final = bytes(octet for octet in _VISIBLE if octet not in b'",;\\')


class Credential(NamedTuple):
    """A credential that can be sent to Kratos as it came."""

    kind: CredentialKind
    name: bytes
    value: bytes

    def __repr__(self) -> str:
        return f"Credential(kind={self.kind!r})"

    def header(self) -> tuple[bytes, bytes]:
        """Return the one header that carries it to Kratos."""
        if self.kind == "cookie":
            return b"Cookie", self.name + b"=" + self.value
        if self.kind == "bearer":
            return b"Authorization", b"Bearer " + self.value
        return b"X-Session-Token", self.value


class Unusable(NamedTuple):
    """A credential that is there and must not be sent."""

    kind: CredentialKind
    reason: Literal["malformed", "ambiguous"]


class CredentialReader:
    """Reads the credential of a request under one set of settings."""

    def __init__(self, settings: GuardSettings) -> None:
        kinds = settings.credentials
        self._token = "x_session_token" in kinds
        self._cookie = "cookie" in kinds
        self._bearer = "bearer" in kinds
        names = [name.encode("ascii") for name in settings.cookie_names]
        self._names = frozenset(name for name in names if not name.endswith(b"*"))
        self._prefixes = tuple(name[:-1] for name in names if name.endswith(b"*"))
        self._limit = settings.max_credential_bytes

    def read(self, headers: Iterable[tuple[bytes, bytes]]) -> Credential | Unusable | None:
        """Return the request's one credential, `Unusable` where it can't be sent, or None where it has none.

        Args:
            headers: The ASGI scope's headers: lower-case names, raw values.
        """
        tokens: list[bytes] | None = None
        cookies: list[bytes] | None = None
        authorizations: list[bytes] | None = None
        for name, value in headers:
            if name == b"cookie":
                cookies = [*cookies, value] if cookies else [value]
            elif name == b"authorization":
                authorizations = [*authorizations, value] if authorizations else [value]
            elif name == b"x-session-token":
                tokens = [*tokens, value] if tokens else [value]
        found = None
        if tokens and self._token:
            found = self._read_token(tokens)
        if found is None and cookies and self._cookie:
            found = self._read_cookie(cookies)
        if found is None and authorizations and self._bearer:
            found = self._read_bearer(authorizations)
        return found

    def _read_token(self, values: list[bytes]) -> Credential | Unusable | None:
        present = {value for value in (value.strip(b" \t") for value in values) if value}
        if not present:
            return None
        if len(present) > 1:
            return Unusable("x_session_token", "ambiguous")
        return self._checked("x_session_token", b"", present.pop(), _VISIBLE)

    def _read_cookie(self, headers: list[bytes]) -> Credential | Unusable | None:
        found: tuple[bytes, bytes] | None = None
        for header in headers:
            for pair in header.split(b";"):
                name, _, value = pair.strip(b" \t").partition(b"=")
                if name not in self._names and not (self._prefixes and name.startswith(self._prefixes)):
                    continue
                if not value or found == (name, value):
                    continue
                if found is not None:
                    return Unusable("cookie", "ambiguous")
                found = name, value
        return None if found is None else self._checked("cookie", *found, _COOKIE_OCTETS)

    def _read_bearer(self, values: list[bytes]) -> Credential | Unusable | None:
        found: Credential | Unusable | None = None
        for value in values:
            scheme, _, token = value.strip(b" \t").partition(b" ")
            if token and scheme.lower() == b"bearer":
                found = self._checked("bearer", b"", token, _VISIBLE)
        # Kratos reads one header; with two that differ, nobody can say which one another parser reads.
        if found is not None and len(set(values)) > 1:
            return Unusable("bearer", "ambiguous")
        return found

    def _checked(self, kind: CredentialKind, name: bytes, value: bytes, alphabet: bytes) -> Credential | Unusable:
        if len(value) > self._limit or value.translate(None, alphabet):
            return Unusable(kind, "malformed")
        # The name of a cookie that matched a wildcard was chosen by the client.
        if name not in self._names and (len(name) > self._limit or name.translate(None, _COOKIE_OCTETS)):
            return Unusable(kind, "malformed")
        return Credential(kind, name, value)


class CredentialHasher:
    """Makes cache keys that can't be turned back into credentials (keyed BLAKE2b, 32 bytes).

    Args:
        secret: The key, 16 to 64 bytes.
        base_url: Kratos' public URL: an answer of one Kratos is never used for another.
    """

    def __init__(self, secret: bytes, base_url: str) -> None:
        start = hashlib.blake2b(_prefixed(base_url.encode()), key=secret, digest_size=32)
        self._started: dict[CredentialKind, hashlib.blake2b] = {}
        kinds: tuple[CredentialKind, ...] = ("x_session_token", "cookie", "bearer")
        for kind in kinds:
            self._started[kind] = start.copy()
            self._started[kind].update(_prefixed(kind.encode()))

    def key(self, credential: Credential) -> bytes:
        """Return the key under which facts about this credential are kept."""
        hasher = self._started[credential.kind].copy()
        hasher.update(_prefixed(credential.name) + _prefixed(credential.value))
        return hasher.digest()


def _prefixed(field: bytes) -> bytes:
    return len(field).to_bytes(4, "big") + field
