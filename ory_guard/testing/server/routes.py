"""The routes of the public API (the 32 operations of the OpenAPI document and more) and of the admin API."""

from ory_guard.testing.api.admin_identities import AdminIdentityEndpoints
from ory_guard.testing.api.admin_recovery import AdminRecoveryEndpoints
from ory_guard.testing.api.admin_sessions import AdminSessionEndpoints
from ory_guard.testing.api.metadata import MetadataEndpoints
from ory_guard.testing.api.schemas import SchemaEndpoints
from ory_guard.testing.api.sessions import SessionEndpoints
from ory_guard.testing.flows.flow_endpoints import FlowEndpoints
from ory_guard.testing.flows.flow_error import FlowErrorEndpoint
from ory_guard.testing.flows.login import LoginEndpoints
from ory_guard.testing.flows.logout import LogoutEndpoints
from ory_guard.testing.flows.recovery import RecoveryEndpoints
from ory_guard.testing.flows.registration import RegistrationEndpoints
from ory_guard.testing.flows.settings import SettingsEndpoints
from ory_guard.testing.flows.verification import VerificationEndpoints
from ory_guard.testing.methods.code import CodeMethod
from ory_guard.testing.methods.identifier_first import IdentifierFirstMethod
from ory_guard.testing.methods.lookup_secret import LookupSecretMethod
from ory_guard.testing.methods.method import LoginMethod, Method
from ory_guard.testing.methods.oidc import OidcMethod
from ory_guard.testing.methods.passkey import PasskeyMethod
from ory_guard.testing.methods.password import PasswordMethod
from ory_guard.testing.methods.profile import ProfileMethod
from ory_guard.testing.methods.totp import TotpMethod
from ory_guard.testing.methods.webauthn import WebAuthnMethod
from ory_guard.testing.oidc.callback import OidcCallback
from ory_guard.testing.oidc.provider import FakeOidcProvider
from ory_guard.testing.oidc.redirect import OidcRedirects
from ory_guard.testing.server.api_redirects import redirects_to_admin_api, redirects_to_public_api
from ory_guard.testing.server.router import ANY_METHOD, Route
from ory_guard.testing.server.state import Server
from ory_guard.testing.store.sessions import Sessions
from ory_guard.testing.store.tokenizer import Tokenizer
from ory_guard.testing.webauthn.script import SCRIPT_PATH, get_web_authn_java_script

__all__ = ["admin_routes", "public_routes"]


def public_routes(
    server: Server,
    sessions: Sessions,
    tokenizer: Tokenizer,
    provider: FakeOidcProvider,
) -> list[Route]:
    """Return the routes of the public API."""
    redirects = OidcRedirects(server, provider)
    methods = _methods(server, sessions, redirects)
    verification = VerificationEndpoints(server, sessions)
    login = LoginEndpoints(server, sessions, methods, verification)
    registration = RegistrationEndpoints(server, sessions, methods, verification)
    settings = SettingsEndpoints(server, sessions, methods, verification)
    recovery = RecoveryEndpoints(server, sessions, settings)
    oidc = OidcCallback(
        server,
        sessions,
        redirects=redirects,
        provider=provider,
        login=login,
        registration=registration,
        settings=settings,
    )
    flows: list[FlowEndpoints] = [login, registration, settings, recovery, verification]
    return [
        *(route for flow in flows for route in _flow_routes(flow)),
        *_session_routes(SessionEndpoints(server, sessions, tokenizer.tokenize), oidc),
        *_logout_routes(LogoutEndpoints(server, sessions)),
        Route("GET", "/self-service/errors", FlowErrorEndpoint(server).get_flow_error),
        Route("GET", SCRIPT_PATH, get_web_authn_java_script),
        *_schema_routes(SchemaEndpoints(server)),
        *_health_routes(MetadataEndpoints(server)),
        Route("GET", "/self-service/methods/oidc/callback/{}", oidc.callback, browser=True),
        Route("POST", "/self-service/methods/oidc/callback/{}", oidc.callback_by_form),
        *redirects_to_admin_api(server.settings.admin_url),
        Route("GET", "/fake-oidc/{}/auth", provider.consent_page),
        Route("POST", "/fake-oidc/{}/auth", provider.consent),
    ]


def _methods(server: Server, sessions: Sessions, redirects: OidcRedirects) -> list[Method]:
    """Return the methods in Kratos' order, which decides about nodes with the same name."""
    methods: list[Method] = [
        ProfileMethod(server, sessions),
        PasswordMethod(server, sessions),
        OidcMethod(server, sessions, redirects),
        CodeMethod(server, sessions),
        TotpMethod(server, sessions),
        PasskeyMethod(server, sessions),
        WebAuthnMethod(server, sessions),
        LookupSecretMethod(server, sessions),
    ]
    first_factors = [method for method in methods if isinstance(method, LoginMethod)]
    return [*methods, IdentifierFirstMethod(server, sessions, first_factors)]


def _flow_routes(flow: FlowEndpoints) -> list[Route]:
    return [
        Route("GET", f"{flow.path}/api", flow.create_native),
        Route("GET", f"{flow.path}/browser", flow.create_browser, browser=True),
        Route("GET", f"{flow.path}/flows", flow.get),
        Route("POST", flow.path, flow.update, browser=True),
        Route("GET", flow.path, flow.update, browser=True),
    ]


def _session_routes(endpoints: SessionEndpoints, oidc: OidcCallback) -> list[Route]:
    return [
        Route(ANY_METHOD, "/sessions/whoami", endpoints.whoami),
        Route("GET", "/sessions", endpoints.list_my_sessions),
        Route("DELETE", "/sessions", endpoints.disable_my_other_sessions),
        Route("GET", "/sessions/token-exchange", oidc.exchange_session_token),
        Route("DELETE", "/sessions/{}", endpoints.disable_my_session),
    ]


def _logout_routes(endpoints: LogoutEndpoints) -> list[Route]:
    path = "/self-service/logout"
    return [
        Route("GET", f"{path}/browser", endpoints.create_browser, browser=True),
        Route("GET", path, endpoints.update, browser=True),
        Route("DELETE", f"{path}/api", endpoints.perform_native),
    ]


def _schema_routes(endpoints: SchemaEndpoints) -> list[Route]:
    prefixes = ("", "/admin")
    return [
        *(Route("GET", f"{prefix}/schemas", endpoints.list_schemas) for prefix in prefixes),
        *(Route("GET", f"{prefix}/schemas/{{}}", endpoints.get_schema) for prefix in prefixes),
    ]


def _health_routes(endpoints: MetadataEndpoints) -> list[Route]:
    return [
        Route("GET", "/health/alive", endpoints.health),
        Route("GET", "/health/ready", endpoints.health),
    ]


def admin_routes(server: Server, sessions: Sessions) -> list[Route]:
    """Return the routes of the admin API, all below `/admin`."""
    metadata = MetadataEndpoints(server)
    routes = [
        *_identity_routes(AdminIdentityEndpoints(server)),
        *_admin_session_routes(AdminSessionEndpoints(server, sessions)),
        *_recovery_routes(server, sessions),
        Route("GET", "/version", metadata.version),
        *_health_routes(metadata),
    ]
    return [
        *(Route(route.method, f"/admin{route.path}", route.operation) for route in routes),
        *redirects_to_public_api(server.settings.public_url),
    ]


def _identity_routes(admin: AdminIdentityEndpoints) -> list[Route]:
    identities, identity = "/identities", "/identities/{}"
    return [
        Route("GET", identities, admin.list_identities),
        Route("POST", identities, admin.create_identity),
        Route("PATCH", identities, admin.update_identities),
        Route("GET", identity, admin.get_identity),
        Route("PUT", identity, admin.update_identity),
        Route("PATCH", identity, admin.patch_identity),
        Route("DELETE", identity, admin.delete_identity),
        Route("GET", f"{identities}/by/external/{{}}", admin.get_identity_by_external_id),
        Route("DELETE", f"{identity}/credentials/{{}}", admin.delete_credential),
    ]


def _admin_session_routes(admin: AdminSessionEndpoints) -> list[Route]:
    return [
        Route("GET", "/identities/{}/sessions", admin.list_identity_sessions),
        Route("DELETE", "/identities/{}/sessions", admin.delete_identity_sessions),
        Route("GET", "/sessions", admin.list_sessions),
        Route("GET", "/sessions/{}", admin.get_session),
        Route("PATCH", "/sessions/{}/extend", admin.extend_session),
        Route("DELETE", "/sessions/{}", admin.disable_session),
        Route("GET", "/courier/messages", admin.list_courier_messages),
        Route("GET", "/courier/messages/{}", admin.get_courier_message),
    ]


def _recovery_routes(server: Server, sessions: Sessions) -> list[Route]:
    verification = VerificationEndpoints(server, sessions)
    methods = _methods(server, sessions, OidcRedirects(server, FakeOidcProvider(server)))
    settings = SettingsEndpoints(server, sessions, methods, verification)
    recovery = AdminRecoveryEndpoints(server, RecoveryEndpoints(server, sessions, settings))
    return [
        Route("POST", "/recovery/code", recovery.create_recovery_code),
        Route("POST", "/recovery/link", recovery.create_recovery_link),
    ]
