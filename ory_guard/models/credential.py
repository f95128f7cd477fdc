"""The credential of a request: one kind, one value; or two session cookies that differ."""

from typing import Literal, NamedTuple

__all__ = ["Credential", "CredentialKind", "Header", "InvalidCredential", "TokenCookie", "TwoSessionCookies"]


CredentialKind = Literal["x_session_token", "cookie", "bearer"]


Header = tuple[bytes, bytes]


class Credential(NamedTuple):
    """A credential, which is sent to Kratos unchanged."""

    kind: CredentialKind
    name: bytes
    value: bytes

    def __repr__(self) -> str:
        return f"Credential(kind={self.kind!r})"

    @property
    def is_session_cookie(self) -> bool:
        """Whether it is a cookie of Kratos."""
        return self.kind == "cookie"

    def header(self) -> tuple[bytes, bytes]:
        """Return the header for the request to Kratos."""
        if self.kind == "cookie":
            return b"Cookie", self.name + b"=" + self.value
        if self.kind == "bearer":
            return b"Authorization", b"Bearer " + self.value
        return b"X-Session-Token", self.value


class TokenCookie(Credential):
    """A session token in a cookie of the application: a cookie for the browser, a token for Kratos.

    A cross-site page can cause a browser to send it, so its kind is `cookie`.
    """

    __slots__ = ()

    @property
    def is_session_cookie(self) -> bool:
        """Whether it is a cookie of Kratos."""
        return False

    def header(self) -> tuple[bytes, bytes]:
        """Return the header for the request to Kratos."""
        return b"X-Session-Token", self.value


class TwoSessionCookies(NamedTuple):
    """The two session cookies of a request, which differ in the name or in the value.

    A browser sends two if one was set for another domain or path, by Kratos or by a host with the same parent.
    """

    kind: Literal["cookie"]
    cookies: tuple[Credential, Credential]

    def __repr__(self) -> str:
        return "TwoSessionCookies()"


class InvalidCredential(NamedTuple):
    """A credential that is present but must not be sent."""

    kind: CredentialKind
    reason: Literal["malformed", "ambiguous"]
