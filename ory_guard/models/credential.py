"""The credential of a request: one kind, one value."""

from typing import Literal, NamedTuple

__all__ = ["Credential", "CredentialKind", "Header", "InvalidCredential"]


CredentialKind = Literal["x_session_token", "cookie", "bearer"]


Header = tuple[bytes, bytes]


class Credential(NamedTuple):
    """A credential, which is sent to Kratos unchanged."""

    kind: CredentialKind
    name: bytes
    value: bytes

    def __repr__(self) -> str:
        return f"Credential(kind={self.kind!r})"

    def header(self) -> tuple[bytes, bytes]:
        """Return the header for the request to Kratos."""
        if self.kind == "cookie":
            return b"Cookie", self.name + b"=" + self.value
        if self.kind == "bearer":
            return b"Authorization", b"Bearer " + self.value
        return b"X-Session-Token", self.value


class InvalidCredential(NamedTuple):
    """A credential that is present but must not be sent."""

    kind: CredentialKind
    reason: Literal["malformed", "ambiguous"]
