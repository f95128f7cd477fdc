"""Replays the recorded story against a fake: what the fake gave out stands in for what was recorded."""

import json
import re
from collections.abc import Iterator
from typing import Any, Literal
from urllib.parse import parse_qsl, urlencode

import httpx2
from answer_shape import differences, header_differences, shape
from recorded_scenario import Exchange

from ory_guard.testing import FakeKratos, Identity, ManualClock, OidcProvider, Session
from ory_guard.testing.cookies import parse_cookies

PASSWORD = "correct-horse-battery-9"
WRONG_CODE = "000000"
_BINDABLE = re.compile(r"[0-9a-f]{8}-[0-9a-f-]{27}|ory_\w{2}_\w{32}|[\w+/-]{43,}={0,2}")

SETTINGS: dict[str, dict[str, Any]] = {
    "default": {},
    "strict": {
        "public_url": "http://127.0.0.1:4533",
        "whoami_required_aal": "aal1",
        "cacheable_sessions": False,
        "login_lifespan": 10,
        "privileged_session_max_age": 2,
        "session_lifespan": 20,
        "cookie_name": "acme_session",
        "oidc_providers": (OidcProvider("mini", issuer_url="http://127.0.0.1:4466"),),
    },
}


class Replay:
    """One fake and what binds it to the recording."""

    def __init__(self, server: str) -> None:
        self.clock = ManualClock()
        self.fake = FakeKratos(clock=self.clock, **SETTINGS[server])
        self.bound: dict[str, str] = {}
        self.provider_url = ""

    def wait_until(self, at: float) -> None:
        """Let time pass until something happened."""
        self.clock.advance(max(0.0, at - self.clock.time()))

    async def run(self, recorded: Exchange) -> list[str]:
        """Send what was sent, and return how the answer differs from the recorded one."""
        request = recorded.request
        body = await self._body(recorded)
        headers = {name: self.translated(value) for name, value in request["headers"].items()}
        if isinstance(body, dict):
            form = headers.get("content-type") == "application/x-www-form-urlencoded"
            body = urlencode(body) if form else json.dumps(body)
        response = await self._send(
            request["method"], request["path"], self.translated(recorded.query), headers, body
        )
        return list(self._compare(recorded, response))

    async def _send(
        self,
        method: str,
        path: str,
        query: str,
        headers: dict[str, str],
        body: str | None = None,
    ) -> httpx2.Response:
        url = f"{self.fake.settings.public_url}{self.translated(path)}{'?' if query else ''}{query}"
        transport = httpx2.ASGITransport(app=self.fake.app)
        request = httpx2.Request(method, url, headers=headers, content=body)
        response = await transport.handle_async_request(request)
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
        yield from header_differences(answer["headers"], response.headers.multi_items())
        yield from differences(shape(answer["body"]), shape(found))
        self._bind(answer["body"], found)
        self._bind_headers(answer["headers"], response.headers.multi_items())

    def translated(self, text: str) -> str:
        """Replace what was recorded by what the fake gave out instead."""
        for recorded in sorted(self.bound, key=len, reverse=True):
            text = text.replace(recorded, self.bound[recorded])
        return text

    def _translated_fields(self, value: Any) -> Any:
        if isinstance(value, dict):
            return {name: self._translated_fields(inner) for name, inner in value.items()}
        return self.translated(value) if isinstance(value, str) else value

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
        for left, right in zip(_cookie_pairs(recorded), _cookie_pairs(found), strict=False):
            self.bound.update({value: right.get(name, value) for name, value in left.items()})
        self._bind(dict(recorded).get("location"), dict(found).get("location"))

    async def _body(self, recorded: Exchange) -> Any:
        body = recorded.request["body"]
        if not isinstance(body, dict):
            return body
        await self._read_form(recorded, body)
        body = self._translated_fields(body)
        if body.get("totp_code") not in {None, WRONG_CODE}:
            body["totp_code"] = self._totp_code(recorded)
        if body.get("code") not in {None, WRONG_CODE}:
            body["code"] = self.fake.messages[0].code
        return body

    async def _read_form(self, recorded: Exchange, body: dict[str, Any]) -> None:
        """Read the flow as a page does before it sends a form, where the recording has no such read."""
        token, cookie = body.get("csrf_token", ""), recorded.request["headers"].get("cookie", "")
        if len(token) < len(PASSWORD) or token in self.bound or "csrf_token" not in cookie:
            return
        query = f"id={self.translated(recorded.query).removeprefix('flow=')}"
        headers = {"cookie": self.translated(cookie), "accept": "application/json"}
        flow = await self._send("GET", f"{recorded.request['path']}/flows", query, headers)
        nodes = flow.json().get("ui", {"nodes": []})["nodes"]
        for node in nodes:
            if node["attributes"].get("name") == "csrf_token":
                self.bound[token] = node["attributes"]["value"]

    def _totp_code(self, recorded: Exchange) -> str:
        number = dict(parse_qsl(self.translated(recorded.query)))["flow"]
        flow = self.fake._server.store.flows.get(number)
        if flow is None:
            return WRONG_CODE
        if flow.name == "settings":
            owner = self.fake.add_identity("authenticator@example.test")
            owner.credentials.totp_secret = flow.internal["totp_secret"]
            code = self.fake.totp_code(owner)
            self.fake.delete_identity(owner)
            return code
        return self.fake.totp_code(self._owner(recorded))

    def _owner(self, recorded: Exchange) -> Identity:
        """Return whose credential a recorded request has."""
        server = self.fake._server
        token = self.translated(recorded.session_token or "")
        for _, value in parse_cookies(self.translated(recorded.request["headers"].get("cookie", ""))):
            if sealed := server.jar.open_session(value):
                token = sealed.session_token
        return server.store.sessions_by_token[token].identity

    def person(self, email: str, **properties: Any) -> Identity:
        """Return somebody of the story, who may have to be added first."""
        known = (one for one in self.fake.identities if one.traits["email"] == email)
        identity = next(known, None) or self.fake.add_identity(email, password=PASSWORD, **properties)
        for address in identity.verifiable_addresses:
            address.status = "sent"
        return identity

    def sign_in(
        self,
        identity: Identity,
        recorded: Exchange | None = None,
        *ids: str,
        aal: Literal["aal1", "aal2"] = "aal1",
    ) -> Session:
        """Begin a session that stands in for the credential of a recorded request, and for recorded ids."""
        signed_in = self.fake.sign_in(identity, aal=aal)
        if recorded and (token := recorded.session_token):
            self.bound[token] = signed_in.token
        for name, value in parse_cookies(recorded.request["headers"].get("cookie", "") if recorded else ""):
            if name == signed_in.cookie_name:
                self.bound[value] = signed_in.cookie
        self.bound.update(dict.fromkeys(ids, signed_in.session.id))
        return signed_in.session

    async def send(self, method: str, path: str, query: str = "", **headers: str) -> httpx2.Response:
        """Send a request that was not recorded."""
        return await self._send(method, path, query, {name.replace("_", "-"): headers[name] for name in headers})


def _cookie_pairs(headers: Any) -> Iterator[dict[str, str]]:
    lines = [value.partition(";")[0].partition("=") for name, value in headers if name == "set-cookie"]
    yield {name: value for name, _, value in lines}
