"""The operations that Kratos' OpenAPI document tags as `metadata`: health and version."""

from typing import Final

from ory_guard.testing.server.request import FakeRequest
from ory_guard.testing.server.response import FakeResponse
from ory_guard.testing.server.state import Server

__all__ = ["MetadataEndpoints"]

PINNED_RELEASE: Final = "v26.2.0"


class MetadataEndpoints:
    """The health and the version of the fake."""

    def __init__(self, server: Server) -> None:
        self._server = server

    def version(self, request: FakeRequest) -> FakeResponse:
        """Return the release that the fake imitates."""
        return FakeResponse.json({"version": self._server.settings.version or PINNED_RELEASE})

    def health(self, request: FakeRequest) -> FakeResponse:
        """Return `{"status": "ok"}`."""
        return FakeResponse.json({"status": "ok"})
