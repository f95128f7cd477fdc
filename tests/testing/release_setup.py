"""The users, sessions and flows that the recorded requests of v26.2.0 need, but whose creation is not recorded."""

import json
import re
import uuid
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx2

from ory_guard.testing import FakeKratos
from ory_guard.testing.store.records import Identity, Session

from .release_bodies import FLOW_AGES, PASSWORD, SESSION_AGES, USERS, enroll
from .release_story import COOKIE_LENGTH, Case, Facts
from .replay import IDS_AND_TOKENS, Replacements

CODE_FLOWS = ("recovery", "verification")
NO_DASHES = re.compile(r"[0-9a-f]{32}")
_SPELLINGS = re.compile(
    r"[0-9a-f]{8}-[0-9a-f-]{27}|[0-9A-F]{8}-[0-9A-F-]{27}|ory_\w{2}_\w{32}|\b[0-9a-f]{32}\b|ey\w{20,}[\w.-]*"
)
REPLACEABLE = re.compile(IDS_AND_TOKENS)


def redirect_of(case: Case) -> str | None:
    """Return the URL that starts the flow of a request again, if the response names it."""
    body = case.response["body"]
    details = body.get("error", {}).get("details", {}) if isinstance(body, dict) else {}
    return details.get("redirect_to") if isinstance(details, dict) else None


class ReleaseSetup:
    """The state of a replay against one fake.

    Args:
        fake: The fake.
        cases: All recorded exchanges, which are searched for facts about users, sessions and flows.
    """

    def __init__(self, fake: FakeKratos, cases: list[Case]) -> None:
        self.fake = fake
        self.csrf_cookie = fake._server.jar.csrf_cookie_name
        self.facts = Facts(fake.settings.public_url)
        for case in cases:
            self.facts.learn(case)
        self.replacements = Replacements(IDS_AND_TOKENS, COOKIE_LENGTH)
        self.email = ""
        self.flow_emails: dict[str, str] = {}
        self._unused: dict[str, Session] = {}
        self.public = httpx2.ASGITransport(app=fake.app)
        self.admin = httpx2.ASGITransport(app=fake.admin_app)

    async def send(
        self, method: str, url: str, headers: dict[str, str], content: bytes | None = None
    ) -> httpx2.Response:
        """Send a request to the public or admin API."""
        transport = self.admin if url.startswith(self.fake.settings.admin_url) else self.public
        request = httpx2.Request(method, url, headers=headers, content=content)
        response = await transport.handle_async_request(request)
        await response.aread()
        return response

    async def send_json(self, path: str, fields: dict[str, Any], **headers: str) -> dict[str, Any]:
        """Submit fields to the public API."""
        url = f"{self.fake.settings.public_url}{path}"
        kinds = {"accept": "application/json", "content-type": "application/json", **headers}
        response = await self.send("POST", url, kinds, json.dumps(fields).encode())
        return dict(response.json())

    async def prepare(self, case: Case) -> None:
        """Create the users, sessions and flows that a recorded request needs."""
        for recorded_id in REPLACEABLE.findall(case.url):
            if recorded_id in self.replacements:
                continue
            if recorded_id in self.facts.emails:
                await self.user(self.facts.emails[recorded_id])
            elif recorded_id in self.facts.session_emails:
                await self._session(case, recorded_id)
        await self._prepare_identifier(case)
        if "token" in case.query and self.fake.messages:
            link = self.fake.messages[0].code
            self.replacements.setdefault(
                case.query["token"], dict(parse_qsl(urlsplit(link).query)).get("token", "")
            )
        await self._change_sessions(case)
        if case.path == "/self-service/logout/api" and case.response["status"] == 403:
            return
        if case.credential and case.credential not in self.replacements and len(case.credential) > 20:
            await self._session(case, self.facts.sessions.get(case.credential))
        if case.flow_id and case.flow_id in self._known_flows(case) and case.flow_id not in self.replacements:
            await self._flow(case, case.flow_id)

    async def _change_sessions(self, case: Case) -> None:
        if case.name == "aal.delete_sessions_aal1":
            self.fake.sign_in(await self.user(self.email))
        if case.name == "admin.sessions.list.size2":
            for _ in range(5):
                self.fake.sign_in(await self.user(self.facts.emails[REPLACEABLE.findall(case.url)[0]]))
        if case.name == "extend.revoked":
            revoked = self.replacements[REPLACEABLE.findall(case.url)[0]]
            self.fake.revoke(self.fake._server.store.sessions[revoked])

    def _known_flows(self, case: Case) -> set[str]:
        is_disabled = "This endpoint was disabled" in json.dumps(case.response["body"])
        is_unknown = (case.response["status"] == 404 and not is_disabled) or not REPLACEABLE.fullmatch(
            case.flow_id or ""
        )
        return set() if is_unknown else {str(case.flow_id)}

    async def _prepare_identifier(self, case: Case) -> None:
        """Register the user who logs in, recovers an account, or owns an address that is taken."""
        fields = case.fields
        identifier = fields.get("identifier") or fields.get("password_identifier") or ""
        traits = fields.get("traits")
        taken = '"id": 4000007' in json.dumps(case.response["body"])
        if case.path == "/self-service/login" and "@" in str(identifier) and len(identifier) < 100:
            wanted = str(identifier).strip().lower()
            if not wanted.startswith("nobody") and case.name != "multi.login_old_email":
                self.email = wanted
                await self.user(wanted)
        elif taken and isinstance(traits, dict):
            await self.user(str(traits["email"]).lower())
        elif case.path in {f"/self-service/{name}" for name in CODE_FLOWS} and fields.get("email"):
            wanted = str(fields["email"]).strip().lower()
            if wanted.startswith("u") and wanted.endswith("example.test"):
                self.email = wanted
                await self.user(wanted)

    async def user(self, email: str) -> Identity:
        """Return the user with an address, registered as in the recordings if there is none."""
        identity = next((entry for entry in self.fake.identities if entry.traits.get("email") == email), None)
        if identity is None:
            flow = await self._create("/self-service/registration/api", {})
            fields = {"method": "password", "password": PASSWORD, "traits": {"email": email}}
            created = await self.send_json(f"/self-service/registration?flow={flow['id']}", fields)
            identity = next(entry for entry in self.fake.identities if entry.id == created["identity"]["id"])
            if session := created.get("session"):
                self._unused[email] = self.fake._server.store.sessions[session["id"]]
            enroll(identity)
        for recorded_id, owner in self.facts.emails.items():
            if owner == email:
                self.replacements.setdefault(recorded_id, identity.id)
        return identity

    async def _session(self, case: Case, session_id: str | None) -> None:
        email = USERS.get(case.name) or self.facts.credential_emails.get(case.credential or "")
        email = email or self.facts.session_emails.get(session_id or "")
        self.email = email or USERS.get(case.name) or USERS.get(case.family) or self.email or "user@example.test"
        token, cookie, session_token_id = await self._sign_in(self.email)
        self.fake.clock.advance(SESSION_AGES.get(case.name, SESSION_AGES.get(case.family, 0)))
        credentials = [credential for credential, id_ in self.facts.sessions.items() if id_ == session_id]
        if case.credential and not credentials:
            credentials = [case.credential]
        for credential in credentials:
            is_token = credential.startswith("ory_st_")
            self.replacements[credential] = token if is_token else cookie
        if session_id:
            self.replacements[session_id] = session_token_id

    async def _sign_in(self, email: str) -> tuple[str, str, str]:
        """Return token, cookie and id of a session: the one of the registration, or else a new one."""
        identity = await self.user(email)
        if session := self._unused.pop(email, None):
            value = self.fake._server.jar.session_cookie(session.token, session.expires_at, self.fake._server.now())
            return session.token, value.partition(";")[0].partition("=")[2], session.id
        signed_in = self.fake.sign_in(identity)
        return signed_in.token, signed_in.cookie, signed_in.session.id

    async def _flow(self, case: Case, flow_id: str) -> None:
        document = self.facts.flows.get(flow_id, {})
        name = case.path.split("/")[2]
        is_csrf_error = "security_csrf_violation" in json.dumps(case.response["body"]) and case.method == "GET"
        kind = (
            "browser" if is_csrf_error or self.csrf_cookie in case.cookies or "csrf_token" in case.fields else "api"
        )
        parameters = "?aal=aal2" if "totp_code" in case.fields else "?refresh=true"
        is_login = name == "login" and ("totp_code" in case.fields or case.family == "refresh")
        start = redirect_of(case) or f"/self-service/{name}/{kind}{parameters if is_login else ''}"
        url = urlsplit(document.get("request_url", start))
        headers = {}
        if cookies := self.cookies(case):
            headers["cookie"] = cookies
        if token := case.headers.get("x-session-token"):
            headers["x-session-token"] = self.replaced(token)
        if name != "settings" and "aal=" not in url.query and "refresh=" not in url.query:
            headers.pop("x-session-token", None)
            if self.csrf_cookie in case.cookies:
                headers["cookie"] = f"{self.csrf_cookie}={self.replaced(case.cookies[self.csrf_cookie])}"
        if url.path.endswith("/api"):
            sessions = self.cookies(case, leaving_out=self.csrf_cookie) if name == "settings" else ""
            headers |= {"cookie": sessions}
        flow = await self._create(f"{url.path}{'?' if url.query else ''}{url.query}", headers)
        self.replacements[flow_id] = flow["id"]
        if case.name == "multi.settings.password_after_profile":
            fields = {"method": "profile", "traits": {"email": self.email, "name": {"first": "A"}}}
            await self.send_json(f"/self-service/settings?flow={flow['id']}", fields, **headers)
        if name in CODE_FLOWS:
            self.email = USERS.get(case.family, self.email)
        if case.sends_code and "before_email" not in case.name:
            await self._send_code(case, name, flow, headers)
        self.fake.clock.advance(FLOW_AGES.get(case.family, 0))

    async def _send_code(self, case: Case, name: str, flow: dict[str, Any], headers: dict[str, str]) -> None:
        """Make the flow send an email, unless that of a second factor has already sent one."""
        if flow["state"] == "sent_email":
            return
        if name in CODE_FLOWS:
            self.flow_emails[flow["id"]] = self.email
            await self.user(self.email)
            fields: dict[str, Any] = {"method": flow["active"], "email": self.email}
        else:
            fields = {field: value for field, value in case.fields.items() if field not in {"code", "csrf_token"}}
        node = next((node for node in flow["ui"]["nodes"] if node["attributes"]["name"] == "csrf_token"), None)
        if node:
            fields["csrf_token"] = node["attributes"]["value"]
        await self.send_json(urlsplit(flow["ui"]["action"]).path + f"?flow={flow['id']}", fields, **headers)

    async def _create(self, path: str, headers: dict[str, str]) -> dict[str, Any]:
        url = f"{self.fake.settings.public_url}{path}"
        response = await self.send("GET", url, {"accept": "application/json", **headers})
        assert response.status_code == 200, f"{path}: {response.text}"
        return dict(response.json())

    def replaced(self, text: str) -> str:
        """Return a text with the fake's ids and tokens in place of the recorded ones."""
        if text in self.replacements:
            return self.replacements[text]
        return _SPELLINGS.sub(self._replacement, text)

    def _replacement(self, match: re.Match[str]) -> str:
        """Return the replacement of an id in the spelling of the recorded one."""
        text = match[0]
        if NO_DASHES.fullmatch(text):
            return self.replacements.get(str(uuid.UUID(text)), text).replace("-", "")
        replacement = self.replacements.get(text) or self.replacements.get(text.lower())
        return text if replacement is None else replacement.upper() if text.isupper() else replacement

    def cookies(self, case: Case, leaving_out: str = "") -> str:
        """Return the Cookie header of a request, with the fake's cookies."""
        cookies = {name: value for name, value in case.cookies.items() if name != leaving_out}
        return "; ".join(f"{name}={self.replacements.get(value, value)}" for name, value in cookies.items())
