"""What all forms have in common: whose they are, and how they are read."""

import pytest
from visitor import Visitor, messages_in, value_of

from ory_guard.testing import FakeKratos

pytestmark = pytest.mark.anyio


@pytest.fixture
def ada(fake: FakeKratos) -> str:
    """Somebody with a password."""
    fake.add_identity("ada@example.test")
    return "ada@example.test"


async def test_another_browser_cannot_read_a_flow(fake: FakeKratos) -> None:
    """A flow belongs to the browser that began it."""
    flow = await Visitor(fake).flow("login")
    other = Visitor(fake)
    await other.flow("login")

    assert (await other.read(flow, "login")).json()["error"]["id"] == "security_csrf_violation"


@pytest.mark.parametrize(
    ("headers", "reason"),
    [
        ({"cookie": "theme=dark"}, "no anti-CSRF cookie"),
        ({"cookie": ""}, "no Cookie header"),
    ],
    ids=["foreign cookie", "no cookie"],
)
async def test_a_form_without_its_cookie_is_refused(fake: FakeKratos, headers: dict[str, str], reason: str) -> None:
    """The refusal says what was missing."""
    visitor = Visitor(fake)
    flow = await visitor.flow("login")
    visitor.client.cookies.clear()
    visitor.client.headers.update(headers)
    answer = await visitor.submit(flow, method="password")

    assert answer.status_code == 403
    assert reason in answer.json()["error"]["details"]["reject_reason"]


@pytest.mark.parametrize("token", ["AAAA", "not base64!", "A" * 88, 7, ["x"]], ids=repr)
async def test_a_form_with_a_wrong_token_is_refused(fake: FakeKratos, token: object) -> None:
    """Whatever is no token for this cookie is a violation, never a crash."""
    visitor = Visitor(fake)
    answer = await visitor.submit(await visitor.flow("login"), method="password", csrf_token=token)

    assert answer.json()["error"]["id"] == "security_csrf_violation"


@pytest.mark.parametrize("value", ["!", "AAAA"])
async def test_a_cookie_that_holds_no_secret_is_replaced(fake: FakeKratos, value: str) -> None:
    """A damaged anti-CSRF cookie gets a new one with the next flow."""
    visitor = Visitor(fake)
    visitor.client.headers["cookie"] = f"{fake._server.jar.csrf_cookie_name}={value}"
    answer = await visitor.begin("login")

    assert answer.headers["set-cookie"].startswith("csrf_token_")


async def test_a_token_may_come_in_a_header(fake: FakeKratos, ada: str) -> None:
    """Scripts may send X-CSRF-Token instead of the field."""
    visitor = Visitor(fake)
    flow = await visitor.flow("login")
    visitor.client.headers["x-csrf-token"] = value_of(flow, "csrf_token")
    answer = await visitor.submit(
        flow, method="password", identifier=ada, password="correct-horse-battery-9", csrf_token=""
    )

    assert answer.status_code == 200


@pytest.mark.parametrize("headers", [{"origin": "http://evil.test"}, {"cookie": "a=b"}], ids=str)
async def test_a_native_flow_takes_no_form_of_a_browser(
    fake: FakeKratos, ada: str, headers: dict[str, str]
) -> None:
    """Pages have no anti-CSRF token in native flows, so they may not use them."""
    app = Visitor(fake, app=True)
    app.client.headers.update(headers)

    assert (await app.sign_in(ada)).status_code == 400


async def test_cookies_of_a_network_in_between_are_no_browser(fake: FakeKratos, ada: str) -> None:
    """Content delivery networks add cookies to native requests."""
    app = Visitor(fake, app=True)
    app.client.headers["cookie"] = "__cf_bm=abc; cf_clearance=x"

    assert (await app.sign_in(ada)).status_code == 200


async def test_a_flow_is_only_found_where_it_belongs(fake: FakeKratos) -> None:
    """A login flow is no registration flow, and a submit has to name its flow."""
    visitor = Visitor(fake)
    flow = await visitor.flow("login")
    flow["ui"]["action"] = flow["ui"]["action"].replace("login", "registration")
    lost = await visitor.submit(flow, method="password")
    nameless = await visitor.client.post("/self-service/login", headers={"accept": "application/json"})

    assert (await visitor.read(flow, "registration")).status_code == 404
    assert (lost.status_code, nameless.status_code) == (404, 400)


@pytest.mark.parametrize("body", [b"{not json", b"[]", b'{"a": NaN}', b'{"a": 1e999}', b"\xff", b"[" * 9_000])
async def test_a_body_that_is_no_object_leads_back_to_the_form(fake: FakeKratos, body: bytes) -> None:
    """What can't be read is said above the form."""
    app = Visitor(fake, app=True)
    flow = await app.flow("login")
    answer = await app.client.post(flow["ui"]["action"], content=body, headers={"content-type": "application/json"})

    assert (answer.status_code, messages_in(answer.json())) == (400, [4000001])


async def test_a_form_that_is_not_utf8_leads_back_to_the_form(fake: FakeKratos) -> None:
    """Fields are text."""
    app = Visitor(fake, app=True)
    flow = await app.flow("login")
    kind = {"content-type": "application/x-www-form-urlencoded"}
    answer = await app.client.post(flow["ui"]["action"], content=b"method=\xff", headers=kind)

    assert messages_in(answer.json()) == [4000001]
