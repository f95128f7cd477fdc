"""The OpenAPI of a guarded application: how operations are called, and how they are refused."""

from typing import Annotated, Any

import pytest
from fastapi import Depends, FastAPI
from support.asgi_calls import call
from support.fastapi_applications import application, endpoint
from support.guard_bench import Bench
from support.stub_kratos import refused

from ory_guard.fastapi import install, require_session

pytestmark = pytest.mark.anyio


def operations(app: FastAPI) -> dict[str, Any]:
    """Return the operations of the application's schema by path."""
    return {path: operation["get"] for path, operation in app.openapi()["paths"].items() if "get" in operation}


ALTERNATIVES: list[dict[str, list[str]]] = [
    {"ory_session_cookie": []},
    {"ory_session_token": []},
    {"ory_session_bearer": []},
]


def test_guarded_operations_list_three_ways_and_their_refusals() -> None:
    """Whoever reads the schema knows how to call them, and what can come back."""
    app = application(Bench(cookie_names=("acme_session", "old_session")).guard)

    found = operations(app)

    assert app.openapi()["components"]["securitySchemes"] == {
        "ory_session_cookie": {"type": "apiKey", "in": "cookie", "name": "acme_session"},
        "ory_session_token": {"type": "apiKey", "in": "header", "name": "X-Session-Token"},
        "ory_session_bearer": {"type": "http", "scheme": "bearer"},
    }
    for path in ("/me", "/sync", "/vault", "/transfer"):
        assert found[path]["security"] == ALTERNATIVES
        assert found[path]["responses"].keys() >= {"200", "401", "403", "503"}
        assert "error" in str(found[path]["responses"]["401"]["content"]["application/json"]["schema"])
    assert found["/"]["security"] == [*ALTERNATIVES, {}]
    assert found["/"]["responses"].keys() == {"200"}
    assert "security" not in found["/open"]


@pytest.mark.parametrize(
    ("kind", "scheme"),
    [("cookie", "ory_session_cookie"), ("x_session_token", "ory_session_token"), ("bearer", "ory_session_bearer")],
)
def test_only_accepted_credentials_are_listed(kind: str, scheme: str) -> None:
    """What the guard ignores would not help a caller."""
    app = application(Bench(credentials=(kind,)).guard)

    assert operations(app)["/me"]["security"] == [{scheme: []}]
    assert app.openapi()["components"]["securitySchemes"].keys() == {scheme}


def test_dependencies_of_routers_and_of_the_application_count() -> None:
    """And the application's own schemes and answers stay."""
    app = FastAPI(dependencies=[Depends(require_session)])
    install(app, Bench().guard)
    app.add_api_route("/x", endpoint, methods=["GET"], responses={403: {"description": "Own words"}})

    found = operations(app)["/x"]

    assert found["security"] == ALTERNATIVES
    assert found["responses"]["403"] == {"description": "Own words"}


def test_schemes_of_the_applications_own_stay() -> None:
    """Beside ours."""
    from fastapi.security import APIKeyHeader  # noqa: PLC0415 - one test's example of a foreign scheme

    key = APIKeyHeader(name="X-Partner", scheme_name="partner")
    app = FastAPI()
    install(app, Bench().guard)

    @app.get("/both", dependencies=[Depends(require_session)])
    async def both(_key: Annotated[str, Depends(key)]) -> None: ...

    @app.get("/partner")
    async def partner(_key: Annotated[str, Depends(key)]) -> None: ...

    found = operations(app)
    assert found["/both"]["security"] == [{"partner": []}, *ALTERNATIVES]
    assert found["/partner"]["security"] == [{"partner": []}]
    assert "partner" in app.openapi()["components"]["securitySchemes"]


def test_an_application_without_guarded_operations_has_the_schema_that_it_had() -> None:
    """Nothing is said that does not hold."""
    plain, guarded = FastAPI(), FastAPI()
    install(guarded, Bench().guard)
    for app in (plain, guarded):
        app.add_api_route("/x", endpoint, methods=["GET"])

    assert guarded.openapi() == plain.openapi()


def test_routes_that_are_added_later_are_described_too() -> None:
    """Also after somebody has looked."""
    app = application(Bench().guard)
    first = app.openapi()
    assert app.openapi() is first

    app.add_api_route("/late", endpoint, methods=["GET"], dependencies=[Depends(require_session)])

    assert operations(app)["/late"]["security"] == ALTERNATIVES


def test_a_schema_of_the_applications_own_making_is_described_each_time() -> None:
    """One that generates it anew at every call gets no half of it."""
    app = FastAPI()
    app.add_api_route("/x", endpoint, methods=["GET"], dependencies=[Depends(require_session)])
    generate = app.openapi

    def anew() -> dict[str, Any]:
        app.openapi_schema = None
        return generate()

    app.openapi = anew  # type: ignore[method-assign] # FastAPI's documented way
    install(app, Bench().guard)

    for _ in range(2):
        assert operations(app)["/x"]["security"] == ALTERNATIVES


async def test_the_schema_is_served() -> None:
    """Where FastAPI serves it, without a session."""
    answered = await call(application(Bench(refused(401)).guard), "/openapi.json")

    assert answered.json["paths"]["/me"]["get"]["security"] == ALTERNATIVES
