"""Extraction of the credential of a request from its raw header bytes, and cache keys of credentials.

The order is Kratos' (`extractToken` in its session manager): `X-Session-Token`, the session cookie, a bearer token.
The first kind that is present counts and hides the others, even if its value is invalid. The double quotes around
the value of a cookie are removed (RFC 6265, section 4.1.1), as Kratos does. Nothing else is unquoted or unescaped,
because parsers that differ in that could disagree about the user.
"""

import hashlib
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

from ory_guard.guard.settings import GuardSettings
from ory_guard.models.credential import Credential, Header, InvalidCredential, TokenCookie, TwoSessionCookies

__all__ = ["CredentialExtractor", "CredentialHasher"]

# The constructor of a named tuple is a Python function, which takes most of the time to create one.
_new: Final = tuple.__new__

_MAX_CREDENTIAL_BYTES: Final = 8_192

# VCHAR of RFC 5234, and cookie-octet of RFC 6265.
_VCHAR: Final = bytes(range(0x21, 0x7F))
_COOKIE_OCTET: Final = bytes(octet for octet in _VCHAR if octet not in b'",;\\')

_END_OF_COOKIE: Final = (b"", b";")
_DQUOTE: Final = ord('"')

_Extracted = Credential | TwoSessionCookies | InvalidCredential | None
_Parser = Callable[[bytes], _Extracted]


class CredentialExtractor:
    """Extracts the credential of a request.

    Args:
        settings: The settings of the guard.

    Attributes:
        names: The exact names of session cookies, without patterns.
        token_names: The names of the application's cookies with a session token.
        parsers: The names of the headers that can contain a credential, in Kratos' order, and their parsers.
    """

    def __init__(self, settings: GuardSettings) -> None:
        names = [name.encode("ascii") for name in settings.cookie_names]
        self.names: frozenset[bytes] = frozenset(name for name in names if not name.endswith(b"*"))
        self.token_names: frozenset[bytes] = frozenset(name.encode("ascii") for name in settings.token_cookie_names)
        patterns = [re.escape(name).replace(rb"\*", b"[^=;]*") for name in [*names, *self.token_names]]
        self._name, self._name_and_equals = names[0], names[0] + b"="
        self._pairs = re.compile(rb";[ \t]*(" + b"|".join(patterns) + rb")=([^;]*)").findall
        parsers: dict[bytes, _Parser] = {}
        # In Kratos' order.
        if "x_session_token" in settings.credentials:
            parsers[b"x-session-token"] = _parse_token
        if "cookie" in settings.credentials:
            is_single = len(names) == len(self.names) == 1 and not self.token_names
            parsers[b"cookie"] = self._parse_single_cookie if is_single else self._parse_cookie
        if "bearer" in settings.credentials:
            parsers[b"authorization"] = _parse_bearer
        self.parsers: Mapping[bytes, _Parser] = parsers

    def extract(self, headers: Iterable[Header]) -> tuple[list[Header], _Extracted]:
        """Return the headers that can contain a credential, and the credential or the two cookies of the request.

        The credential is not validated. Cached credentials are valid, so a cache hit does not need `is_valid`.

        Args:
            headers: The headers of the ASGI scope: lower-case names, raw values.
        """
        relevant = [header for header in headers if header[0] in self.parsers]
        return relevant, self.parse(relevant) if relevant else None

    def parse(self, headers: Sequence[Header]) -> _Extracted:
        """Return the credential of a request, as `extract` does.

        Args:
            headers: The headers that can contain a credential, at least one.
        """
        if len(headers) > 1:
            return self._extract_first(headers)
        name, value = headers[0]
        return self.parsers[name](value)

    def extract_all(self, headers: Iterable[Header]) -> tuple[Credential, ...] | InvalidCredential:
        """Return every valid credential of the kind that counts.

        Args:
            headers: The headers of the ASGI scope.

        Returns:
            No credential, one, or two cookies in the order of the request; `InvalidCredential` if none is valid, or
            if the request is ambiguous.
        """
        _, credential = self.extract(headers)
        if credential is None:
            return ()
        if isinstance(credential, InvalidCredential):
            return credential
        candidates = credential.cookies if isinstance(credential, TwoSessionCookies) else (credential,)
        return tuple(filter(self.is_valid, candidates)) or InvalidCredential(credential.kind, "malformed")

    def is_valid(self, credential: Credential) -> bool:
        """Return whether the credential has a valid length, and no character that ends a header or a cookie."""
        kind, name, value = credential
        if len(value) > _MAX_CREDENTIAL_BYTES:
            return False
        if value.translate(None, _COOKIE_OCTET if kind == "cookie" else _VCHAR):  # an octet that is not allowed
            return False
        if kind == "cookie" and name not in self.names:
            # The client chooses a name that matches a pattern.
            return len(name) <= _MAX_CREDENTIAL_BYTES and not name.translate(None, _COOKIE_OCTET)
        return True

    def _extract_first(self, headers: Sequence[Header]) -> _Extracted:
        for name, parse in self.parsers.items():
            values = dict.fromkeys(value for key, value in headers if key == name)
            if name == b"cookie":
                cookies = self._parse_cookies(values)
                if cookies is not None:
                    return cookies
                continue
            credentials = {credential for value in values if (credential := parse(value)) is not None}
            if credentials:
                first = credentials.pop()
                # Kratos reads one Authorization header. If there are different ones, another parser may read
                # another one than Kratos.
                is_only = not credentials and (first.kind != "bearer" or len(values) == 1)
                return first if is_only else InvalidCredential(first.kind, "ambiguous")
        return None

    def _parse_single_cookie(self, header: bytes) -> _Extracted:
        # Twice as fast as the regular expression if the header contains the only name that is accepted once.
        before, _, after = header.partition(self._name_and_equals)
        if self._name_and_equals in after or before.rstrip(b" \t")[-1:] not in _END_OF_COOKIE:
            return self._parse_cookie(header)
        value = after.partition(b";")[0].rstrip(b" \t")
        if not value:
            return None
        if value[0] == _DQUOTE:
            return self._parse_cookie(header)
        return _new(Credential, ("cookie", self._name, value))

    def _parse_cookie(self, header: bytes) -> _Extracted:
        pairs = self._pairs(b";" + header)
        if len(pairs) != 1:
            return self._parse_cookies((header,)) if pairs else None
        name, padded = pairs[0]
        value = padded.rstrip(b" \t")
        if not value:
            return None
        if value[0] == _DQUOTE and not (value := _unquoted(value)):
            return None
        return _new(TokenCookie if name in self.token_names else Credential, ("cookie", name, value))

    def _parse_cookies(self, headers: Iterable[bytes]) -> _Extracted:
        found: list[Credential] = []
        for header in headers:
            for name, padded in self._pairs(b";" + header):
                value = padded.rstrip(b" \t")
                if value and value[0] == _DQUOTE:
                    value = _unquoted(value)
                if value:
                    credential = _new(
                        TokenCookie if name in self.token_names else Credential, ("cookie", name, value)
                    )
                    if credential not in found:
                        found.append(credential)
                        if len(found) > 2:
                            return InvalidCredential("cookie", "ambiguous")
        if len(found) > 1:
            return TwoSessionCookies("cookie", (found[0], found[1]))
        return found[0] if found else None


def _unquoted(value: bytes) -> bytes:
    """Return the value of a cookie without one pair of double quotes around it; other quotes are invalid."""
    return value[1:-1] if len(value) > 1 and value[0] == value[-1] == _DQUOTE else value


def _parse_token(header: bytes) -> Credential | None:
    token = header.strip(b" \t")
    return _new(Credential, ("x_session_token", b"", token)) if token else None


def _parse_bearer(header: bytes) -> Credential | None:
    scheme, _, token = header.strip(b" \t").partition(b" ")
    return Credential("bearer", b"", token) if token and scheme.lower() == b"bearer" else None


class CredentialHasher:
    """Computes cache keys from which a credential can't be recovered (keyed BLAKE2b, 32 bytes).

    Args:
        secret: The key of the hash, 16 to 64 bytes.
        base_url: Kratos' public URL: responses of one Kratos are never used for another one.
        cookie_names: Expected names of session cookies, to compute a part of the hash only once.
        token_names: The names of cookies with a session token. As they are sent to Kratos as a token, their keys
            differ from those of session cookies that have the same name in another guard.
    """

    def __init__(
        self, secret: bytes, base_url: str, cookie_names: Iterable[bytes] = (), token_names: Iterable[bytes] = ()
    ) -> None:
        self._keyed = hashlib.blake2b(_prefixed(base_url.encode()), key=secret, digest_size=32)
        self._prefix_by_kind = {kind: self._prefix(kind, b"") for kind in ("x_session_token", "bearer")}
        self._prefix_by_cookie = {
            **{name: self._prefix("cookie", name) for name in cookie_names},
            **{name: self._prefix("token_cookie", name) for name in token_names},
        }

    def cache_key(self, credential: Credential) -> bytes:
        """Return the cache key of a credential."""
        kind, name, value = credential
        prefix = self._prefix_by_cookie.get(name) if kind == "cookie" else self._prefix_by_kind[kind]
        hasher = self._prefix(kind, name) if prefix is None else prefix.copy()
        hasher.update(value)  # the last field, so it needs no length
        return hasher.digest()

    def _prefix(self, kind: str, name: bytes) -> hashlib.blake2b:
        hasher = self._keyed.copy()
        hasher.update(_prefixed(kind.encode()) + _prefixed(name))
        return hasher


def _prefixed(field: bytes) -> bytes:
    return len(field).to_bytes(4, "big") + field
