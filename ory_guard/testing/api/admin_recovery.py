"""Recovery codes and links of the admin API."""

from typing import Any, Final

from ory_guard.testing.api.json_bodies import read_json_body
from ory_guard.testing.clock import SECOND, timestamp
from ory_guard.testing.config_values import parse_duration
from ory_guard.testing.flows.fake_flow import FakeFlow
from ory_guard.testing.flows.recovery import RecoveryEndpoints
from ory_guard.testing.flows.ui_nodes import code_node, submit_node
from ory_guard.testing.server.request import FakeRequest
from ory_guard.testing.server.response import ApiError, FakeResponse, method_disabled
from ory_guard.testing.server.state import CODE_DIGITS, CODE_LENGTH, Server
from ory_guard.testing.server.uuids import parse_uuid
from ory_guard.testing.store.records import Identity, random_string

__all__ = ["AdminRecoveryEndpoints"]

TOKEN_LENGTH: Final = 32
_FIELDS: Final[dict[str, type]] = {"identity_id": str, "expires_in": str, "flow_type": str}


class AdminRecoveryEndpoints:
    """The operations that recover an account for its owner."""

    def __init__(self, server: Server, recovery: RecoveryEndpoints) -> None:
        self._server = server
        self._recovery = recovery

    def create_recovery_code(self, request: FakeRequest) -> FakeResponse:
        """`createRecoveryCodeForIdentity`: return a code and the page that asks for it."""
        body = self._body(request, "code")
        lifespan = _lifespan(body, self._server.settings.code_lifespan)
        kind = body.get("flow_type") or "browser"
        if kind not in ("browser", "api"):
            raise ApiError(400, reason=f'flow_type must be browser or api, not "{kind}".')
        flow = self._new_flow(request, "code", lifespan)
        flow.type = "api" if kind == "api" else "browser"
        identity = self._find(body)
        if identity is None:
            raise ApiError(404, reason="The identity was not found.")
        code = random_string(CODE_LENGTH, CODE_DIGITS)
        flow.state = "sent_email"
        self._recovery.store_code(flow, code, identity.id)
        flow.internal["email"] = ""  # the code was not sent to an address, so it verifies none
        flow.internal["code_expires_at"] = flow.expires_at
        flow.ui.nodes = [
            code_node(1070010, pattern="[0-9]+", maxlength=CODE_LENGTH),
            submit_node("code", "code", 1070009),
        ]
        body = {"recovery_link": self._recovery.ui_url(flow), "recovery_code": code, **_expiry(flow)}
        return FakeResponse.json(body, 201)

    def create_recovery_link(self, request: FakeRequest) -> FakeResponse:
        """`createRecoveryLinkForIdentity`: return a link with a token."""
        body = self._body(request, "link")
        flow = self._new_flow(request, "link", _lifespan(body, self._server.settings.link_lifespan))
        flow.type = "browser"
        identity = self._find(body)
        if identity is None:
            raise ApiError(400, reason="The identity was not found.")
        token = random_string(TOKEN_LENGTH)
        flow.internal |= {"link_token": token, "identity_id": identity.id}
        link = self._server.url(self._recovery.path, flow=flow.id, token=token)
        return FakeResponse.json({"recovery_link": link, **_expiry(flow)})

    def _body(self, request: FakeRequest, method: str) -> dict[str, Any]:
        if not self._server.settings.enabled(method):
            raise method_disabled(method)
        return read_json_body(request, _FIELDS)

    def _new_flow(self, request: FakeRequest, use: str, lifespan: float) -> FakeFlow:
        flow = self._recovery.create_flow(request, "api", use)
        # The link opens in any browser, so the flow is not bound to an anti-CSRF cookie.
        flow.internal["skips_csrf"] = True
        query = f"?{request.query_string}" if request.query_string else ""
        flow.request_url = f"{self._server.settings.admin_url}/admin/recovery/{use}{query}"
        flow.expires_at = self._server.after(lifespan)
        return flow

    def _find(self, body: dict[str, Any]) -> Identity | None:
        identity_id = body.get("identity_id")
        try:
            return self._server.store.identities.get(parse_uuid(identity_id)) if identity_id else None
        except ValueError as error:
            raise ApiError(400, reason=str(error)) from error


def _lifespan(body: dict[str, Any], default: float) -> float:
    return _duration(body["expires_in"]) if body.get("expires_in") else default


def _duration(value: object) -> float:
    try:
        seconds = parse_duration(value)
    except ValueError as error:
        raise ApiError(400, reason=f"expires_in is invalid: {error}.") from error
    if seconds * SECOND < 1:
        raise ApiError(400, reason="expires_in must be greater than 0.")
    return seconds


def _expiry(flow: FakeFlow) -> dict[str, str]:
    return {"expires_at": timestamp(flow.expires_at)}
