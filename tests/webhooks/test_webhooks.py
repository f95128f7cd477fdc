"""The receiver of Kratos' web hooks: who may call it, what it reads, and whom it ends."""

import base64
import json
from collections.abc import Sequence
from typing import Any

import pytest
from fastapi import FastAPI
from starlette.routing import Route
from support.asgi_calls import CacheableOutcome, connect, http_scope
from support.stub_kratos import IDENTITY_ID, SESSION_ID, StubKratos, guard_of, signed_in

from ory_guard.events import Event, SessionsInvalidated
from ory_guard.exceptions import ConfigurationError
from ory_guard.fastapi import install
from ory_guard.webhooks import WebhookReceiver

pytestmark = pytest.mark.anyio

KEY = "a-key-that-kratos-sends"
WITH_KEY = (b"x-webhook-key", KEY.encode())
NAMING = json.dumps({"identity_id": IDENTITY_ID}).encode()


class Bench:
    """A guard, and what it was told."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.guard = guard_of(StubKratos(signed_in()), listeners=[self.events.append])

    @property
    def invalidated(self) -> list[Event]:
        """What was invalidated."""
        return [event for event in self.events if isinstance(event, SessionsInvalidated)]


@pytest.fixture
def bench() -> Bench:
    """A guard."""
    return Bench()


async def post(
    receiver: Any,
    *headers: tuple[bytes, bytes],
    body: bytes | Sequence[Any] = NAMING,
    method: str = "POST",
    path: str = "/hook",
) -> CacheableOutcome:
    """Send a web hook; a sequence is the messages of its body."""
    messages = [{"type": "http.request", "body": body}] if isinstance(body, bytes) else list(body)
    sent: list[Any] = []

    async def receive() -> Any:
        return messages.pop(0)

    async def send(message: Any) -> None:
        sent.append(message)

    await receiver(http_scope(path, method=method, headers=headers), receive, send)
    return CacheableOutcome(sent[0]["status"], list(sent[0]["headers"]), sent[1]["body"])


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"identity_id": IDENTITY_ID}, SessionsInvalidated(None, IDENTITY_ID)),
        ({"session_id": SESSION_ID}, SessionsInvalidated(SESSION_ID, None)),
        ({"session_id": SESSION_ID, "identity_id": IDENTITY_ID}, SessionsInvalidated(SESSION_ID, IDENTITY_ID)),
        ({"session_id": SESSION_ID.upper()}, SessionsInvalidated(SESSION_ID, None)),
        ({"session_id": None, "identity_id": IDENTITY_ID, "flow": {}}, SessionsInvalidated(None, IDENTITY_ID)),
    ],
    ids=str,
)
async def test_a_web_hook_ends_whom_it_names(bench: Bench, body: dict[str, Any], expected: Event) -> None:
    """By identity, by session, or both; what else the body holds does not matter."""
    answer = await post(WebhookReceiver(bench.guard, api_key=KEY), WITH_KEY, body=json.dumps(body).encode())

    assert (answer.status, answer.body) == (204, b"")
    assert bench.invalidated == [expected]


async def test_it_has_a_route_in_an_application(bench: Bench) -> None:
    """A Kratos that follows no redirect reaches it, under the very path that it was given."""
    app = FastAPI()
    install(app, bench.guard)
    app.router.routes.append(Route("/hooks/kratos", WebhookReceiver(bench.guard, api_key=KEY)))

    answer = await post(app, WITH_KEY, path="/hooks/kratos")

    assert answer.status == 204
    assert bench.invalidated == [SessionsInvalidated(None, IDENTITY_ID)]
    assert (await post(app, path="/hooks/kratos")).status == 401


async def test_the_key_may_come_under_another_name_or_in_a_cookie(bench: Bench) -> None:
    """As `auth.config` of the hook has it."""
    named = WebhookReceiver(bench.guard, api_key=KEY, api_key_name="X-Secret")
    assert (await post(named, (b"x-secret", KEY.encode()))).status == 204
    assert (await post(named, WITH_KEY)).status == 401

    cookie = WebhookReceiver(bench.guard, api_key=KEY, api_key_name="hook", api_key_in="cookie")
    assert (await post(cookie, (b"cookie", f"a=b; hook={KEY}".encode()))).status == 204
    for wrong in (b"a=b", b"hook=", b"Hook=" + KEY.encode(), b"xhook=" + KEY.encode()):
        assert (await post(cookie, (b"cookie", wrong))).status == 401


async def test_user_and_password_may_come_in_its_place(bench: Bench) -> None:
    """Basic authentication (RFC 7617), and a challenge where it is missing."""
    receiver = WebhookReceiver(bench.guard, basic=("kratos", "pass:word"))
    good = base64.b64encode(b"kratos:pass:word")

    assert (await post(receiver, (b"authorization", b"Basic " + good))).status == 204
    assert (await post(receiver, (b"authorization", b"bAsIc " + good))).status == 204
    wrong = [good, b"Bearer " + good, b"Basic " + good[:-2], b"Basic !", b"Basic " + base64.b64encode(b"kratos:")]
    for value in wrong:
        answer = await post(receiver, (b"authorization", value))
        assert answer.status == 401
        assert answer.header(b"www-authenticate") == b'Basic realm="ory_guard"'
    assert len(bench.invalidated) == 2


@pytest.mark.parametrize(
    "headers",
    [
        (),
        ((b"x-webhook-key", b""),),
        ((b"x-webhook-key", KEY[:-1].encode()),),
        ((b"x-webhook-key", KEY.encode() + b" "),),
        ((b"x-webhook-key", KEY.upper().encode()),),
        (WITH_KEY, (b"x-webhook-key", b"another")),
        ((b"x_webhook_key", KEY.encode()),),
        ((b"x-webhook-key", b"\xff" * 20),),
    ],
    ids=str,
)
async def test_nobody_else_may_call_it(bench: Bench, headers: tuple[tuple[bytes, bytes], ...]) -> None:
    """401, without a word on what was expected, and nothing is ended."""
    answer = await post(WebhookReceiver(bench.guard, api_key=KEY), *headers)

    assert answer.status == 401
    assert answer.json["error"]["code"] == 401
    assert answer.header(b"www-authenticate") is None
    assert answer.header(b"cache-control") == b"no-store"
    assert KEY.encode() not in answer.body
    assert bench.invalidated == []


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"\xff", b"[]", b"{}", b"5", b"null", b'{"identity_id": 5}', b'{"identity_id": ""}',
     b'{"identity_id": " "}', b'{"session_id": "a\\n"}', b'{"session_id": "\\ud800"}',
     b'{"session_id": "x", "identity_id": ""}',
     b'{"identity_id": "' + b"x" * 129 + b'"}', b'{"identity_id": null}', b"[" * 50_000],
    ids=lambda body: body[:20].decode("latin-1"),
)  # fmt: skip
async def test_a_body_that_names_nobody_is_refused(bench: Bench, body: bytes) -> None:
    """400, with what was expected."""
    answer = await post(WebhookReceiver(bench.guard, api_key=KEY), WITH_KEY, body=body)

    assert answer.status == 400
    assert any(word in answer.json["error"]["reason"] for word in ("is not JSON", "must contain", "must be"))
    assert bench.invalidated == []


async def test_no_more_is_read_than_a_hook_may_hold(bench: Bench) -> None:
    """However it is cut; a body that breaks off is none."""
    receiver = WebhookReceiver(bench.guard, api_key=KEY, max_body_bytes=100)
    more = {"type": "http.request", "body": b" " * 60, "more_body": True}
    assert (await post(receiver, WITH_KEY, body=[more, more, more])).status == 413

    halves = [
        {"type": "http.request", "body": NAMING[:9], "more_body": True},
        {"type": "http.request", "body": NAMING[9:]},
    ]
    assert (await post(receiver, WITH_KEY, body=halves)).status == 204
    assert (await post(receiver, WITH_KEY, body=[more, {"type": "http.disconnect"}])).status == 400
    assert len(bench.invalidated) == 1


async def test_it_takes_posts_and_nothing_else(bench: Bench) -> None:
    """Other methods are 405, websockets are refused, and it is mounted in an application, not served by itself."""
    receiver = WebhookReceiver(bench.guard, api_key=KEY)

    answer = await post(receiver, WITH_KEY, method="GET")
    assert (answer.status, answer.header(b"allow")) == (405, b"POST")
    assert (await connect(receiver))[0]["status"] == 405
    with pytest.raises(RuntimeError, match="mount it"):
        await receiver({"type": "lifespan"}, _no_receive, _no_send)


async def _no_receive() -> Any:
    raise AssertionError


async def _no_send(_message: Any) -> None:
    raise AssertionError


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({}, "needs an api_key or basic"),
        ({"api_key": KEY, "basic": ("a", "b")}, "needs an api_key or basic"),
        ({"api_key": ""}, "must not be empty"),
        ({"basic": ("", "")}, "must not be empty"),
        ({"basic": ("a:b", "c")}, "must not contain a colon"),
    ],
    ids=str,
)
def test_a_wrong_set_up_is_told_at_once(bench: Bench, options: dict[str, Any], match: str) -> None:
    """It never lets everybody in."""
    with pytest.raises(ConfigurationError, match=match):
        WebhookReceiver(bench.guard, **options)


def test_it_needs_a_guard() -> None:
    """And says so."""
    nothing: Any = object
    with pytest.raises(ConfigurationError, match="pass an OryGuard"):
        WebhookReceiver(nothing, api_key=KEY)
