"""The admin operations and where they are."""

from ory_guard.testing.admin import AdminEndpoints
from ory_guard.testing.app import Route
from ory_guard.testing.server import Server
from ory_guard.testing.service_endpoints import ServiceEndpoints
from ory_guard.testing.sessions import Sessions

__all__ = ["admin_routes"]


def admin_routes(server: Server, sessions: Sessions) -> list[Route]:
    """Return the routes of the admin application."""
    admin = AdminEndpoints(server, sessions)
    service = ServiceEndpoints(server)
    identities, number = "/admin/identities", "/admin/identities/{}"
    return [
        Route("GET", identities, admin.list_identities),
        Route("POST", identities, admin.create_identity),
        Route("GET", number, admin.get_identity),
        Route("PATCH", number, admin.patch_identity),
        Route("DELETE", number, admin.delete_identity),
        Route("GET", f"{number}/sessions", admin.list_identity_sessions),
        Route("DELETE", f"{number}/sessions", admin.delete_identity_sessions),
        Route("GET", "/admin/sessions", admin.list_sessions),
        Route("GET", "/admin/sessions/{}", admin.get_session),
        Route("PATCH", "/admin/sessions/{}/extend", admin.extend_session),
        Route("DELETE", "/admin/sessions/{}", admin.disable_session),
        Route("GET", "/admin/courier/messages", admin.list_courier_messages),
        Route("GET", "/admin/health/alive", service.health),
        Route("GET", "/admin/health/ready", service.health),
        Route("GET", "/health/alive", service.health),
        Route("GET", "/health/ready", service.health),
    ]
