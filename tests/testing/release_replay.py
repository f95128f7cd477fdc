"""Replays the exchanges of the release v26.2.0 against a fake."""

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

import httpx2
import pyotp

from ory_guard.testing import Fault, ManualClock
from ory_guard.testing.server import csrf
from ory_guard.testing.server.cookies import CONTINUITY_COOKIE

from .normalize import body_of, diff, diff_headers, normalize, without_long_texts
from .release_bodies import LOCKED, PAUSES
from .release_setup import ReleaseSetup
from .release_story import Case
from .replay import FORM, WRONG_CODE, set_cookies

TICK = 0.05
# The recordings cut off longer Cookie headers.
MAX_COOKIES = 400
# Their entries depend on random ids, and on how many users the replay needed.
LISTS_OF_ALL_IDENTITIES = ("admin.list", "admin.list_page0", "admin.redirect_unprefixed")


class ReleaseReplay(ReleaseSetup):
    """Sends recorded requests to a fake and compares the responses."""

    continuity = ""

    async def run(self, case: Case) -> list[str]:
        """Send a recorded request, and return the differences between the response and the recorded one."""
        assert isinstance(self.fake.clock, ManualClock)
        self.fake.clock.advance(PAUSES.get(case.name, TICK))
        response = await self.respond(case)
        return list(self._compare(case, response))

    async def respond(self, case: Case) -> httpx2.Response:
        """Prepare the state that a recorded request needs, and send the request."""
        await self.prepare(case)
        if case.name in LOCKED:
            self.fake.fail(Fault.database_locked())
        headers = {name: self.replaced(value) for name, value in case.headers.items() if name != "cookie"}
        if cookies := self.cookies(case):
            is_cut_off = len(case.headers["cookie"]) >= MAX_COOKIES
            continuity = f"; {CONTINUITY_COOKIE}={self.continuity}" if is_cut_off and self.continuity else ""
            headers["cookie"] = f"{cookies}{continuity}"
        content = self._content(case)
        url = self.replaced(case.url)
        if token := case.query.get("token"):
            url = url.replace(token, self.replacements.get(token, token))
        return await self.send(case.method, url, headers, content)

    def _content(self, case: Case) -> bytes | None:
        body = case.body
        if isinstance(body, dict):
            body = self._fields(case, body)
            is_form = case.headers.get("content-type", "").startswith(FORM)
            body = urlencode(body) if is_form else json.dumps(body)
        elif isinstance(body, list):
            body = json.dumps(body)
        elif isinstance(body, str):
            body = self._replaced_token(case, body)
        return self.replaced(body).encode() if isinstance(body, str) else body

    def _fields(self, case: Case, fields: dict[str, Any]) -> dict[str, Any]:
        fields = dict(fields)
        if "csrf_token" in fields:
            fields["csrf_token"] = self._csrf_token(case, fields["csrf_token"])
        flow_id = self.replacements.get(case.flow_id or "", "")
        traits = fields.get("traits")
        email = fields.get("email") or fields.get("identifier") or fields.get("traits.email")
        email = email or (traits.get("email") if isinstance(traits, dict) else None)
        if email and not fields.get("code"):
            self.flow_emails[flow_id] = str(email).lower()
        if fields.get("totp_code") not in {None, "", WRONG_CODE, "abc"}:
            identity = next(entry for entry in self.fake.identities if entry.traits.get("email") == self.email)
            fields["totp_code"] = pyotp.TOTP(identity.credentials.totp_secret or "").at(int(self.fake.clock.time()))
        if fields.get("code") not in {None, WRONG_CODE} and "before_email" not in case.name:
            fields["code"] = self._code(case, flow_id)
        return fields

    def _code(self, case: Case, flow_id: str) -> str:
        recipient = self.flow_emails.get(flow_id, self.email)
        codes = [message.code for message in self.fake.messages if message.recipient == recipient]
        return codes[1 if "old_code" in case.name else 0]

    def _csrf_token(self, case: Case, token: str) -> str:
        """Return the token with the fake's secret in place of the recorded one."""
        cookie = case.cookies.get(self.csrf_cookie, "")
        if not csrf.verify(csrf.parse_secret(cookie), token):
            return token
        secret = csrf.parse_secret(self.replacements.get(cookie, cookie))
        assert secret is not None
        return csrf.mask(secret)

    def _replaced_token(self, case: Case, body: str) -> str:
        for field in body.split("&"):
            name, _, value = field.partition("=")
            if name == "csrf_token":
                plain = value.replace("%2B", "+").replace("%2F", "/").replace("%3D", "=")
                body = body.replace(field, urlencode({name: self._csrf_token(case, plain)}))
        return body

    def _compare(self, case: Case, response: httpx2.Response) -> Iterator[str]:
        expected, headers = case.response, response.headers.multi_items()
        body = body_of(expected["body"], response)
        if expected["status"] != response.status_code:
            yield f"status is {response.status_code} instead of {expected['status']}"
        if case.name in LISTS_OF_ALL_IDENTITIES:
            headers = [(name, value) for name, value in headers if name != "x-total-count"]
            expected = {**expected, "headers": [pair for pair in expected["headers"] if pair[0] != "x-total-count"]}
            expected["body"], body = _first_fields(expected["body"]), _first_fields(body)
        yield from diff_headers(expected["headers"], headers)
        yield from _diff_plain_headers(expected["headers"], headers)
        yield from diff(normalize(expected["body"]), normalize(without_long_texts(expected["body"], body)))
        self.continuity = set_cookies(headers).get(CONTINUITY_COOKIE, self.continuity)
        self.replacements.learn(expected["body"], body)
        self.replacements.learn_headers(expected["headers"], headers)


def _diff_plain_headers(recorded: list[list[str]], actual: list[tuple[str, str]]) -> Iterator[str]:
    left, right = (
        {name: value for name, value in headers if name == "allow" or name.startswith("access-control-")}
        for headers in (recorded, actual)
    )
    if left != right:
        yield f"allow and CORS headers are {right} instead of {left}"


def _first_fields(entries: list[dict[str, Any]]) -> list[str]:
    """Return the names of the fields that each entry has, from the first one."""
    return sorted(entries[0].keys() - {"external_id", "state_changed_at"})
