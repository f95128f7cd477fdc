"""GraphQL: a refused field has the code and the next step in the `extensions` of its error."""

import json
from typing import Any

import ariadne
import ariadne.asgi
import pytest
import strawberry
import strawberry.asgi
from support.asgi_calls import Application, call

from frameworks.requests_table import CASES, World, headers_of
from ory_guard import OryGuard, OrySessionMiddleware

pytestmark = [pytest.mark.anyio, pytest.mark.frameworks]


def with_strawberry(guard: OryGuard) -> Application:
    """Return a GraphQL API with Strawberry."""

    @strawberry.type
    class Query:
        @strawberry.field
        async def me(self, info: strawberry.Info) -> str:
            return (await guard.require(info.context["request"])).identity.id

        @strawberry.field
        async def vault(self, info: strawberry.Info) -> str | None:
            return (await guard.require(info.context["request"], aal="aal2")).id

    return strawberry.asgi.GraphQL(strawberry.Schema(Query))


def with_ariadne(guard: OryGuard) -> Application:
    """Return a GraphQL API with Ariadne."""
    query = ariadne.QueryType()

    @query.field("me")
    async def me(_root: Any, info: Any) -> str:
        return (await guard.require(info.context["request"])).identity.id

    @query.field("vault")
    async def vault(_root: Any, info: Any) -> str:
        return (await guard.require(info.context["request"], aal="aal2")).id

    schema = ariadne.make_executable_schema("type Query { me: String! vault: String }", query)
    return ariadne.asgi.GraphQL(schema)


async def ask(app: Application, query: str, headers: Any) -> Any:
    """Send a query, and return the response."""
    body = json.dumps({"query": query}).encode()
    sized = [*headers, (b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    return (await call(app, "/graphql", method="POST", headers=sized, parts=[body])).json


@pytest.mark.parametrize("build", [with_strawberry, with_ariadne])
async def test_refused_field_has_extensions(build: Any, world: World) -> None:
    app = OrySessionMiddleware(build(world.guard), guard=world.guard)
    anonymous = headers_of(CASES["API, anonymous"], world)

    refused = await ask(app, "{ me }", anonymous)
    signed_in = await ask(app, "{ me vault }", [*anonymous, world.token])

    assert refused["errors"][0]["extensions"] | {"redirect_browser_to": ""} == {
        "code": "session_inactive",
        "status": 401,
        "failures": [],
        "redirect_browser_to": "",
    }
    assert refused["errors"][0]["extensions"]["redirect_browser_to"].startswith(
        "http://127.0.0.1:4433/self-service"
    )
    assert signed_in["data"] == {"me": world.user.session.identity.id, "vault": None}
    assert [one["extensions"]["code"] for one in signed_in["errors"]] == ["session_aal2_enrollment_required"]
