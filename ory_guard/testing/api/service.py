"""Operations without a flow or session: errors, schemas and health."""

import base64
import binascii
from typing import Final

from ory_guard.testing.api.sessions import link_header, parse_pagination
from ory_guard.testing.server.request import FakeRequest
from ory_guard.testing.server.response import ApiError, FakeResponse
from ory_guard.testing.server.state import Server
from ory_guard.testing.store.records import new_id

__all__ = ["ServiceEndpoints"]

PINNED_RELEASE: Final = "v26.2.0"
NEVER: Final = "0001-01-01T00:00:00Z"


class ServiceEndpoints:
    """Operations without a flow or session."""

    def __init__(self, server: Server) -> None:
        self._server = server

    def get_flow_error(self, request: FakeRequest) -> FakeResponse:
        """`get_flow_error`: return an error for the error page; `stub:500` returns a sample."""
        error_id = request.query.get("id", "")
        if error_id == "stub:500":
            stub = ApiError(500, reason="This error is a stub.", message="something went wrong in Kratos")
            error = stub.document()
            return FakeResponse.json({"id": new_id(), "error": error, "created_at": NEVER, "updated_at": NEVER})
        error_record = self._server.store.errors.get(error_id)
        if error_record is None:
            raise ApiError(404, message="The error was not found")
        return FakeResponse.json(error_record)

    def get_schema(self, request: FakeRequest, encoded_id: str) -> FakeResponse:  # noqa: ARG002 - all operations take the request
        """Return an identity schema by its Base64 id or its plain id."""
        try:
            schema_id = base64.urlsafe_b64decode(encoded_id + "=" * (-len(encoded_id) % 4)).decode()
        except (binascii.Error, ValueError):
            schema_id = encoded_id
        document = self._server.settings.identity_schemas.get(schema_id)
        document = document or self._server.settings.identity_schemas.get(encoded_id)
        if document is None:
            raise ApiError(404, reason=f"The identity schema {schema_id!r} was not found.")
        return FakeResponse.json(dict(document))

    def list_schemas(self, request: FakeRequest) -> FakeResponse:
        """Return one page of the identity schemas."""
        page, size = parse_pagination(request)
        configured = self._server.settings.identity_schemas
        schemas = [{"id": schema_id, "schema": dict(document)} for schema_id, document in configured.items()]
        start = page * size
        headers = {
            "x-total-count": str(len(schemas)),
            "link": link_header(request, request.path, len(schemas), page, size),
        }
        return FakeResponse.json(schemas[start : start + size], headers=headers)

    def version(self, request: FakeRequest) -> FakeResponse:  # noqa: ARG002 - all operations take the request
        """Return the release that the fake imitates."""
        return FakeResponse.json({"version": self._server.settings.version or PINNED_RELEASE})

    def health(self, request: FakeRequest) -> FakeResponse:  # noqa: ARG002 - all operations take the request
        """Return `{"status": "ok"}`."""
        return FakeResponse.json({"status": "ok"})
