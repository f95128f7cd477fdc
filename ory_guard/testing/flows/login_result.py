"""The result of a login: the hooks, the session, and the response."""

from dataclasses import replace
from typing import Any

from ory_guard.testing.flows.fake_flow import FakeFlow, InvalidFlowError
from ory_guard.testing.flows.flow_hooks import hook_context, hook_error, show_messages
from ory_guard.testing.flows.verification import VerificationEndpoints
from ory_guard.testing.oidc.redirect import browser_redirect_required
from ory_guard.testing.server.request import FakeRequest
from ory_guard.testing.server.response import ApiError, FakeResponse
from ory_guard.testing.server.state import Server
from ory_guard.testing.store.identities import touch
from ory_guard.testing.store.records import FakeAuthenticationMethod, Identity, Session
from ory_guard.testing.store.serialization import session_document, unsaved_session
from ory_guard.testing.store.sessions import NO_DEVICE_ID, REVOKE_HOOK, Sessions, device_from, inactive_error
from ory_guard.testing.web_hooks.responses import HookFailedError, HookRejectedError
from ory_guard.testing.web_hooks.web_hooks import HookContext

__all__ = ["LoginResult"]


class LoginResult:
    """What happens after a factor was verified.

    Args:
        server: The shared state of the fake.
        sessions: The session rules.
        verification: Starts the verification of addresses.
    """

    def __init__(self, server: Server, sessions: Sessions, verification: VerificationEndpoints) -> None:
        self._server = server
        self._sessions = sessions
        self._verification = verification
        self._links: dict[str, dict[str, Any]] = {}

    def respond(
        self, request: FakeRequest, flow: FakeFlow, identity: Identity, method: FakeAuthenticationMethod
    ) -> FakeResponse:
        """Create a session for an identity, or refresh the session that the request has."""
        self._require_active(flow, identity)
        link = flow.internal.get("link")
        if link is not None and link["identity"] is not identity:
            flow.ui.add_error(4010009)
            raise InvalidFlowError(flow)
        session = self._sessions.find(request)
        if session is not None and session.identity is not identity:
            session = None
        is_new = session is None
        session = session or self._sessions.prepare(identity, [method], device_from(request))
        changes = self._run_hooks(request, flow, session, method)
        if is_new:
            self._server.store.add_session(session)
            document = self._sessions.document(session)
        else:
            self._sessions.refresh(session, method)
            document = self._refreshed_document(request, session)
        document["identity"] |= changes
        self._link(flow, session)
        if flow.native:
            if not self._sessions.satisfies_aal(session, self._server.settings.whoami_required_aal):
                document["identity"] = None
            return FakeResponse.json({"session_token": session.token, "session": document, "continue_with": None})
        if is_new:
            request.renew_csrf()
        self._sessions.issue_cookie(request, session)
        return self._browser_response(request, flow, session, document, method.method)

    def _run_hooks(
        self, request: FakeRequest, flow: FakeFlow, session: Session, method: FakeAuthenticationMethod
    ) -> dict[str, Any]:
        """Run the hooks before the session is stored, and return the changes of the identity in the response."""

        def context() -> HookContext:
            is_new = session.id not in self._server.store.sessions
            completed = session if is_new else replace(session, methods=[*session.methods, method])
            document = self._sessions.document(completed)
            return hook_context(
                self._server,
                request,
                flow.document(transient_payload=flow.internal.get("transient_payload", {})),
                document["identity"],
                unsaved_session(document) if is_new else document,
            )

        others = {
            "require_verified_address": lambda: self._require_verified_address(request, flow, session.identity),
            REVOKE_HOOK: lambda: self._sessions.revoke_others(session),
        }
        try:
            return self._server.web_hooks.after("login", method.method, context, others)
        except HookRejectedError as error:
            raise show_messages(flow, error) from error
        except HookFailedError as error:
            raise hook_error(error, request, flow) from error

    def _require_active(self, flow: FakeFlow, identity: Identity) -> None:
        if identity.state == "active":
            return
        if self._server.settings.is_release:
            raise inactive_error(identity)
        flow.ui.add_error(4010011)
        raise InvalidFlowError(flow)

    def _require_verified_address(self, request: FakeRequest, flow: FakeFlow, identity: Identity) -> None:
        """Lead users without a verified address to the verification of the first one."""
        if not identity.verifiable_addresses:
            reason = "The hook require_verified_address requires an address that can be verified."
            raise ApiError(500, reason=reason, message="Invalid configuration")
        if any(address.verified for address in identity.verifiable_addresses):
            return
        address = identity.verifiable_addresses[0]
        verification = self._verification.create_for_address(request, flow, address)
        page = self._verification.ui_url(verification)
        item = {"id": verification.id, "verifiable_address": address.value, "url": page}
        raise ApiError(
            403,
            "session_verified_address_required",
            "The address of this account is not verified yet. Check your inbox.",
            message="the address is not verified",
            details={"continue_with": [{"action": "show_verification_ui", "flow": item}]},
            location=page,
            code=400,
        )

    def _link(self, flow: FakeFlow, session: Session) -> None:
        """Link the provider whose sign-in led to this login, once the session has the required level."""
        link = flow.internal.pop("link", None) or self._links.pop(session.id, None)
        if link is None:
            return
        if not self._sessions.satisfies_aal(session, self._server.settings.whoami_required_aal):
            self._links[session.id] = link
            return
        session.identity.credentials.oidc_subjects[link["provider"]] = link["subject"]
        touch(self._server, session.identity)

    def _browser_response(
        self, request: FakeRequest, flow: FakeFlow, session: Session, document: dict[str, Any], method: str
    ) -> FakeResponse:
        settings = self._server.settings
        try:
            self._sessions.require_aal(session, settings.whoami_required_aal, flow.return_to)
        except ApiError as error:
            if not request.prefers_json:
                return FakeResponse.redirect(request.method, str(error.location))
            raise browser_redirect_required(str(error.location)) from error
        location = flow.return_to or settings.return_url_after("login", method)
        if not request.prefers_json:
            return FakeResponse.redirect(request.method, location)
        continue_with = [{"action": "redirect_browser_to", "redirect_browser_to": location}]
        return FakeResponse.json({"session": document, "continue_with": continue_with})

    def _refreshed_document(self, request: FakeRequest, session: Session) -> dict[str, Any]:
        """Return the document of a refreshed session, with a new `issued_at` and a device that is not stored."""
        document = session_document(session, self._server.identity_document(session.identity))
        device = device_from(request, NO_DEVICE_ID)
        document["issued_at"] = document["authenticated_at"]
        document["devices"].append(
            {
                "id": device.id,
                "ip_address": device.ip_address,
                "user_agent": device.user_agent,
                "location": device.location,
            }
        )
        return document
