"""The public operations and where they are: the 32 of the document, and what browsers need besides."""

from ory_guard.testing.app import ANY, Route
from ory_guard.testing.flows import FlowEndpoints
from ory_guard.testing.login import LoginEndpoints
from ory_guard.testing.logout import LogoutEndpoints
from ory_guard.testing.oidc import OidcRedirects
from ory_guard.testing.oidc_callback import OidcCallback
from ory_guard.testing.oidc_provider import FakeOidcProvider
from ory_guard.testing.recovery import RecoveryEndpoints
from ory_guard.testing.registration import RegistrationEndpoints
from ory_guard.testing.server import Server
from ory_guard.testing.service_endpoints import ServiceEndpoints
from ory_guard.testing.session_endpoints import SessionEndpoints
from ory_guard.testing.sessions import Sessions
from ory_guard.testing.settings_flow import SettingsEndpoints
from ory_guard.testing.tokenizer import Tokenizer
from ory_guard.testing.verification import VerificationEndpoints
from ory_guard.testing.webauthn import get_web_authn_java_script

__all__ = ["public_routes"]


def public_routes(
    server: Server,
    sessions: Sessions,
    tokenizer: Tokenizer,
    provider: FakeOidcProvider,
) -> list[Route]:
    """Return the routes of the public application."""
    redirects = OidcRedirects(server, provider)
    verification = VerificationEndpoints(server, sessions)
    login = LoginEndpoints(server, sessions, redirects)
    registration = RegistrationEndpoints(server, sessions, redirects, verification)
    settings = SettingsEndpoints(server, sessions, redirects)
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
        Route("GET", settings.path, settings.submit, browser=True),
        *_session_routes(SessionEndpoints(server, sessions, tokenizer.tokenize), oidc),
        *_logout_routes(LogoutEndpoints(server, sessions)),
        *_service_routes(ServiceEndpoints(server)),
        Route("GET", "/self-service/methods/oidc/callback/{}", oidc.callback, browser=True),
        Route("GET", "/fake-oidc/{}/auth", provider.consent_page),
        Route("POST", "/fake-oidc/{}/auth", provider.consent),
    ]


def _flow_routes(flow: FlowEndpoints) -> list[Route]:
    return [
        Route("GET", f"{flow.path}/api", flow.create_native),
        Route("GET", f"{flow.path}/browser", flow.create_browser, browser=True, sets_csrf=True),
        Route("GET", f"{flow.path}/flows", flow.get, sets_csrf=True),
        Route("POST", flow.path, flow.submit, browser=True),
    ]


def _session_routes(endpoints: SessionEndpoints, oidc: OidcCallback) -> list[Route]:
    return [
        Route(ANY, "/sessions/whoami", endpoints.whoami),
        Route("GET", "/sessions", endpoints.list_others),
        Route("DELETE", "/sessions", endpoints.disable_others),
        Route("GET", "/sessions/token-exchange", oidc.exchange_session_token),
        Route("DELETE", "/sessions/{}", endpoints.disable),
    ]


def _logout_routes(endpoints: LogoutEndpoints) -> list[Route]:
    path = "/self-service/logout"
    return [
        Route("GET", f"{path}/browser", endpoints.create_browser, browser=True, sets_csrf=True),
        Route("GET", path, endpoints.submit, browser=True, sets_csrf=True),
        Route("DELETE", f"{path}/api", endpoints.perform_native),
    ]


def _service_routes(endpoints: ServiceEndpoints) -> list[Route]:
    return [
        Route("GET", "/self-service/errors", endpoints.get_flow_error, sets_csrf=True),
        Route("GET", "/self-service/fed-cm/parameters", endpoints.create_fedcm_flow, sets_csrf=True),
        Route("POST", "/self-service/fed-cm/token", endpoints.update_fedcm_flow, sets_csrf=True),
        Route("GET", "/.well-known/ory/webauthn.js", get_web_authn_java_script, sets_csrf=True),
        Route("GET", "/schemas/{}", endpoints.get_schema),
        Route("GET", "/health/alive", endpoints.health),
        Route("GET", "/health/ready", endpoints.health),
    ]
