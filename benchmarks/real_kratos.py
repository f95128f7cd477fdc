"""Through uvicorn, with a real Kratos at `ORY_GUARD_LIVE_KRATOS` on the same machine."""

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


async def _register(public: str) -> Headers:
    async with FrontendClient(public) as kratos:
        flow = await kratos.create_native_registration_flow()
        body = UpdateRegistrationFlowWithPasswordMethod(
            password=uuid.uuid4().hex, traits={"email": f"load-{uuid.uuid4().hex}@example.test"}
        )
        registered = await kratos.update_registration_flow(flow=flow.id, body=body)
    if registered.session_token is None:
        raise RuntimeError(
            "Kratos returned no session token: add the session hook to the registration with a password"
        )
    return api_headers(registered.session_token.encode())


def measure(effort: Effort) -> Section:
    """Return the rates of the guard and of the applications without a cache.

    Raises:
        KeyError: If `ORY_GUARD_LIVE_KRATOS` is not set.
    """
    public = os.environ[_LIVE]
    headers = asyncio.run(_register(public))
    found = load_in_turn([Load(name, name, headers) for name in (SESSION, *TODAY)], public, effort)
    return Section(
        f"Through uvicorn, real Kratos on the same machine; load by {generator.NAME}",
        tuple(found.values()),
        tuple(compare(found, SESSION, name) for name in TODAY),
    )
