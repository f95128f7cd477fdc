"""Settings: profile, password, second factors, and linked providers of an identity."""

from collections.abc import Sequence
from typing import Any, ClassVar, Final, Literal
from urllib.parse import urlencode

from ory_guard.testing.flows.fake_flow import FakeFlow, InvalidFlowError
from ory_guard.testing.flows.flow_endpoints import FlowEndpoints
from ory_guard.testing.flows.settings_hooks import SettingsHooks
from ory_guard.testing.flows.submission import Submission
from ory_guard.testing.flows.ui_messages import message
from ory_guard.testing.flows.verification import VerificationEndpoints
from ory_guard.testing.methods.method import Change, Method, SettingsMethod
from ory_guard.testing.server.cookies import CONTINUITY_COOKIE
from ory_guard.testing.server.csrf import mask
from ory_guard.testing.server.request import FakeRequest
from ory_guard.testing.server.response import ApiError, FakeResponse
from ory_guard.testing.server.state import Server
from ory_guard.testing.store.identity_schema import IdentitySchema
from ory_guard.testing.store.records import Session, new_id
from ory_guard.testing.store.sessions import Sessions

__all__ = ["SettingsEndpoints"]

# The order of the forms.
_ORDER: Final[tuple[str, ...]] = (
    "profile",
    "password",
    "oidc",
    "lookup_secret",
    "webauthn",
    "passkey",
    "totp",
)


class SettingsEndpoints(FlowEndpoints):
    """The operations of settings flows."""

    name: ClassVar[str] = "settings"
    expired_message: ClassVar[int] = 4050001
    first_state: ClassVar[str] = "show_form"

    def __init__(
        self,
        server: Server,
        sessions: Sessions,
        methods: Sequence[Method],
        verification: VerificationEndpoints,
    ) -> None:
        super().__init__(server, sessions)
        by_name = {method.name: method for method in methods if isinstance(method, SettingsMethod)}
        self._methods = {name: by_name[name] for name in _ORDER if name in by_name}
        self._verification = verification
        self._hooks = SettingsHooks(server, sessions)

    def create_native(self, request: FakeRequest) -> FakeResponse:
        """`create_native_settings_flow`."""
        if self.sessions.find(request) is None:
            raise ApiError(
                401,
                "session_inactive",
                "Settings require a session. Log in and try again.",
                message="there is no valid session",
            )
        return super().create_native(request)

    def create_browser(self, request: FakeRequest) -> FakeResponse:
        """`create_browser_settings_flow`."""
        if self.sessions.find(request) is None:
            return_to = request.query.get("return_to")
            raise ApiError(
                401,
                "session_inactive",
                "The request has no active session.",
                message="there is no valid session",
                extra={"CredentialsMissing": False},
                location=self.server.url("/self-service/login/browser", return_to=return_to),
            )
        return super().create_browser(request)

    def create(self, request: FakeRequest, kind: Literal["api", "browser"]) -> FakeFlow:
        """Create a settings flow for the identity of the request's session."""
        session = self._require_session(request)
        current_url = f"{self.server.url(request.path)}?{request.query_string}"
        return_to = current_url if kind == "browser" and request.query.get("return_to") else None
        self.sessions.require_aal(session, self.server.settings.settings_required_aal, return_to)
        return self._create_for(request, kind, session)

    def _create_for(self, request: FakeRequest, kind: Literal["api", "browser"], session: Session) -> FakeFlow:
        flow = self.new_flow(request, kind)
        flow.fields = {} if self.server.settings.is_release else {"organization_id": None}
        flow.internal["identity"] = session.identity
        if kind == "api" and request.has_csrf_cookie:
            flow.ui.set_value("csrf_token", mask(request.csrf_secret()))
        self._hooks.before(request, flow, session)
        self.fill(flow)
        return flow

    def fill(self, flow: FakeFlow) -> None:
        """Add the form of each enabled method."""
        for method in self._methods.values():
            if method.is_enabled:
                method.fill_settings(flow, flow.internal["identity"])

    def create_after_recovery(
        self, request: FakeRequest, recovery: FakeFlow, session: Session, kind: Literal["api", "browser"]
    ) -> FakeFlow:
        """Create the flow in which a recovered account sets a new password."""
        flow = self._create_for(request, kind, session)
        return_to = recovery.return_to or self.server.settings.return_urls.get("recovery")
        if return_to is not None:
            flow.return_to, flow.requested_return_to = return_to, recovery.requested_return_to
            query = {**request.query, "return_to": recovery.requested_return_to or return_to}
            flow.request_url = f"{self.server.url(request.path)}?{urlencode(sorted(query.items()))}"
        flow.ui.messages.append(message(1060001))
        return flow

    def document(self, flow: FakeFlow, **extra: Any) -> dict[str, Any]:
        """Return the JSON document of a flow, including its identity."""
        identity = self.server.identity_document(flow.internal["identity"])
        return flow.document(identity=identity, **extra)

    def _require_session(self, request: FakeRequest) -> Session:
        session = self.sessions.find(request)
        if session is None:
            reason = "The session cookie or session token is missing or invalid."
            raise ApiError(401, reason=reason, location=self.server.settings.login_ui_url, redirect_status=302)
        return session

    def authorize_reader(self, request: FakeRequest, flow: FakeFlow) -> None:
        """Reject readers other than the identity that created the flow."""
        session = self._require_session(request)
        if session.identity is not flow.internal["identity"]:
            raise ApiError(
                403,
                "security_identity_mismatch",
                "The flow belongs to another identity.",
            )
        required = self.server.settings.settings_required_aal
        self.sessions.require_aal(session, required, self.ui_url(flow))

    def get(self, request: FakeRequest) -> FakeResponse:
        """`get_settings_flow`: browsers without a session are redirected to the login page."""
        request.json_only = False
        self._require_session(request)
        request.json_only = True
        return super().get(request)

    def update(self, request: FakeRequest) -> FakeResponse:
        """`update_settings_flow`: Kratos requires a session before it looks for the flow."""
        self._require_session(request)
        return super().update(request)

    def submit(self, request: FakeRequest, flow: FakeFlow) -> FakeResponse:
        """Process a submission to a settings flow."""
        session = self._require_session(request)
        current_url = f"{self.server.url(request.path)}?{request.query_string}"
        self.sessions.require_aal(session, self.server.settings.settings_required_aal, current_url)
        self.require_not_expired(request, flow)
        if session.identity is not flow.internal["identity"]:
            raise ApiError(403, "security_identity_mismatch", "The flow belongs to another identity.")
        fields = self._resume(request, flow) or self._submitted(request, flow)
        method = self._method(flow, fields)
        # A submission of the profile keeps the messages above the form.
        if method is None or method.is_privileged:
            flow.ui.reset()
        if method is None:
            flow.ui.add_error(4010004)
            raise InvalidFlowError(flow)
        submission = Submission(self, request, flow, fields, session)
        method.check_fields(submission)
        self.require_csrf(request, flow, fields)
        if method.is_privileged and not self.sessions.is_privileged(session):
            raise self._reauthentication(request, flow, fields)
        result = self._hooks.change(method, submission)
        if isinstance(result, FakeResponse):
            return result
        if result is Change.REAUTHENTICATION_REQUIRED:
            raise self._reauthentication(request, flow, fields)
        if result is Change.DISPLAYED:
            return self.render(request, flow, transient_payload={})
        if self.server.settings.verification_enabled:
            self._verify_new_addresses(request, flow, session)
        return self.saved(request, flow, session, method.name)

    def _verify_new_addresses(self, request: FakeRequest, flow: FakeFlow, session: Session) -> None:
        for address in session.identity.verifiable_addresses:
            if address.status == "pending" and not address.verified:
                self._verification.create_for_address(request, flow, address)

    def expired_error_id(self, flow: FakeFlow) -> str:
        """Return the id of the error for reading an expired flow, which is empty."""
        return ""

    def _submitted(self, request: FakeRequest, flow: FakeFlow) -> dict[str, Any]:
        if request.method == "GET":
            flow.ui.reset()
            flow.ui.add_error(4000001, {"reason": "Settings flows are submitted with POST."})
            raise InvalidFlowError(flow)
        return self.read_fields(request, flow)

    def schema_of(self, flow: FakeFlow) -> IdentitySchema:
        """Return the schema of the identity."""
        return self.server.schema_of(flow.internal["identity"])

    def _method(self, flow: FakeFlow, fields: dict[str, Any]) -> SettingsMethod | None:
        """Return the method of a submission, which its buttons name without `method`."""
        for method in self._methods.values():
            is_pressed = any(fields.get(button) for button in method.settings_buttons)
            is_named = method.name == fields.get("method") and not method.needs_button
            if (is_pressed or is_named) and method.accepts_settings(flow):
                method.require_enabled()
                return method
        return None

    def saved(self, request: FakeRequest, flow: FakeFlow, session: Session, method: str) -> FakeResponse:
        """Respond to a saved change: the flow keeps its id and gets a new form, as in Kratos."""
        updated = self._create_for(request, flow.type, session)
        flow.ui, flow.state = updated.ui, "success"
        flow.internal.pop("totp_secret", None)
        flow.internal |= updated.internal
        flow.ui.messages = [message(1050001)]
        self._hooks.after(request, flow, session, method)
        if flow.native:
            return FakeResponse.json(self.document(flow))
        self.sessions.issue_cookie(request, session)
        urls = self.server.settings.return_urls
        configured = urls.get(f"{self.name}.{method}") or urls.get(self.name)
        location = flow.return_to or configured or self.ui_url(flow)
        if not request.prefers_json:
            return FakeResponse.redirect(request.method, location)
        continue_with = [{"action": "redirect_browser_to", "redirect_browser_to": location}]
        return FakeResponse.json(self.document(flow, continue_with=continue_with))

    def _reauthentication(self, request: FakeRequest, flow: FakeFlow, fields: dict[str, Any]) -> ApiError:
        """Store the submitted fields until the user has logged in again, and return the error that asks for it."""
        # Kratos pauses the change of a profile in native flows, too.
        if not flow.native or fields.get("method") == "profile":
            container_id = new_id()
            self.server.store.continuity_containers = {container_id: {"flow": flow.id, "fields": fields}}
            request.set_cookies.append(self.server.jar.continuity_cookie(container_id, self.server.now()))
        current_url = f"{self.server.url(request.path)}?{request.query_string}"
        location = self.server.url("/self-service/login/browser", refresh="true", return_to=current_url)
        return ApiError(
            403,
            "session_refresh_required",
            "This change requires a recent login. Log in again.",
            extra={"redirect_browser_to": location},
            location=location,
        )

    def _resume(self, request: FakeRequest, flow: FakeFlow) -> dict[str, Any] | None:
        """Return the fields submitted before a re-authentication, once."""
        if request.method != "GET":
            return None
        for value in request.cookie_values(CONTINUITY_COOKIE):
            values = self.server.jar.decode(value) or {}
            container = self.server.store.continuity_containers.get(values.get("continuity", ""))
            if container is not None and container["flow"] == flow.id:
                del self.server.store.continuity_containers[values["continuity"]]
                fields: dict[str, Any] = container["fields"]
                # Kratos replaces the cookie twice: when it reads the fields, and when it deletes them.
                cookies = [self.server.jar.continuity_cookie(new_id(), self.server.now()) for _ in range(2)]
                request.set_cookies.extend(cookies)
                return fields
        return None
