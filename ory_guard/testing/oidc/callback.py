"""Social sign-in, the way back: what a provider said becomes a session."""

from typing import Final

from ory_guard.testing.flows.flow import Flow, InvalidFlowError
from ory_guard.testing.flows.login import LoginEndpoints
from ory_guard.testing.flows.registration import RegistrationEndpoints
from ory_guard.testing.flows.settings import SettingsEndpoints
from ory_guard.testing.oidc.provider import FakeOidcProvider
from ory_guard.testing.oidc.redirect import OidcRedirects
from ory_guard.testing.server.request import Exchange
from ory_guard.testing.server.response import Answer, ApiError
from ory_guard.testing.server.state import Server
from ory_guard.testing.store.identities import create_identity, identifiers_taken, touch
from ory_guard.testing.store.records import Identity, Session, new_id, random_string
from ory_guard.testing.store.sessions import Sessions, device_of

__all__ = ["OidcCallback"]

RETURN_CODE_LENGTH: Final = 64


class OidcCallback:
    """The callback, and the exchange of codes for a session token.

    Args:
        server: The fake's shared parts.
        sessions: The session rules.
        redirects: Knows the flow that a browser left.
        provider: Says who consented.
        login: Finishes logins.
        registration: Finishes registrations.
        settings: Finishes links to a provider.
    """

    def __init__(
        self,
        server: Server,
        sessions: Sessions,
        *,
        redirects: OidcRedirects,
        provider: FakeOidcProvider,
        login: LoginEndpoints,
        registration: RegistrationEndpoints,
        settings: SettingsEndpoints,
    ) -> None:
        self._server = server
        self._sessions = sessions
        self._redirects = redirects
        self._provider = provider
        self._login = login
        self._registration = registration
        self._settings = settings
        self._exchanges: dict[str, tuple[str, Session]] = {}

    def callback(self, exchange: Exchange, name: str) -> Answer:
        """Take the provider's answer and finish the flow that asked for it."""
        flow = self._redirects.returned(exchange.query.get("state", ""), name)
        flow.ui.reset()
        claims = self._provider.claims(exchange.query.get("code", ""))
        try:
            if claims is None:
                reason = exchange.query.get("error") or "the code is unknown"
                flow.ui.complain(4000001, {"reason": f"The provider refused: {reason}."})
                raise InvalidFlowError(flow)  # noqa: TRY301 - it leads to the same page as those from below
            if flow.name == self._settings.name:
                return self._link(exchange, flow, name, claims)
            return self._sign_in(exchange, flow, name, claims)
        except InvalidFlowError as invalid:
            page = getattr(self._server.settings, f"{flow.name}_ui_url")
            return Answer.redirect(exchange.method, f"{page}?flow={invalid.flow.id}")

    def _owner(self, name: str, subject: str) -> Identity | None:
        for identity in self._server.store.identities.values():
            if identity.credentials.oidc_subjects.get(name) == subject:
                return identity
        return None

    def _sign_in(self, exchange: Exchange, flow: Flow, name: str, claims: dict[str, str]) -> Answer:
        method = self._sessions.completed("oidc", name)
        known = self._owner(name, claims["sub"])
        if known is not None and known.state != "active":
            flow.ui.complain(4010011)
            raise InvalidFlowError(flow)
        identity = known or self._register(flow, name, claims)
        if flow.native:
            session = self._sessions.start(identity, [method], device_of(exchange))
            if known is None:
                self._registration.begin_verification(exchange, flow, identity)
            return self._hand_over(exchange, flow, session)
        finish = self._login.finish if known else self._registration.finish
        return finish(exchange, flow, identity, method)

    def _register(self, flow: Flow, name: str, claims: dict[str, str]) -> Identity:
        traits = {"email": claims["email"]}
        if identifiers_taken(self._server, None, traits):
            flow.ui.complain(4000027)
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
            flow.ui.complain(4000007)
            raise InvalidFlowError(flow)
        identity.credentials.oidc_subjects[name] = claims["sub"]
        touch(self._server, identity)
        return self._settings.saved(exchange, flow, session)

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
