"""Login: first factor, second factor, and refresh."""

from collections.abc import Sequence
from typing import Any, ClassVar, Literal, NoReturn

from ory_guard.testing.clock import timestamp
from ory_guard.testing.flows.fake_flow import FakeFlow, InvalidFlowError
from ory_guard.testing.flows.flow_endpoints import FlowEndpoints
from ory_guard.testing.flows.flow_hooks import hook_context, run_before_hooks
from ory_guard.testing.flows.login_result import LoginResult
from ory_guard.testing.flows.node_order import LOGIN_GROUPS, LOGIN_KEYS, sort_nodes
from ory_guard.testing.flows.submission import Submission
from ory_guard.testing.flows.ui_messages import message
from ory_guard.testing.flows.verification import VerificationEndpoints
from ory_guard.testing.methods.method import LoginMethod, Method
from ory_guard.testing.server.request import FakeRequest
from ory_guard.testing.server.response import ApiError, FakeResponse
from ory_guard.testing.server.state import Server
from ory_guard.testing.store.records import FakeAuthenticationMethod, Identity, Session
from ory_guard.testing.store.sessions import Sessions

__all__ = ["LoginEndpoints"]


class LoginEndpoints(FlowEndpoints):
    """The operations of login flows."""

    name: ClassVar[str] = "login"
    expired_message: ClassVar[int] = 4010001

    def __init__(
        self, server: Server, sessions: Sessions, methods: Sequence[Method], verification: VerificationEndpoints
    ) -> None:
        super().__init__(server, sessions)
        self._methods = {method.name: method for method in methods if isinstance(method, LoginMethod)}
        self._result = LoginResult(server, sessions, verification)

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
        self._add_fields(flow, aal=aal, refresh=refresh, organization_id=request.organization_id)
        flow.fields |= self.identity_schema(request)
        if session is None:
            self.add_exchange_code(request, flow)
        self._fill(request, flow, session)
        run_before_hooks(
            self.server, request, flow, lambda: hook_context(self.server, request, self.document(flow))
        )
        return flow

    def create_for_link(self, request: FakeRequest, source: FakeFlow, provider: str, identifier: str) -> FakeFlow:
        """Create the flow in which the owner of an identifier logs in, so that a provider can be linked."""
        flow = self.new_flow(request, source.type)
        flow.request_url, flow.return_to = source.request_url, source.return_to
        flow.requested_return_to, flow.active = source.requested_return_to, "oidc"
        self._add_fields(flow, aal="aal1", refresh=False)
        for method in self._enabled_methods():
            method.fill_login(flow)
        self.arrange(flow)
        flow.ui.nodes = [node for node in flow.ui.nodes if node["attributes"].get("value") != provider]
        for node in flow.ui.nodes:
            if node["group"] == "oidc":
                node["meta"]["label"] = message(1010018, {"provider": node["attributes"]["value"]})
        if field := flow.ui.find("identifier"):
            field["attributes"] |= {"type": "hidden", "value": identifier}
        configured = self.server.settings.provider(provider)
        page = self.server.settings.login_ui_url
        context = {
            "available_credential_types": [],
            "available_providers": [],
            "duplicateIdentifier": identifier,
            "duplicate_identifier": identifier,
            "newLoginUrl": page,
            "new_login_url": page,
            "provider": (configured and configured.label) or "generic",
        }
        flow.ui.messages = [message(1010016, context)]
        return flow

    def _add_fields(self, flow: FakeFlow, *, aal: str, refresh: bool, organization_id: str | None = None) -> None:
        created = timestamp(flow.issued_at // 1_000 * 1_000)
        flow.fields = {
            "organization_id": organization_id,
            "created_at": created,
            "updated_at": created,
            "refresh": refresh,
            "requested_aal": aal,
        }

    def arrange(self, flow: FakeFlow) -> None:
        """Sort the nodes of a flow."""
        flow.ui.nodes = sort_nodes(flow.ui.nodes, LOGIN_GROUPS, LOGIN_KEYS)

    def _enabled_methods(self) -> list[LoginMethod]:
        return [method for method in self._methods.values() if method.is_enabled]

    def _require_login_needed(self, session: Session | None, aal: str, *, refresh: bool) -> None:
        if session is None:
            if aal == "aal2":
                raise _aal1_required()
        elif not refresh and aal <= session.aal:
            raise _session_already_available()

    def _fill(self, request: FakeRequest, flow: FakeFlow, session: Session | None) -> None:
        refresh, aal = flow.fields["refresh"], flow.fields["requested_aal"]
        identity = session.identity if session else None
        if refresh:
            flow.ui.messages.append(message(1010003))
        elif aal == "aal2":
            flow.ui.messages.append(message(1010004))
        if flow.fields["organization_id"] is not None and not refresh and aal == "aal1":
            return
        for method in self._enabled_methods():
            if aal == "aal2" and identity is not None:
                method.fill_second_factor(request, flow, identity)
            elif refresh and identity is not None:
                method.fill_refresh(flow, identity)
            elif self.server.settings.login_style == "identifier_first":
                method.fill_identifier_step(flow)
            else:
                method.fill_login(flow)
        self.arrange(flow)
        if aal == "aal2" and identity is not None:
            for method in self._enabled_methods():
                method.send_second_factor_at_once(request, flow, identity)

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
        submission = Submission(self, request, flow, self.fields(request, flow), session)
        method = self._method(submission)
        authenticated = method.log_in(submission)
        if isinstance(authenticated, FakeResponse):
            return authenticated
        return self.finish(request, flow, authenticated, self.sessions.completed_method(method.name))

    def show_rejected(self, flow: FakeFlow, fields: dict[str, Any]) -> None:
        """Fill the identifier into the form."""
        flow.ui.set_value("identifier", fields.get("identifier", ""))

    def _method(self, submission: Submission) -> LoginMethod:
        """Return the method of a submission. Some buttons are sent without `method`."""
        flow, fields = submission.flow, submission.fields
        name = str(fields.get("method", ""))
        for method in self._methods.values():
            if not method.selects_login(fields, name):
                continue
            method.require_login_fields(submission)
            if method.accepts_login(flow):
                method.require_enabled()
                return method
        raise submission.rejected(4010002)

    def _reject_session(self, request: FakeRequest, flow: FakeFlow) -> NoReturn:
        """Reject the submission of a client that has logged in already."""
        error = _session_already_available()
        if flow.native or request.prefers_json:
            flow.ui.reset()
            flow.ui.add_error(4000001, {"reason": error.reason})
            raise InvalidFlowError(flow)
        error.location = self.server.settings.default_return_url
        raise error

    def finish(
        self, request: FakeRequest, flow: FakeFlow, identity: Identity, method: FakeAuthenticationMethod
    ) -> FakeResponse:
        """Create a session for an identity, or refresh the session that the request has."""
        return self._result.respond(request, flow, identity, method)


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
