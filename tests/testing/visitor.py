"""Somebody at a browser, or an app, who fills in the fake's forms."""

from typing import Any, Literal

import httpx2

from ory_guard.testing import FakeKratos

JSON = "application/json"
HTML = "text/html"


class Caller:
    """A client with cookies of its own; `app=True` for one that uses native flows and tokens.

    Args:
        transport: How Kratos is reached.
        public_url: Where its public API is.
        app: Whether this is an app and no browser.
    """

    def __init__(self, transport: httpx2.AsyncBaseTransport, public_url: str, *, app: bool = False) -> None:
        self.kind: Literal["api", "browser"] = "api" if app else "browser"
        self.client = httpx2.AsyncClient(transport=transport, base_url=public_url)

    async def get(self, path: str, accept: str = JSON, **query: str) -> httpx2.Response:
        """Ask for a path below the fake's public URL, or for a whole address."""
        return await self.client.get(path, params=query or None, headers={"accept": accept})

    async def begin(self, name: str, accept: str = JSON, **query: str) -> httpx2.Response:
        """Begin a flow."""
        return await self.get(f"/self-service/{name}/{self.kind}", accept, **query)

    async def flow(self, name: str, **query: str) -> dict[str, Any]:
        """Begin a flow that has to be there."""
        answer = await self.begin(name, **query)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    async def read(self, flow: dict[str, Any], name: str) -> httpx2.Response:
        """Read a flow as the page that shows it does."""
        return await self.get(f"/self-service/{name}/flows", id=flow["id"])

    async def submit(self, flow: dict[str, Any], **fields: Any) -> httpx2.Response:
        """Send a form as a script does."""
        if self.kind == "browser":
            fields.setdefault("csrf_token", value_of(flow, "csrf_token"))
        return await self.client.post(flow["ui"]["action"], json=fields, headers={"accept": JSON})

    async def send_form(self, flow: dict[str, Any], **fields: str) -> httpx2.Response:
        """Send a form as a page without scripts does; `__` stands for the dot in a name."""
        fields.setdefault("csrf_token", value_of(flow, "csrf_token"))
        form = {name.replace("__", "."): value for name, value in fields.items()}
        return await self.client.post(flow["ui"]["action"], data=form, headers={"accept": HTML})

    async def whoami(self) -> httpx2.Response:
        """Ask who this is."""
        return await self.get("/sessions/whoami")

    async def sign_in(self, email: str, password: str = "correct-horse-battery-9") -> httpx2.Response:
        """Sign in with a password."""
        flow = await self.flow("login")
        answer = await self.submit(flow, method="password", identifier=email, password=password)
        if self.kind == "api" and answer.status_code == 200:
            self.client.headers["x-session-token"] = answer.json()["session_token"]
        return answer


class Visitor(Caller):
    """A caller of a fake in the same process."""

    def __init__(self, fake: FakeKratos, *, app: bool = False) -> None:
        super().__init__(httpx2.ASGITransport(app=fake.app), fake.settings.public_url, app=app)
        self.fake = fake


def value_of(flow: dict[str, Any], name: str) -> Any:
    """Return the value of a form's field."""
    return next(
        one["attributes"].get("value") for one in flow["ui"]["nodes"] if one["attributes"].get("name") == name
    )


def names_in(flow: dict[str, Any]) -> list[str]:
    """Return the names of a form's fields, or the ids of what is no field."""
    return [one["attributes"].get("name") or one["attributes"]["id"] for one in flow["ui"]["nodes"]]


def messages_in(flow: dict[str, Any]) -> list[int]:
    """Return the ids of all messages, those above the form first."""
    above = [one["id"] for one in flow["ui"].get("messages", ())]
    return above + [one["id"] for node in flow["ui"]["nodes"] for one in node["messages"]]


def totp_secret(flow: dict[str, Any]) -> str:
    """Return the key that a settings form offers for an authenticator app."""
    return next(
        str(one["attributes"]["text"]["context"]["secret"])
        for one in flow["ui"]["nodes"]
        if one["attributes"].get("id") == "totp_secret_key"
    )
