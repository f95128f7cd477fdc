"""The call of `FrontendClient` for a recorded request."""

from typing import Any, Protocol
from urllib.parse import parse_qsl

from pydantic import BaseModel, TypeAdapter

from ory_guard.client import updates
from ory_guard.client.operations.all_operations import OPERATIONS
from ory_guard.client.request_builder import Body

HEADERS = {"cookie": "cookie", "x-session-token": "x_session_token", "authorization": "authorization"}
"""Headers by the name of their argument."""

BODIES: dict[str, TypeAdapter[BaseModel]] = {
    "update_login_flow": TypeAdapter(updates.UpdateLoginFlowBody),
    "update_registration_flow": TypeAdapter(updates.UpdateRegistrationFlowBody),
    "update_recovery_flow": TypeAdapter(updates.UpdateRecoveryFlowBody),
    "update_verification_flow": TypeAdapter(updates.UpdateVerificationFlowBody),
    "update_settings_flow": TypeAdapter(updates.UpdateSettingsFlowBody),
    "perform_native_logout": TypeAdapter(updates.PerformNativeLogoutBody),
    "update_fedcm_flow": TypeAdapter(updates.UpdateFedcmFlowBody),
}
NOT_MODELLED = {"logout.native.missing_token", "registration.two_step.ajax.back.as_a_form_sends_it"}
"""Cases with bodies that are invalid on purpose, and are sent as mappings."""

_FLAGS = {"true": True, "false": False}


class Recorded(Protocol):
    """A recorded exchange."""

    @property
    def case(self) -> str:
        """The name of the recording."""

    @property
    def operation(self) -> str:
        """The operationId in snake_case, or `-`."""

    @property
    def request(self) -> dict[str, Any]:
        """The request: `method`, `path`, `query`, `headers` and `body`."""


def is_typed_call(recorded: Recorded) -> bool:
    """Return False for navigations, form posts, HEAD and POST whoami, malformed bodies, and health checks."""
    request = recorded.request
    return (
        recorded.operation != "-"
        and (request["headers"].get("accept") == "application/json" or recorded.case == "webauthn_js")
        and request["method"] == OPERATIONS[recorded.operation].method
        and not recorded.case.endswith("malformed_json")
    )


def arguments_of(recorded: Recorded) -> dict[str, Any]:
    """Return the arguments for the recorded request."""
    request = recorded.request
    arguments: dict[str, Any] = {
        name: _FLAGS.get(text, int(text) if name in ("page", "per_page", "page_size") else text)
        for name, text in parse_qsl(request["query"])
    }
    arguments |= {HEADERS[name]: value for name, value in request["headers"].items() if name in HEADERS}
    if "{id}" in OPERATIONS[recorded.operation].path:
        arguments["id"] = request["path"].rpartition("/")[2]
    if recorded.case == "token_exchange.missing":
        # Both codes are required arguments; Kratos treats an empty code as missing.
        arguments |= {"init_code": "", "return_to_code": ""}
    return arguments


def bodies_of(recorded: Recorded) -> list[Body | None]:
    """Return the recorded body as a mapping and, unless it is invalid on purpose, as a model."""
    body = recorded.request["body"]
    if body is None:
        return [None]
    if recorded.case in NOT_MODELLED:
        return [body]
    return [body, BODIES[recorded.operation].validate_python(body)]
