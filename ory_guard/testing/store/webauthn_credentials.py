"""The records of passkeys and security keys."""

from dataclasses import dataclass, field

from fido2.cose import CoseKey

__all__ = ["WebAuthnCredential", "WebAuthnCredentials"]


@dataclass(slots=True, eq=False)
class WebAuthnCredential:
    """A credential of an authenticator. `added_at` is in nanoseconds since 1970."""

    id: bytes
    public_key: CoseKey
    attestation_type: str
    aaguid: bytes
    sign_count: int
    user_verified: bool
    backup_eligible: bool
    backup_state: bool
    display_name: str = ""
    added_at: int = 0
    is_passwordless: bool = True


@dataclass(slots=True)
class WebAuthnCredentials:
    """The passkeys or the security keys of an identity.

    Attributes:
        user_handle: The handle for new logins.
        handles: All handles under which discoverable credentials know the user.
        keys: The credentials, oldest first.
    """

    user_handle: bytes = b""
    handles: list[bytes] = field(default_factory=list)
    keys: list[WebAuthnCredential] = field(default_factory=list)

    def add(self, key: WebAuthnCredential, user_handle: bytes) -> None:
        """Add a credential that was created for a user handle."""
        self.user_handle = user_handle
        if user_handle not in self.handles:
            self.handles.append(user_handle)
        self.keys.append(key)

    def remove(self, key: WebAuthnCredential) -> None:
        """Remove a credential; the handles are removed with the last one."""
        self.keys.remove(key)
        if not self.keys:
            self.user_handle = b""
            self.handles.clear()

    def find(self, key_id: str) -> WebAuthnCredential | None:
        """Return the credential with an id in hexadecimal, or None."""
        return next((key for key in self.keys if key.id.hex() == key_id), None)

    def usable(self, *, is_passwordless: bool) -> list[WebAuthnCredential]:
        """Return the credentials that are a first factor, or a second one."""
        return [key for key in self.keys if key.is_passwordless is is_passwordless]
