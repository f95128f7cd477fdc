"""Which one credential a request carries, read from its raw header bytes.

The order is Kratos' (`extractToken` in its session manager): `X-Session-Token`, the session cookie, a bearer
token. The first kind that is present is the one that counts, and it hides the later ones even when its value
can't be sent. Nothing is unquoted or unescaped: parsers that do disagree about whose value it is.
"""

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Final

from ory_guard.guard.settings import GuardSettings
from ory_guard.models.credential import Credential, Header, InvalidCredential

__all__ = ["CredentialExtractor", "CredentialHasher"]


# A named tuple's own constructor is a function in between, which costs more than all else about it.
_new: Final = tuple.__new__

_MAX_COOKIES: Final = 2
_MAX_CREDENTIAL_BYTES: Final = 8_192

# RFC 9110 field values without spaces, and RFC 6265's cookie-octet.
_VISIBLE: Final = bytes(range(0x21, 0x7F))
_COOKIE_OCTETS: Final = bytes(octet for octet in _VISIBLE if octet not in b'",;\\')


_Read = Callable[[bytes], Credential | InvalidCredential | None]


class CredentialExtractor:
    """Reads the credential of a request under one set of settings.

    Attributes:
        names: The exact names of session cookies.
    """

    def __init__(self, settings: GuardSettings) -> None:
        names = [name.encode("ascii") for name in settings.cookie_names]
        self.names: frozenset[bytes] = frozenset(name for name in names if not name.endswith(b"*"))
        patterns = [re.escape(name).replace(rb"\*", b"[^=;]*") for name in names]
        self._pairs = re.compile(rb";[ \t]*(" + b"|".join(patterns) + rb")=([^;]*)").findall
        readers: dict[bytes, _Read] = {}
        # In Kratos' order.
        if "x_session_token" in settings.credentials:
            readers[b"x-session-token"] = _read_token
        if "cookie" in settings.credentials:
            readers[b"cookie"] = self._read_cookie
        if "bearer" in settings.credentials:
            readers[b"authorization"] = _read_bearer
        self._readers = readers

    def read(self, headers: Iterable[Header]) -> Credential | InvalidCredential | None:
        """Return the request's one credential, `InvalidCredential` if it can't be sent, or None.

        Args:
            headers: The ASGI scope's headers: lower-case names, raw values.
        """
        _, found = self.find(headers)
        if isinstance(found, Credential) and not self.is_valid(found):
            return InvalidCredential(found.kind, "malformed")
        return found

    def read_each(self, headers: Iterable[Header]) -> tuple[Credential, ...] | InvalidCredential:
        """Return every credential of the kind that counts, each of which can be sent to Kratos by itself.

        Two session cookies that differ are two credentials; more are ambiguous. A browser sends two when an earlier
        login left a cookie for another domain or path.

        Args:
            headers: As for `read`.

        Returns:
            None, one or two credentials in the order of the request; `InvalidCredential` if one can't be sent.
        """
        carriers, found = self.find(headers)
        if found is None:
            return ()
        each = dict.fromkeys(self._cookies(carriers) if found.kind == "cookie" else [found])
        credentials = tuple(one for one in each if isinstance(one, Credential))
        if len(credentials) != len(each) or len(credentials) > _MAX_COOKIES:
            return InvalidCredential(found.kind, "ambiguous")
        return credentials if all(map(self.is_valid, credentials)) else InvalidCredential(found.kind, "malformed")

    def _cookies(self, headers: Iterable[Header]) -> Iterator[Credential]:
        for name, value in headers:
            if name == b"cookie":
                for cookie, blanks in self._pairs(b";" + value):
                    if stripped := blanks.rstrip(b" \t"):
                        yield Credential("cookie", cookie, stripped)

    def find(self, headers: Iterable[Header]) -> tuple[list[Header], Credential | InvalidCredential | None]:
        """Return the headers that can carry a credential, and the one they carry, whether it `is_valid` or not.

        Apart from `read`, since what is kept was sendable: it need not be looked at again on every request.
        """
        readers, carriers = self._readers, []
        for header in headers:
            if header[0] in readers:
                carriers.append(header)  # noqa: PERF401 - a comprehension would be one call more for each request
        if not carriers:
            return carriers, None
        if len(carriers) > 1:
            return carriers, self._find_first(carriers)
        name, value = carriers[0]
        return carriers, readers[name](value)

    def _find_first(self, carriers: list[Header]) -> Credential | InvalidCredential | None:
        for name, read in self._readers.items():
            values = {value for key, value in carriers if key == name}
            found = {credential for value in values if (credential := read(value)) is not None}
            if found:
                first = found.pop()
                # Kratos reads one Authorization header; with two that differ, nobody can say which one another
                # parser reads.
                alone = not found and (first.kind != "bearer" or len(values) == 1)
                return first if alone else InvalidCredential(first.kind, "ambiguous")
        return None

    def is_valid(self, credential: Credential) -> bool:
        """Tell whether nothing in the credential could end a header field, or begin another one."""
        kind, name, value = credential
        # Whatever is left once the allowed octets are taken away is not allowed.
        if len(value) > _MAX_CREDENTIAL_BYTES or value.translate(
            None, _COOKIE_OCTETS if kind == "cookie" else _VISIBLE
        ):
            return False
        if kind == "cookie" and name not in self.names:
            # A name that a wildcard matched was chosen by the client.
            return len(name) <= _MAX_CREDENTIAL_BYTES and not name.translate(None, _COOKIE_OCTETS)
        return True

    def _read_cookie(self, header: bytes) -> Credential | InvalidCredential | None:
        found: Credential | None = None
        for name, blanks in self._pairs(b";" + header):
            value = blanks.rstrip(b" \t")
            if value:
                credential = _new(Credential, ("cookie", name, value))
                if found is not None and found != credential:
                    return InvalidCredential("cookie", "ambiguous")
                found = credential
        return found


def _read_token(header: bytes) -> Credential | None:
    token = header.strip(b" \t")
    return _new(Credential, ("x_session_token", b"", token)) if token else None


def _read_bearer(header: bytes) -> Credential | None:
    scheme, _, token = header.strip(b" \t").partition(b" ")
    return Credential("bearer", b"", token) if token and scheme.lower() == b"bearer" else None


class CredentialHasher:
    """Makes cache keys that can't be turned back into credentials (keyed BLAKE2b, 32 bytes).

    Args:
        secret: The key, 16 to 64 bytes.
        base_url: Kratos' public URL: an answer of one Kratos is never used for another.
        cookie_names: Names of cookies that are to be expected.
    """

    def __init__(self, secret: bytes, base_url: str, cookie_names: Iterable[bytes] = ()) -> None:
        self._start = hashlib.blake2b(_prefixed(base_url.encode()), key=secret, digest_size=32)
        # Hashed as far as it is the same for every request; what a wildcard matched is named by the client.
        self._begun = {kind: self._begin(kind, b"") for kind in ("x_session_token", "bearer")}
        self._begun_cookies = {name: self._begin("cookie", name) for name in cookie_names}

    def key(self, credential: Credential) -> bytes:
        """Return the key under which facts about this credential are kept."""
        kind, name, value = credential
        begun = self._begun_cookies.get(name) if kind == "cookie" else self._begun[kind]
        hasher = self._begin(kind, name) if begun is None else begun.copy()
        hasher.update(value)  # the last field, so it needs no length to be told from the next
        return hasher.digest()

    def _begin(self, kind: str, name: bytes) -> hashlib.blake2b:
        hasher = self._start.copy()
        hasher.update(_prefixed(kind.encode()) + _prefixed(name))
        return hasher


def _prefixed(field: bytes) -> bytes:
    return len(field).to_bytes(4, "big") + field
