"""The JSON API, and the page that describes it from its OpenAPI document."""

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends
from fastapi.requests import Request
from fastapi.responses import HTMLResponse, Response
from pydantic import BaseModel, Field

from example_app.rendering import CurrentSite, name_of
from ory_guard import Session
from ory_guard.fastapi import CurrentSession, OptionalSession, require_aal

__all__ = ["page", "router"]

router = APIRouter(prefix="/api", tags=["account"])
page = APIRouter(include_in_schema=False)


class Me(BaseModel):
    """Who makes the request, and how they signed in."""

    identity_id: str
    name: str
    session_id: str
    aal: str | None = Field(description="`aal1`, or `aal2` after a second factor")
    methods: list[str] = Field(description="What the session was signed in with")
    authenticated_at: datetime | None
    expires_at: datetime


class Treasure(BaseModel):
    """What lies in the vault."""

    contents: list[str]


@router.get("/me")
async def read_me(session: CurrentSession) -> Me:
    """Tell who makes the request."""
    return Me(
        identity_id=session.identity.id,
        name=name_of(session),
        session_id=session.id,
        aal=session.authenticator_assurance_level,
        methods=[method.method or "unknown" for method in session.authentication_methods or ()],
        authenticated_at=session.authenticated_at,
        expires_at=session.expires_at,
    )


@router.get("/vault")
async def read_vault(_session: Annotated[Session, Depends(require_aal("aal2"))]) -> Treasure:
    """Tell what lies in the vault, to a session at aal2."""
    return Treasure(contents=["the family recipe", "a treasure map", "three spare keys"])


@page.get("/api", response_class=HTMLResponse)
async def describe(request: Request, site: CurrentSite, _session: OptionalSession) -> Response:
    """Show the API's operations, to be tried out in place."""
    schema: dict[str, Any] = request.app.openapi()
    operations = [
        {"method": method.upper(), "path": path, **operation}
        for path, methods in schema["paths"].items()
        for method, operation in methods.items()
    ]
    schemes = schema.get("components", {}).get("securitySchemes", {})
    context = {"gate": "OptionalSession", "operations": operations, "schemes": schemes}
    return site.page(request, "api.html", context)
