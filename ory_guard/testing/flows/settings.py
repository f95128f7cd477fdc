"""Settings: profile, password, second factors and linked providers of whoever is signed in."""

from collections.abc import Callable
from typing import Any, ClassVar, Final, Literal

from ory_guard.testing.flows.flow import Flow, FlowEndpoints, InvalidFlowError
from ory_guard.testing.flows.settings_changes import Change, SettingsChanges
from ory_guard.testing.flows.settings_form import fill_settings, new_totp_secret
from ory_guard.testing.flows.ui_messages import message
from ory_guard.testing.oidc.redirect import OidcRedirects
from ory_guard.testing.server.cookies import CONTINUITY_COOKIE
from ory_guard.testing.server.request import Exchange
from ory_guard.testing.server.response import Answer, ApiError
from ory_guard.testing.server.state import Server
from ory_guard.testing.store.records import Session, new_id
from ory_guard.testing.store.sessions import Sessions

__all__ = ["SettingsEndpoints"]

_BUTTONS: Final = {
    "totp_unlink": "totp",
    "lookup_secret_regenerate": "lookup_secret",
    "lookup_secret_confirm": "lookup_secret",
    "lookup_secret_reveal": "lookup_secret",
    "lookup_secret_disable": "lookup_secret",
    "link": "oidc",
    "unlink": "oidc",
    "webauthn_register": "webauthn",
}


class SettingsEndpoints(FlowEndpoints):
    """The operations of settings flows."""

    name: ClassVar[str] = "settings"
    expired_message: ClassVar[int] = 4050001
    first_state: ClassVar[str] = "show_form"

    def __init__(self, server: Server, sessions: Sessions, oidc: OidcRedirects) -> None:
        super().__init__(server, sessions)
        self._oidc = oidc
        self._changes = SettingsChanges(server, sessions)

    def create_native(self, exchange: Exchange) -> Answer:
        """`create_native_settings_flow`."""
        if self.sessions.find(exchange) is None:
            raise ApiError(
                401,
                "session_inactive",
                "Only a signed-in user has settings. Sign in and try again.",
                message="there is no valid session",
            )
        return super().create_native(exchange)

    def create_browser(self, exchange: Exchange) -> Answer:
        """`create_browser_settings_flow`."""
        if self.sessions.find(exchange) is None:
            return_to = exchange.query.get("return_to")
            raise ApiError(
                401,
                "session_inactive",
                "No active session came with this request.",
                message="there is no valid session",
                extra={"CredentialsMissing": False},
                location=self.server.page("/self-service/login/browser", return_to=return_to),
            )
        return super().create_browser(exchange)

    def begin(self, exchange: Exchange, kind: Literal["api", "browser"]) -> Flow:
        """Make a settings flow for the caller's identity."""
        session = self._own(exchange)
        asked = f"{self.server.url(exchange.path)}?{exchange.query_string}"
        back = asked if kind == "browser" and exchange.query.get("return_to") else None
        self.sessions.require_aal(session, self.server.settings.settings_required_aal, back)
        return self._begin_for(exchange, kind, session)

    def _begin_for(self, exchange: Exchange, kind: Literal["api", "browser"], session: Session) -> Flow:
        flow = self.new_flow(exchange, kind)
        flow.fields = {"organization_id": None}
        flow.internal["identity"] = session.identity
        self.fill(flow)
        return flow

    def fill(self, flow: Flow) -> None:
        """Put the forms into a flow, with a new key for an authenticator app."""
        identity = flow.internal["identity"]
        flow.internal["totp_secret"] = new_totp_secret()
        schema = self.server.schema_of(identity)
        fill_settings(
            flow.ui,
            self.server.settings,
            schema,
            identity,
            flow.internal["totp_secret"],
            native=flow.native,
        )

    def after_recovery(self, exchange: Exchange, recovery: Flow, session: Session) -> Flow:
        """Begin the flow in which somebody who got their account back chooses a password."""
        flow = self._begin_for(exchange, recovery.type, session)
        flow.request_url = recovery.request_url
        flow.ui.messages.append(message(1060001))
        return flow

    def document(self, flow: Flow, **extra: Any) -> dict[str, Any]:
        """Describe a flow with its identity."""
        identity = self.server.identity_document(flow.internal["identity"])
        return flow.document(identity=identity, **extra)

    def _own(self, exchange: Exchange) -> Session:
        session = self.sessions.find(exchange)
        if session is None:
            reason = "A session cookie or session token is missing or no longer valid."
            raise ApiError(401, reason=reason, location=self.server.settings.login_ui_url)
        return session

    def check_reader(self, exchange: Exchange, flow: Flow) -> None:
        """Let only the identity read a flow that it began."""
        session = self._own(exchange)
        if session.identity is not flow.internal["identity"]:
            raise ApiError(
                403,
                "security_identity_mismatch",
                "The flow belongs to another identity.",
            )
        required = self.server.settings.settings_required_aal
        self.sessions.require_aal(session, required, self.ui_url(flow))

    def proceed(self, exchange: Exchange, flow: Flow) -> Answer:
        """`update_settings_flow`."""
        session = self._own(exchange)
        asked = f"{self.server.url(exchange.path)}?{exchange.query_string}"
        self.sessions.require_aal(session, self.server.settings.settings_required_aal, asked)
        self.require_fresh(exchange, flow)
        if session.identity is not flow.internal["identity"]:
            raise ApiError(403, "security_identity_mismatch", "The flow belongs to another identity.")
        fields = self._resumed(exchange, flow) or self.fields(exchange, flow)
        method = next((_BUTTONS[name] for name in _BUTTONS if fields.get(name)), fields.get("method"))
        change = self._change(method)
        if change is None:
            flow.ui.complain(4010004)
            raise InvalidFlowError(flow)
        self.require_csrf(exchange, flow, fields)
        if method != "profile" and not self.sessions.is_privileged(session):
            raise self._reauthentication(exchange, flow, fields)
        if method == "oidc" and fields.get("link"):
            return self._oidc.start(exchange, flow, fields["link"])
        outcome = change(flow, session, fields)
        if outcome is Change.PROTECTED:
            raise self._reauthentication(exchange, flow, fields)
        if outcome is Change.SHOWN:
            return self.show(exchange, flow, transient_payload={})
        return self.saved(exchange, flow, session)

    def _change(self, method: object) -> Callable[[Flow, Session, dict[str, Any]], Change] | None:
        if not isinstance(method, str) or not self.server.settings.enabled(method):
            return None
        return self._changes.of(method)

    def saved(self, exchange: Exchange, flow: Flow, session: Session) -> Answer:
        """Show that a change was saved: the form of a new flow under the id of this one, as Kratos does."""
        new = self._begin_for(exchange, flow.type, session)
        flow.ui, flow.state = new.ui, "success"
        flow.internal["totp_secret"] = new.internal["totp_secret"]
        flow.ui.messages = [message(1050001)]
        if flow.native:
            return Answer.json(self.document(flow))
        self.sessions.issue_cookie(exchange, session)
        location = flow.return_to or self.ui_url(flow)
        if not exchange.wants_json:
            return Answer.redirect(exchange.method, location)
        onward = [{"action": "redirect_browser_to", "redirect_browser_to": location}]
        return Answer.json(self.document(flow, continue_with=onward))

    def _reauthentication(self, exchange: Exchange, flow: Flow, fields: dict[str, Any]) -> ApiError:
        """Keep what was asked for until the user has signed in again, and send them to do so."""
        if not flow.native:
            number = new_id()
            self.server.store.interrupted = {number: {"flow": flow.id, "fields": fields}}
            exchange.set_cookies.append(self.server.jar.continuity_line(number, self.server.now()))
        here = f"{self.server.url(exchange.path)}?{exchange.query_string}"
        location = self.server.page("/self-service/login/browser", refresh="true", return_to=here)
        return ApiError(
            403,
            "session_refresh_required",
            "The sign-in is too long ago for this change. Sign in again.",
            extra={"redirect_browser_to": location},
            location=location,
        )

    def _resumed(self, exchange: Exchange, flow: Flow) -> dict[str, Any] | None:
        """Return what was asked for before the user had to sign in again, once."""
        if exchange.method != "GET":
            return None
        for value in exchange.cookie_values(CONTINUITY_COOKIE):
            sealed = self.server.jar.unseal(value) or {}
            kept = self.server.store.interrupted.get(sealed.get("continuity", ""))
            if kept is not None and kept["flow"] == flow.id:
                del self.server.store.interrupted[sealed["continuity"]]
                flow.ui.reset()
                fields: dict[str, Any] = kept["fields"]
                return fields
        return None
