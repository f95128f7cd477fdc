"""The errors of flows that Kratos shows on the error page of an application."""

from typing import Final

from ory_guard.testing.server.request import FakeRequest
from ory_guard.testing.server.response import ApiError, FakeResponse
from ory_guard.testing.server.state import Server
from ory_guard.testing.store.records import new_id

__all__ = ["FlowErrorEndpoint"]

NEVER: Final = "0001-01-01T00:00:00Z"


class FlowErrorEndpoint:
    """The endpoint at which an error page reads its error."""

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
