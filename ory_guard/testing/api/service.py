"""The small operations: errors for the error page, schemas, health, and FedCM, which only Ory Network has."""

import base64
import binascii
from typing import Final

from ory_guard.testing.flows.flow import csrf_violation
from ory_guard.testing.server.request import Exchange, MalformedBodyError
from ory_guard.testing.server.response import Answer, ApiError
from ory_guard.testing.server.state import Server
from ory_guard.testing.store.records import new_id

__all__ = ["ServiceEndpoints"]

NEVER: Final = "0001-01-01T00:00:00Z"


class ServiceEndpoints:
    """What belongs to no flow and no session."""

    def __init__(self, server: Server) -> None:
        self._server = server

    def get_flow_error(self, exchange: Exchange) -> Answer:
        """`get_flow_error`: what the error page shows; `stub:500` is there for trying the page out."""
        number = exchange.query.get("id", "")
        if number == "stub:500":
            stub = ApiError(500, reason="This error is a stub.", message="something went wrong in Kratos")
            error = stub.document()
            return Answer.json({"id": new_id(), "error": error, "created_at": NEVER, "updated_at": NEVER})
        found = self._server.store.errors.get(number)
        if found is None:
            raise ApiError(404, message="There is no such error")
        return Answer.json(found)

    def get_schema(self, exchange: Exchange, number: str) -> Answer:  # noqa: ARG002 - every operation takes the request
        """Serve an identity schema under its id in Base64, or under its plain id."""
        try:
            name = base64.urlsafe_b64decode(number + "=" * (-len(number) % 4)).decode()
        except (binascii.Error, ValueError):
            name = number
        document = self._server.settings.identity_schemas.get(name)
        document = document or self._server.settings.identity_schemas.get(number)
        if document is None:
            raise ApiError(404, message="There is no such schema")
        return Answer.json(dict(document))

    def health(self, exchange: Exchange) -> Answer:  # noqa: ARG002 - every operation takes the request
        """Say that the fake is there."""
        return Answer.json({"status": "ok"})

    def create_fedcm_flow(self, exchange: Exchange) -> Answer:  # noqa: ARG002 - every operation takes the request
        """`create_fedcm_flow`: not there outside Ory Network."""
        return Answer.not_found()

    def update_fedcm_flow(self, exchange: Exchange) -> Answer:
        """`update_fedcm_flow`: the anti-CSRF check comes first, and then nothing is there."""
        try:
            token = exchange.payload().get("csrf_token")
        except MalformedBodyError:
            token = None
        if not exchange.csrf_matches(token):
            raise csrf_violation(exchange)
        return Answer.not_found()
