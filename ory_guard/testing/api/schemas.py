"""The identity schemas, at `/schemas`."""

import base64
import binascii

from ory_guard.testing.api.sessions import link_header, parse_pagination
from ory_guard.testing.server.request import FakeRequest
from ory_guard.testing.server.response import ApiError, FakeResponse
from ory_guard.testing.server.state import Server

__all__ = ["SchemaEndpoints"]


class SchemaEndpoints:
    """The identity schemas."""

    def __init__(self, server: Server) -> None:
        self._server = server

    def get_schema(self, request: FakeRequest, encoded_id: str) -> FakeResponse:
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
