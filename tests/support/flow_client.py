"""A client that runs Kratos' self-service flows, as a browser or as a native app."""

from typing import Any, Literal

import httpx2

from ory_guard.testing import FakeKratos, SignedIn

JSON = "application/json"
HTML = "text/html"
PASSWORD = "correct-horse-battery-9"


class FlowClient:
    """A client with its own cookies.

    Args:
        transport: The transport to Kratos.
        public_url: The URL of the public API.
        native: Whether the client is a native app, which uses API flows and session tokens.
    """

    def __init__(self, transport: httpx2.AsyncBaseTransport, public_url: str, *, native: bool = False) -> None:
        self.kind: Literal["api", "browser"] = "api" if native else "browser"
        # A real Kratos on a busy machine needs seconds to hash a password.
        self.client = httpx2.AsyncClient(transport=transport, base_url=public_url, timeout=30.0)

    def use(self, signed_in: SignedIn) -> None:
        """Present a session: browsers send its cookie, apps its token."""
        if self.kind == "api":
            self.client.headers.update(signed_in.headers)
        else:
            self.client.cookies.update(signed_in.cookies)

    async def get(self, path: str, accept: str = JSON, **query: str) -> httpx2.Response:
        """Get a path of the public API, or an absolute URL."""
        return await self.client.get(path, params=query or None, headers={"accept": accept})

    async def start(self, name: str, accept: str = JSON, **query: str) -> httpx2.Response:
        """Start a flow and return the response."""
        return await self.get(f"/self-service/{name}/{self.kind}", accept, **query)

    async def create_flow(self, name: str, **query: str) -> dict[str, Any]:
        """Start a flow, which must succeed, and return it."""
        response = await self.start(name, **query)
        assert response.status_code == 200, response.text
        return dict(response.json())

    async def get_flow(self, name: str, flow_id: str) -> httpx2.Response:
        """Get a flow, as the page that shows it does."""
        return await self.get(f"/self-service/{name}/flows", id=flow_id)

    async def submit(self, flow: dict[str, Any], **fields: Any) -> httpx2.Response:
        """Submit a flow as JSON."""
        if self.kind == "browser":
            fields.setdefault("csrf_token", field_value(flow, "csrf_token"))
        return await self.client.post(flow["ui"]["action"], json=fields, headers={"accept": JSON})

    async def submit_form(self, flow: dict[str, Any], **fields: str) -> httpx2.Response:
        """Submit a flow as an HTML form; `__` in a name stands for a dot."""
        fields.setdefault("csrf_token", field_value(flow, "csrf_token"))
        form = {name.replace("__", "."): value for name, value in fields.items()}
        return await self.client.post(flow["ui"]["action"], data=form, headers={"accept": HTML})

    async def whoami(self) -> httpx2.Response:
        """Call whoami."""
        return await self.get("/sessions/whoami")

    async def log_in(self, email: str, password: str = PASSWORD) -> httpx2.Response:
        """Log in with a password."""
        flow = await self.create_flow("login")
        response = await self.submit(flow, method="password", identifier=email, password=password)
        if self.kind == "api" and response.status_code == 200:
            self.client.headers["x-session-token"] = response.json()["session_token"]
        return response


def client_for(fake: FakeKratos, *, native: bool = False) -> FlowClient:
    """Return a client of a fake in this process."""
    return FlowClient(httpx2.ASGITransport(app=fake.app), fake.settings.public_url, native=native)


def field_value(flow: dict[str, Any], name: str) -> Any:
    """Return the value of a form field."""
    return next(
        node["attributes"].get("value") for node in flow["ui"]["nodes"] if node["attributes"].get("name") == name
    )


def node_by_id(flow: dict[str, Any], node_id: str) -> dict[str, Any]:
    """Return the attributes of the node with this id."""
    return next(dict(node["attributes"]) for node in flow["ui"]["nodes"] if node["attributes"].get("id") == node_id)


def node_names(flow: dict[str, Any]) -> list[str]:
    """Return the name of each node, or its id if it has no name."""
    return [node["attributes"].get("name") or node["attributes"]["id"] for node in flow["ui"]["nodes"]]


def message_ids(flow: dict[str, Any]) -> list[int]:
    """Return the ids of all messages: first those above the form, then those at the nodes."""
    above = [message["id"] for message in flow["ui"].get("messages", ())]
    return above + [message["id"] for node in flow["ui"]["nodes"] for message in node["messages"]]


def totp_secret(flow: dict[str, Any]) -> str:
    """Return the TOTP secret in a settings form."""
    return str(node_by_id(flow, "totp_secret_key")["text"]["context"]["secret"])
