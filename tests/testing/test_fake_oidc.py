"""Social sign-in through the fake's own provider."""

from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest
from visitor import HTML, Visitor, messages_in, names_in

from ory_guard.testing import FakeKratos, ManualClock, OidcProvider

pytestmark = pytest.mark.anyio


@pytest.fixture
def fake(clock: ManualClock) -> FakeKratos:
    """A Kratos with a provider."""
    return FakeKratos(clock=clock, oidc_providers=(OidcProvider("mini"),))


async def to_provider(visitor: Visitor, name: str, **query: str) -> str:
    """Begin a flow, choose the provider, and return the address of its consent page."""
    flow = await visitor.flow(name, **query)
    answer = await visitor.send_form(flow, method="oidc", provider="mini")
    return answer.headers["location"]


async def consent(
    visitor: Visitor, page: str, consent: str = "allow", email: str = "ada@example.test"
) -> httpx2.Response:
    """Answer the consent page and follow the way back to Kratos."""
    assert "enter any address" in (await visitor.get(page, HTML)).text
    back = await visitor.client.post(page, data={"consent": consent, "email": email})
    return await visitor.get(back.headers["location"], HTML)


async def test_a_newcomer_is_registered_and_knows_the_way_next_time(fake: FakeKratos) -> None:
    """The first consent registers, the second signs the same identity in."""
    visitor = Visitor(fake)
    first = await consent(visitor, await to_provider(visitor, "login"))
    who = (await visitor.whoami()).json()
    other = Visitor(fake)
    second = await consent(other, await to_provider(other, "registration", return_to="http://127.0.0.1:4455/a"))

    assert first.headers["location"].startswith("http://127.0.0.1:4455/verification?flow=")
    assert second.headers["location"] == "http://127.0.0.1:4455/a"
    assert who["authentication_methods"][0]["provider"] == "mini"
    assert (await other.whoami()).json()["identity"]["id"] == who["identity"]["id"]


@pytest.mark.parametrize("name", ["login", "registration"])
async def test_a_button_that_names_the_provider_alone_is_enough(fake: FakeKratos, name: str) -> None:
    """A page without scripts sends what the pressed button says: `provider`, and no `method`."""
    visitor = Visitor(fake)
    flow = await visitor.flow(name)
    answer = await visitor.send_form(flow, provider="mini")

    assert "/fake-oidc/mini/auth?" in answer.headers["location"]


async def test_a_denied_consent_leads_back_to_the_form(fake: FakeKratos) -> None:
    """The form says that the provider refused."""
    visitor = Visitor(fake)
    answer = await consent(visitor, await to_provider(visitor, "login"), "deny")
    number = parse_qs(urlsplit(answer.headers["location"]).query)["flow"][0]
    flow = (await visitor.read({"id": number}, "login")).json()

    assert answer.headers["location"].startswith("http://127.0.0.1:4455/login?flow=")
    assert messages_in(flow) == [4000001]


@pytest.mark.parametrize(
    ("email", "message"),
    [("bob@example.test", 4000027), ("no address", 4000001), ("eve@example.test", 4010011)],
    ids=["taken", "no address", "disabled"],
)
async def test_an_identity_that_cannot_sign_in_leads_back_to_the_form(
    fake: FakeKratos, email: str, message: int
) -> None:
    """Each reason has its message."""
    fake.add_identity("bob@example.test")
    eve = fake.add_identity("eve@example.test", state="inactive")
    eve.credentials.oidc_subjects["mini"] = "eve@example.test"
    visitor = Visitor(fake)
    answer = await consent(visitor, await to_provider(visitor, "login"), email=email)
    number = parse_qs(urlsplit(answer.headers["location"]).query)["flow"][0]

    assert messages_in((await visitor.read({"id": number}, "login")).json()) == [message]


async def test_a_script_is_told_to_send_the_browser(fake: FakeKratos) -> None:
    """JSON gets a 422 with the provider's address."""
    visitor = Visitor(fake)
    flow = await visitor.flow("registration")
    answer = await visitor.submit(flow, method="oidc", provider="mini")

    assert answer.status_code == 422
    assert answer.json()["redirect_browser_to"].startswith("http://127.0.0.1:4433/fake-oidc/mini/auth?")


async def test_an_app_exchanges_both_halves_for_a_token(fake: FakeKratos) -> None:
    """The app keeps one half, the browser brings the other."""
    app = Visitor(fake, app=True)
    back = "myapp://callback?x=1"
    flow = await app.flow("login", return_session_token_exchange_code="true", return_to=back)
    page = (await app.submit(flow, method="oidc", provider="mini")).json()["redirect_browser_to"]
    answer = await consent(Visitor(fake), page)
    code = parse_qs(urlsplit(answer.headers["location"]).query)["code"][0]
    half = {"init_code": flow["session_token_exchange_code"], "return_to_code": code}
    token = (await app.get("/sessions/token-exchange", **half)).json()["session_token"]
    wrong = await app.get("/sessions/token-exchange", **half | {"return_to_code": "x"})
    app.client.headers["x-session-token"] = token

    assert answer.headers["location"].startswith("myapp://callback?x=1&code=")
    assert ((await app.whoami()).status_code, wrong.status_code) == (200, 404)


async def test_an_address_is_verified_by_mail_once(fake: FakeKratos) -> None:
    """Registering through an app sends a code to the newcomer's address; signing in again does not."""
    for name in ("registration", "login"):
        app = Visitor(fake, app=True)
        flow = await app.flow(name)
        page = (await app.submit(flow, method="oidc", provider="mini")).json()["redirect_browser_to"]
        await consent(Visitor(fake), page)

    assert [one.template_type for one in fake.messages] == ["verification_code_valid"]
    assert fake.identities[0].verifiable_addresses[0].status == "sent"


async def test_an_app_without_a_code_goes_to_the_default_page(fake: FakeKratos) -> None:
    """Without the first half there is no way to the token."""
    app = Visitor(fake, app=True)
    flow = await app.flow("registration")
    page = (await app.submit(flow, method="oidc", provider="mini")).json()["redirect_browser_to"]
    answer = await consent(Visitor(fake), page)

    assert answer.headers["location"].startswith("http://127.0.0.1:4455/welcome?code=")


async def test_a_provider_is_connected_and_disconnected_in_settings(fake: FakeKratos) -> None:
    """What is connected can be disconnected while another way in is left."""
    ada = fake.add_identity("ada@example.test")
    visitor = Visitor(fake)
    visitor.client.cookies.update(fake.sign_in(ada).cookies)
    flow = await visitor.flow("settings")
    page = (await visitor.send_form(flow, link="mini")).headers["location"]
    await consent(visitor, page)
    connected = await visitor.flow("settings")
    answer = await visitor.submit(connected, unlink="mini")

    assert ("link" in names_in(flow), "unlink" in names_in(connected)) == (True, True)
    assert (answer.status_code, ada.credentials.oidc_subjects) == (200, {})


async def test_the_last_way_in_cannot_be_disconnected(fake: FakeKratos) -> None:
    """Nobody locks themselves out."""
    ada = fake.add_identity("ada@example.test", password=None)
    ada.credentials.oidc_subjects["mini"] = "ada"
    visitor = Visitor(fake)
    visitor.client.cookies.update(fake.sign_in(ada).cookies)
    flow = await visitor.flow("settings")
    answer = await visitor.submit(flow, method="oidc", unlink="mini")

    assert "unlink" not in names_in(flow)
    assert messages_in(answer.json()) == [4000001]


async def test_a_provider_identity_belongs_to_one_account(fake: FakeKratos) -> None:
    """What signs one account in can't be connected to another."""
    fake.add_identity("ada@example.test").credentials.oidc_subjects["mini"] = "ada@example.test"
    visitor = Visitor(fake)
    visitor.client.cookies.update(fake.sign_in(fake.add_identity("bob@example.test")).cookies)
    flow = await visitor.flow("settings")
    page = (await visitor.send_form(flow, link="mini")).headers["location"]
    await consent(visitor, page)

    assert messages_in((await visitor.read(flow, "settings")).json()) == [4000007]


async def test_a_connection_needs_the_session_that_began_it(fake: FakeKratos) -> None:
    """Somebody else's browser can't finish it."""
    visitor = Visitor(fake)
    visitor.client.cookies.update(fake.sign_in(fake.add_identity("ada@example.test")).cookies)
    page = (await visitor.send_form(await visitor.flow("settings"), link="mini")).headers["location"]
    answer = await consent(Visitor(fake), page)

    assert answer.headers["location"].startswith("http://127.0.0.1:4455/error?id=")


@pytest.mark.parametrize("path", ["mini?state=unknown&code=x", "other?state=unknown"], ids=str)
async def test_an_answer_that_belongs_to_no_flow_is_an_error(fake: FakeKratos, path: str) -> None:
    """A made-up state is refused."""
    answer = await Visitor(fake).get(f"/self-service/methods/oidc/callback/{path}")

    assert answer.status_code == 400


@pytest.mark.parametrize(
    ("path", "status"), [("/fake-oidc/none/auth", 404), ("/fake-oidc/mini/auth?redirect_uri=http://evil.test", 400)]
)
async def test_a_provider_redirects_to_kratos_only(fake: FakeKratos, path: str, status: int) -> None:
    """The fake provider is no open redirect."""
    assert (await Visitor(fake).get(path, HTML)).status_code == status


async def test_an_unknown_provider_is_not_found(fake: FakeKratos) -> None:
    """Only configured providers can be chosen."""
    visitor = Visitor(fake)
    answer = await visitor.submit(await visitor.flow("login"), method="oidc", provider=["mini"])

    assert answer.status_code == 404
