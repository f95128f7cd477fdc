"""The list of identities in the admin API: filters, and two kinds of pagination."""

from collections.abc import Callable, Sequence
from typing import Any, Final

from ory_guard.testing.api.keyset_pagination import NIL_UUID, keyset_page
from ory_guard.testing.api.sessions import link_header, parse_integer
from ory_guard.testing.server.request import FakeRequest
from ory_guard.testing.server.response import ApiError, FakeResponse
from ory_guard.testing.server.state import Server
from ory_guard.testing.server.uuids import parse_uuid
from ory_guard.testing.store.records import Identity

__all__ = ["list_identities"]

_PATH: Final = "/admin/identities"
_IDENTIFIER_FILTERS: Final = ("credentials_identifier", "preview_credentials_identifier_similar")
_FILTERS: Final = ("ids", "organization_id", *_IDENTIFIER_FILTERS)
DEFAULT_SIZE: Final = 250
MAX_SIZE: Final = 500
MAX_OFFSET: Final = 1_000
_NUMBERED: Final = ("page", "per_page")


def list_identities(
    server: Server, request: FakeRequest, document: Callable[[Identity, FakeRequest | None], dict[str, Any]]
) -> FakeResponse:
    """Return a page of the identities in the order of their ids.

    Args:
        server: The shared state of the fake.
        request: The request, with at most one filter.
        document: Returns the JSON document of an identity, with the credentials that a request includes.

    Raises:
        ApiError: If a parameter is invalid, or there are several filters.
    """
    identities = _matching(server, request)
    shows_credentials = any(request.query.get(name) for name in _IDENTIFIER_FILTERS)
    credentials_of = request if shows_credentials or "include_credential" in request.query else None

    def to_json(identity: Identity) -> dict[str, Any]:
        return document(identity, credentials_of)

    by_token = "page_token" in request.query or "page_size" in request.query
    if "page" in request.query and not by_token:
        return _numbered_page(server, request, identities, to_json)
    if not by_token and "per_page" in request.query:
        request.query_pairs = [
            ("page_size" if name == "per_page" else name, value) for name, value in request.query_pairs
        ]
        request.query["page_size"] = request.query["per_page"]
    return keyset_page(
        request,
        _PATH,
        identities,
        token_of=lambda identity: identity.id,
        first=NIL_UUID,
        document=to_json,
        max_size=MAX_SIZE,
    )


def _matching(server: Server, request: FakeRequest) -> list[Identity]:
    """Return the identities that match the filter of a request."""
    identities = sorted(server.store.identities.values(), key=lambda identity: identity.id)
    values = [value for name, value in request.query_pairs if name == "ids"]
    ids = {_uuid(value, "ids") for value in values}
    organization = request.query.get("organization_id")
    organization = _uuid(organization, "organization_id") if organization else None
    if sum(bool(request.query.get(name)) for name in _FILTERS[1:]) + bool(values) > 1:
        raise ApiError(400, reason="Only one filter is allowed.")
    if ids:
        return [identity for identity in identities if identity.id in ids]
    if organization:
        return [identity for identity in identities if identity.organization_id == organization]
    if identifier := request.query.get("credentials_identifier"):
        owner = server.find_identity(identifier)
        return [identity for identity in identities if identity is owner]
    prefix = request.query.get("preview_credentials_identifier_similar", "").strip().lower()
    return [identity for identity in identities if _has_identifier(server, identity, prefix)]


def _has_identifier(server: Server, identity: Identity, prefix: str) -> bool:
    identifiers = server.schema_of(identity).identifiers(identity.traits)
    return not prefix or any(value.lower().startswith(prefix) for value in identifiers)


def _uuid(text: str, name: str) -> str:
    try:
        return parse_uuid(text)
    except ValueError as error:
        raise ApiError(400, reason=f"The parameter {name} has an invalid UUID: {error}.") from error


def _numbered_page(
    server: Server,
    request: FakeRequest,
    identities: Sequence[Identity],
    document: Callable[[Identity], dict[str, Any]],
) -> FakeResponse:
    """Return a page by its number, which is the older pagination; the first page is 0."""
    page = max(parse_integer(request.query.get("page"), 0), 0)
    size = min(max(parse_integer(request.query.get("per_page"), DEFAULT_SIZE), 1), MAX_SIZE)
    if page * size > MAX_OFFSET:
        raise ApiError(400, reason=f"Use page_token and page_size for more than {MAX_OFFSET} identities.")
    by_identifier = request.query.get("credentials_identifier")
    total = len(identities if by_identifier else server.store.identities)
    link = link_header(request, _PATH, total, page, size, parameters=_NUMBERED)
    documents = [document(identity) for identity in identities[page * size : (page + 1) * size]]
    return FakeResponse.json(documents, headers={"x-total-count": str(total), "link": link})
