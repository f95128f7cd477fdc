"""Flows with a web hook before each of them, and two after it."""

from typing import Any

from support.flow_client import PASSWORD, FlowClient

from ory_guard.testing import FakeKratos

from .receiver import rejection, web_hook

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
