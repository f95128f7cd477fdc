"""What seldom happens: flows of somebody else, sessions that ended meanwhile, more of everything than fits."""

import asyncio
from datetime import UTC, datetime
from decimal import Decimal
from uuid import uuid4

import pytest
from support.asgi_calls import NAVIGATE, call

from example_app.app import create_app
from example_app.kratos_backend import Backend
from example_app.transfers import Ledger, Transfer
from example_app.user_agents import device_of
from ory_guard import GuardSettings

from .deployment import APP_URL, Deployment
from .visitor import Visitor

pytestmark = pytest.mark.anyio

EMAIL = "ada@example.test"


async def test_settings_of_somebody_else_start_anew_as_ones_own(visitor: Visitor) -> None:
    """Whoever signed in as another person meanwhile gets their own settings, with a message."""
    await visitor.register(EMAIL)
    await visitor.open("/settings")
    address = visitor.url
    await visitor.press("Sign out")
    await visitor.register("grace@example.test")

    await visitor.open(address)

    assert "That form is not known any more" in visitor.page.text
    assert ("traits.email", "grace@example.test") in visitor.page.form_with("method=profile")[0].fields


async def test_settings_lead_to_what_is_missing_first(visitor: Visitor) -> None:
    """An open settings page leads to the sign-in, or to the second factor, and back to settings."""
    await visitor.register(EMAIL)
    await visitor.open("/settings")
    await visitor.enroll_totp()
    await visitor.open("/settings")
    address = visitor.url
    await visitor.press("Sign out")
    await visitor.open(address)
    assert visitor.page.title == "Sign in · Postern"

    await visitor.sign_in(EMAIL)
    assert visitor.page.title == "One more step · Postern"
    await visitor.open(address)

    assert visitor.page.title == "One more step · Postern"
    assert "Then we take you on to /settings" in visitor.page.text


async def test_a_session_that_kratos_ended_meanwhile_leads_to_the_sign_in(
    visitor: Visitor, deployment: Deployment
) -> None:
    """The guard still remembers it; Kratos' word about it counts on the page that asks Kratos."""
    await visitor.register(EMAIL)
    await visitor.open("/me")
    (session,) = deployment.fake._server.store.sessions.values()
    deployment.fake.revoke(session)

    await visitor.open("/sessions")
    assert visitor.page.title == "Sign in · Postern"
    await visitor.open("/me")

    assert visitor.path == "/login"


async def test_a_session_without_its_second_factor_is_told_what_kratos_refuses(
    visitor: Visitor, deployment: Deployment
) -> None:
    """Kratos may ask for more than the guard's memory has: the page says so, and asks anew."""
    await visitor.register(EMAIL)
    await visitor.open("/me")
    (identity,) = deployment.fake.identities
    identity.credentials.totp_secret = "JBSWY3DPEHPK3PXP"

    await visitor.open("/sessions")
    assert (visitor.status, visitor.page.title) == (403, "That did not work · Postern")
    await visitor.open("/me")

    assert visitor.page.title == "One more step · Postern"


async def test_only_other_sessions_are_ended_from_the_list(visitor: Visitor, deployment: Deployment) -> None:
    """One's own stays; an id that is none is a mistake; one that is not known any more is ended already."""
    await visitor.register(EMAIL)
    (session,) = deployment.fake._server.store.sessions.values()
    headers = {"sec-fetch-site": "same-origin"}
    for number, status in ((session.id, 200), ("x", 422), (str(uuid4()), 200)):
        answer = await visitor.client.post(f"{APP_URL}/sessions/{number}/end", headers=headers)
        assert answer.status_code == status

    await visitor.open("/me")

    assert visitor.status == 200


async def test_programs_get_json_for_mistakes(deployment: Deployment) -> None:
    """What is a page for a browser is FastAPI's JSON for everybody else."""
    signed_in = deployment.fake.sign_in(deployment.fake.add_identity())
    token = [(b"x-session-token", signed_in.token.encode())]
    missing = await call(deployment.app, "/nothing", headers=token)
    wrong = await call(deployment.app, "/sessions/x/end", method="POST", headers=token)

    assert (missing.status, missing.json) == (404, {"detail": "Not Found"})
    assert (wrong.status, wrong.json["detail"][0]["type"]) == (422, "uuid_parsing")


async def test_the_api_opens_the_vault_for_two_factors(deployment: Deployment) -> None:
    """A token at aal2 gets the contents; one at aal1 is told what is missing."""
    identity = deployment.fake.add_identity()
    weak = deployment.fake.sign_in(identity).token.encode()
    refused = await call(deployment.app, "/api/vault", headers=[(b"x-session-token", weak)])
    strong = deployment.fake.sign_in(identity, aal="aal2").token.encode()
    answer = await call(deployment.app, "/api/vault", headers=[(b"x-session-token", strong)])

    assert (refused.status, refused.error_id) == (403, "session_aal2_enrollment_required")
    assert answer.json["contents"] == ["the family recipe", "a treasure map", "three spare keys"]


async def test_requests_that_wait_for_one_question_say_so(deployment: Deployment) -> None:
    """Of several requests with one cold credential, one asks, and the others tell that they waited."""
    token = [(b"x-session-token", deployment.fake.sign_in(deployment.fake.add_identity()).token.encode())]
    answers = await asyncio.gather(*(call(deployment.app, "/debug/guard", headers=token) for _ in range(3)))
    told = sorted(answer.json["request"]["cache"] for answer in answers)

    assert told == ["miss", "shared", "shared"]


async def test_a_real_kratos_has_no_outbox_and_its_forms_may_be_sent_there() -> None:
    """What only the demo has is absent, and the policy names Kratos and the providers."""
    settings = GuardSettings(kratos_public_url="http://127.0.0.1:4433", app_url=APP_URL)
    app = create_app(Backend(settings), provider_origins=["https://accounts.example/"])
    home = await call(app, "/", headers=[NAVIGATE])
    policy = (home.header(b"content-security-policy") or b"").decode()

    assert "form-action 'self' http://127.0.0.1:4433 https://accounts.example;" in policy
    assert b"outbox" not in home.body
    for path in ("/outbox", "/debug/guard", "/.ory/sessions/whoami"):
        assert (await call(app, path)).status == 404


def test_the_ledger_keeps_the_newest_of_the_newest() -> None:
    """Five transfers a person, and a thousand people."""
    ledger = Ledger()
    for person in range(1_001):
        for number in range(6):
            ledger.add(str(person), Transfer(f"{number}", Decimal(1), "", datetime.now(UTC)))

    assert ledger.of("0") == []
    assert [transfer.recipient for transfer in ledger.of("1000")] == ["5", "4", "3", "2", "1"]


@pytest.mark.parametrize(
    ("agent", "name"),
    [
        ("Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/156.0 Safari/537.36", "Chrome on Linux"),
        ("Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 Chrome/1 Safari/537.36 Edg/1", "Edge on Windows"),
        ("Mozilla/5.0 (Android 15; Mobile; rv:140.0) Gecko/140.0 Firefox/140.0", "Firefox on Android"),
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) Version/18 Safari/604.1", "Safari on iPhone"),
        ("curl/8", "an unknown browser"),
    ],
)
async def test_sessions_are_told_apart_by_their_browsers(deployment: Deployment, agent: str, name: str) -> None:
    """The list says in words what a session was begun with."""
    signed_in = deployment.fake.sign_in(deployment.fake.add_identity())
    signed_in.session.devices[0].user_agent = agent

    assert device_of(signed_in.session) == name
