"""The JSON API, and a page that is generated from its OpenAPI document."""

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends
from fastapi.requests import Request
from fastapi.responses import HTMLResponse, Response
from pydantic import BaseModel, Field

from example_app.rendering import CurrentSite, display_name
from ory_guard import Session
from ory_guard.fastapi import CurrentSession, OptionalSession, require_aal

__all__ = ["page", "router"]

router = APIRouter(prefix="/api", tags=["account"])
page = APIRouter(include_in_schema=False)


class Me(BaseModel):
    """The user of the request and the session."""

    identity_id: str
    name: str
    session_id: str
    aal: str | None = Field(description="`aal1`, or `aal2` after a second factor")
    methods: list[str] = Field(description="The authentication methods of the session")
    authenticated_at: datetime | None
    expires_at: datetime


class VaultContents(BaseModel):
    """The documents in the vault."""

    documents: list[str]


@router.get("/me")
async def read_me(session: CurrentSession) -> Me:
    """Return the user and the session of the request."""
    return Me(
        identity_id=session.identity.id,
        name=display_name(session),
        session_id=session.id,
        aal=session.authenticator_assurance_level,
        methods=[method.method or "unknown" for method in session.authentication_methods or ()],
        authenticated_at=session.authenticated_at,
        expires_at=session.expires_at,
    )


@router.get("/vault")
async def read_vault(_session: Annotated[Session, Depends(require_aal("aal2"))]) -> VaultContents:
    """Return the contents of the vault. Requires aal2."""
    return VaultContents(documents=["contract.pdf", "insurance.pdf", "certificates.pdf"])


@page.get("/api", response_class=HTMLResponse)
async def show_api(request: Request, site: CurrentSite, _session: OptionalSession) -> Response:
    """Show the operations of the API with buttons to call them."""
    schema: dict[str, Any] = request.app.openapi()
    operations = [
        {"method": method.upper(), "path": path, **operation}
        for path, methods in schema["paths"].items()
        for method, operation in methods.items()
    ]
    schemes = schema.get("components", {}).get("securitySchemes", {})
    context = {"requirement": "OptionalSession", "operations": operations, "schemes": schemes}
    return site.page(request, "api.html", context)
