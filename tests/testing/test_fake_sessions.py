"""whoami, lists of sessions, logout and tokens beyond what was recorded."""

from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import KeySet
from visitor import HTML, Visitor

from ory_guard.testing import FakeKratos, ManualClock, TokenizerTemplate

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("state", ["revoked", "expired", "disabled", "deleted"])
async def test_a_session_that_is_over_is_nobody(fake: FakeKratos, clock: ManualClock, state: str) -> None:
    """However a session ended, whoami answers the same 401 without an id."""
    identity = fake.add_identity()
    signed_in = fake.sign_in(identity)
    endings: dict[str, Any] = {
        "revoked": lambda: fake.revoke(signed_in.session),
        "expired": lambda: clock.advance(3600),
        "disabled": lambda: fake.set_state(identity, "inactive"),
        "deleted": lambda: fake.delete_identity(identity),
    }
    app = Visitor(fake, app=True)
    app.client.headers.update(signed_in.headers)
    before = await app.whoami()
    endings[state]()
    after = await app.whoami()

    assert (before.status_code, after.status_code) == (200, 401)
    assert after.headers["ory-error-id"] == ""
    assert "ory-session-cache-for" not in after.headers


async def test_an_extended_session_gets_its_cookie_anew_once(fake: FakeKratos, clock: ManualClock) -> None:
    """The renewed cookie reaches the browser with the next answer, and only then."""
    signed_in = fake.sign_in(fake.add_identity())
    visitor = Visitor(fake)
    visitor.client.cookies.update(signed_in.cookies)
    quiet = await visitor.whoami()
    clock.advance(60)
    fake.extend(signed_in.session)
    loud = await visitor.whoami()
    visitor.client.cookies.clear()
    visitor.client.cookies.update(loud.cookies)
    calm = await visitor.whoami()

    assert [len(one.cookies) for one in (quiet, loud, calm)] == [0, 1, 0]
    assert (await visitor.whoami()).status_code == 200


async def test_a_session_can_be_cached_no_longer_than_it_lives(fake: FakeKratos, clock: ManualClock) -> None:
    """`Ory-Session-Cache-For` is the smaller of what is left and what is configured."""
    app = Visitor(fake, app=True)
    app.client.headers.update(fake.sign_in(fake.add_identity()).headers)
    clock.advance(3600 - 42)

    assert (await app.whoami()).headers["ory-session-cache-for"] == "42"


@pytest.mark.parametrize("methods", [("totp",), ("code_recovery", "totp")], ids=str)
async def test_aal2_takes_a_first_factor_too(fake: FakeKratos, methods: tuple[str, ...]) -> None:
    """A second factor alone is aal1."""
    signed_in = fake.sign_in(fake.add_identity(), methods=methods)
    app = Visitor(fake, app=True)
    app.client.headers.update(signed_in.headers)
    level = (await app.whoami()).json()["authenticator_assurance_level"]

    assert level == ("aal2" if len(methods) > 1 else "aal1")


async def test_the_age_of_a_session_is_in_its_times(fake: FakeKratos, clock: ManualClock) -> None:
    """A session of some age began then, and its methods were completed then."""
    session = fake.sign_in(fake.add_identity(), aal="aal2", age=120).session

    assert session.authenticated_at == session.methods[-1].completed_at
    assert session.authenticated_at == int((clock.time() - 120) * 1e9)


async def test_a_method_that_kratos_has_not_is_refused(fake: FakeKratos) -> None:
    """The error says which methods there are."""
    with pytest.raises(ValueError, match=r"unknown method 'magic'; supported: password, "):
        fake.sign_in(fake.add_identity(), methods=("magic",))


@pytest.mark.parametrize(
    ("query", "shown", "rels"),
    [
        ({"page_size": "2"}, 2, ["next", "last"]),
        ({"page_size": "2", "page": "2"}, 2, ["next", "last"]),
        ({"per_page": "2", "page": "2"}, 1, ["first", "prev"]),
        ({"page_size": "nonsense"}, 3, ["first"]),
        ({"page_size": "-1"}, 3, ["first"]),
        ({"page_token": "eyJvZmZzZXQiOiIyNTAiLCJ2IjoyfQ"}, 3, ["first"]),
        ({"page_token": "AAAA"}, 3, ["first"]),
        ({"page": "99999999"}, 0, ["first"]),
    ],
    ids=str,
)
async def test_other_sessions_come_in_pages(
    fake: FakeKratos, query: dict[str, str], shown: int, rels: list[str]
) -> None:
    """Pages are found by token or by number, and what is no number is the first page."""
    identity = fake.add_identity()
    for _ in range(3):
        fake.sign_in(identity)
    app = Visitor(fake, app=True)
    app.client.headers.update(fake.sign_in(identity).headers)
    answer = await app.get("/sessions", **query)

    assert len(answer.json()) == shown
    assert [part.split('rel="')[1].strip('"') for part in answer.headers["link"].split(",<")] == rels


async def test_nobody_has_no_sessions_to_list_or_end(fake: FakeKratos) -> None:
    """All three operations ask for a session."""
    app = Visitor(fake, app=True)
    answers = [
        await app.get("/sessions"),
        await app.client.delete("/sessions"),
        await app.client.delete("/sessions/some"),
    ]

    assert [one.status_code for one in answers] == [401, 401, 401]


@pytest.mark.parametrize(
    ("query", "status"), [("", 400), ("token=ory_lo_wrong", 403)], ids=["no token", "another's"]
)
async def test_a_logout_needs_the_sessions_own_token(fake: FakeKratos, query: str, status: int) -> None:
    """A link on a foreign page can't log anybody out."""
    visitor = Visitor(fake)
    visitor.client.cookies.update(fake.sign_in(fake.add_identity()).cookies)

    assert (await visitor.get(f"/self-service/logout?{query}")).status_code == status
    assert (await visitor.whoami()).status_code == 200


async def test_a_logout_leads_back_to_where_it_was_asked_to(fake: FakeKratos) -> None:
    """`return_to` goes from the first request into the address of the second."""
    visitor = Visitor(fake)
    visitor.client.cookies.update(fake.sign_in(fake.add_identity()).cookies)
    begun = await visitor.begin("logout", return_to="http://127.0.0.1:4455/bye")
    done = await visitor.get(begun.json()["logout_url"], HTML)
    again = await visitor.get(begun.json()["logout_url"])

    assert done.headers["location"] == "http://127.0.0.1:4455/bye"
    assert (await visitor.whoami()).status_code == 401
    assert again.status_code == 401


@pytest.mark.parametrize(
    ("body", "status"),
    [(b"{", 400), (b"{}", 403), (b'{"session_token": 7}', 403), (b'{"session_token": "ory_st_x"}', 403)],
    ids=repr,
)
async def test_a_native_logout_needs_a_known_token(fake: FakeKratos, body: bytes, status: int) -> None:
    """A malformed or unknown token is refused, without an error id."""
    app = Visitor(fake, app=True)
    kind = {"content-type": "application/json"}
    answer = await app.client.request("DELETE", "/self-service/logout/api", content=body, headers=kind)

    assert (answer.status_code, answer.json()["error"]["code"]) == (status, status)
    assert "id" not in answer.json()["error"]


async def test_a_native_logout_can_be_repeated(fake: FakeKratos) -> None:
    """The token of a session that has ended is still known."""
    app = Visitor(fake, app=True)
    token = fake.sign_in(fake.add_identity()).headers["X-Session-Token"]
    for _ in range(2):
        answer = await app.client.request("DELETE", "/self-service/logout/api", json={"session_token": token})
        assert answer.status_code == 204


async def test_a_session_becomes_a_jwt_that_the_public_keys_verify(clock: ManualClock) -> None:
    """The token has the template's claims, and its signature is real."""
    claims = {"email": "identity.traits.email", "nothing": "identity.traits.email.x"}
    constants = {"aud": "https://api.example.test", "sid": "not for a template to say"}
    fake = FakeKratos(clock=clock, tokenizer_templates={"short": TokenizerTemplate(30, claims, constants)})
    signed_in = fake.sign_in(fake.add_identity("ada@example.test"))
    app = Visitor(fake, app=True)
    app.client.headers.update(signed_in.headers)
    answer = await app.get("/sessions/whoami", tokenize_as="short")
    token = jwt.decode(answer.json()["tokenized"], KeySet.import_key_set(fake.jwks))  # type: ignore[arg-type] # a plain dict

    assert "ory-session-cache-for" not in answer.headers
    assert token.claims["email"] == "ada@example.test"
    assert token.claims["nothing"] is None
    assert token.claims["aud"] == "https://api.example.test"
    assert token.claims["sid"] == signed_in.session.id
    assert token.claims["exp"] - token.claims["iat"] == 30
    assert "d" not in fake.jwks["keys"][0]


async def test_rotated_keys_sign_otherwise(fake: FakeKratos) -> None:
    """An operator's rotation gives another key id."""
    before = fake.jwks["keys"][0]["kid"]
    fake.rotate_keys()

    assert fake.jwks["keys"][0]["kid"] != before


async def test_whoami_with_a_jwt_is_nobody(fake: FakeKratos) -> None:
    """Kratos doesn't take its own JWTs for a session."""
    app = Visitor(fake, app=True)
    app.client.headers.update(fake.sign_in(fake.add_identity()).headers)
    token = (await app.get("/sessions/whoami", tokenize_as="jwt_basic")).json()["tokenized"]
    app.client.headers["x-session-token"] = token

    assert (await app.whoami()).status_code == 401


@pytest.mark.parametrize(
    "value", ["", "abc", "nope", "bm9wZQ==", "ü", "MTIzfHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8"], ids=repr
)
async def test_a_cookie_that_the_fake_did_not_seal_is_nobody(fake: FakeKratos, value: str) -> None:
    """No made-up value opens a session."""
    cookie = f"ory_kratos_session={value}".encode()
    answer = await Visitor(fake).client.get("/sessions/whoami", headers=[(b"cookie", cookie)])

    assert (answer.status_code, answer.headers["ory-session-cache-for"]) == (401, "60")


async def test_a_sealed_value_of_another_kind_is_no_session(fake: FakeKratos) -> None:
    """The cookie of an interrupted change doesn't open a session."""
    value = fake._server.jar.encode({"continuity": "x"}, 0)
    visitor = Visitor(fake)
    visitor.client.cookies.set("ory_kratos_session", value)

    assert (await visitor.whoami()).status_code == 401


async def test_cookies_have_the_configured_flags(clock: ManualClock) -> None:
    """Domain, Secure and SameSite come from the settings."""
    fake = FakeKratos(clock=clock, cookie_domain="example.test", cookie_secure=True, cookie_same_site="Strict")
    fake.add_identity("ada@example.test")
    app = Visitor(fake, app=True)
    flow = await Visitor(fake).begin("login")

    assert flow.headers["set-cookie"].endswith(
        "Path=/; Domain=example.test; Max-Age=31536000; HttpOnly; Secure; SameSite=Strict"
    )
    assert (await app.sign_in("ada@example.test")).status_code == 200
