"""Replays the recorded story against a Kratos: what it gave out stands in for what was recorded."""

import dataclasses
import json
import re
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import parse_qsl, urlencode

import httpx2
from answer_shape import MAX_AGE_LEEWAY, differences, header_differences, shape
from client_call import call_with_client
from people import PASSWORD, People
from places import Place
from recorded_scenario import Exchange
from typed_calls import is_typed_call
from visitor import Caller

WRONG_CODE = "000000"
FORM = "application/x-www-form-urlencoded"
_BINDABLE = re.compile(r"[0-9a-f]{8}-[0-9a-f-]{27}|ory_\w{2}_\w{32}|[\w+/-]{43,}={0,2}")


class Replay:
    """One Kratos and what binds it to the recording.

    Args:
        place: Which Kratos.
        rewrite: What was done to the text of the recordings (see `recorded_scenario.load`).
        typed: Whether each call that `FrontendClient` can make goes through it.
        leeway: Seconds by which the life of a cookie may differ, where time does not pass as it was recorded.

    Attributes:
        bound: What was recorded, and what stands in for it.
        people: Who acts between the recorded requests.
        provider_url: Where a social sign-in was sent last.
    """

    def __init__(
        self,
        place: Place,
        *,
        rewrite: Callable[[str], str] = str,
        typed: bool = False,
        leeway: int = MAX_AGE_LEEWAY,
    ) -> None:
        self.place = place
        self.rewrite = rewrite
        self.people = People(place)
        self.bound: dict[str, str] = {}
        self.provider_url = ""
        self._typed = typed
        self._leeway = leeway
        self._mailed_to = ""

    async def run(self, recorded: Exchange) -> list[str]:
        """Send what was sent, and return how the answer differs from the recorded one."""
        sent = dataclasses.replace(recorded, request=await self._request(recorded))
        if self._typed and is_typed_call(sent):
            response, problems = await call_with_client(self.place, sent)
        else:
            response, problems = await self._send_as_recorded(sent), []
        return [*problems, *self._compare(recorded, response)]

    async def _request(self, recorded: Exchange) -> dict[str, Any]:
        request = recorded.request
        return {
            "method": request["method"],
            "body": await self._body(recorded),
            "path": self.translated(request["path"]),
            "query": self.translated(recorded.query),
            "headers": {name: self.translated(value) for name, value in request["headers"].items()},
        }

    async def _send_as_recorded(self, sent: Exchange) -> httpx2.Response:
        request, body = sent.request, sent.request["body"]
        if isinstance(body, dict):
            form = request["headers"].get("content-type") == FORM
            body = urlencode(body) if form else json.dumps(body)
        return await self.send(request["method"], request["path"], sent.query, request["headers"], body)

    async def send(
        self,
        method: str,
        path: str,
        query: str = "",
        headers: dict[str, str] | None = None,
        body: str | None = None,
    ) -> httpx2.Response:
        """Send a request to the public API."""
        url = f"{self.place.public}{path}{'?' if query else ''}{query}"
        request = httpx2.Request(method, url, headers=headers, content=body)
        response = await self.place.transport.handle_async_request(request)
        await response.aread()
        return response

    def _compare(self, recorded: Exchange, response: httpx2.Response) -> Iterator[str]:
        answer = recorded.response
        found: Any = response.text
        if "javascript" in response.headers.get("content-type", ""):
            found = answer["body"]  # the recording has its length only
        if "json" in response.headers.get("content-type", "") and found:
            found = json.loads(found)
        if answer["status"] != response.status_code:
            yield f"status is {response.status_code} instead of {answer['status']}"
        if isinstance(found, dict) and "/auth?" in found.get("redirect_browser_to", ""):
            self.provider_url = found["redirect_browser_to"]
        yield from header_differences(answer["headers"], response.headers.multi_items(), self._leeway)
        yield from differences(shape(answer["body"]), shape(found))
        self._bind(answer["body"], found)
        self._bind_headers(answer["headers"], response.headers.multi_items())

    def translated(self, text: str) -> str:
        """Replace what was recorded by what stands in for it."""
        for recorded in sorted(self.bound, key=len, reverse=True):
            text = text.replace(recorded, self.bound[recorded])
        return text

    def _translated_fields(self, value: Any) -> Any:
        if isinstance(value, dict):
            return {name: self._translated_fields(inner) for name, inner in value.items()}
        return self.translated(value) if isinstance(value, str) else value

    def bind_browser(self, browser: Caller, recorded: Exchange) -> None:
        """Let a browser's cookies stand in for those of a recorded request that nothing stands in for yet."""
        for name, value in recorded.cookies.items():
            if name in browser.client.cookies:
                self.bound.setdefault(value, browser.client.cookies[name])

    def _bind(self, recorded: Any, found: Any) -> None:
        if isinstance(recorded, dict) and isinstance(found, dict):
            for name in recorded.keys() & found.keys():
                self._bind(recorded[name], found[name])
        elif isinstance(recorded, list) and isinstance(found, list):
            for left, right in zip(recorded, found, strict=False):
                self._bind(left, right)
        elif isinstance(recorded, str) and isinstance(found, str):
            pairs = zip(_BINDABLE.findall(recorded), _BINDABLE.findall(found), strict=False)
            self.bound.update((left, right) for left, right in pairs if left not in self.bound)

    def _bind_headers(self, recorded: list[list[str]], found: list[tuple[str, str]]) -> None:
        left, right = _cookie_pairs(recorded), _cookie_pairs(found)
        self.bound.update({value: right.get(name, value) for name, value in left.items()})
        self._bind(dict(recorded).get("location"), dict(found).get("location"))

    async def _body(self, recorded: Exchange) -> Any:
        body = recorded.request["body"]
        if not isinstance(body, dict):
            return body
        await self._read_form(recorded, body)
        body = self._translated_fields(body)
        self._mailed_to = body.get("email") or self._mailed_to
        if body.get("totp_code") not in {None, WRONG_CODE}:
            body["totp_code"] = await self._totp_code(recorded)
        if body.get("code") not in {None, WRONG_CODE}:
            body["code"] = await self.people.mailed_code(self._mailed_to)
        return body

    async def _read_form(self, recorded: Exchange, body: dict[str, Any]) -> None:
        """Read the flow as a page does before it sends a form, where the recording has no such read."""
        token, cookie = body.get("csrf_token", ""), recorded.request["headers"].get("cookie", "")
        if len(token) < len(PASSWORD) or token in self.bound or "csrf_token" not in cookie:
            return
        flow = await self._flow(recorded)
        for node in flow.get("ui", {"nodes": []})["nodes"]:
            if node["attributes"].get("name") == "csrf_token":
                self.bound[token] = node["attributes"]["value"]

    async def _totp_code(self, recorded: Exchange) -> str:
        if recorded.operation == "update_settings_flow":
            self.people.keep_secret(await self._flow(recorded))
        return await self.people.totp_code()

    async def _flow(self, recorded: Exchange) -> dict[str, Any]:
        """Read the flow that a recorded request updates, with its credentials."""
        number = dict(parse_qsl(self.translated(recorded.query)))["flow"]
        names = recorded.request["headers"].keys() & {"cookie", "x-session-token"}
        headers = {name: self.translated(recorded.request["headers"][name]) for name in names}
        path = f"{recorded.request['path']}/flows"
        answer = await self.send("GET", path, f"id={number}", {**headers, "accept": "application/json"})
        return dict(answer.json())


def _cookie_pairs(headers: Any) -> dict[str, str]:
    lines = [value.partition(";")[0].partition("=") for name, value in headers if name == "set-cookie"]
    return {name: value for name, _, value in lines}
