"""The relying party of WebAuthn: options for browsers, and the verification of their responses."""

import hashlib
import json
import secrets
import struct
from base64 import b64decode, urlsafe_b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

from cryptography.exceptions import InvalidSignature
from fido2.attestation.base import Attestation, InvalidAttestation
from fido2.webauthn import AttestationObject, AuthenticatorData, CollectedClientData

from ory_guard.testing.store.webauthn_credentials import WebAuthnCredential

__all__ = ["Ceremony", "InvalidResponseError", "MalformedResponseError", "RelyingParty"]

_ALGORITHMS: Final = (-7, -35, -36, -257, -258, -259, -37, -38, -39, -8)
_CHALLENGE_BYTES: Final = 32
_ANDROID_ORIGIN: Final = "android:apk-key-hash:"
_MALFORMED: Final = (
    AssertionError,
    AttributeError,
    IndexError,
    KeyError,
    OverflowError,
    RecursionError,
    TypeError,
    ValueError,
    struct.error,
)


class MalformedResponseError(Exception):
    """A response of a browser that cannot be parsed."""


class InvalidResponseError(Exception):
    """A response of a browser that does not belong to the ceremony, or whose signature is wrong."""


@dataclass(frozen=True, slots=True)
class Ceremony:
    """A registration or login that has been started, and which the flow keeps until its end.

    Attributes:
        challenge: The challenge in unpadded Base64.
        user_handle: The handle of the user; empty for logins with discoverable credentials.
        allowed_ids: The credentials that can log in; empty for discoverable credentials.
    """

    challenge: str
    user_handle: bytes = b""
    allowed_ids: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True)
class Assertion:
    """A parsed response to a login."""

    credential_id: bytes
    user_handle: bytes
    client_data: CollectedClientData
    authenticator_data: AuthenticatorData
    signature: bytes


@dataclass(frozen=True, slots=True)
class RelyingParty:
    """The server for which browsers create and use credentials.

    Args:
        id: The domain of the credentials.
        name: The name for users.
        origins: The origins of the pages that may create and use them.
        timeout: How long browsers wait for the user, in milliseconds.
        selection: Which authenticators are allowed.
    """

    id: str
    name: str
    origins: tuple[str, ...]
    timeout: int
    selection: Mapping[str, Any]

    def start_registration(self, user_handle: bytes, user_name: str = "") -> tuple[Ceremony, dict[str, Any]]:
        """Start a registration, and return the ceremony and the options for the browser."""
        ceremony = Ceremony(encode(secrets.token_bytes(_CHALLENGE_BYTES)), user_handle)
        name = user_name or self.name
        options = {
            "rp": {"name": self.name, "id": self.id},
            "user": {"name": name, "displayName": name, "id": encode(user_handle)},
            "challenge": ceremony.challenge,
            "pubKeyCredParams": [{"type": "public-key", "alg": algorithm} for algorithm in _ALGORITHMS],
            "timeout": self.timeout,
            "authenticatorSelection": dict(self.selection),
        }
        return ceremony, {"publicKey": options}

    def start_login(
        self, user_handle: bytes = b"", credentials: Sequence[WebAuthnCredential] = ()
    ) -> tuple[Ceremony, dict[str, Any]]:
        """Start a login, and return the ceremony and the options for the browser."""
        ids = tuple(credential.id for credential in credentials)
        ceremony = Ceremony(encode(secrets.token_bytes(_CHALLENGE_BYTES)), user_handle, ids)
        options: dict[str, Any] = {
            "challenge": ceremony.challenge,
            "timeout": self.timeout,
            "rpId": self.id,
        }
        if ids:
            options["allowCredentials"] = [{"type": "public-key", "id": encode(value)} for value in ids]
        return ceremony, {"publicKey": options | {"userVerification": self.selection["userVerification"]}}

    def verify_registration(self, ceremony: Ceremony, submitted: str) -> WebAuthnCredential:
        """Return the credential that a browser created.

        Raises:
            MalformedResponseError: If the response cannot be parsed.
            InvalidResponseError: If the response does not belong to the ceremony, or its attestation is invalid.
        """
        try:
            response = _response(submitted)
            client_data = CollectedClientData(decode(response["clientDataJSON"]))
            attestation = AttestationObject(decode(response["attestationObject"]))
            data = attestation.auth_data
            attested = data.credential_data
        except _MALFORMED as error:
            raise MalformedResponseError(str(error)) from error
        if attested is None:
            raise MalformedResponseError("the authenticator data has no credential")
        self._verify_client(ceremony, client_data, "webauthn.create")
        self._verify_authenticator(data)
        try:
            statement = Attestation.for_type(attestation.fmt)()
            statement.verify(attestation.att_stmt, data, client_data.hash)
        except (InvalidAttestation, *_MALFORMED) as error:
            raise InvalidResponseError("the attestation is invalid") from error
        return WebAuthnCredential(
            id=attested.credential_id,
            public_key=attested.public_key,
            attestation_type=attestation.fmt,
            aaguid=bytes(attested.aaguid),
            sign_count=data.counter,
            user_verified=data.is_user_verified(),
            backup_eligible=data.is_backup_eligible(),
            backup_state=data.is_backed_up(),
        )

    def parse_login(self, submitted: str) -> Assertion:
        """Return the parts of a response to a login.

        Raises:
            MalformedResponseError: If the response cannot be parsed.
        """
        try:
            response = _response(submitted)
            return Assertion(
                credential_id=decode(json.loads(submitted).get("rawId", "")),
                user_handle=decode(response.get("userHandle") or ""),
                client_data=CollectedClientData(decode(response["clientDataJSON"])),
                authenticator_data=AuthenticatorData(decode(response["authenticatorData"])),
                signature=decode(response["signature"]),
            )
        except _MALFORMED as error:
            raise MalformedResponseError(str(error)) from error

    def verify_login(
        self,
        ceremony: Ceremony,
        assertion: Assertion,
        user_handle: bytes,
        credentials: Sequence[WebAuthnCredential],
    ) -> None:
        """Verify that a response was made by one of the credentials of a user.

        As in Kratos, the signature counter is not compared with an earlier one.

        Args:
            ceremony: The ceremony of the flow.
            assertion: The response.
            user_handle: The handle of the user.
            credentials: The credentials of the user.

        Raises:
            InvalidResponseError: If that is not the case.
        """
        if assertion.user_handle not in {b"", user_handle}:
            raise InvalidResponseError("the user handle is that of another user")
        owned = {credential.id: credential for credential in credentials}
        allowed = set(ceremony.allowed_ids)
        credential = owned.get(assertion.credential_id)
        if credential is None or (allowed and (credential.id not in allowed or not allowed & owned.keys())):
            raise InvalidResponseError("the credential is not one of the user's")
        self._verify_client(ceremony, assertion.client_data, "webauthn.get")
        data = assertion.authenticator_data
        self._verify_authenticator(data)
        try:
            credential.public_key.verify(data + assertion.client_data.hash, assertion.signature)
        except (InvalidSignature, NotImplementedError, *_MALFORMED) as error:
            raise InvalidResponseError("the signature is invalid") from error
        if data.is_backup_eligible() != credential.backup_eligible:
            raise InvalidResponseError("the backup eligibility of the credential has changed")
        if data.is_backed_up() and not data.is_backup_eligible():
            raise InvalidResponseError("a credential that is not eligible for backups is backed up")

    def _verify_client(self, ceremony: Ceremony, client_data: CollectedClientData, kind: str) -> None:
        if client_data.type != kind:
            raise InvalidResponseError(f"the type is not {kind}")
        if not secrets.compare_digest(encode(client_data.challenge), ceremony.challenge):
            raise InvalidResponseError("the challenge is that of another flow")
        if _origin(client_data.origin) not in {origin.casefold() for origin in self.origins}:
            raise InvalidResponseError("the origin is not allowed")

    def _verify_authenticator(self, data: AuthenticatorData) -> None:
        if data.rp_id_hash != hashlib.sha256(self.id.encode()).digest():
            raise InvalidResponseError("the credential is one of another relying party")
        if not data.is_user_present():
            raise InvalidResponseError("the user was not present")


def encode(raw: bytes) -> str:
    """Return the unpadded Base64 of WebAuthn."""
    return urlsafe_b64encode(raw).decode().rstrip("=")


def decode(text: str) -> bytes:
    """Return the bytes of unpadded Base64; as in Kratos, padding is ignored.

    Raises:
        ValueError: If the text has other characters.
    """
    stripped = text.rstrip("=")
    padded = stripped + "=" * (-len(stripped) % 4)
    return b64decode(padded, altchars=b"-_", validate=True)


def _response(submitted: str) -> Mapping[str, Any]:
    document = json.loads(submitted)
    if document["type"] != "public-key" or not decode(document["id"]):
        raise ValueError("the response is not one of a public key")
    response: Mapping[str, Any] = document["response"]
    return response


def _origin(url: object) -> str:
    """Return the origin of a URL in the form of a configured one, or an empty string."""
    if not isinstance(url, str):
        return ""
    if url.startswith(_ANDROID_ORIGIN):
        return url.casefold()
    try:
        parts = urlsplit(url)
    except ValueError:
        return ""
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}".casefold() if parts.netloc else ""
