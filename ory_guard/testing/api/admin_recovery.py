"""Recovery codes and links of the admin API."""

from typing import Any, Final

from ory_guard.testing.clock import SECOND, timestamp
from ory_guard.testing.config_values import parse_duration
from ory_guard.testing.flows.fake_flow import FakeFlow
from ory_guard.testing.flows.recovery import RecoveryEndpoints
from ory_guard.testing.server.request import FakeRequest, MalformedBodyError
from ory_guard.testing.server.response import ApiError, FakeResponse
from ory_guard.testing.server.state import CODE_DIGITS, CODE_LENGTH, Server
from ory_guard.testing.server.uuids import canonical_uuid
from ory_guard.testing.store.records import Identity, random_string

__all__ = ["AdminRecoveryEndpoints"]

TOKEN_LENGTH: Final = 32


class AdminRecoveryEndpoints:
    """The operations that recover an account for its owner."""

    def __init__(self, server: Server, recovery: RecoveryEndpoints) -> None:
        self._server = server
        self._recovery = recovery

    def create_recovery_code(self, request: FakeRequest) -> FakeResponse:
        """`createRecoveryCodeForIdentity`: return a code and the page that asks for it."""
        identity, flow = self._new_flow(request, "code")
        code = random_string(CODE_LENGTH, CODE_DIGITS)
        flow.state = "sent_email"
        self._recovery.store_code(flow, code, identity.id)
        flow.internal["email"] = ""  # the code was not sent to an address, so it verifies none
        flow.internal["code_expires_at"] = flow.expires_at
        self._recovery.show_code_form(flow, "")
        flow.ui.remove(name="email")
        body = {"recovery_link": self._recovery.ui_url(flow), "recovery_code": code, **_expiry(flow)}
        return FakeResponse.json(body, 201)

    def create_recovery_link(self, request: FakeRequest) -> FakeResponse:
        """`createRecoveryLinkForIdentity`: return a link with a token."""
        identity, flow = self._new_flow(request, "link")
        token = random_string(TOKEN_LENGTH)
        flow.internal |= {"link_token": token, "identity_id": identity.id}
        link = self._server.url(self._recovery.path, flow=flow.id, token=token)
        return FakeResponse.json({"recovery_link": link, **_expiry(flow)})

    def _new_flow(self, request: FakeRequest, use: str) -> tuple[Identity, FakeFlow]:
        if not self._server.settings.recovery_enabled:
            raise ApiError(404, reason="Recovery is not allowed because it was disabled.")
        body = self._body(request)
        identity = self._server.store.identities.get(canonical_uuid(str(body.get("identity_id"))) or "")
        if identity is None:
            raise ApiError(404)
        flow = self._recovery.create_flow(request, "api", use)
        # The link opens in any browser, so the flow is not bound to an anti-CSRF cookie.
        flow.type, flow.request_url = "browser", self._server.url(f"{self._recovery.path}/browser")
        flow.internal["skips_csrf"] = True
        if body.get("expires_in"):
            flow.expires_at = self._server.after(_duration(body["expires_in"]))
        return identity, flow

    def _body(self, request: FakeRequest) -> dict[str, Any]:
        try:
            return request.payload()
        except MalformedBodyError as error:
            raise ApiError(400, message=str(error)) from error


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
