"""The operations of Kratos' `FrontendApi` (v26.2.0) as data: where each is, and where its parameters go.

Every name is the OpenAPI document's own: an operation's is its operationId in snake_case, a parameter's is in
lower case with `_` for `-`. A test compares this table with the pinned document.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Literal

__all__ = ["OPERATIONS", "Operation"]


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation as the OpenAPI document has it.

    Attributes:
        method: The HTTP method.
        path: The path below Kratos' public URL; `{id}` stands for the parameter of that name.
        query: The parameters that go into the query.
        headers: The parameters that go into a header.
        sends_body: Whether a JSON body is sent.
        deprecated: The parameters that Kratos still takes and asks not to use.
        undocumented: Header parameters that Kratos reads although the document does not list them.
        step: What it does with one of the self-service flows, where it does anything with one.
    """

    method: str
    path: str
    query: tuple[str, ...] = ()
    headers: tuple[str, ...] = ()
    sends_body: bool = False
    deprecated: tuple[str, ...] = ()
    undocumented: tuple[str, ...] = ()
    step: Literal["create", "read", "update"] | None = None

    @property
    def parameters(self) -> frozenset[tuple[str, str]]:
        """The documented parameters as pairs of place (`path`, `query`, `header`) and name."""
        in_path = {("path", "id")} if "{id}" in self.path else set[tuple[str, str]]()
        in_query = {("query", name) for name in self.query}
        return frozenset(in_path | in_query | {("header", name) for name in self.headers})


def _create(
    path: str,
    *query: str,
    headers: tuple[str, ...] = (),
    deprecated: tuple[str, ...] = (),
    undocumented: tuple[str, ...] = (),
) -> Operation:
    return Operation("GET", path, query, headers, deprecated=deprecated, undocumented=undocumented, step="create")


def _read(path: str, *headers: str) -> Operation:
    return Operation("GET", path, ("id",), headers, step="read")


def _update(path: str, *query: str, headers: tuple[str, ...]) -> Operation:
    return Operation("POST", path, query, headers, sends_body=True, step="update")


_COOKIE: Final = ("cookie",)
_EITHER: Final = ("x_session_token", "cookie")

OPERATIONS: Final[Mapping[str, Operation]] = MappingProxyType(
    {
        "create_browser_login_flow": _create(
            "/self-service/login/browser",
            *("refresh", "aal", "return_to", "login_challenge", "organization", "via", "identity_schema"),
            headers=_COOKIE,
            deprecated=("via",),
        ),
        "create_native_login_flow": _create(
            "/self-service/login/api",
            *("refresh", "aal", "return_session_token_exchange_code", "return_to", "organization", "via"),
            "identity_schema",
            headers=("x_session_token",),
            deprecated=("via",),
        ),
        "get_login_flow": _read("/self-service/login/flows", "cookie"),
        "update_login_flow": _update("/self-service/login", "flow", headers=_EITHER),
        "create_browser_registration_flow": _create(
            "/self-service/registration/browser",
            *("return_to", "login_challenge", "after_verification_return_to", "organization"),
            "identity_schema",
            undocumented=_COOKIE,
        ),
        "create_native_registration_flow": _create(
            "/self-service/registration/api",
            *("return_session_token_exchange_code", "return_to", "organization", "identity_schema"),
        ),
        "get_registration_flow": _read("/self-service/registration/flows", "cookie"),
        "update_registration_flow": _update("/self-service/registration", "flow", headers=_COOKIE),
        "create_browser_recovery_flow": _create(
            "/self-service/recovery/browser", "return_to", undocumented=_COOKIE
        ),
        "create_native_recovery_flow": _create("/self-service/recovery/api"),
        "get_recovery_flow": _read("/self-service/recovery/flows", "cookie"),
        "update_recovery_flow": _update("/self-service/recovery", "flow", "token", headers=_COOKIE),
        "create_browser_verification_flow": _create(
            "/self-service/verification/browser", "return_to", undocumented=_COOKIE
        ),
        "create_native_verification_flow": _create("/self-service/verification/api", "return_to"),
        "get_verification_flow": _read("/self-service/verification/flows", "cookie"),
        "update_verification_flow": _update("/self-service/verification", "flow", "token", headers=_COOKIE),
        "create_browser_settings_flow": _create("/self-service/settings/browser", "return_to", headers=_COOKIE),
        "create_native_settings_flow": _create("/self-service/settings/api", headers=("x_session_token",)),
        "get_settings_flow": _read("/self-service/settings/flows", *_EITHER),
        "update_settings_flow": _update("/self-service/settings", "flow", headers=_EITHER),
        "create_browser_logout_flow": Operation("GET", "/self-service/logout/browser", ("return_to",), _COOKIE),
        "update_logout_flow": Operation("GET", "/self-service/logout", ("token", "return_to"), _COOKIE),
        "perform_native_logout": Operation("DELETE", "/self-service/logout/api", sends_body=True),
        "to_session": Operation(
            "GET", "/sessions/whoami", ("tokenize_as",), _EITHER, undocumented=("authorization",)
        ),
        "list_my_sessions": Operation(
            "GET",
            "/sessions",
            ("per_page", "page", "page_size", "page_token"),
            _EITHER,
            deprecated=("per_page", "page"),
        ),
        "disable_my_session": Operation("DELETE", "/sessions/{id}", headers=_EITHER),
        "disable_my_other_sessions": Operation("DELETE", "/sessions", headers=_EITHER),
        "exchange_session_token": Operation("GET", "/sessions/token-exchange", ("init_code", "return_to_code")),
        "get_flow_error": Operation("GET", "/self-service/errors", ("id",)),
        "get_web_authn_java_script": Operation("GET", "/.well-known/ory/webauthn.js"),
        "create_fedcm_flow": _create("/self-service/fed-cm/parameters", undocumented=_COOKIE),
        "update_fedcm_flow": Operation(
            "POST", "/self-service/fed-cm/token", sends_body=True, undocumented=_COOKIE, step="update"
        ),
    }
)
"""Every operation under its name."""
