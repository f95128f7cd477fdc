"""Login: first factor, second factor, and refresh."""

from typing import Any, ClassVar, Final, Literal, NoReturn

from ory_guard.testing.clock import timestamp
from ory_guard.testing.flows.flow import FakeFlow, FlowEndpoints, InvalidFlowError
from ory_guard.testing.flows.login_form import fill_first_factor, fill_refresh, fill_second_factor
from ory_guard.testing.flows.ui_messages import message
from ory_guard.testing.oidc.redirect import OidcRedirects, browser_redirect_required
from ory_guard.testing.server.request import FakeRequest
from ory_guard.testing.server.response import ApiError, FakeResponse
from ory_guard.testing.server.state import Server
from ory_guard.testing.store.records import FakeAuthenticationMethod, Identity, Session
from ory_guard.testing.store.second_factor import use_lookup_secret, verify_totp
from ory_guard.testing.store.serialization import session_document
from ory_guard.testing.store.sessions import NO_DEVICE_ID, Sessions, device_from

__all__ = ["LoginEndpoints"]

# The field of each second factor, and the number of characters it must have.
_SECOND_FACTOR_FIELDS: Final = {"totp": ("totp_code", 6), "lookup_secret": ("lookup_secret", 1)}
LOGIN_METHODS: Final = {
    "aal1": frozenset({"password", "oidc", "passkey"}),
    "aal2": frozenset({"totp", "lookup_secret"}),
}


class LoginEndpoints(FlowEndpoints):
    """The operations of login flows."""

    name: ClassVar[str] = "login"
    expired_message: ClassVar[int] = 4010001

    def __init__(self, server: Server, sessions: Sessions, oidc: OidcRedirects) -> None:
        super().__init__(server, sessions)
        self._oidc = oidc

    def create_browser(self, request: FakeRequest) -> FakeResponse:
        """`create_browser_login_flow`."""
        try:
            return super().create_browser(request)
        except ApiError as error:
            if error.id == "session_already_available":
                error.location = self.server.return_to(request) or self.server.settings.default_return_url
            raise

    def create(self, request: FakeRequest, kind: Literal["api", "browser"]) -> FakeFlow:
        """Create a login flow: for a first login, a refresh, or the second factor."""
        if request.query.get("login_challenge"):
            raise ApiError(
                500,
                "invalid_configuration",
                "The parameter login_challenge requires oauth2_provider.url, which is not configured.",
                message="Invalid configuration",
            )
        flow = self.new_flow(request, kind)
        session = self.sessions.find(request)
        aal = request.query.get("aal") or "aal1"
        refresh = request.flag("refresh") and session is not None
        if aal not in {"aal1", "aal2"}:
            raise ApiError(400, reason=f'"{aal}" is not an authenticator assurance level; use aal1 or aal2.')
        self._require_login_needed(session, aal, refresh=refresh)
        created = timestamp(flow.issued_at // 1_000 * 1_000)
        flow.fields = {
            "organization_id": request.organization_id,
            "created_at": created,
            "updated_at": created,
            "refresh": refresh,
            "requested_aal": aal,
        } | self.identity_schema(request)
        if session is None:
            self.add_exchange_code(request, flow)
        self._fill(flow, session, aal, refresh=refresh)
        return flow

    def _require_login_needed(self, session: Session | None, aal: str, *, refresh: bool) -> None:
        if session is None:
            if aal == "aal2":
                raise _aal1_required()
        elif not refresh and aal <= session.aal:
            raise _session_already_available()

    def _fill(self, flow: FakeFlow, session: Session | None, aal: str, *, refresh: bool) -> None:
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
        elif flow.fields["organization_id"] is None:
            fill_first_factor(flow.ui, settings, self.server.schema)

    def restart(self, request: FakeRequest, flow: FakeFlow) -> FakeFlow:
        """Create a flow with the parameters of an expired one."""
        request.query["aal"] = flow.fields["requested_aal"]
        request.query["refresh"] = str(flow.fields["refresh"]).lower()
        return self.create(request, flow.type)

    def submit(self, request: FakeRequest, flow: FakeFlow) -> FakeResponse:
        """`update_login_flow`."""
        session = self.sessions.find(request)
        aal = flow.fields["requested_aal"]
        if session is not None and not flow.fields["refresh"] and aal <= session.aal:
            self._reject_session(request, flow)
        if session is None and aal == "aal2":
            raise _aal1_required()
        self.require_not_expired(request, flow)
        fields = self.fields(request, flow)
        # The submit button of a provider sends `provider` without `method`.
        method = fields.get("method") or ("oidc" if fields.get("provider") else None)
        self.require_enabled(method or "", LOGIN_METHODS[aal])
        if aal == "aal1" and method == "oidc":
            self.require_csrf(request, flow, fields)
            return self._oidc.start(request, flow, fields.get("provider"))
        identity = self._authenticate(request, flow, fields, method, session)
        return self.finish(request, flow, identity, self.sessions.completed_method(str(method)))

    def _reject_session(self, request: FakeRequest, flow: FakeFlow) -> NoReturn:
        """Reject the submission of a client that has logged in already."""
        error = _session_already_available()
        if flow.native or request.prefers_json:
            flow.ui.add_error(4000001, {"reason": error.reason})
            raise InvalidFlowError(flow)
        error.location = self.server.settings.default_return_url
        raise error

    def _authenticate(
        self,
        request: FakeRequest,
        flow: FakeFlow,
        fields: dict[str, Any],
        method: str | None,
        session: Session | None,
    ) -> Identity:
        if flow.fields["requested_aal"] == "aal1" and method == "password":
            self.require_csrf(request, flow, fields)
            return self._check_password(flow, fields)
        if flow.fields["requested_aal"] == "aal2" and session is not None:
            verify = {"totp": verify_totp, "lookup_secret": use_lookup_secret}.get(method or "")
            if verify is not None:
                self.require_csrf(request, flow, fields)
                _require_second_factor_field(flow, str(method), fields)
                message_id = verify(session.identity, fields, self.server.clock.time())
                if message_id is not None:
                    _reject_second_factor(flow, str(method), message_id)
                return session.identity
        flow.ui.add_error(4010002)
        raise InvalidFlowError(flow)

    def _check_password(self, flow: FakeFlow, fields: dict[str, Any]) -> Identity:
        identifier = fields.get("identifier") or fields.get("password_identifier")
        password = fields.get("password")
        missing = [name for name, value in (("identifier", identifier), ("password", password)) if not value]
        for name in missing:
            flow.ui.add_error(4000002, {"property": name}, at=name)
        if missing:
            _keep_identifier(flow, identifier)
            raise InvalidFlowError(flow)
        identity = self.server.find_identity(str(identifier))
        if identity is None or identity.credentials.password != password:
            _keep_identifier(flow, identifier)
            flow.ui.add_error(4000006)
            raise InvalidFlowError(flow)
        if identity.state != "active" and self.server.settings.is_release:
            raise ApiError(
                401,
                reason="This account was disabled.",
                message="identity is disabled",
                details={"identity_id": identity.id},
            )
        if identity.state != "active":
            flow.active = "password"
            flow.ui.add_error(4010011)
            raise InvalidFlowError(flow)
        return identity

    def finish(
        self,
        request: FakeRequest,
        flow: FakeFlow,
        identity: Identity,
        method: FakeAuthenticationMethod,
    ) -> FakeResponse:
        """Create a session for an identity, or refresh the session that the request has."""
        session = self.sessions.find(request)
        if session is None or session.identity is not identity:
            session = self.sessions.start(identity, [method], device_from(request))
            document = self.sessions.document(session)
            refreshed = False
        else:
            self.sessions.refresh(session, method)
            document = self._refreshed_document(request, session)
            refreshed = True
        if flow.native:
            return FakeResponse.json({"session_token": session.token, "session": document, "continue_with": None})
        if not refreshed:
            request.renew_csrf()
        self.sessions.issue_cookie(request, session)
        return self._finish_response(request, flow, session, document)

    def _finish_response(
        self,
        request: FakeRequest,
        flow: FakeFlow,
        session: Session,
        document: dict[str, Any],
    ) -> FakeResponse:
        required = self.server.settings.whoami_required_aal
        try:
            self.sessions.require_aal(session, required, flow.return_to)
        except ApiError as error:
            if not request.prefers_json:
                return FakeResponse.redirect(request.method, str(error.location))
            raise browser_redirect_required(str(error.location)) from error
        location = flow.return_to or self.server.settings.default_return_url
        if not request.prefers_json:
            return FakeResponse.redirect(request.method, location)
        continue_with = [{"action": "redirect_browser_to", "redirect_browser_to": location}]
        return FakeResponse.json({"session": document, "continue_with": continue_with})

    def _refreshed_document(self, request: FakeRequest, session: Session) -> dict[str, Any]:
        """Return the document of a refreshed session, with a new `issued_at` and a device that is not stored."""
        document = session_document(session, self.server.identity_document(session.identity))
        device = device_from(request, NO_DEVICE_ID)
        document["issued_at"] = document["authenticated_at"]
        document["devices"].append(
            {
                "id": device.id,
                "ip_address": device.ip_address,
                "user_agent": device.user_agent,
                "location": device.location,
            }
        )
        return document


def _session_already_available() -> ApiError:
    return ApiError(
        400,
        "session_already_available",
        "A valid session exists. Use refresh=true to log in again.",
        message="you are already logged in",
    )


def _aal1_required() -> ApiError:
    return ApiError(
        401,
        "session_aal1_required",
        "The second factor requires an active session.",
        message="aal2 can only be requested with an active session",
    )


def _keep_identifier(flow: FakeFlow, identifier: str | None) -> None:
    if identifier and (node := flow.ui.find("identifier")):
        node["attributes"]["value"] = identifier


def _require_second_factor_field(flow: FakeFlow, method: str, fields: dict[str, Any]) -> None:
    """Check the field of a second factor before its value is verified."""
    name, minimum = _SECOND_FACTOR_FIELDS[method]
    value = fields.get(name, "")
    if not value:
        _reject_second_factor(flow, method, 4000002, {"property": name}, at=name)
    if len(value) < minimum:
        _reject_second_factor(flow, method, 4000003, {"actual_length": len(value), "min_length": minimum}, at=name)


def _reject_second_factor(
    flow: FakeFlow, method: str, message_id: int, context: dict[str, Any] | None = None, *, at: str | None = None
) -> NoReturn:
    flow.ui.add_error(message_id, context, at=at)
    if node := flow.ui.find(_SECOND_FACTOR_FIELDS[method][0]):
        node["attributes"].pop("value", None)
    raise InvalidFlowError(flow)
