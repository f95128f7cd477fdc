"""`SoftwareAuthenticator`: passkeys and security keys for tests without a browser."""

import hashlib
import json
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from fido2 import cbor

__all__ = ["SoftwareAuthenticator"]

_USER_PRESENT: Final = 0x01
_USER_VERIFIED: Final = 0x04
_BACKUP_ELIGIBLE: Final = 0x08
_BACKUP_STATE: Final = 0x10
_ATTESTED_DATA: Final = 0x40
_ID_BYTES: Final = 32
_COORDINATE_BYTES: Final = 32


@dataclass(slots=True)
class _Key:
    id: bytes
    rp_id: str
    user_handle: bytes
    is_discoverable: bool
    private_key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))


@dataclass(slots=True, eq=False)
class SoftwareAuthenticator:
    """A passkey or security key in software, which creates and uses credentials as a browser does.

    `create` and `get` take the options from the nodes of a flow, and return the text for the field of the result.

    Args:
        origin: The origin of the page that shows the form, such as `http://localhost:4455`.
        user_present: Whether the user touches the key.
        user_verified: Whether the user enters the PIN of the key, or is recognized by it.
        backup_eligible: Whether credentials may be synchronized, as those of password managers are.
        backup_state: Whether they are synchronized.
        sign_count: The number of signatures so far. Each use increases it, unless it is None, which sends 0.
    """

    origin: str
    user_present: bool = True
    user_verified: bool = True
    backup_eligible: bool = False
    backup_state: bool = False
    sign_count: int | None = 0
    _keys: list[_Key] = field(default_factory=list, init=False, repr=False)

    @property
    def credential_ids(self) -> tuple[bytes, ...]:
        """The ids of the credentials, oldest first."""
        return tuple(key.id for key in self._keys)

    def create(self, options: str | Mapping[str, Any]) -> str:
        """Create a credential.

        Args:
            options: The value of the node `webauthn_register_trigger` or `passkey_create_data`, as JSON or decoded.

        Returns:
            The value of the field `webauthn_register`, `passkey_register` or `passkey_settings_register`.

        Raises:
            KeyError: If the options are not those of a registration.
        """
        public_key = _public_key(options)
        selection = public_key.get("authenticatorSelection", {})
        key = _Key(
            secrets.token_bytes(_ID_BYTES),
            public_key["rp"]["id"],
            _decode(public_key["user"]["id"]),
            selection.get("residentKey") == "required" or bool(selection.get("requireResidentKey")),
        )
        self._keys.append(key)
        cose_key = cbor.encode(_cose_key(key.private_key.public_key()))
        attested = bytes(16) + len(key.id).to_bytes(2, "big") + key.id + cose_key
        data = self._authenticator_data(key.rp_id, _ATTESTED_DATA) + attested
        response = {
            "attestationObject": _encode(cbor.encode({"fmt": "none", "attStmt": {}, "authData": data})),
            "clientDataJSON": _encode(self._client_data("webauthn.create", public_key["challenge"])),
        }
        return _result(key, response)

    def get(self, options: str | Mapping[str, Any]) -> str:
        """Use a credential: the newest that the options allow.

        Args:
            options: The value of the node `webauthn_login_trigger` or `passkey_challenge`, as JSON or decoded.

        Returns:
            The value of the field `webauthn_login` or `passkey_login`.

        Raises:
            KeyError: If the options are not those of a login.
            LookupError: If the authenticator has no credential that the options allow.
        """
        public_key = _public_key(options)
        allowed = {_decode(descriptor["id"]) for descriptor in public_key.get("allowCredentials", ())}
        for key in reversed(self._keys):
            if key.rp_id == public_key["rpId"] and (key.id in allowed or (not allowed and key.is_discoverable)):
                break
        else:
            raise LookupError(f"the authenticator has no credential for {public_key['rpId']!r} with these options")
        if self.sign_count is not None:
            self.sign_count += 1
        data = self._authenticator_data(key.rp_id, 0)
        client_data = self._client_data("webauthn.get", public_key["challenge"])
        signed = data + hashlib.sha256(client_data).digest()
        response = {
            "authenticatorData": _encode(data),
            "clientDataJSON": _encode(client_data),
            "signature": _encode(key.private_key.sign(signed, ec.ECDSA(SHA256()))),
            "userHandle": _encode(key.user_handle) if key.is_discoverable else "",
        }
        return _result(key, response)

    def _authenticator_data(self, rp_id: str, flags: int) -> bytes:
        flags |= _USER_PRESENT if self.user_present else 0
        flags |= _USER_VERIFIED if self.user_verified else 0
        flags |= _BACKUP_ELIGIBLE if self.backup_eligible else 0
        flags |= _BACKUP_STATE if self.backup_state else 0
        return hashlib.sha256(rp_id.encode()).digest() + bytes([flags]) + (self.sign_count or 0).to_bytes(4, "big")

    def _client_data(self, kind: str, challenge: str) -> bytes:
        fields = {"type": kind, "challenge": challenge, "origin": self.origin, "crossOrigin": False}
        return json.dumps(fields, separators=(",", ":")).encode()


def _cose_key(public_key: ec.EllipticCurvePublicKey) -> dict[int, Any]:
    """Return an ES256 key in the format of RFC 9053."""
    numbers = public_key.public_numbers()
    x, y = (number.to_bytes(_COORDINATE_BYTES, "big") for number in (numbers.x, numbers.y))
    return {1: 2, 3: -7, -1: 1, -2: x, -3: y}


def _public_key(options: str | Mapping[str, Any]) -> Mapping[str, Any]:
    decoded: Mapping[str, Any] = json.loads(options) if isinstance(options, str) else options
    public_key: Mapping[str, Any] = decoded.get("credentialOptions", decoded)["publicKey"]
    return public_key


def _result(key: _Key, response: dict[str, str]) -> str:
    credential_id = _encode(key.id)
    fields = {"id": credential_id, "rawId": credential_id, "type": "public-key", "response": response}
    return json.dumps(fields, separators=(",", ":"))


def _encode(raw: bytes) -> str:
    return urlsafe_b64encode(raw).decode().rstrip("=")


def _decode(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))
