"""The people of the story: they register, sign in and enrol through Kratos' public API, and read their e-mails."""

import re
from typing import Any

import httpx2
import pyotp
from places import Place
from visitor import Caller, totp_secret

PASSWORD = "correct-horse-battery-9"
TOTP_SECONDS = 30


class People:
    """What people do beside the recorded requests.

    Args:
        place: Which Kratos they use.
    """

    def __init__(self, place: Place) -> None:
        self._place = place
        self._secret = ""
        self._used: set[str] = set()

    def caller(self, *, app: bool) -> Caller:
        """Return somebody whom Kratos does not know yet."""
        return Caller(self._place.transport, self._place.public, app=app)

    async def register(self, email: str) -> dict[str, Any]:
        """Register somebody by an app, and return the answer: the first session's token and document."""
        app = self.caller(app=True)
        fields = {"method": "password", "password": PASSWORD, "traits": {"email": email}}
        answer = await app.submit(await app.flow("registration"), **fields)
        assert answer.status_code == 200, answer.text

        return dict(answer.json())

    async def sign_in_app(self, email: str, password: str) -> dict[str, Any]:
        """Sign in by an app, and return the answer: another session's token and document."""
        answer = await self.caller(app=True).sign_in(email, password)
        assert answer.status_code == 200, answer.text

        return dict(answer.json())

    async def sign_in_browser(self, email: str, password: str) -> Caller:
        """Sign in with a browser, which has the cookies then; a second factor is left for later (422)."""
        browser = self.caller(app=False)
        answer = await browser.sign_in(email, password)
        assert answer.status_code in {200, 422}, answer.text

        return browser

    async def enrol(self, person: Caller) -> None:
        """Set up an authenticator app in somebody's settings."""
        flow = await person.flow("settings")
        self.keep_secret(flow)
        answer = await person.submit(flow, method="totp", totp_code=await self.totp_code())
        assert answer.status_code == 200, answer.text

    def keep_secret(self, settings_flow: dict[str, Any]) -> None:
        """Scan the key that a settings form offers: the authenticator app shows its codes from now on."""
        self._secret = totp_secret(settings_flow)

    async def totp_code(self) -> str:
        """Return a code that was not used before, waiting for the next one if need be: none has to work twice."""
        while (code := self._shown()) in self._used:
            await self._place.wait(TOTP_SECONDS - self._place.time() % TOTP_SECONDS)
        self._used.add(code)
        return code

    def _shown(self) -> str:
        return pyotp.TOTP(self._secret).at(int(self._place.time()))

    async def mailed_code(self, recipient: str) -> str:
        """Return the code in the newest e-mail to an address, as the operator of Kratos can see it."""
        answer = await self.admin("GET", f"/admin/courier/messages?recipient={recipient}")
        mails = [one for one in answer.json() if one["recipient"] == recipient]
        newest = max(mails, key=lambda mail: str(mail["created_at"]).removesuffix("Z"))
        found = re.findall(r"\b[0-9]{6}\b", newest["body"])
        assert found, f"no code in {newest['body']!r}: Kratos shows the bodies of e-mails with --dev only"

        return str(found[0])

    async def admin(self, method: str, path: str, body: object = None) -> httpx2.Response:
        """Ask the admin API, which has to agree."""
        request = httpx2.Request(method, f"{self._place.admin}{path}", json=body)
        answer = await self._place.transport.handle_async_request(request)
        await answer.aread()
        assert answer.status_code < 300, f"{method} {path}: {answer.text}"

        return answer
