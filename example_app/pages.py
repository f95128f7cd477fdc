"""The pages of the product, each with its requirement as a dependency in the signature."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends
from fastapi.requests import Request
from fastapi.responses import HTMLResponse, Response

from example_app.rendering import MAX_AGE, CurrentSite, redirect, with_notice
from example_app.transfers import parse_transfer
from ory_guard import Session
from ory_guard.fastapi import CurrentSession, OptionalSession, require, require_aal, require_fresh
from ory_guard.starlette import logout_response

__all__ = ["router"]

router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)

StrongSession = Annotated[Session, Depends(require_aal("aal2"))]
RecentSession = Annotated[Session, Depends(require_fresh(MAX_AGE))]
MemberSession = Annotated[Session, Depends(require(verified="email"))]


@router.get("/")
async def home(request: Request, site: CurrentSite, _session: OptionalSession) -> Response:
    """Show the public home page."""
    return site.page(request, "home.html", {"requirement": "OptionalSession"})


@router.get("/welcome")
async def welcome(request: Request, site: CurrentSite, session: OptionalSession) -> Response:
    """Show the next steps; Kratos redirects here after a flow without `return_to`."""
    if session is None:
        return redirect("/")
    return site.page(request, "welcome.html", {"requirement": "OptionalSession"})


@router.get("/me")
async def me(request: Request, site: CurrentSite, _session: CurrentSession) -> Response:
    """Show the session."""
    return site.page(request, "me.html", {"requirement": "CurrentSession"})


@router.get("/vault")
async def vault(request: Request, site: CurrentSite, _session: StrongSession) -> Response:
    """Show a page that requires a second factor."""
    return site.page(request, "vault.html", {"requirement": 'require_aal("aal2")'})


@router.get("/members")
async def members(request: Request, site: CurrentSite, _session: MemberSession) -> Response:
    """Show a page that requires a verified email address."""
    return site.page(request, "members.html", {"requirement": 'require(verified="email")'})


@router.get("/transfer")
async def transfer_form(request: Request, site: CurrentSite, session: RecentSession) -> Response:
    """Show the form; it has the same requirement as the POST, so that the POST is rarely refused."""
    return _transfer_page(request, site, session)


@router.post("/transfer")
async def make_transfer(request: Request, site: CurrentSite, session: RecentSession) -> Response:
    """Send money."""
    async with request.form(max_files=0, max_fields=10) as form:
        transfer, errors = parse_transfer(form)
    if transfer is None:
        return _transfer_page(request, site, session, values=dict(form), errors=errors)
    site.ledger.add(session.identity.id, transfer)
    return redirect("/transfer", "transfer_sent")


@router.post("/logout")
async def log_out(request: Request) -> Response:
    """Sign out this browser, including a session that lacks its second factor."""
    return with_notice(await logout_response(request), "signed_out")


def _transfer_page(
    request: Request,
    site: CurrentSite,
    session: Session,
    *,
    values: dict[str, Any] | None = None,
    errors: dict[str, str] | None = None,
) -> Response:
    context = {
        "requirement": f"require_fresh({MAX_AGE})",
        "values": {name: value for name, value in (values or {}).items() if isinstance(value, str)},
        "errors": errors or {},
        "transfers": site.ledger.latest(session.identity.id),
    }
    return site.page(request, "transfer.html", context, status_code=422 if errors else 200)
