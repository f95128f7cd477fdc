"""Social sign-in, first part: the redirect to a provider."""

from typing import Final
from urllib.parse import urlencode

from ory_guard.testing.flows.fake_flow import FakeFlow
from ory_guard.testing.oidc.provider import FakeOidcProvider
from ory_guard.testing.server.request import FakeRequest
from ory_guard.testing.server.response import ApiError, FakeResponse
from ory_guard.testing.server.state import Server
from ory_guard.testing.store.records import random_string

__all__ = ["OidcRedirects", "browser_redirect_required"]

STATE_LENGTH: Final = 64


class OidcRedirects:
    """Redirects browsers to a provider and finds their flow when they return."""

    def __init__(self, server: Server, provider: FakeOidcProvider) -> None:
        self._server = server
        self._provider = provider
        self._states: dict[str, tuple[FakeFlow, str]] = {}

    def start(self, request: FakeRequest, flow: FakeFlow, name: object) -> FakeResponse:
        """Redirect the browser to a provider.

        Raises:
            ApiError: If the provider does not exist, or the client requires JSON (422).
        """
        provider = self._server.settings.provider(name)
        if provider is None:
            raise ApiError(404, reason=f'Unknown provider "{name}".')
        state = random_string(STATE_LENGTH)
        self._states[state] = (flow, provider.id)
        query = {
            "client_id": provider.client_id,
            "redirect_uri": self._provider.redirect_uri(provider.id),
            "response_type": "code",
            "scope": " ".join(provider.scope),
            "state": state,
        }
        location = f"{self._provider.issuer(provider)}/auth?{urlencode(query)}"
        if request.prefers_json:
            raise browser_redirect_required(location)
        return FakeResponse.redirect(request.method, location)

    def take_flow(self, state: str, name: str) -> FakeFlow:
        """Return the flow that belongs to a `state` parameter, once.

        Raises:
            ApiError: If the state is unknown.
        """
        flow, provider_id = self._states.pop(state, (None, ""))
        if flow is None or provider_id != name:
            raise ApiError(400, reason="The state parameter of the provider's response is unknown.")
        return flow


def browser_redirect_required(location: str) -> ApiError:
    """Return the error that asks a script or an app to redirect the browser."""
    return ApiError(
        422,
        "browser_location_change_required",
        f"To continue, redirect the browser to: {location}",
        message="browser location change required",
        extra={"redirect_browser_to": location},
        location=location,
    )
