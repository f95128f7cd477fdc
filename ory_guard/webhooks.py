"""Receive Kratos' web hooks and invalidate the sessions that they name, in every process.

Kratos can call it after settings, recovery, verification and login. It has no hook for a logout, nor for changes by
an administrator. The hook's Jsonnet builds the body: a JSON object with `identity_id`, `session_id`, or both.
"""

import base64
import binascii
import json
import logging
import re
from collections.abc import Mapping, Sequence
from hmac import compare_digest
from typing import Any, Final, Literal

from ory_guard.events import WebhookReceived, notify
from ory_guard.exceptions import ConfigurationError
from ory_guard.guard.context import header_value
from ory_guard.guard.guard import OryGuard
from ory_guard.guard.responses.asgi import ASGIResponse, Receive, Scope, Send, error_body
from ory_guard.models.ids import normalize_id

__all__ = ["WebhookReceiver"]

_log = logging.getLogger("ory_guard")

_MAX_ID_LENGTH: Final = 128
_LOG_INTERVAL: Final = 10.0
_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110, section 5.6.2
_IDS: Final = ("identity_id", "session_id")


class _RequestError(Exception):
    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason


class _RejectionLog:
    """Logs rejected requests, at most once per status and interval."""

    def __init__(self, guard: OryGuard) -> None:
        self._clock = guard.clock
        self._next: dict[int, float] = {}
        self._unlogged: dict[int, int] = {}

    def add(self, error: _RequestError) -> None:
        status, now = error.status, self._clock.monotonic()
        count = self._unlogged.get(status, 0) + 1
        if now < self._next.get(status, now):
            self._unlogged[status] = count
            return
        self._next[status] = now + _LOG_INTERVAL
        self._unlogged[status] = 0
        _log.warning("webhook.rejected status=%d count=%d: %s", status, count, error.reason)


class WebhookReceiver:
    """An ASGI application that receives web hooks and invalidates the sessions that they name.

    Add it as a route, `Route("/hooks/kratos", receiver)`: a mount redirects a path without a trailing slash. The
    response is 204 after the invalidation in this process; processes that share its store follow within a second.

    A rejected request is logged by the logger `ory_guard` as a warning without the key, at most once in ten seconds
    for each status, and counted (`WebhookReceived`).

    Args:
        guard: The guard whose `invalidate` is called.
        api_key: The key that Kratos sends with `auth.type: api_key`, or several keys, which are all accepted. To
            rotate the key, add the new one here, then change Kratos' configuration, then remove the old one.
        api_key_name: Name of the header or cookie with the key.
        api_key_in: `header` or `cookie`.
        basic: User and password that Kratos sends with `auth.type: basic_auth`, instead of `api_key`; or several
            pairs.
        max_body_bytes: Maximum size of a body, in bytes.

    Raises:
        ConfigurationError: If `guard` is not an `OryGuard`, if neither or both of `api_key` and `basic` are given,
            if a key, a user or a password is empty or not text, if a user name contains a colon, or if
            `api_key_name` or `api_key_in` is invalid.
    """

    def __init__(
        self,
        guard: OryGuard,
        *,
        api_key: str | Sequence[str] | None = None,
        api_key_name: str = "X-Webhook-Key",
        api_key_in: Literal["header", "cookie"] = "header",
        basic: tuple[str, str] | Sequence[tuple[str, str]] | None = None,
        max_body_bytes: int = 65_536,
    ) -> None:
        if not isinstance(guard, OryGuard):
            raise ConfigurationError(f"WebhookReceiver: {guard!r} is not a guard: pass an OryGuard")
        if (api_key is None) == (basic is None):
            raise ConfigurationError("WebhookReceiver needs an api_key or basic=(user, password), and not both")
        if not _NAME.fullmatch(api_key_name):
            raise ConfigurationError(
                f"WebhookReceiver: api_key_name: {api_key_name!r} is not allowed: use the name of a header or a "
                "cookie"
            )
        if api_key_in not in ("header", "cookie"):
            raise ConfigurationError(
                f"WebhookReceiver: api_key_in: {api_key_in!r} is not allowed: use 'header' or 'cookie'"
            )
        self._guard = guard
        self._expected = _keys(api_key) if basic is None else _user_passes(basic)
        self._is_basic = basic is not None
        self._name = api_key_name
        self._in_cookie = api_key_in == "cookie"
        self._max_body_bytes = max_body_bytes
        self._rejections = _RejectionLog(guard)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request.

        Raises:
            RuntimeError: If the scope is neither an http request nor a websocket.
        """
        if scope["type"] not in ("http", "websocket"):
            raise RuntimeError(
                f"WebhookReceiver can't handle a {scope['type']!r} connection: mount it in an application"
            )
        try:
            ids = await self._receive_ids(scope, receive)
        except _RequestError as error:
            self._rejections.add(error)
            self._report(error.status)
            await self._error_response(error)(scope, receive, send)
            return
        await self._guard.invalidate(**ids)
        self._report(204)
        await ASGIResponse(204, [(b"cache-control", b"no-store")], b"")(scope, receive, send)

    async def _receive_ids(self, scope: Mapping[str, Any], receive: Receive) -> dict[str, str]:
        if scope["type"] != "http" or scope["method"] != "POST":
            raise _RequestError(405, "Web hooks must be POST requests.")
        if not self._is_authenticated(scope):
            raise _RequestError(401, "The key or password is missing or wrong.")
        return _parse_ids(await self._read(receive))

    def _is_authenticated(self, scope: Mapping[str, Any]) -> bool:
        if self._is_basic:
            sent = _decode_basic(header_value(scope, b"authorization") or b"")
        elif self._in_cookie:
            sent = _cookie_value(header_value(scope, b"cookie") or b"", self._name)
        else:
            sent = header_value(scope, self._name.lower().encode("ascii")) or b""
        # All keys are compared, so that the duration does not reveal which one matches.
        return sum(compare_digest(sent, key) for key in self._expected) > 0

    def _report(self, status: int) -> None:
        if self._guard.listeners:
            notify(self._guard.listeners, WebhookReceived(status))

    async def _read(self, receive: Receive) -> bytes:
        body: bytes = b""
        while True:
            message = await receive()
            if message["type"] != "http.request":
                raise _RequestError(400, "The request ended before its body was complete.")
            body += message.get("body", b"")
            if len(body) > self._max_body_bytes:
                raise _RequestError(413, f"The body must have at most {self._max_body_bytes} bytes.")
            if not message.get("more_body"):
                return body

    def _error_response(self, error: _RequestError) -> ASGIResponse:
        status = error.status
        headers = [(b"content-type", b"application/json"), (b"cache-control", b"no-store")]
        if status == 401 and self._is_basic:
            headers.append((b"www-authenticate", b'Basic realm="ory_guard"'))
        if status == 405:
            headers.append((b"allow", b"POST"))
        return ASGIResponse(status, headers, error_body(status, reason=error.reason))


def _keys(api_key: object) -> list[bytes]:
    return _checked_secrets("api_key", [api_key] if isinstance(api_key, str) else api_key)


def _user_passes(basic: Any) -> list[bytes]:
    is_pair = isinstance(basic, tuple | list) and bool(basic) and isinstance(basic[0], str)
    pairs = [basic] if is_pair else basic
    if not isinstance(pairs, tuple | list) or not all(isinstance(pair, tuple | list) for pair in pairs):
        pairs = [()]
    if any(len(pair) != 2 for pair in pairs):
        raise ConfigurationError("WebhookReceiver: basic must be a user and a password, or a list of such pairs")
    users = _checked_secrets("basic", [user for user, _ in pairs])
    passwords = _checked_secrets("basic", [password for _, password in pairs])
    if any(b":" in user for user in users):
        raise ConfigurationError("WebhookReceiver: the user name must not contain a colon (RFC 7617, section 2)")
    return [user + b":" + password for user, password in zip(users, passwords, strict=True)]


def _checked_secrets(name: str, values: object) -> list[bytes]:
    if not isinstance(values, tuple | list) or not all(isinstance(value, str) for value in values):
        raise ConfigurationError(f"WebhookReceiver: {name} must be text, or a list of texts")
    if not values or not all(values):
        raise ConfigurationError(f"WebhookReceiver: {name} must not be empty")
    return [value.encode(errors="surrogatepass") for value in values]


def _decode_basic(value: bytes) -> bytes:
    scheme, _, encoded = value.partition(b" ")
    if scheme.lower() != b"basic":
        return b""
    try:
        return base64.b64decode(encoded, validate=True)
    except binascii.Error:
        return b""


def _cookie_value(value: bytes, name: str) -> bytes:
    for pair in value.split(b";"):
        key, _, rest = pair.strip(b" \t").partition(b"=")
        if key == name.encode("ascii"):
            return rest
    return b""


def _parse_ids(body: bytes) -> dict[str, str]:
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        raise _RequestError(400, "The body is not JSON.") from None
    fields = document if isinstance(document, dict) else {}
    ids = {name: fields[name] for name in _IDS if fields.get(name) is not None}
    if not ids:
        raise _RequestError(400, 'The body must contain "identity_id" or "session_id".')
    for name, value in ids.items():
        if not _is_id(value):
            raise _RequestError(
                400,
                f'"{name}" must be a non-empty string without blanks, of at most {_MAX_ID_LENGTH} characters.',
            )
    return ids


def _is_id(value: object) -> bool:
    try:
        return len(normalize_id("id", value)) <= _MAX_ID_LENGTH
    except ConfigurationError:
        return False
