"""Social sign-in, the way out: to the consent page of a provider."""

from typing import Final
from urllib.parse import urlencode

from ory_guard.testing.flows.flow import Flow
from ory_guard.testing.oidc.provider import FakeOidcProvider
from ory_guard.testing.server.request import Exchange
from ory_guard.testing.server.response import Answer, ApiError
from ory_guard.testing.server.state import Server
from ory_guard.testing.store.records import random_string

__all__ = ["OidcRedirects", "location_change"]

STATE_LENGTH: Final = 64


class OidcRedirects:
    """Sends browsers to a provider, and knows the flow again when they come back."""

    def __init__(self, server: Server, provider: FakeOidcProvider) -> None:
        self._server = server
        self._provider = provider
        self._states: dict[str, tuple[Flow, str]] = {}

    def start(self, exchange: Exchange, flow: Flow, name: object) -> Answer:
        """Send the browser to a provider.

        Raises:
            ApiError: There is no such provider, or a script has to send the browser itself (422).
        """
        provider = self._server.settings.provider(name)
        if provider is None:
            raise ApiError(404, reason=f'There is no provider "{name}".')
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
        if exchange.wants_json:
            raise location_change(location)
        return Answer.redirect(exchange.method, location)

    def returned(self, state: str, name: str) -> Flow:
        """Return the flow that a provider's answer belongs to, once.

        Raises:
            ApiError: There is none.
        """
        flow, expected = self._states.pop(state, (None, ""))
        if flow is None or expected != name:
            raise ApiError(400, reason="The provider's answer belongs to no flow: its state is unknown.")
        return flow


def location_change(location: str) -> ApiError:
    """Tell a page's script, or an app, that a browser has to go elsewhere."""
    return ApiError(
        422,
        "browser_location_change_required",
        f"To go on with this flow, send the browser to: {location}",
        message="browser location change required",
        extra={"redirect_browser_to": location},
        location=location,
    )
