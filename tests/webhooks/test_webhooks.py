"""`WebhookReceiver`: authentication, parsing of the body, and invalidation."""

import base64
import json
from collections.abc import Sequence
from typing import Any

import pytest
from support.asgi_calls import SentResponse, connect, http_scope
from support.clock import AdjustableClock
from support.guard_bench import guard_of
from support.scripted_kratos import IDENTITY_ID, SESSION_ID, ScriptedKratos, signed_in

from ory_guard.events import Event, SessionsInvalidated, WebhookReceived
from ory_guard.exceptions import ConfigurationError
from ory_guard.webhooks import WebhookReceiver

pytestmark = pytest.mark.anyio

Headers = tuple[tuple[bytes, bytes], ...]

KEY = "a-key-that-kratos-sends"
WITH_KEY = (b"x-webhook-key", KEY.encode())
BODY = json.dumps({"identity_id": IDENTITY_ID}).encode()
BASIC = base64.b64encode(b"kratos:pass:word")


class Bench:
    """A guard, and the invalidations that it reported."""

    def __init__(self) -> None:
        self._events: list[Event] = []
        self.guard = guard_of(ScriptedKratos(signed_in()), listeners=[self._events.append])

    @property
    def reported(self) -> list[int]:
        """The status of each reported request."""
        return [event.status for event in self._events if isinstance(event, WebhookReceived)]

    @property
    def invalidated(self) -> list[Event]:
        """The events of invalidations."""
        return [event for event in self._events if isinstance(event, SessionsInvalidated)]


@pytest.fixture
def bench() -> Bench:
    """Return a guard."""
    return Bench()


async def post(
    receiver: Any,
    *headers: tuple[bytes, bytes],
    body: bytes | Sequence[Any] = BODY,
    method: str = "POST",
    path: str = "/hook",
) -> SentResponse:
    """Send a web hook; a sequence is the ASGI messages of its body."""
    messages = [{"type": "http.request", "body": body}] if isinstance(body, bytes) else list(body)
    sent: list[Any] = []

    async def receive() -> Any:
        return messages.pop(0)

    async def send(message: Any) -> None:
        sent.append(message)

    await receiver(http_scope(path, method=method, headers=headers), receive, send)
    return SentResponse(sent[0]["status"], list(sent[0]["headers"]), sent[1]["body"])


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
async def test_hook_invalidates_the_ids_in_its_body(bench: Bench, body: dict[str, Any], expected: Event) -> None:
    receiver = WebhookReceiver(bench.guard, api_key=KEY)

    response = await post(receiver, WITH_KEY, body=json.dumps(body).encode())

    assert (response.status, response.body) == (204, b"")
    assert bench.invalidated == [expected]


DEFAULT: dict[str, Any] = {"api_key": KEY}
NAMED = DEFAULT | {"api_key_name": "X-Secret"}
COOKIE = DEFAULT | {"api_key_name": "hook", "api_key_in": "cookie"}
PASSWORD: dict[str, Any] = {"basic": ("kratos", "pass:word")}
TWO_KEYS: dict[str, Any] = {"api_key": ("another-key", KEY)}
TWO_PASSWORDS: dict[str, Any] = {"basic": [("kratos", "old"), ("kratos", "pass:word")]}


@pytest.mark.parametrize(
    ("options", "headers"),
    [
        (DEFAULT, (WITH_KEY,)),
        (NAMED, ((b"x-secret", KEY.encode()),)),
        (COOKIE, ((b"cookie", f"a=b; hook={KEY}".encode()),)),
        (PASSWORD, ((b"authorization", b"Basic " + BASIC),)),
        (PASSWORD, ((b"authorization", b"bAsIc " + BASIC),)),
        (TWO_KEYS, (WITH_KEY,)),
        (TWO_KEYS, ((b"x-webhook-key", b"another-key"),)),
        (TWO_PASSWORDS, ((b"authorization", b"Basic " + BASIC),)),
        (TWO_PASSWORDS, ((b"authorization", b"Basic " + base64.b64encode(b"kratos:old")),)),
    ],
    ids=str,
)
async def test_correct_credentials_are_accepted(bench: Bench, options: dict[str, Any], headers: Headers) -> None:
    assert (await post(WebhookReceiver(bench.guard, **options), *headers)).status == 204
    assert len(bench.invalidated) == 1


@pytest.mark.parametrize(
    ("options", "headers"),
    [
        (DEFAULT, ()),
        (DEFAULT, ((b"x-webhook-key", b""),)),
        (DEFAULT, ((b"x-webhook-key", KEY[:-1].encode()),)),
        (DEFAULT, ((b"x-webhook-key", KEY.encode() + b" "),)),
        (DEFAULT, ((b"x-webhook-key", KEY.upper().encode()),)),
        (DEFAULT, (WITH_KEY, (b"x-webhook-key", b"another"))),
        (DEFAULT, ((b"x_webhook_key", KEY.encode()),)),
        (DEFAULT, ((b"x-webhook-key", b"\xff" * 20),)),
        (NAMED, (WITH_KEY,)),
        (TWO_KEYS, ((b"x-webhook-key", b"another-key," + KEY.encode()),)),
        (TWO_KEYS, ((b"x-webhook-key", b""),)),
        *((COOKIE, ((b"cookie", value),)) for value in (b"a=b", b"hook=", b"Hook=" + KEY.encode())),
        (COOKIE, ((b"cookie", b"xhook=" + KEY.encode()),)),
        *(
            (PASSWORD, ((b"authorization", value),))
            for value in (BASIC, b"Bearer " + BASIC, b"Basic " + BASIC[:-2])
        ),
        (PASSWORD, ((b"authorization", b"Basic !"),)),
        (PASSWORD, ((b"authorization", b"Basic " + base64.b64encode(b"kratos:")),)),
    ],
    ids=str,
)
async def test_wrong_credentials_are_rejected(bench: Bench, options: dict[str, Any], headers: Headers) -> None:
    """The response does not reveal the key, and challenges only for Basic authentication (RFC 7617)."""
    response = await post(WebhookReceiver(bench.guard, **options), *headers)

    challenge = b'Basic realm="ory_guard"' if options is PASSWORD else None
    assert (response.status, response.json["error"]["code"]) == (401, 401)
    assert response.header(b"www-authenticate") == challenge
    assert response.header(b"cache-control") == b"no-store"
    assert KEY.encode() not in response.body
    assert bench.invalidated == []


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"\xff", b"[]", b"{}", b"5", b"null", b'{"identity_id": 5}', b'{"identity_id": ""}',
     b'{"identity_id": " "}', b'{"session_id": "a\\n"}', b'{"session_id": "\\ud800"}',
     b'{"session_id": "x", "identity_id": ""}',
     b'{"identity_id": "' + b"x" * 129 + b'"}', b'{"identity_id": null}', b"[" * 50_000],
    ids=lambda body: body[:20].decode("latin-1"),
)  # fmt: skip
async def test_invalid_body_is_rejected(bench: Bench, body: bytes) -> None:
    response = await post(WebhookReceiver(bench.guard, api_key=KEY), WITH_KEY, body=body)

    assert response.status == 400
    assert any(word in response.json["error"]["reason"] for word in ("is not JSON", "must contain", "must be"))
    assert bench.invalidated == []


async def test_body_size_is_limited(bench: Bench) -> None:
    receiver = WebhookReceiver(bench.guard, api_key=KEY, max_body_bytes=100)
    chunk = {"type": "http.request", "body": b" " * 60, "more_body": True}
    assert (await post(receiver, WITH_KEY, body=[chunk, chunk, chunk])).status == 413

    halves = [
        {"type": "http.request", "body": BODY[:9], "more_body": True},
        {"type": "http.request", "body": BODY[9:]},
    ]
    assert (await post(receiver, WITH_KEY, body=halves)).status == 204
    assert (await post(receiver, WITH_KEY, body=[chunk, {"type": "http.disconnect"}])).status == 400
    assert len(bench.invalidated) == 1


async def test_only_post_requests_are_accepted(bench: Bench) -> None:
    receiver = WebhookReceiver(bench.guard, api_key=KEY)

    response = await post(receiver, WITH_KEY, method="GET")
    assert (response.status, response.header(b"allow")) == (405, b"POST")
    assert (await connect(receiver))[0]["status"] == 405
    with pytest.raises(RuntimeError, match="mount it"):
        await receiver({"type": "lifespan"}, _not_called, _not_called)


async def test_requests_are_reported_by_status(bench: Bench) -> None:
    receiver = WebhookReceiver(bench.guard, api_key=KEY)
    for headers, body in (((WITH_KEY,), BODY), ((), BODY), ((WITH_KEY,), b"")):
        await post(receiver, *headers, body=body)

    assert bench.reported == [204, 401, 400]


async def test_rejected_requests_are_logged_at_most_once_per_interval_and_status(
    caplog: pytest.LogCaptureFixture,
) -> None:
    clock = AdjustableClock()
    receiver = WebhookReceiver(guard_of(ScriptedKratos(), clock), api_key=KEY)
    for _ in range(3):
        await post(receiver, (b"x-webhook-key", b"wrong"))
    await post(receiver, method="GET")
    clock.advance(10)
    await post(receiver)
    await post(receiver)

    assert [record.message.partition(":")[0] for record in caplog.records] == [
        "webhook.rejected status=401 count=1",
        "webhook.rejected status=405 count=1",
        "webhook.rejected status=401 count=3",
    ]
    assert "wrong" not in caplog.text.replace("missing or wrong", "")


async def _not_called(*_message: Any) -> Any:
    raise AssertionError


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({}, "needs an api_key or basic"),
        ({"api_key": KEY, "basic": ("a", "b")}, "needs an api_key or basic"),
        ({"api_key": ""}, "must not be empty"),
        ({"api_key": (KEY, "")}, "must not be empty"),
        ({"basic": ()}, "must not be empty"),
        ({"basic": [("a", "b"), ("c:d", "e")]}, "must not contain a colon"),
        ({"basic": ("", "")}, "must not be empty"),
        ({"basic": ("a:b", "c")}, "must not contain a colon"),
        ({"basic": "user:password"}, "must be a user and a password, or a list of such pairs"),
        ({"basic": [("user", "password", "more")]}, "must be a user and a password"),
        ({"basic": ("user", 5)}, "basic must be text"),
        ({"api_key": b"key"}, "api_key must be text, or a list of texts"),
        ({"api_key": [KEY, 5]}, "api_key must be text"),
        ({"api_key": KEY, "api_key_name": "Schlüssel"}, "api_key_name: 'Schlüssel' is not allowed"),
        ({"api_key": KEY, "api_key_name": ""}, "api_key_name: '' is not allowed"),
        ({"api_key": KEY, "api_key_in": "query"}, "api_key_in: 'query' is not allowed: use 'header' or 'cookie'"),
        ({"guard": object, "api_key": KEY}, "pass an OryGuard"),
    ],
    ids=str,
)
def test_invalid_options_raise(bench: Bench, options: dict[str, Any], match: str) -> None:
    with pytest.raises(ConfigurationError, match=match):
        WebhookReceiver(**({"guard": bench.guard} | options))
