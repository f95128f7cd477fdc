"""A receiver of web hooks, fakes that send theirs to it, and flows with hooks."""

import base64
import json
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send
from support.flow_client import PASSWORD, FlowClient

from ory_guard.testing import FakeKratos

ALL = "function(ctx) ctx"


@dataclass(frozen=True)
class ReceivedHook:
    """A request that a receiver got."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The decoded body."""
        return json.loads(self.body)


@dataclass
class Receiver:
    """An ASGI application that stores web hooks, and responds with 204 or as planned for a path.

    Attributes:
        responses: A status and a body, bytes or JSON, for each path; a list of them is used up.
    """

    responses: dict[str, Any] = field(default_factory=dict)
    hooks: list[ReceivedHook] = field(default_factory=list)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Store a request and respond."""
        request = Request(scope, receive)
        path = request.url.path.removeprefix("/")
        body = await request.body()
        self.hooks.append(ReceivedHook(request.method, path, dict(request.headers), body))
        planned = self.responses.get(path, (204, b""))
        if isinstance(planned, list):
            planned = planned.pop(0)
        if isinstance(planned, Exception):
            raise planned
        status, document, *headers = planned
        content = document if isinstance(document, bytes) else json.dumps(document).encode()
        await Response(content, status, dict(headers))(scope, receive, send)

    @property
    def paths(self) -> list[str]:
        """The paths of the received hooks, in order."""
        return [hook.path for hook in self.hooks]

    def find(self, path: str) -> ReceivedHook:
        """Return the last hook for a path."""
        return next(hook for hook in reversed(self.hooks) if hook.path == path)


def base64_uri(template: str) -> str:
    """Return a Jsonnet template as a URI."""
    return f"base64://{base64.b64encode(template.encode()).decode()}"


def web_hook(path: str, template: str = ALL, **config: Any) -> dict[str, Any]:
    """Return the configuration of a web hook."""
    url = f"http://receiver.test/{path}"
    return {"hook": "web_hook", "config": {"url": url, "method": "POST", "body": base64_uri(template), **config}}


def fake_with(receiver: Receiver, hooks: dict[str, Any], **settings: Any) -> FakeKratos:
    """Return a fake of a release that sends its hooks to a receiver."""
    settings = {"version": "v26.2.0", "hooks": hooks} | settings
    fake = FakeKratos(**settings)
    fake.web_hook_app = receiver
    return fake


def path_of(response: Any) -> str:
    """Return the path of a redirect."""
    return str(urlsplit(response.headers.get("location", "")).path)


def rejection(pointer: str, message_id: int = 7, **message: Any) -> dict[str, Any]:
    """Return the body with which a receiver stops a flow."""
    text = {"id": message_id, "text": "No.", "type": "error", **message}
    return {"messages": [{"instance_ptr": pointer, "messages": [text]}]}


EMAIL = "ada@example.test"
FLOWS = ("login", "registration", "settings", "recovery", "verification")
PARSE: dict[str, Any] = {"response": {"parse": True}}
METHODS = {"login": ".password", "registration": ".password", "settings": ".profile"}
HOOKS: dict[str, Any] = {
    **{f"{flow}.before": (web_hook("before"),) for flow in FLOWS},
    **{
        f"{flow}.after{METHODS.get(flow, '')}": (
            {"hook": "session"},
            web_hook("after"),
            web_hook("parsed", **PARSE),
        )
        for flow in FLOWS
    },
}
REJECTED = (400, rejection("#/traits/email"))
CLIENT_ERROR, SERVER_ERROR = (404, b""), (500, b"")


async def run(fake: FakeKratos, flow: str, client: FlowClient, *, form: bool = False, **traits: Any) -> Any:
    """Run a flow to its end, and return the last response; settings change the traits."""
    submit: Any = client.submit_form if form else client.submit
    email: dict[str, Any] = {"traits.email": EMAIL} if form else {"traits": {"email": EMAIL, **traits}}
    if flow == "registration":
        email = {"traits.email": EMAIL} if form else {"traits": {"email": EMAIL}}
        return await submit(await client.create_flow(flow), method="password", password=PASSWORD, **email)
    identity = fake.add_identity(EMAIL)
    if flow == "settings":
        client.use(fake.sign_in(identity))
    started = await client.create_flow(flow)
    if flow == "login":
        return await submit(started, method="password", identifier=EMAIL, password=PASSWORD)
    if flow == "settings":
        return await submit(started, method="profile", **email)
    current = (await client.submit(started, method="code", email=EMAIL)).json()
    return await submit(current, method="code", code=fake.messages[0].code)
