"""JWTs of sessions (`tokenize_as`)."""

import pytest
from joserfc import jwt
from joserfc.jwk import KeySet
from support.flow_client import client_for

from ory_guard.testing import FakeKratos, ManualClock, TokenizerTemplate

pytestmark = pytest.mark.anyio


async def test_jwt_has_the_claims_of_its_template_and_verifies(clock: ManualClock) -> None:
    claims = {"email": "identity.traits.email", "nothing": "identity.traits.email.x"}
    constants = {"aud": "https://api.example.test", "sid": "cannot be overridden"}
    fake = FakeKratos(clock=clock, tokenizer_templates={"short": TokenizerTemplate(30, claims, constants)})
    signed_in = fake.sign_in(fake.add_identity("ada@example.test"))
    app = client_for(fake, native=True)
    app.use(signed_in)
    response = await app.get("/sessions/whoami", tokenize_as="short")
    token = jwt.decode(response.json()["tokenized"], KeySet.import_key_set(fake.jwks))  # type: ignore[arg-type] # a plain dict

    assert "ory-session-cache-for" not in response.headers
    assert {name: token.claims[name] for name in ("email", "nothing", "aud", "sid")} == {
        "email": "ada@example.test",
        "nothing": None,
        "aud": "https://api.example.test",
        "sid": signed_in.session.id,
    }
    assert token.claims["exp"] - token.claims["iat"] == 30
    assert "d" not in fake.jwks["keys"][0]


async def test_rotation_changes_the_key_id(fake: FakeKratos) -> None:
    key_id = fake.jwks["keys"][0]["kid"]
    fake.rotate_keys()

    assert fake.jwks["keys"][0]["kid"] != key_id
