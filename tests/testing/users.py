"""Users that act between the recorded requests: they register, log in, and read their emails."""

import re
from typing import Any

import httpx2
import pyotp
from support.flow_client import PASSWORD, FlowClient, totp_secret
from support.kratos_servers import KratosServer

TOTP_PERIOD = 30


class Users:
    """The users of one Kratos.

    Args:
        server: The Kratos.
    """

    def __init__(self, server: KratosServer) -> None:
        self._server = server
        self._secret = ""
        self._used_codes: set[str] = set()

    def new_client(self, *, native: bool) -> FlowClient:
        """Return a client without a session."""
        return FlowClient(self._server.transport, self._server.public, native=native)

    async def register(self, email: str) -> dict[str, Any]:
        """Register with a native app, and return the response body."""
        app = self.new_client(native=True)
        fields = {"method": "password", "password": PASSWORD, "traits": {"email": email}}
        response = await app.submit(await app.create_flow("registration"), **fields)
        assert response.status_code == 200, response.text

        return dict(response.json())

    async def log_in_app(self, email: str, password: str = PASSWORD) -> dict[str, Any]:
        """Log in with a native app, and return the response body."""
        response = await self.new_client(native=True).log_in(email, password)
        assert response.status_code == 200, response.text

        return dict(response.json())

    async def log_in_browser(self, email: str) -> FlowClient:
        """Log in with a browser, and return it; the status is 422 if a second factor is required."""
        browser = self.new_client(native=False)
        response = await browser.log_in(email)
        assert response.status_code in {200, 422}, response.text

        return browser

    async def enroll_totp(self, client: FlowClient) -> None:
        """Enroll an authenticator app for the client's user."""
        flow = await client.create_flow("settings")
        self.store_totp_secret(flow)
        response = await client.submit(flow, method="totp", totp_code=await self.totp_code())
        assert response.status_code == 200, response.text

    def store_totp_secret(self, settings_flow: dict[str, Any]) -> None:
        """Store the TOTP secret of a settings form."""
        self._secret = totp_secret(settings_flow)

    async def totp_code(self) -> str:
        """Return an unused TOTP code, waiting for the next one if necessary: Kratos accepts each code once."""
        while (code := self._current_code()) in self._used_codes:
            await self._server.wait(TOTP_PERIOD - self._server.time() % TOTP_PERIOD)
        self._used_codes.add(code)
        return code

    def _current_code(self) -> str:
        return pyotp.TOTP(self._secret).at(int(self._server.time()))

    async def emailed_code(self, recipient: str) -> str:
        """Return the code in the latest email to an address."""
        response = await self.admin("GET", f"/admin/courier/messages?recipient={recipient}")
        emails = [email for email in response.json() if email["recipient"] == recipient]
        latest = max(emails, key=lambda email: str(email["created_at"]).removesuffix("Z"))
        codes = re.findall(r"\b[0-9]{6}\b", latest["body"])
        assert codes, f"no code in {latest['body']!r}: Kratos only shows email bodies with --dev"

        return str(codes[0])

    async def admin(self, method: str, path: str, body: object = None) -> httpx2.Response:
        """Call the admin API; the call must succeed."""
        request = httpx2.Request(method, f"{self._server.admin}{path}", json=body)
        response = await self._server.transport.handle_async_request(request)
        await response.aread()
        assert response.status_code < 300, f"{method} {path}: {response.text}"

        return response
