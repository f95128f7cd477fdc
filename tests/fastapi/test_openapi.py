"""The OpenAPI schema of an application with protected operations."""

from typing import Any

import pytest
from fastapi import Depends, FastAPI
from fastapi.security import APIKeyHeader
from support.asgi_calls import call
from support.fastapi_applications import application, endpoint
from support.guard_bench import Bench
from support.scripted_kratos import refused

from ory_guard.fastapi import install, require_session

pytestmark = pytest.mark.anyio

ALTERNATIVES: list[dict[str, list[str]]] = [
    {"ory_session_cookie": []},
    {"ory_session_token": []},
    {"ory_session_bearer": []},
]


def operations(app: FastAPI) -> dict[str, Any]:
    return {path: operation["get"] for path, operation in app.openapi()["paths"].items() if "get" in operation}


def test_protected_operations_list_credentials_and_error_responses() -> None:
    app = application(Bench(cookie_names=("acme_session", "old_session")).guard)

    by_path = operations(app)

    assert app.openapi()["components"]["securitySchemes"] == {
        "ory_session_cookie": {"type": "apiKey", "in": "cookie", "name": "acme_session"},
        "ory_session_token": {"type": "apiKey", "in": "header", "name": "X-Session-Token"},
        "ory_session_bearer": {"type": "http", "scheme": "bearer"},
    }
    for path in ("/me", "/sync", "/vault", "/transfer"):
        assert by_path[path]["security"] == ALTERNATIVES
        assert by_path[path]["responses"].keys() >= {"200", "401", "403", "503"}
        assert "error" in str(by_path[path]["responses"]["401"]["content"]["application/json"]["schema"])
    assert by_path["/"]["security"] == [*ALTERNATIVES, {}]
    assert by_path["/"]["responses"].keys() == {"200"}
    assert "security" not in by_path["/open"]


@pytest.mark.parametrize(
    ("settings", "names"),
    [
        ({"credentials": ("cookie",)}, ["ory_session_cookie"]),
        ({"credentials": ("x_session_token",)}, ["ory_session_token"]),
        ({"credentials": ("bearer",)}, ["ory_session_bearer"]),
        (
            {"token_cookie_names": ("app_token",)},
            ["ory_session_cookie", "ory_token_cookie", "ory_session_token", "ory_session_bearer"],
        ),
    ],
)
def test_only_accepted_credentials_are_listed(settings: dict[str, Any], names: list[str]) -> None:
    app = application(Bench(**settings).guard)

    assert operations(app)["/me"]["security"] == [{name: []} for name in names]
    schemes = app.openapi()["components"]["securitySchemes"]
    assert [*schemes] == names
    if "ory_token_cookie" in names:
        assert schemes["ory_token_cookie"] == {"type": "apiKey", "in": "cookie", "name": "app_token"}


def test_declarations_of_the_application_stay() -> None:
    """Its security schemes and responses are kept, and its dependencies count."""
    partner: Any = Depends(APIKeyHeader(name="X-Partner", scheme_name="partner"))
    app, public = FastAPI(dependencies=[Depends(require_session)]), FastAPI()
    for each in (app, public):
        install(each, Bench().guard)
        own: dict[int | str, dict[str, Any]] = {403: {"description": "Own words"}}
        each.add_api_route("/x", endpoint, methods=["GET"], responses=own, dependencies=[partner])
    public.add_api_route("/me", endpoint, methods=["GET"], dependencies=[Depends(require_session)])

    operation = operations(app)["/x"]
    assert operation["security"] == [{"partner": []}, *ALTERNATIVES]
    assert operation["responses"]["403"] == {"description": "Own words"}
    assert "partner" in app.openapi()["components"]["securitySchemes"]
    assert operations(public)["/x"]["security"] == [{"partner": []}]


def test_schema_without_protected_operations_is_unchanged() -> None:
    plain, guarded = FastAPI(), FastAPI()
    install(guarded, Bench().guard)
    for app in (plain, guarded):
        app.add_api_route("/x", endpoint, methods=["GET"])

    assert guarded.openapi() == plain.openapi()


def test_routes_added_after_the_first_call_are_described() -> None:
    app = application(Bench().guard)
    first = app.openapi()
    assert app.openapi() is first

    app.add_api_route("/x", endpoint, methods=["GET"], dependencies=[Depends(require_session)])

    assert operations(app)["/x"]["security"] == ALTERNATIVES


def test_custom_openapi_function_is_extended_on_each_call() -> None:
    app = FastAPI()
    generate = app.openapi

    def generate_without_cache() -> dict[str, Any]:
        app.openapi_schema = None
        return generate()

    app.openapi = generate_without_cache  # type: ignore[method-assign] # FastAPI's documented way
    app.add_api_route("/x", endpoint, methods=["GET"], dependencies=[Depends(require_session)])
    install(app, Bench().guard)

    for _ in range(2):
        assert operations(app)["/x"]["security"] == ALTERNATIVES


async def test_schema_is_served_without_a_session() -> None:
    response = await call(application(Bench(refused(401)).guard), "/openapi.json")

    assert response.json["paths"]["/me"]["get"]["security"] == ALTERNATIVES
