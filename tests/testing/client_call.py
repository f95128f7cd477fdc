"""One recorded call, made by `FrontendClient`, with the answer as it came over the wire."""

import httpx2
from places import Place
from recorded_scenario import Exchange
from typed_calls import arguments_of, bodies_of

from ory_guard.client import FrontendClient
from ory_guard.exceptions import OryGuardError

PATIENCE = 30.0
"""Seconds for a call: hashing a password takes a real Kratos a few."""


class Listener(httpx2.AsyncBaseTransport):
    """Keeps the last answer that passed."""

    def __init__(self, transport: httpx2.AsyncBaseTransport) -> None:
        self._transport = transport
        self.heard = httpx2.Response(599)

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Pass a request on, and the answer back."""
        answer = await self._transport.handle_async_request(request)
        body = await answer.aread()
        self.heard = httpx2.Response(answer.status_code, headers=answer.headers.multi_items(), content=body)
        return httpx2.Response(
            answer.status_code, headers=answer.headers.multi_items(), stream=httpx2.ByteStream(body)
        )


async def call_with_client(place: Place, sent: Exchange) -> tuple[httpx2.Response, list[str]]:
    """Make a call, and return the answer with what the client did not make of it."""
    listener = Listener(place.transport)
    client = FrontendClient(place.public, transport=listener, timeout=PATIENCE)
    arguments = arguments_of(sent)
    if (body := bodies_of(sent)[-1]) is not None:
        arguments["body"] = body
    problems = []
    try:
        await getattr(client.with_response, sent.operation)(**arguments)
        if listener.heard.status_code >= 300:
            problems.append(f"FrontendClient took a {listener.heard.status_code} for a success")
    except OryGuardError as error:
        if listener.heard.status_code < 300:
            problems.append(f"FrontendClient raised {error!r}")
    return listener.heard, problems
