"""What all self-service flows have in common: how they begin, are read, expire and fail."""

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final, Literal

from ory_guard.testing.clock import SECOND, timestamp
from ory_guard.testing.flows.ui_nodes import Ui, csrf_node
from ory_guard.testing.server import csrf
from ory_guard.testing.server.request import Exchange, MalformedBodyError
from ory_guard.testing.server.response import Answer, ApiError
from ory_guard.testing.server.state import Server
from ory_guard.testing.store.records import new_id, random_string
from ory_guard.testing.store.sessions import Sessions

__all__ = ["Flow", "FlowEndpoints", "InvalidFlowError"]

KEPT_AFTER_EXPIRY: Final = 86_400 * SECOND
EXCHANGE_CODE_LENGTH: Final = 64
_FOREIGN_COOKIES: Final = ("__cf", "_cf", "cf_")


@dataclass(slots=True, eq=False)
class Flow:
    """
    One run of a self-service flow.

    `fields` holds what only its kind of flow shows, `internal` what nobody is shown.
    """

    name: str
    type: Literal["api", "browser"]
    request_url: str
    issued_at: int
    expires_at: int
    ui: Ui
    state: str
    return_to: str | None = None
    active: str | None = None
    csrf_secret: bytes | None = None
    fields: dict[str, Any] = field(default_factory=dict)
    internal: dict[str, Any] = field(default_factory=dict)
    id: str = field(default_factory=new_id)

    @property
    def native(self) -> bool:
        """Whether it was made for an app without a browser."""
        return self.type == "api"

    def document(self, **extra: Any) -> dict[str, Any]:
        """Describe the flow; `extra` goes out this once."""
        shown: dict[str, Any] = {
            "id": self.id,
            "type": self.type,
            "expires_at": timestamp(self.expires_at),
            "issued_at": timestamp(self.issued_at),
            "request_url": self.request_url,
        }
        if self.return_to:
            shown["return_to"] = self.return_to
        if self.active:
            shown["active"] = self.active
        return shown | {"ui": self.ui.document(), **self.fields, "state": self.state, **extra}


class InvalidFlowError(Exception):
    """A submit that leads back to the form, whose `ui` says what is wrong.

    Args:
        flow: The flow as it is shown again.
    """

    def __init__(self, flow: Flow) -> None:
        super().__init__(flow.id)
        self.flow = flow


class FlowEndpoints(ABC):
    """The operations of one kind of flow; each kind says what its forms are and what a submit does."""

    name: ClassVar[str]
    expired_message: ClassVar[int]
    first_state: ClassVar[str] = "choose_method"
    invalid_redirect_status: ClassVar[int] = 303

    def __init__(self, server: Server, sessions: Sessions) -> None:
        self.server = server
        self.sessions = sessions

    @property
    def path(self) -> str:
        """Where the flow's operations are."""
        return f"/self-service/{self.name}"

    def ui_url(self, flow: Flow) -> str:
        """Return the page that shows the flow."""
        return f"{getattr(self.server.settings, f'{self.name}_ui_url')}?flow={flow.id}"

    def create_native(self, exchange: Exchange) -> Answer:
        """Begin a flow for an app without a browser."""
        flow = self.begin(exchange, "api")
        # Only the answer that begins the flow has the code: later ones would give it away.
        code = flow.internal.get("exchange_code")
        return Answer.json(self.document(flow, **({"session_token_exchange_code": code} if code else {})))

    def create_browser(self, exchange: Exchange) -> Answer:
        """Begin a flow in a browser: the flow itself as JSON, else a redirect to the page that shows it."""
        flow = self.begin(exchange, "browser")
        if exchange.wants_json:
            return Answer.json(self.document(flow))
        return Answer.redirect(exchange.method, self.ui_url(flow))

    @abstractmethod
    def begin(self, exchange: Exchange, kind: Literal["api", "browser"]) -> Flow:
        """Make a flow with its form; raises ApiError where none may begin."""

    def new_flow(self, exchange: Exchange, kind: Literal["api", "browser"]) -> Flow:
        """Make and remember a flow whose form has nothing but the anti-CSRF token yet."""
        now = self.server.now()
        lifespan = getattr(self.server.settings, f"{self.name}_lifespan")
        query = f"?{exchange.query_string}" if exchange.query_string else ""
        flow = Flow(
            name=self.name,
            type=kind,
            request_url=f"{self.server.url(exchange.path)}{query}",
            issued_at=now,
            expires_at=now + int(lifespan * SECOND),
            ui=Ui(""),
            state=self.first_state,
            return_to=self.server.return_to(exchange),
        )
        flow.ui.action = f"{self.server.url(self.path)}?flow={flow.id}"
        if kind == "browser":
            flow.csrf_secret = exchange.csrf_secret()
        flow.ui.nodes.append(csrf_node(self.csrf_token(flow)))
        self._forget_old_flows(now)
        self.server.store.flows[flow.id] = flow
        return flow

    def keep_exchange_code(self, exchange: Exchange, flow: Flow) -> None:
        """Make the first half of what opens a session after a detour through a browser, if it is asked for."""
        if flow.native and exchange.flag("return_session_token_exchange_code"):
            flow.internal["exchange_code"] = random_string(EXCHANGE_CODE_LENGTH)

    def csrf_token(self, flow: Flow) -> str:
        """Return a fresh token for the flow's form; native flows have an empty one."""
        return csrf.masked(flow.csrf_secret) if flow.csrf_secret else ""

    def document(self, flow: Flow, **extra: Any) -> dict[str, Any]:
        """Describe a flow."""
        return flow.document(**extra)

    def get(self, exchange: Exchange) -> Answer:
        """Show a flow to the page that renders it; browser flows only with their anti-CSRF cookie."""
        flow = self.server.store.flows.get(exchange.query.get("id", ""))
        if flow is None or flow.name != self.name:
            raise ApiError(404, message="There is no such flow")
        self.check_reader(exchange, flow)
        if self.server.now() >= flow.expires_at:
            raise self._gone(flow)
        return Answer.json(self.document(flow))

    def check_reader(self, exchange: Exchange, flow: Flow) -> None:
        """Let only the browser that began a flow read it."""
        if flow.csrf_secret and (not exchange.has_csrf_cookie or exchange.csrf_secret() != flow.csrf_secret):
            raise csrf_violation(exchange)

    def submit(self, exchange: Exchange) -> Answer:
        """Take a form's fields and go on with the flow."""
        number = exchange.query.get("flow")
        if not number:
            raise ApiError(400, reason='The query parameter "flow" is missing.')
        flow = self.server.store.flows.get(number)
        if flow is None or flow.name != self.name:
            raise ApiError(404, message="There is no such flow")
        exchange.json_only = flow.native
        try:
            return self.proceed(exchange, flow)
        except InvalidFlowError as invalid:
            redirect_status = self.invalid_redirect_status
            return self.show(exchange, invalid.flow, status=400, redirect_status=redirect_status)

    @abstractmethod
    def proceed(self, exchange: Exchange, flow: Flow) -> Answer:
        """Do what a submit of this kind of flow does."""

    def require_fresh(self, exchange: Exchange, flow: Flow) -> None:
        """
        Let a flow pass that has not expired.

        Raises:
            ApiError: 410 with the id of a flow that begins anew.
        """
        ago = self.server.now() - flow.expires_at
        if ago < 0:
            return
        new = self.restart(exchange, flow)
        new.request_url, new.return_to = flow.request_url, flow.return_to
        new.ui.complain(self.expired_message)
        raise ApiError(
            410,
            "self_service_flow_expired",
            f"The flow expired {ago / SECOND / 60:.2f} minutes ago; go on with the new one.",
            message="the flow has expired",
            extra={"expired_at": timestamp(flow.expires_at), "since": ago, "use_flow_id": new.id},
            location=self.ui_url(new),
        )

    def restart(self, exchange: Exchange, flow: Flow) -> Flow:
        """Begin a flow like an expired one."""
        return self.begin(exchange, flow.type)

    def fields(self, exchange: Exchange, flow: Flow) -> dict[str, Any]:
        """Return the submitted fields; a body that can't be read leads back to the form."""
        flow.ui.reset()
        try:
            return exchange.payload()
        except MalformedBodyError as error:
            reason = f"The form could not be read: {error}."
            flow.ui.complain(4000001, {"reason": reason})
            raise InvalidFlowError(flow) from error

    def require_csrf(self, exchange: Exchange, flow: Flow, fields: dict[str, Any]) -> None:
        """Let only the browser that began a flow go on with it, and no browser with a native one."""
        if not flow.native:
            if not exchange.csrf_matches(fields.get("csrf_token")):
                raise csrf_violation(exchange)
            return
        if exchange.headers.get("origin"):
            raise ApiError(400, reason="A native flow was submitted by a page: it sent an Origin header.")
        if any(not name.startswith(_FOREIGN_COOKIES) for name, _ in exchange.cookies):
            raise ApiError(400, reason="A native flow was submitted by a browser: it sent a Cookie header.")

    def show(
        self,
        exchange: Exchange,
        flow: Flow,
        *,
        status: int = 200,
        redirect_status: int = 303,
        **extra: Any,
    ) -> Answer:
        """Show a flow after a submit, with a fresh anti-CSRF token; `extra` goes out this once."""
        if node := flow.ui.find("csrf_token"):
            node["attributes"]["value"] = self.csrf_token(flow)
        if exchange.wants_json:
            return Answer.json(self.document(flow, **extra), status)
        return Answer.redirect(exchange.method, self.ui_url(flow), redirect_status)

    def _gone(self, flow: Flow) -> ApiError:
        details = {"api": self.server.url(f"{self.path}/api")}
        if not flow.native:
            start = self.server.page(f"{self.path}/browser", return_to=flow.return_to)
            details = {"redirect_to": start, "return_to": flow.return_to or ""}
        return ApiError(
            410,
            "self_service_flow_expired",
            f"The {self.name} flow has expired. Begin a new one.",
            message="The flow has expired",
            details=details,
        )

    def _forget_old_flows(self, now: int) -> None:
        """Drop flows that expired a day ago; they are kept in the order in which they began."""
        flows = self.server.store.flows
        while flows:
            oldest = next(iter(flows.values()))
            if now < oldest.expires_at + KEPT_AFTER_EXPIRY:
                return
            del flows[oldest.id]


def csrf_violation(exchange: Exchange) -> ApiError:
    """Say how the anti-CSRF check failed."""
    if not exchange.headers.get("cookie"):
        rejected = "There is no Cookie header."
    elif not exchange.has_csrf_cookie:
        rejected = "There is a Cookie header, but no anti-CSRF cookie is in it."
    else:
        rejected = "The anti-CSRF cookie and the form's csrf_token don't match, or the token is missing."
    return ApiError(
        403,
        "security_csrf_violation",
        "The form was not sent by the browser that it was made for. Begin the flow again.",
        message="the request was rejected to protect you from cross-site request forgery",
        details={
            "docs": "https://www.ory.com/docs/troubleshooting/csrf",
            "hint": "Check which cookies the browser sent, or that a server forwards them all.",
            "reject_reason": rejected,
        },
    )
