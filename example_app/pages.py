"""The product's own pages: what everybody sees, and what the guard keeps for some.

Each gate is one dependency; what it needs stands in the signature, and nothing in the body repeats it.
"""

from typing import Annotated, Any

from fastapi import APIRouter, Depends
from fastapi.requests import Request
from fastapi.responses import HTMLResponse, Response

from example_app.rendering import CurrentSite, redirect
from example_app.transfers import read_transfer
from ory_guard import Session
from ory_guard.fastapi import CurrentSession, OptionalSession, require, require_aal, require_fresh

__all__ = ["FRESH", "router"]

router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)

FRESH = 60
"""Seconds after signing in within which money may be sent."""

StrongSession = Annotated[Session, Depends(require_aal("aal2"))]
FreshSession = Annotated[Session, Depends(require_fresh(FRESH))]
MemberSession = Annotated[Session, Depends(require(verified="email"))]


@router.get("/")
async def home(request: Request, site: CurrentSite, _session: OptionalSession) -> Response:
    """Greet everybody, and by name who is signed in."""
    return site.page(request, "home.html", {"gate": "OptionalSession"})


@router.get("/welcome")
async def welcome(request: Request, site: CurrentSite, session: OptionalSession) -> Response:
    """Say what there is to do; Kratos sends people here who came from nowhere else."""
    if session is None:
        return redirect("/")
    return site.page(request, "welcome.html", {"gate": "OptionalSession"})


@router.get("/me")
async def me(request: Request, site: CurrentSite, _session: CurrentSession) -> Response:
    """Show the session."""
    return site.page(request, "me.html", {"gate": "CurrentSession"})


@router.get("/vault")
async def vault(request: Request, site: CurrentSite, _session: StrongSession) -> Response:
    """Show what takes a second factor."""
    return site.page(request, "vault.html", {"gate": 'require_aal("aal2")'})


@router.get("/members")
async def members(request: Request, site: CurrentSite, _session: MemberSession) -> Response:
    """Show what takes a verified email address."""
    return site.page(request, "members.html", {"gate": 'require(verified="email")'})


@router.get("/transfer")
async def transfer_form(request: Request, site: CurrentSite, session: FreshSession) -> Response:
    """Ask where the money goes; the same gate as sending it, so that sending it is seldom refused."""
    return _transfer_page(request, site, session)


@router.post("/transfer")
async def make_transfer(request: Request, site: CurrentSite, session: FreshSession) -> Response:
    """Send money."""
    async with request.form(max_files=0, max_fields=10) as form:
        transfer, errors = read_transfer(form)
    if transfer is None:
        return _transfer_page(request, site, session, values=dict(form), errors=errors)
    site.ledger.add(session.identity.id, transfer)
    return redirect("/transfer", "transfer_sent")


def _transfer_page(
    request: Request,
    site: CurrentSite,
    session: Session,
    *,
    values: dict[str, Any] | None = None,
    errors: dict[str, str] | None = None,
) -> Response:
    context = {
        "gate": f"require_fresh({FRESH})",
        "values": {name: value for name, value in (values or {}).items() if isinstance(value, str)},
        "errors": errors or {},
        "transfers": site.ledger.of(session.identity.id),
    }
    return site.page(request, "transfer.html", context, status_code=422 if errors else 200)
