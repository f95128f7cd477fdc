"""`SoftwareAuthenticator`, beyond its use in flows."""

import json
from typing import Any

import pytest

from ory_guard.testing import SoftwareAuthenticator
from ory_guard.testing.webauthn.relying_party import RelyingParty

PARTY = RelyingParty("localhost", "Test", ("http://localhost",), 1_000, {"userVerification": "preferred"})


def login_options(**fields: Any) -> dict[str, Any]:
    return {"publicKey": {"challenge": "AAAA", "rpId": "localhost", **fields}}


def test_credentials_of_a_domain_are_used_where_the_options_allow() -> None:
    key = SoftwareAuthenticator("http://localhost")
    key.create(PARTY.start_registration(b"a")[1])

    for options in (login_options(), login_options(allowCredentials=[{"id": "AAAA"}]), login_options(rpId="other")):
        with pytest.raises(LookupError, match="has no credential"):
            key.get(options)


def test_newest_passkey_is_used() -> None:
    key = SoftwareAuthenticator("http://localhost")
    discoverable = RelyingParty("localhost", "Test", (), 1_000, {"residentKey": "required"})
    for handle in (b"first", b"second"):
        key.create(json.dumps(discoverable.start_registration(handle)[1]))
    response = json.loads(key.get(json.dumps(login_options())))

    assert len(key.credential_ids) == 2
    assert response["response"]["userHandle"] == "c2Vjb25k"


@pytest.mark.parametrize(("sign_count", "expected"), [(0, (1, 2)), (7, (8, 9)), (None, (0, 0))])
def test_signature_counter(sign_count: int | None, expected: tuple[int, int]) -> None:
    key = SoftwareAuthenticator("http://localhost", sign_count=sign_count)
    ceremony, options = PARTY.start_registration(b"a")
    credential = PARTY.verify_registration(ceremony, key.create(options))
    request = PARTY.start_login(b"a", [credential])[1]
    counts = [PARTY.parse_login(key.get(request)).authenticator_data.counter for _ in range(2)]

    assert tuple(counts) == expected


def test_options_of_the_other_ceremony_are_rejected() -> None:
    key = SoftwareAuthenticator("http://localhost")

    with pytest.raises(KeyError):
        key.create(login_options())
    with pytest.raises(KeyError):
        key.get(PARTY.start_registration(b"a")[1])
