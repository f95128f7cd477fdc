"""Social sign-in: to the provider and back, for login, registration and settings."""

from typing import TYPE_CHECKING, Final
from urllib.parse import urlencode

from ory_guard.testing.answers import Answer, ApiError
from ory_guard.testing.exchange import Exchange
from ory_guard.testing.flows import Flow, InvalidFlowError
from ory_guard.testing.identities import create_identity, identifiers_taken, touch
from ory_guard.testing.oidc_provider import FakeOidcProvider
from ory_guard.testing.server import Server
from ory_guard.testing.sessions import Sessions, device_of
from ory_guard.testing.store import Identity, Session, new_id, random_string

if TYPE_CHECKING:
    from ory_guard.testing.login import LoginEndpoints
    from ory_guard.testing.registration import RegistrationEndpoints
    from ory_guard.testing.settings_flow import SettingsEndpoints

__all__ = ["OidcEndpoints", "location_change"]

RETURN_CODE_LENGTH: Final = 64


class OidcEndpoints:
    """The ways out to a provider, the callback, and the exchange of codes for a session token."""

    login: "LoginEndpoints"
    registration: "RegistrationEndpoints"
    settings: "SettingsEndpoints"

    def __init__(self, server: Server, sessions: Sessions, provider: FakeOidcProvider) -> None:
        self._server = server
        self._sessions = sessions
        self._provider = provider
        self._states: dict[str, tuple[Flow, str]] = {}
        self._exchanges: dict[str, tuple[str, Session]] = {}

    def start(self, exchange: Exchange, flow: Flow, name: object) -> Answer:
        """
        Send the browser to a provider.

        Raises:
            ApiError: There is no such provider, or a script has to send the browser itself (422).
        """
        provider = self._server.settings.provider(name)
        if provider is None:
            raise ApiError(404, reason=f'There is no provider "{name}".')
        state = random_string(RETURN_CODE_LENGTH)
        self._states[state] = (flow, provider.id)
        query = {
            "client_id": provider.client_id,
            "redirect_uri": self._callback_url(provider.id),
            "response_type": "code",
            "scope": " ".join(provider.scope),
            "state": state,
        }
        location = f"{self._provider.issuer(provider)}/auth?{urlencode(query)}"
        if exchange.wants_json:
            raise location_change(location)
        return Answer.redirect(exchange.method, location)

    def callback(self, exchange: Exchange, name: str) -> Answer:
        """Take the provider's answer and finish the flow that asked for it."""
        flow, expected = self._states.pop(exchange.query.get("state", ""), (None, ""))
        if flow is None or expected != name:
            raise ApiError(400, reason="The provider's answer belongs to no flow: its state is unknown.")
        claims = self._provider.claims(exchange.query.get("code", ""))
        try:
            return self._finish(exchange, flow, name, claims)
        except InvalidFlowError as invalid:
            return Answer.redirect(exchange.method, self._endpoints(flow).ui_url(invalid.flow))

    def _finish(self, exchange: Exchange, flow: Flow, name: str, claims: dict[str, str] | None) -> Answer:
        flow.ui.reset()
        if claims is None:
            reason = exchange.query.get("error") or "the code is unknown"
            flow.ui.complain(4000001, {"reason": f"The provider refused: {reason}."})
            raise InvalidFlowError(flow)
        if flow.name == "settings":
            return self._link(exchange, flow, name, claims)
        return self._sign_in(exchange, flow, name, claims)

    def _endpoints(self, flow: Flow) -> "LoginEndpoints | RegistrationEndpoints | SettingsEndpoints":
        owners: dict[str, LoginEndpoints | RegistrationEndpoints | SettingsEndpoints] = {
            "login": self.login,
            "registration": self.registration,
            "settings": self.settings,
        }
        return owners[flow.name]

    def _callback_url(self, name: str) -> str:
        return self._server.url(f"/self-service/methods/oidc/callback/{name}")

    def _owner(self, name: str, subject: str) -> Identity | None:
        for identity in self._server.store.identities.values():
            if identity.credentials.oidc_subjects.get(name) == subject:
                return identity
        return None

    def _sign_in(self, exchange: Exchange, flow: Flow, name: str, claims: dict[str, str]) -> Answer:
        method = self._sessions.completed("oidc", name)
        identity = self._owner(name, claims["sub"])
        if identity is not None and identity.state != "active":
            flow.ui.complain(4010011)
            raise InvalidFlowError(flow)
        is_new = identity is None
        identity = identity or self._register(flow, name, claims)
        if flow.native:
            session = self._sessions.start(identity, [method], device_of(exchange))
            return self._hand_over(exchange, flow, session)
        if is_new:
            return self.registration.finish(exchange, flow, identity, method)
        return self.login.finish(exchange, flow, identity, method)

    def _register(self, flow: Flow, name: str, claims: dict[str, str]) -> Identity:
        traits = {"email": claims["email"]}
        if identifiers_taken(self._server, None, traits):
            flow.ui.complain(4000007)
            raise InvalidFlowError(flow)
        if not self._server.schema.check(traits, flow.ui):
            raise InvalidFlowError(flow)
        identity = create_identity(self._server, traits)
        identity.credentials.oidc_subjects[name] = claims["sub"]
        return identity

    def _hand_over(self, exchange: Exchange, flow: Flow, session: Session) -> Answer:
        """Send the browser back into the app with the second half of what opens the session."""
        code = random_string(RETURN_CODE_LENGTH)
        first_half = flow.internal.get("exchange_code") or new_id()
        self._exchanges[first_half] = (code, session)
        back = flow.return_to or self._server.settings.default_return_url
        joint = "&" if "?" in back else "?"
        return Answer.redirect(exchange.method, f"{back}{joint}code={code}")

    def _link(self, exchange: Exchange, flow: Flow, name: str, claims: dict[str, str]) -> Answer:
        session = self._sessions.find(exchange)
        identity = flow.internal["identity"]
        if session is None or session.identity is not identity:
            raise ApiError(403, "security_identity_mismatch", "The flow belongs to another identity.")
        if self._owner(name, claims["sub"]) not in {None, identity}:
            flow.ui.complain(4000027)
            raise InvalidFlowError(flow)
        identity.credentials.oidc_subjects[name] = claims["sub"]
        touch(self._server, identity)
        return self.settings.saved(exchange, flow, session)

    def exchange_session_token(self, exchange: Exchange) -> Answer:
        """`exchange_session_token`: give the session's token for both halves of its code, as often as asked."""
        first, second = exchange.query.get("init_code"), exchange.query.get("return_to_code")
        if not first or not second:
            reason = 'The query parameters "init_code" and "return_to_code" are both needed.'
            raise ApiError(400, reason=reason)
        code, session = self._exchanges.get(first, ("", None))
        if session is None or code != second:
            raise ApiError(404, reason="No session belongs to these codes yet.")
        document = {**self._sessions.document(session), "devices": []}
        return Answer.json({"session_token": session.token, "session": document})


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
