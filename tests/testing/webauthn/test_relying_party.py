"""The verification of responses, with attestations and broken data, and `SoftwareAuthenticator`."""

import json
from base64 import urlsafe_b64encode
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256, Hash
from fido2 import cbor
from hypothesis import given
from hypothesis import strategies as st

from ory_guard.testing.webauthn.relying_party import (
    Ceremony,
    InvalidResponseError,
    MalformedResponseError,
    RelyingParty,
    decode,
    encode,
)

from .users import ORIGIN, Change, authenticator, changed

PARTY = RelyingParty("localhost", "Test", (ORIGIN,), 1_000, {"userVerification": "preferred"})
HANDLE = b"handle"


def created(**settings: Any) -> tuple[Ceremony, str]:
    ceremony, options = PARTY.start_registration(HANDLE)
    return ceremony, authenticator(**settings).create(options)


def attestation(change: Change) -> Change:
    """Return a change of the attestation object in a response."""

    def apply(document: dict[str, Any]) -> None:
        decoded: Any = cbor.decode(decode(document["response"]["attestationObject"]))
        inner = dict(decoded)
        change(inner)
        document["response"]["attestationObject"] = encode(cbor.encode(inner))

    return apply


def test_packed_self_attestation_is_verified() -> None:
    ceremony, options = PARTY.start_registration(HANDLE)
    key = authenticator()
    text = key.create(options)
    client_data = decode(json.loads(text)["response"]["clientDataJSON"])
    digest = Hash(SHA256())
    digest.update(client_data)
    client_hash = digest.finalize()

    def sign(private_key: ec.EllipticCurvePrivateKey) -> str:
        def statement(inner: dict[str, Any]) -> None:
            signature = private_key.sign(inner["authData"] + client_hash, ec.ECDSA(SHA256()))
            inner.update(fmt="packed", attStmt={"alg": -7, "sig": signature})

        return changed(text, attestation(statement))

    credential = PARTY.verify_registration(ceremony, sign(key._keys[0].private_key))

    assert credential.attestation_type == "packed"
    with pytest.raises(InvalidResponseError, match="attestation"):
        PARTY.verify_registration(ceremony, sign(ec.generate_private_key(ec.SECP256R1())))


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda inner: inner.update(fmt="unknown"), id="unknown format"),
        pytest.param(lambda inner: inner.update(attStmt={"x": 1}), id="statement without format"),
        pytest.param(lambda inner: inner.update(fmt="packed"), id="packed without statement"),
        pytest.param(lambda inner: inner.update(fmt="tpm"), id="TPM without statement"),
    ],
)
def test_invalid_attestation_is_rejected(change: Change) -> None:
    ceremony, text = created()

    with pytest.raises(InvalidResponseError, match="attestation"):
        PARTY.verify_registration(ceremony, changed(text, attestation(change)))


def test_authenticator_data_must_have_a_credential() -> None:
    ceremony, text = created()

    def shorten(inner: dict[str, Any]) -> None:
        data = bytearray(inner["authData"][:37])
        data[32] &= ~0x40
        inner["authData"] = bytes(data)

    with pytest.raises(MalformedResponseError, match="no credential"):
        PARTY.verify_registration(ceremony, changed(text, attestation(shorten)))


def test_key_of_an_unknown_algorithm_cannot_log_in() -> None:
    ceremony, options = PARTY.start_registration(HANDLE)
    key = authenticator()
    credential = PARTY.verify_registration(ceremony, key.create(options))
    credential.public_key = type(credential.public_key)({1: 2, 3: -999})
    login, request = PARTY.start_login(HANDLE, [credential])
    assertion = PARTY.parse_login(key.get(request))

    with pytest.raises(InvalidResponseError, match="signature"):
        PARTY.verify_login(login, assertion, HANDLE, [credential])


def test_credential_must_be_one_of_those_that_the_login_allows() -> None:
    ceremony, options = PARTY.start_registration(HANDLE)
    key = authenticator()
    credential = PARTY.verify_registration(ceremony, key.create(options))
    _, request = PARTY.start_login(HANDLE, [credential])
    assertion = PARTY.parse_login(key.get(request))
    other = Ceremony(ceremony.challenge, HANDLE, (b"other",))

    with pytest.raises(InvalidResponseError, match="not one of the user's"):
        PARTY.verify_login(other, assertion, HANDLE, [credential])


@pytest.mark.parametrize(
    ("backup_eligible", "backup_state", "is_valid"), [(True, True, True), (True, False, True), (False, True, False)]
)
def test_backup_requires_eligibility(backup_eligible: bool, backup_state: bool, is_valid: bool) -> None:
    key = authenticator(backup_eligible=backup_eligible, backup_state=backup_state)
    ceremony, options = PARTY.start_registration(HANDLE)
    credential = PARTY.verify_registration(ceremony, key.create(options))
    login, request = PARTY.start_login(HANDLE, [credential])
    assertion = PARTY.parse_login(key.get(request))
    if is_valid:
        PARTY.verify_login(login, assertion, HANDLE, [credential])
        return

    with pytest.raises(InvalidResponseError, match="backed up"):
        PARTY.verify_login(login, assertion, HANDLE, [credential])


def test_origin_of_an_android_app() -> None:
    app = "android:apk-key-hash:abc"
    party = RelyingParty("localhost", "Test", (app,), 1_000, {})
    ceremony, options = party.start_registration(HANDLE)

    assert party.verify_registration(ceremony, authenticator(origin=app).create(options)).is_passwordless
    with pytest.raises(InvalidResponseError, match="origin"):
        party.verify_registration(ceremony, authenticator(origin=app + "d").create(options))


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)
_BASE64 = st.binary(max_size=200).map(lambda raw: urlsafe_b64encode(raw).decode())
_FIELDS = ["attestationObject", "authenticatorData", "clientDataJSON", "signature", "userHandle"]


@given(
    st.fixed_dictionaries(
        {"id": st.just("AAAA") | _JSON, "type": st.just("public-key") | _JSON},
        optional={
            "rawId": _BASE64 | _JSON,
            "response": st.dictionaries(st.sampled_from(_FIELDS), _BASE64 | _JSON) | _JSON,
        },
    )
)
def test_broken_responses_are_malformed(document: dict[str, Any]) -> None:
    for parse in (PARTY.parse_login, lambda text: PARTY.verify_registration(Ceremony("x"), text)):
        with pytest.raises(MalformedResponseError):
            parse(json.dumps(document))


@given(st.binary(max_size=200), st.integers(0, 180), st.data())
def test_broken_attestations_are_rejected(noise: bytes, position: int, data: st.DataObject) -> None:
    ceremony, text = created()

    def break_it(document: dict[str, Any]) -> None:
        raw = decode(document["response"]["attestationObject"])
        document["response"]["attestationObject"] = encode(raw[:position] + noise + raw[position + 1 :])

    try:
        PARTY.verify_registration(ceremony, changed(text, break_it))
    except (MalformedResponseError, InvalidResponseError):
        return


def login_options(**fields: Any) -> dict[str, Any]:
    return {"publicKey": {"challenge": "AAAA", "rpId": "localhost", **fields}}


def test_credentials_of_a_domain_are_used_where_the_options_allow() -> None:
    key = authenticator()
    key.create(PARTY.start_registration(b"a")[1])

    for options in (login_options(), login_options(allowCredentials=[{"id": "AAAA"}]), login_options(rpId="other")):
        with pytest.raises(LookupError, match="has no credential"):
            key.get(options)


def test_newest_passkey_is_used() -> None:
    key = authenticator()
    discoverable = RelyingParty("localhost", "Test", (), 1_000, {"residentKey": "required"})
    for handle in (b"first", b"second"):
        key.create(json.dumps(discoverable.start_registration(handle)[1]))
    response = json.loads(key.get(json.dumps(login_options())))

    assert len(key.credential_ids) == 2
    assert response["response"]["userHandle"] == "c2Vjb25k"


@pytest.mark.parametrize(("sign_count", "expected"), [(0, (1, 2)), (7, (8, 9)), (None, (0, 0))])
def test_signature_counter(sign_count: int | None, expected: tuple[int, int]) -> None:
    key = authenticator(sign_count=sign_count)
    ceremony, options = PARTY.start_registration(b"a")
    credential = PARTY.verify_registration(ceremony, key.create(options))
    request = PARTY.start_login(b"a", [credential])[1]
    counts = [PARTY.parse_login(key.get(request)).authenticator_data.counter for _ in range(2)]

    assert tuple(counts) == expected


def test_options_of_the_other_ceremony_are_rejected() -> None:
    key = authenticator()

    with pytest.raises(KeyError):
        key.create(login_options())
    with pytest.raises(KeyError):
        key.get(PARTY.start_registration(b"a")[1])
