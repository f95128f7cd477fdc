"""Applications without a cache: a call to Kratos in every request, with the generated SDK or an HTTP client."""

from collections.abc import Callable
from typing import Annotated, Any

import aiohttp
import httpx
import ory_client
from fastapi import Depends, FastAPI, HTTPException, Request

from benchmarks.applications import Application

__all__ = ["with_aiohttp", "with_httpx", "with_new_ory_client", "with_ory_client"]

Ask = Callable[[ory_client.ApiClient], ory_client.Session]


def with_ory_client(upstream: str) -> Application:
    """Return FastAPI with `FrontendApi.to_session` and one shared client."""
    client = ory_client.ApiClient(ory_client.Configuration(host=upstream))
    return _with_sdk(lambda ask: ask(client))


def with_new_ory_client(upstream: str) -> Application:
    """Return FastAPI with `FrontendApi.to_session` and a new client for each request, as in the SDK's README."""
    configuration = ory_client.Configuration(host=upstream)

    def with_client(ask: Ask) -> ory_client.Session:
        with ory_client.ApiClient(configuration) as client:
            return ask(client)

    return _with_sdk(with_client)


def _with_sdk(with_client: Callable[[Ask], ory_client.Session]) -> Application:
    app = FastAPI()

    # The SDK blocks, so FastAPI has to run this in a thread.
    def current_session(request: Request) -> ory_client.Session:
        token, cookie = request.headers.get("x-session-token"), request.headers.get("cookie")
        try:
            return with_client(
                lambda client: ory_client.FrontendApi(client).to_session(x_session_token=token, cookie=cookie)
            )
        except ory_client.ApiException as error:
            raise HTTPException(401) from error

    @app.get("/me")
    async def me(session: Annotated[Any, Depends(current_session)]) -> dict[str, str]:
        return {"id": str(session.identity.id)}

    return app


def with_httpx(upstream: str) -> Application:
    """Return FastAPI with a dependency that uses one shared `httpx.AsyncClient`."""
    app = FastAPI()
    client = httpx.AsyncClient(base_url=upstream)

    async def current_session(request: Request) -> dict[str, Any]:
        kinds = ("x-session-token", "cookie")
        headers = {name: value for name in kinds if (value := request.headers.get(name))}
        response = await client.get("/sessions/whoami", headers=headers)
        if response.status_code != 200:
            raise HTTPException(401)
        session: dict[str, Any] = response.json()
        return session

    @app.get("/me")
    async def me(session: Annotated[dict[str, Any], Depends(current_session)]) -> dict[str, str]:
        return {"id": session["identity"]["id"]}

    return app


def with_aiohttp(upstream: str) -> Application:
    """Return FastAPI with a dependency that uses one shared `aiohttp.ClientSession`."""
    app = FastAPI()
    sessions: list[aiohttp.ClientSession] = []  # it is created in the event loop of the server

    async def current_session(request: Request) -> dict[str, Any]:
        if not sessions:
            sessions.append(aiohttp.ClientSession(upstream))
        kinds = ("x-session-token", "cookie")
        headers = {name: value for name in kinds if (value := request.headers.get(name))}
        async with sessions[0].get("/sessions/whoami", headers=headers) as response:
            if response.status != 200:
                raise HTTPException(401)
            session: dict[str, Any] = await response.json()
            return session

    @app.get("/me")
    async def me(session: Annotated[dict[str, Any], Depends(current_session)]) -> dict[str, str]:
        return {"id": session["identity"]["id"]}

    return app
