"""Common behavior of self-service flows: creation, reading, expiry, and errors."""

from abc import ABC, abstractmethod
from typing import Any, ClassVar, Final, Literal

from ory_guard.testing.clock import SECOND, timestamp
from ory_guard.testing.flows.fake_flow import FakeFlow, InvalidFlowError
from ory_guard.testing.flows.form_fields import submitted_fields
from ory_guard.testing.flows.ui_nodes import Ui, csrf_node
from ory_guard.testing.server import csrf
from ory_guard.testing.server.csrf_violation import csrf_violation
from ory_guard.testing.server.request import FakeRequest
from ory_guard.testing.server.response import ApiError, FakeResponse
from ory_guard.testing.server.state import Server
from ory_guard.testing.server.uuids import canonical_uuid
from ory_guard.testing.store.identity_schema import IdentitySchema
from ory_guard.testing.store.records import random_string
from ory_guard.testing.store.schema_errors import wrong_type
from ory_guard.testing.store.sessions import Sessions

__all__ = ["FlowEndpoints"]

RETENTION_AFTER_EXPIRY: Final = 86_400 * SECOND
EXCHANGE_CODE_LENGTH: Final = 64
_WITHOUT_REASON: Final = ("login", "registration")
_PROXY_COOKIE_PREFIXES: Final = ("__cf", "_cf", "cf_")


class FlowEndpoints(ABC):
    """The operations of one kind of flow. Subclasses define the forms and the effect of a submission."""

    name: ClassVar[str]
    expired_message: ClassVar[int]
    first_state: ClassVar[str] = "choose_method"
    invalid_redirect_status: ClassVar[int] = 303
    disabled_error_id: ClassVar[str] = ""

    def __init__(self, server: Server, sessions: Sessions) -> None:
        self.server = server
        self.sessions = sessions

    @property
    def path(self) -> str:
        """The base path of the operations."""
        return f"/self-service/{self.name}"

    def ui_url(self, flow: FakeFlow) -> str:
        """Return the URL of the page that shows the flow."""
        return f"{getattr(self.server.settings, f'{self.name}_ui_url')}?flow={flow.id}"

    def require_flow_enabled(self) -> None:
        """Check that the configuration enables this kind of flow.

        Raises:
            ApiError: If it is disabled.
        """
        if not getattr(self.server.settings, f"{self.name}_enabled", True):
            reason = f"{self.name.capitalize()} is not allowed because it was disabled."
            raise ApiError(400, self.disabled_error_id, reason)

    def create_native(self, request: FakeRequest) -> FakeResponse:
        """Create a flow for a native app."""
        self.require_flow_enabled()
        flow = self.create(request, "api")
        # Only the response that creates the flow contains the code.
        code = flow.internal.get("exchange_code")
        return FakeResponse.json(self.document(flow, **({"session_token_exchange_code": code} if code else {})))

    def create_browser(self, request: FakeRequest) -> FakeResponse:
        """Create a browser flow; respond with JSON, or redirect to the page that shows it."""
        self.require_flow_enabled()
        flow = self.create(request, "browser")
        if request.prefers_json:
            return FakeResponse.json(self.document(flow))
        return FakeResponse.redirect(request.method, self.ui_url(flow))

    @abstractmethod
    def create(self, request: FakeRequest, kind: Literal["api", "browser"]) -> FakeFlow:
        """Create a flow with its form; raises ApiError if that is not possible."""

    def new_flow(self, request: FakeRequest, kind: Literal["api", "browser"]) -> FakeFlow:
        """Create and store a flow whose form only contains the anti-CSRF token."""
        if self.server.is_database_locked:
            raise ApiError(500, message="sqlite create: named insert: database is locked")
        now = self.server.now()
        lifespan = getattr(self.server.settings, f"{self.name}_lifespan")
        query = f"?{request.query_string}" if request.query_string else ""
        flow = FakeFlow(
            name=self.name,
            type=kind,
            request_url=f"{self.server.url(request.path)}{query}",
            issued_at=now,
            expires_at=now + int(lifespan * SECOND),
            ui=Ui(""),
            state=self.first_state,
            return_to=self.server.return_to(request),
            requested_return_to=request.query.get("return_to"),
        )
        flow.ui.action = f"{self.server.url(self.path)}?flow={flow.id}"
        if kind == "browser":
            flow.csrf_secret = request.csrf_secret()
        flow.ui.nodes.append(csrf_node(self.csrf_token(flow)))
        self._delete_old_flows(now)
        self.server.store.flows[flow.id] = flow
        return flow

    def identity_schema(self, request: FakeRequest) -> dict[str, str]:
        """Return the field for the parameter `identity_schema`, if the request has it.

        Raises:
            ApiError: If there is no such schema.
        """
        schema_id = request.query.get("identity_schema")
        if not schema_id:
            return {}
        if schema_id not in self.server.schemas:
            raise ApiError(400, reason=f'There is no identity schema "{schema_id}".')
        return {"identity_schema": schema_id}

    def add_exchange_code(self, request: FakeRequest, flow: FakeFlow) -> None:
        """Add the first code of the session token exchange, if the request asks for it."""
        if flow.native and request.flag("return_session_token_exchange_code"):
            flow.internal["exchange_code"] = random_string(EXCHANGE_CODE_LENGTH)

    def csrf_token(self, flow: FakeFlow) -> str:
        """Return a new anti-CSRF token for the form; it is empty for native flows."""
        return csrf.mask(flow.csrf_secret) if flow.csrf_secret else ""

    def document(self, flow: FakeFlow, **extra: Any) -> dict[str, Any]:
        """Return the JSON document of a flow."""
        return flow.document(**extra)

    def get(self, request: FakeRequest) -> FakeResponse:
        """Return a flow to the page that renders it. Browser flows require the anti-CSRF cookie."""
        self.require_flow_enabled()
        flow = self.server.store.flows.get(canonical_uuid(request.query.get("id", "")) or "")
        if flow is None or flow.name != self.name:
            raise ApiError(404, message="The flow was not found")
        self.authorize_reader(request, flow)
        if self.server.now() >= flow.expires_at:
            raise self._expired_error(flow)
        return FakeResponse.json(self.document(flow))

    def authorize_reader(self, request: FakeRequest, flow: FakeFlow) -> None:
        """Reject readers other than the browser that created the flow."""
        if flow.csrf_secret and (not request.has_csrf_cookie or request.csrf_secret() != flow.csrf_secret):
            raise csrf_violation(request, self.server.settings)

    def update(self, request: FakeRequest) -> FakeResponse:
        """Submit form fields to the flow."""
        flow_id = canonical_uuid(request.query.get("flow", ""))
        if flow_id is None:
            raise ApiError(400, reason='The query parameter "flow" is missing or malformed.')
        flow = self.server.store.flows.get(flow_id)
        if flow is None or flow.name != self.name:
            reason = (
                "" if self.name in _WITHOUT_REASON else f"The {self.name} flow does not exist. Start a new one."
            )
            raise ApiError(404, reason=reason, message="The flow was not found")
        request.json_only = flow.native
        if self.server.is_database_locked:
            raise ApiError(400, code=500, message="database is locked")
        nodes, messages = list(flow.ui.nodes), flow.ui.messages
        try:
            return self.submit(request, flow)
        except ApiError:
            flow.ui.nodes, flow.ui.messages = nodes, messages  # an error does not change the flow
            raise
        except InvalidFlowError as invalid:
            redirect_status = self.invalid_redirect_status
            self.arrange(invalid.flow)
            return self.render(request, invalid.flow, status=400, redirect_status=redirect_status)

    def arrange(self, flow: FakeFlow) -> None:  # noqa: B027 - most flows keep the order
        """Sort the nodes of a flow that is shown again because of an error."""

    @abstractmethod
    def submit(self, request: FakeRequest, flow: FakeFlow) -> FakeResponse:
        """Process a submission to this kind of flow."""

    def require_not_expired(self, request: FakeRequest, flow: FakeFlow) -> None:
        """Check that a flow has not expired.

        Raises:
            ApiError: If it has: 410 with the id of a new flow.
        """
        if self.server.now() >= flow.expires_at:
            raise self.expired_error(request, flow, flow.expires_at)

    def expired_error(self, request: FakeRequest, flow: FakeFlow, expired_at: int) -> ApiError:
        """Create a flow that replaces one that has expired, or whose code has; return the error that names it."""
        overdue = self.server.now() - expired_at
        replacement = self.restart(request, flow)
        replacement.request_url, replacement.return_to = flow.request_url, flow.return_to
        context = {"expired_at": timestamp(expired_at), "expired_at_unix": expired_at // SECOND}
        replacement.ui.add_error(self.expired_message, context)
        return ApiError(
            410,
            "self_service_flow_expired",
            f"The flow expired {overdue / SECOND / 60:.2f} minutes ago. Continue with the new flow.",
            message="the flow has expired",
            extra={"expired_at": timestamp(expired_at), "since": overdue, "use_flow_id": replacement.id},
            location=self.ui_url(replacement),
        )

    def restart(self, request: FakeRequest, flow: FakeFlow) -> FakeFlow:
        """Create a flow that replaces an expired one."""
        return self.create(request, flow.type)

    def fields(self, request: FakeRequest, flow: FakeFlow) -> dict[str, Any]:
        """Return the submitted fields; a malformed body shows the form again."""
        flow.ui.reset()
        return self.read_fields(request, flow)

    def read_fields(self, request: FakeRequest, flow: FakeFlow) -> dict[str, Any]:
        """Return the submitted fields, without removing the messages of the form."""
        fields = submitted_fields(request, flow, self.schema_of(flow))
        payload = fields.setdefault("transient_payload", {})
        if not isinstance(payload, dict):
            self.show_rejected(flow, fields)
            message_id, context = wrong_type(payload, "object")
            flow.ui.add_error(message_id, context, at="transient_payload")
            raise InvalidFlowError(flow)
        flow.internal["transient_payload"] = payload
        return fields

    def show_rejected(self, flow: FakeFlow, fields: dict[str, Any]) -> None:  # noqa: B027 - settings show nothing
        """Fill the fields of a submission whose `transient_payload` is not an object into the form."""

    def schema_of(self, flow: FakeFlow) -> IdentitySchema | None:
        """Return the identity schema of the traits in the form, or None if it has no traits."""
        return None

    def require_csrf(self, request: FakeRequest, flow: FakeFlow, fields: dict[str, Any]) -> None:
        """Check the anti-CSRF token of a browser flow, and that a native flow is not submitted by a browser."""
        if flow.internal.get("skips_csrf"):
            return
        if not flow.native:
            if not request.csrf_matches(fields.get("csrf_token")):
                raise csrf_violation(request, self.server.settings)
            return
        if request.headers.get("origin"):
            self._reject_browser(flow, fields, "Origin")
        if any(not name.startswith(_PROXY_COOKIE_PREFIXES) for name, _ in request.cookies):
            self._reject_browser(flow, fields, "Cookie")

    def _reject_browser(self, flow: FakeFlow, fields: dict[str, Any], header: str) -> None:
        flow.ui.reset()
        if node := flow.ui.find("identifier"):
            node["attributes"]["value"] = fields.get("identifier", "")
        flow.ui.add_error(4000001, {"reason": f"Native flows must not be submitted with a header {header}."})
        raise InvalidFlowError(flow)

    def render(
        self,
        request: FakeRequest,
        flow: FakeFlow,
        *,
        status: int = 200,
        redirect_status: int = 303,
        **extra: Any,
    ) -> FakeResponse:
        """Show a flow after a submission, with a new anti-CSRF token; `extra` is not stored."""
        if node := flow.ui.find("csrf_token"):
            node["attributes"]["value"] = self.csrf_token(flow)
        if self.responds_with_json(request, status):
            return FakeResponse.json(self.document(flow, **extra), status)
        return FakeResponse.redirect(request.method, self.ui_url(flow), redirect_status)

    def responds_with_json(self, request: FakeRequest, status: int) -> bool:
        """Return whether a submission is answered with JSON instead of a redirect to the page."""
        return request.prefers_json

    def expired_error_id(self, flow: FakeFlow) -> str:
        """Return the id of the error for reading an expired flow; Kratos leaves it out for some flows."""
        return "self_service_flow_expired"

    def _expired_error(self, flow: FakeFlow) -> ApiError:
        details = {"api": self.server.url(f"{self.path}/api")}
        if not flow.native:
            start = self.server.url(f"{self.path}/browser", return_to=flow.return_to)
            details = {"redirect_to": start, "return_to": flow.return_to or ""}
        return ApiError(
            410,
            self.expired_error_id(flow),
            f"The {self.name} flow has expired. Start a new one.",
            message="The flow has expired",
            details=details,
        )

    def _delete_old_flows(self, now: int) -> None:
        """Delete flows that expired more than a day ago. Flows are stored in the order of their creation."""
        flows = self.server.store.flows
        while flows:
            oldest = next(iter(flows.values()))
            if now < oldest.expires_at + RETENTION_AFTER_EXPIRY:
                return
            del flows[oldest.id]
