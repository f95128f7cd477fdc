"""Replays recorded requests against a Kratos, with its own ids, tokens and codes in place of the recorded ones."""

import dataclasses
import json
import re
import secrets
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import parse_qsl, urlencode

import httpx2
from support.flow_client import PASSWORD, FlowClient
from support.kratos_servers import KratosServer
from support.typed_calls import arguments_of, bodies_of, is_typed_call

from ory_guard.client import FrontendClient
from ory_guard.exceptions import OryGuardError

from .normalize import MAX_AGE_LEEWAY, body_of, diff, diff_headers, normalize, sort_nodes
from .recorded_story import RecordedExchange
from .users import Users

WRONG_CODE = "000000"
FORM = "application/x-www-form-urlencoded"
RECORDED_URL, RECORDED_UI_URL = "http://127.0.0.1:4433", "http://127.0.0.1:4455"
SAME_ORDER_SINCE = (25, 4, 0)
# A real Kratos needs a few seconds to hash a password.
CALL_TIMEOUT = 30.0
IDS_AND_TOKENS = r"[0-9a-f]{8}-[0-9a-f-]{27}|ory_\w{2}_\w{32}"
_CSRF_COOKIE = re.compile(r"csrf_token_[0-9a-f]{64}")
_RECORDED_ADDRESS = re.compile(r"-[0-9]{10}@example\.test")


class Replacements(dict[str, str]):
    """Values of a replay, each by the recorded value in its place.

    Args:
        pattern: A pattern for the parts of recorded texts that need a replacement.
        cookie_length: The length of the recorded cookies in requests.
    """

    def __init__(self, pattern: str, cookie_length: int | None = None) -> None:
        self._pattern = re.compile(pattern)
        self._cookie_length = cookie_length

    def learn(self, recorded: Any, actual: Any) -> None:
        """Compare two values, and add the parts that differ; earlier replacements stay."""
        if isinstance(recorded, dict) and isinstance(actual, dict):
            for name in recorded.keys() & actual.keys():
                self.learn(recorded[name], actual[name])
        elif isinstance(recorded, list) and isinstance(actual, list):
            for left, right in zip(recorded, actual, strict=False):
                self.learn(left, right)
        elif isinstance(recorded, str) and isinstance(actual, str):
            pairs = zip(self._pattern.findall(recorded), self._pattern.findall(actual), strict=False)
            for old, new in pairs:
                self.setdefault(old, new)

    def learn_headers(self, recorded: list[list[str]], actual: list[tuple[str, str]]) -> None:
        """Add the cookies and links of a response."""
        left, right = set_cookies(recorded), set_cookies(actual)
        self.update({left[name][: self._cookie_length]: right[name] for name in left.keys() & right.keys()})
        for name in ("location", "link"):
            self.learn(dict(recorded).get(name), dict(actual).get(name))


def set_cookies(headers: Any) -> dict[str, str]:
    """Return the cookies that a response sets."""
    pairs = [value.partition(";")[0].partition("=") for name, value in headers if name == "set-cookie"]
    return {name: value for name, _, value in pairs}


class Replay:
    """The state of a replay against one Kratos.

    Args:
        server: The Kratos.
        rewrite: The function that was applied to the recordings (see `recorded_story.load`).
        typed: Whether `FrontendClient` makes the calls that it supports.
        leeway: The number of seconds by which the Max-Age of cookies may differ.

    Attributes:
        replacements: Recorded values, each with the value to use instead.
        users: The users that act between the recorded requests.
        provider_url: The URL of the last redirect to a social sign-in provider.
    """

    def __init__(
        self,
        server: KratosServer,
        *,
        rewrite: Callable[[str], str] = str,
        typed: bool = False,
        leeway: int = MAX_AGE_LEEWAY,
    ) -> None:
        self.server = server
        self.rewrite = rewrite
        self.users = Users(server)
        self.replacements = Replacements(rf"{IDS_AND_TOKENS}|[\w+/-]{{43,}}={{0,2}}")
        self.provider_url = ""
        self._typed = typed
        self._leeway = leeway
        self._code_recipient = ""

    async def run(self, recorded: RecordedExchange) -> list[str]:
        """Send a recorded request, and return the differences between the response and the recorded one."""
        exchange = dataclasses.replace(recorded, request=await self._request(recorded))
        if self._typed and is_typed_call(exchange):
            response, problems = await call_with_client(self.server, exchange)
        else:
            response, problems = await self._send_as_recorded(exchange), []
        self.received(recorded, exchange, response)
        return [*problems, *self._compare(recorded, response)]

    def received(self, recorded: RecordedExchange, sent: RecordedExchange, response: httpx2.Response) -> None:
        """Process a response; `sent` is the recorded exchange with the request that was sent."""

    async def _request(self, recorded: RecordedExchange) -> dict[str, Any]:
        request = recorded.request
        return {
            "method": request["method"],
            "body": await self._body(recorded),
            "path": self.replaced(request["path"]),
            "query": self.replaced(recorded.query),
            "headers": {name: self.replaced(value) for name, value in request["headers"].items()},
        }

    async def _send_as_recorded(self, exchange: RecordedExchange) -> httpx2.Response:
        request, body = exchange.request, exchange.request["body"]
        if isinstance(body, dict):
            is_form = request["headers"].get("content-type") == FORM
            body = urlencode(body) if is_form else json.dumps(body)
        return await self.send(request["method"], request["path"], exchange.query, request["headers"], body)

    async def send(
        self,
        method: str,
        path: str,
        query: str = "",
        headers: dict[str, str] | None = None,
        body: str | None = None,
    ) -> httpx2.Response:
        """Send a request to the public API."""
        url = f"{self.server.public}{path}{'?' if query else ''}{query}"
        return await _send(self.server, httpx2.Request(method, url, headers=headers, content=body))

    def _compare(self, recorded: RecordedExchange, response: httpx2.Response) -> Iterator[str]:
        expected = recorded.response
        body = body_of(expected["body"], response)
        if expected["status"] != response.status_code:
            yield f"status is {response.status_code} instead of {expected['status']}"
        if isinstance(body, dict) and "/auth?" in body.get("redirect_browser_to", ""):
            self.provider_url = body["redirect_browser_to"]
        headers = response.headers.multi_items()
        yield from diff_headers(expected["headers"], headers, self._leeway)
        bodies = normalize(expected["body"]), normalize(body)
        if self.server.version < SAME_ORDER_SINCE:
            bodies = sort_nodes(bodies[0]), sort_nodes(bodies[1])
        yield from diff(*bodies)
        self.replacements.learn(expected["body"], body)
        self.replacements.learn_headers(expected["headers"], headers)

    def replaced(self, text: str) -> str:
        """Replace all recorded values in a text."""
        for value in sorted(self.replacements, key=len, reverse=True):
            text = text.replace(value, self.replacements[value])
        return text

    def _replaced_fields(self, value: Any) -> Any:
        if isinstance(value, dict):
            return {name: self._replaced_fields(inner) for name, inner in value.items()}
        return self.replaced(value) if isinstance(value, str) else value

    def use_cookies(self, browser: FlowClient, recorded: RecordedExchange) -> None:
        """Use a browser's cookies in place of recorded ones that have no replacement yet."""
        for name, value in recorded.cookies.items():
            if name in browser.client.cookies:
                self.replacements.setdefault(value, browser.client.cookies[name])

    async def _body(self, recorded: RecordedExchange) -> Any:
        body = recorded.request["body"]
        if not isinstance(body, dict):
            return body
        await self._learn_csrf_token(recorded, body)
        body = self._replaced_fields(body)
        self._code_recipient = body.get("email") or self._code_recipient
        if body.get("totp_code") not in {None, WRONG_CODE}:
            body["totp_code"] = await self._totp_code(recorded)
        if body.get("code") not in {None, WRONG_CODE}:
            body["code"] = await self.users.emailed_code(self._code_recipient)
        return body

    async def _learn_csrf_token(self, recorded: RecordedExchange, body: dict[str, Any]) -> None:
        """Get the flow to learn its anti-CSRF token, if the recording does not contain that request."""
        token, cookie = body.get("csrf_token", ""), recorded.request["headers"].get("cookie", "")
        if len(token) < len(PASSWORD) or token in self.replacements or "csrf_token" not in cookie:
            return
        flow = await self._flow(recorded)
        for node in flow.get("ui", {"nodes": []})["nodes"]:
            if node["attributes"].get("name") == "csrf_token":
                self.replacements[token] = node["attributes"]["value"]

    async def _totp_code(self, recorded: RecordedExchange) -> str:
        if recorded.operation == "update_settings_flow":
            self.users.store_totp_secret(await self._flow(recorded))
        return await self.users.totp_code()

    async def _flow(self, recorded: RecordedExchange) -> dict[str, Any]:
        """Get the flow that a recorded request updates, with the credentials of that request."""
        flow_id = dict(parse_qsl(self.replaced(recorded.query)))["flow"]
        names = recorded.request["headers"].keys() & {"cookie", "x-session-token"}
        headers = {name: self.replaced(recorded.request["headers"][name]) for name in names}
        path = f"{recorded.request['path']}/flows"
        response = await self.send("GET", path, f"id={flow_id}", {**headers, "accept": "application/json"})
        return dict(response.json())


async def _send(server: KratosServer, request: httpx2.Request) -> httpx2.Response:
    response = await server.transport.handle_async_request(request)
    await response.aread()
    return response


async def rewrite_for(server: KratosServer) -> Callable[[str], str]:
    """Return a function that adapts the text of the recordings to a server.

    It replaces the URLs, the name of the anti-CSRF cookie, which depends on the URL, and the email addresses: a
    real Kratos still has the identities of earlier runs.
    """
    url = f"{server.public}/self-service/login/browser"
    response = await _send(server, httpx2.Request("GET", url, headers={"accept": "application/json"}))
    (csrf_cookie,) = set(_CSRF_COOKIE.findall(response.headers.get("set-cookie", "")))
    address = f"-{secrets.randbelow(10**10):010d}@example.test"

    def rewrite(text: str) -> str:
        text = text.replace(RECORDED_URL, server.public).replace(RECORDED_UI_URL, server.ui_url)
        text = _CSRF_COOKIE.sub(csrf_cookie, text)
        return _RECORDED_ADDRESS.sub(address, text)

    return rewrite


class CaptureTransport(httpx2.AsyncBaseTransport):
    """Stores the last response."""

    def __init__(self, transport: httpx2.AsyncBaseTransport) -> None:
        self._transport = transport
        self.response = httpx2.Response(599)

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Forward a request and store the response."""
        response = await self._transport.handle_async_request(request)
        status, headers = response.status_code, response.headers.multi_items()
        body = await response.aread()
        self.response = httpx2.Response(status, headers=headers, content=body)
        return httpx2.Response(status, headers=headers, stream=httpx2.ByteStream(body))


async def call_with_client(server: KratosServer, exchange: RecordedExchange) -> tuple[httpx2.Response, list[str]]:
    """Make a recorded call with `FrontendClient`; return the raw response and what the client got wrong."""
    capture = CaptureTransport(server.transport)
    client = FrontendClient(server.public, transport=capture, timeout=CALL_TIMEOUT)
    arguments = arguments_of(exchange)
    if (body := bodies_of(exchange)[-1]) is not None:
        arguments["body"] = body
    problems = []
    try:
        await getattr(client.with_response, exchange.operation)(**arguments)
        if capture.response.status_code >= 300:
            problems.append(f"FrontendClient returned a result for status {capture.response.status_code}")
    except OryGuardError as error:
        if capture.response.status_code < 300:
            problems.append(f"FrontendClient raised {error!r}")
    return capture.response, problems
