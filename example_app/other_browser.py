"""A second browser of the same account, in the process of the demo: it shows when a revocation takes effect."""

import secrets
from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

import httpx2
from fastapi.requests import Request

from example_app.guard_activity import COOKIE, ActivityLog
from example_app.request_activity import RequestActivity
from ory_guard import Session
from ory_guard.testing import FakeKratos, SignedIn

__all__ = ["OtherBrowser", "OtherBrowsers"]

_MAX_IDENTITIES: Final = 1_000
_HEADERS: Final = {
    "accept": "text/html",
    "sec-fetch-mode": "navigate",
    "sec-fetch-site": "none",
    "user-agent": "Other browser",
}


@dataclass
class OtherBrowser:
    """The second browser.

    Attributes:
        signed_in: Its session.
        browser_id: Its id in the activity log.
        activity: Its latest request.
    """

    signed_in: SignedIn
    browser_id: str
    activity: RequestActivity | None = None

    @property
    def is_signed_in(self) -> bool:
        """Whether its latest request showed the page."""
        return self.activity is not None and self.activity.status == 200

    async def open_page(self, request: Request, activity_log: ActivityLog, app_url: str) -> None:
        """Open `/me` as this browser, in the application that handles `request`."""
        transport = httpx2.ASGITransport(app=request.app)
        cookies = {**self.signed_in.cookies, COOKIE: self.browser_id}
        headers = {**_HEADERS, "cookie": "; ".join(f"{name}={value}" for name, value in cookies.items())}
        async with httpx2.AsyncClient(transport=transport, trust_env=False) as client:
            await client.get(f"{app_url}/me", headers=headers)
        self.activity = activity_log.latest(self.browser_id)


class OtherBrowsers:
    """The second browser of each identity, in memory."""

    def __init__(self) -> None:
        self._by_identity: OrderedDict[str, OtherBrowser] = OrderedDict()

    def get(self, session: Session) -> OtherBrowser | None:
        """Return the second browser of the session's identity, or None before `sign_in`."""
        return self._by_identity.get(session.identity.id)

    def sign_in(self, session: Session, fake: FakeKratos) -> OtherBrowser:
        """Sign in the session's identity in a new browser, with the methods of the session."""
        identity = next(each for each in fake.identities if each.id == session.identity.id)
        is_aal2 = session.authenticator_assurance_level == "aal2"
        signed_in = fake.sign_in(identity, aal="aal2" if is_aal2 else "aal1")
        browser = OtherBrowser(signed_in, secrets.token_hex(16))
        self._by_identity.pop(identity.id, None)
        self._by_identity[identity.id] = browser
        while len(self._by_identity) > _MAX_IDENTITIES:
            self._by_identity.popitem(last=False)
        return browser
