"""whoami, its JWTs, and the list of sessions, beyond the recordings."""

from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import KeySet
from support.flow_client import FlowClient, client_for

from ory_guard.testing import FakeKratos, Identity, ManualClock, TokenizerTemplate

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("cause", ["revoked", "expired", "inactive identity", "deleted identity"])
async def test_whoami_rejects_ended_sessions(
    fake: FakeKratos, clock: ManualClock, app: FlowClient, ada: Identity, cause: str
) -> None:
    """An extension does not revive a session of an inactive or deleted identity."""
    session = fake.sign_in(ada, age=60)
    fake.extend(session.session)
    end: dict[str, Any] = {
        "revoked": lambda: fake.revoke(session.session),
        "expired": lambda: clock.advance(3600),
        "inactive identity": lambda: fake.set_state(ada, "inactive"),
        "deleted identity": lambda: fake.delete_identity(ada),
    }
    app.use(session)
    clock.advance(3590)
    before = await app.whoami()
    end[cause]()

    assert (before.status_code, (await app.whoami()).status_code) == (200, 401)


async def test_cache_lifetime_is_limited_by_the_session(
    fake: FakeKratos, clock: ManualClock, app: FlowClient, ada: Identity
) -> None:
    app.use(fake.sign_in(ada))
    clock.advance(3600 - 42)

    assert (await app.whoami()).headers["ory-session-cache-for"] == "42"


@pytest.mark.parametrize(
    ("methods", "aal"), [(("totp",), "aal1"), (("code_recovery", "totp"), "aal2")], ids=["one", "two"]
)
async def test_aal2_requires_both_factors(
    fake: FakeKratos, app: FlowClient, ada: Identity, methods: tuple[str, ...], aal: str
) -> None:
    app.use(fake.sign_in(ada, methods=methods))

    assert (await app.whoami()).json()["authenticator_assurance_level"] == aal


async def test_links_of_sessions_keep_other_parameters(fake: FakeKratos, app: FlowClient, ada: Identity) -> None:
    app.use(fake.sign_in(ada))
    response = await app.get("/sessions", active="true", page_token="WyJhIl0")

    assert response.headers["link"].startswith("</sessions?active=true&page=0&page_size=")


async def test_session_is_named_by_its_id(fake: FakeKratos, app: FlowClient) -> None:
    """DELETE of whoami returns the session and does not end it."""
    anonymous = await app.client.delete("/sessions/nope")
    signed_in = fake.sign_in(fake.add_identity())
    app.use(signed_in)
    malformed = await app.client.delete("/sessions/nope")
    whoami = await app.client.delete("/sessions/whoami")

    assert (anonymous.status_code, malformed.status_code) == (401, 400)
    assert malformed.json()["error"]["message"] == 'uuid: incorrect UUID length 4 in string "nope"'
    assert (whoami.json()["id"], signed_in.session.active) == (signed_in.session.id, True)


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
