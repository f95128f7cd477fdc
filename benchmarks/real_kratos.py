"""Through uvicorn in front of a real Kratos on the same machine, which `ORY_GUARD_LIVE_KRATOS` names."""

import asyncio
import os
import uuid
from typing import Final

from benchmarks import generator
from benchmarks.applications import SESSION
from benchmarks.report import Effort, Section, compare
from benchmarks.through_uvicorn import TODAY, Load, load_in_turn
from benchmarks.traffic import Headers, api_headers
from ory_guard.client import FrontendClient
from ory_guard.client.updates import UpdateRegistrationFlowWithPasswordMethod

__all__ = ["measure"]

_LIVE: Final = "ORY_GUARD_LIVE_KRATOS"


async def _signed_up(public: str) -> Headers:
    async with FrontendClient(public) as kratos:
        flow = await kratos.create_native_registration_flow()
        body = UpdateRegistrationFlowWithPasswordMethod(
            password=uuid.uuid4().hex, traits={"email": f"load-{uuid.uuid4().hex}@example.test"}
        )
        registered = await kratos.update_registration_flow(flow=flow.id, body=body)
    if registered.session_token is None:
        raise RuntimeError("Kratos gave no session token: add the session hook to its registration with a password")
    return api_headers(registered.session_token.encode())


def measure(effort: Effort) -> Section:
    """Return the rates of the guard and of what asks in every request.

    Raises:
        KeyError: The environment names no Kratos.
    """
    public = os.environ[_LIVE]
    headers = asyncio.run(_signed_up(public))
    found = load_in_turn([Load(name, name, headers) for name in (SESSION, *TODAY)], public, effort)
    return Section(
        f"Through uvicorn, a real Kratos on the same machine; loaded by {generator.NAME}",
        tuple(found.values()),
        tuple(compare(found, SESSION, name) for name in TODAY),
    )
