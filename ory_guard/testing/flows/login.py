"""Login: the first factor, stepping up to the second, and re-authentication."""

from typing import Any, ClassVar, Literal

from ory_guard.testing.clock import timestamp
from ory_guard.testing.flows.flow import Flow, FlowEndpoints, InvalidFlowError
from ory_guard.testing.flows.login_form import fill_first_factor, fill_refresh, fill_second_factor
from ory_guard.testing.flows.ui_messages import message
from ory_guard.testing.oidc.redirect import OidcRedirects, location_change
from ory_guard.testing.server.request import Exchange
from ory_guard.testing.server.response import Answer, ApiError
from ory_guard.testing.server.state import Server
from ory_guard.testing.store.records import AuthenticationMethod, Identity, Session
from ory_guard.testing.store.second_factor import use_lookup_secret, verify_totp
from ory_guard.testing.store.serialization import session_document
from ory_guard.testing.store.sessions import NO_DEVICE_ID, Sessions, device_of

__all__ = ["LoginEndpoints"]


class LoginEndpoints(FlowEndpoints):
    """The operations of login flows."""

    name: ClassVar[str] = "login"
    expired_message: ClassVar[int] = 4010001

    def __init__(self, server: Server, sessions: Sessions, oidc: OidcRedirects) -> None:
        super().__init__(server, sessions)
        self._oidc = oidc

    def create_browser(self, exchange: Exchange) -> Answer:
        """`create_browser_login_flow`."""
        try:
            return super().create_browser(exchange)
        except ApiError as error:
            if error.id == "session_already_available":
                error.location = self.server.return_to(exchange) or self.server.settings.default_return_url
            raise

    def begin(self, exchange: Exchange, kind: Literal["api", "browser"]) -> Flow:
        """Make a login flow: for nobody, for a re-authentication, or for the second factor."""
        flow = self.new_flow(exchange, kind)
        session = self.sessions.find(exchange)
        aal = exchange.query.get("aal") or "aal1"
        refresh = exchange.flag("refresh") and session is not None
        if aal not in {"aal1", "aal2"}:
            raise ApiError(400, reason=f'"{aal}" is no authenticator assurance level: aal1 and aal2 are.')
        self._require_a_reason(session, aal, refresh=refresh)
        created = timestamp(flow.issued_at // 1_000 * 1_000)
        flow.fields = {
            "organization_id": None,
            "created_at": created,
            "updated_at": created,
            "refresh": refresh,
            "requested_aal": aal,
        }
        if session is None:
            self.keep_exchange_code(exchange, flow)
        self._fill(flow, session, aal, refresh=refresh)
        return flow

    def _require_a_reason(self, session: Session | None, aal: str, *, refresh: bool) -> None:
        if session is None:
            if aal == "aal2":
                raise _first_factor_missing()
        elif not refresh and aal <= session.aal:
            raise _already_signed_in()

    def _fill(self, flow: Flow, session: Session | None, aal: str, *, refresh: bool) -> None:
        settings = self.server.settings
        if refresh:
            flow.ui.messages.append(message(1010003))
        elif aal == "aal2":
            flow.ui.messages.append(message(1010004))
        if aal == "aal2" and session is not None:
            fill_second_factor(flow.ui, settings, session.identity)
        elif refresh and session is not None:
            schema = self.server.schema_of(session.identity)
            fill_refresh(flow.ui, settings, session.identity, schema)
        else:
            fill_first_factor(flow.ui, settings, self.server.schema)

    def restart(self, exchange: Exchange, flow: Flow) -> Flow:
        """Begin a flow that asks for the same as an expired one."""
        exchange.query["aal"] = flow.fields["requested_aal"]
        exchange.query["refresh"] = str(flow.fields["refresh"]).lower()
        return self.begin(exchange, flow.type)

    def proceed(self, exchange: Exchange, flow: Flow) -> Answer:
        """`update_login_flow`."""
        session = self.sessions.find(exchange)
        aal = flow.fields["requested_aal"]
        if session is not None and not flow.fields["refresh"] and aal <= session.aal:
            error = _already_signed_in()
            error.location = self.server.settings.default_return_url
            raise error
        if session is None and aal == "aal2":
            raise _first_factor_missing()
        self.require_fresh(exchange, flow)
        fields = self.fields(exchange, flow)
        # A provider's button says which provider, and nothing else.
        method = fields.get("method") or ("oidc" if fields.get("provider") else None)
        if not isinstance(method, str) or not self.server.settings.enabled(method):
            method = None
        if aal == "aal1" and method == "oidc":
            self.require_csrf(exchange, flow, fields)
            return self._oidc.start(exchange, flow, fields.get("provider"))
        identity = self._identified(exchange, flow, fields, method, session)
        return self.finish(exchange, flow, identity, self.sessions.completed(str(method)))

    def _identified(
        self,
        exchange: Exchange,
        flow: Flow,
        fields: dict[str, Any],
        method: str | None,
        session: Session | None,
    ) -> Identity:
        if flow.fields["requested_aal"] == "aal1" and method == "password":
            self.require_csrf(exchange, flow, fields)
            return self._by_password(flow, fields)
        if flow.fields["requested_aal"] == "aal2" and session is not None:
            check = {"totp": verify_totp, "lookup_secret": use_lookup_secret}.get(method or "")
            if check is not None:
                self.require_csrf(exchange, flow, fields)
                number = check(session.identity, fields, self.server.clock.time())
                if number is not None:
                    _second_factor_again(flow, number)
                return session.identity
        flow.ui.complain(4010002)
        raise InvalidFlowError(flow)

    def _by_password(self, flow: Flow, fields: dict[str, Any]) -> Identity:
        identifier, password = fields.get("identifier"), fields.get("password")
        missing = [
            name
            for name, value in (("identifier", identifier), ("password", password))
            if not value or not isinstance(value, str)
        ]
        for name in missing:
            flow.ui.complain(4000002, {"property": name}, at=name)
        if missing:
            raise InvalidFlowError(flow)
        identity = self.server.find_identity(str(identifier))
        if identity is None or identity.credentials.password != password:
            if node := flow.ui.find("identifier"):
                node["attributes"]["value"] = identifier
            flow.ui.complain(4000006)
            raise InvalidFlowError(flow)
        if identity.state != "active":
            flow.active = "password"
            flow.ui.complain(4010011)
            raise InvalidFlowError(flow)
        return identity

    def finish(
        self,
        exchange: Exchange,
        flow: Flow,
        identity: Identity,
        method: AuthenticationMethod,
    ) -> Answer:
        """Sign an identity in, or note the re-authentication of the session it has already."""
        session = self.sessions.find(exchange)
        if session is None or session.identity is not identity:
            session = self.sessions.start(identity, [method], device_of(exchange))
            document = self.sessions.document(session)
            renewed = False
        else:
            self.sessions.renew(session, method)
            document = self._renewed_document(exchange, session)
            renewed = True
        if flow.native:
            return Answer.json({"session_token": session.token, "session": document, "continue_with": None})
        if not renewed:
            exchange.renew_csrf()
        self.sessions.issue_cookie(exchange, session)
        return self._send_on(exchange, flow, session, document)

    def _send_on(
        self,
        exchange: Exchange,
        flow: Flow,
        session: Session,
        document: dict[str, Any],
    ) -> Answer:
        required = self.server.settings.whoami_required_aal
        try:
            self.sessions.require_aal(session, required, flow.return_to)
        except ApiError as error:
            if not exchange.wants_json:
                return Answer.redirect(exchange.method, str(error.location))
            raise location_change(str(error.location)) from error
        location = flow.return_to or self.server.settings.default_return_url
        if not exchange.wants_json:
            return Answer.redirect(exchange.method, location)
        onward = [{"action": "redirect_browser_to", "redirect_browser_to": location}]
        return Answer.json({"session": document, "continue_with": onward})

    def _renewed_document(self, exchange: Exchange, session: Session) -> dict[str, Any]:
        """Describe a renewed session as this one answer does: issued now, with a device that isn't kept."""
        document = session_document(session, self.server.identity_document(session.identity))
        passing = device_of(exchange, NO_DEVICE_ID)
        document["issued_at"] = document["authenticated_at"]
        document["devices"].append(
            {
                "id": passing.id,
                "ip_address": passing.ip_address,
                "user_agent": passing.user_agent,
                "location": passing.location,
            }
        )
        return document


def _already_signed_in() -> ApiError:
    return ApiError(
        400,
        "session_already_available",
        "There is a valid session already. To sign in again all the same, ask with refresh=true.",
        message="you are already logged in",
    )


def _first_factor_missing() -> ApiError:
    return ApiError(
        401,
        "session_aal1_required",
        "A second factor can only be asked for where there is a session.",
        message="aal2 can only be requested with an active session",
    )


def _second_factor_again(flow: Flow, number: int) -> None:
    for name in ("totp_code", "lookup_secret"):
        if node := flow.ui.find(name):
            node["attributes"].pop("value", None)
    flow.ui.complain(number)
    raise InvalidFlowError(flow)
