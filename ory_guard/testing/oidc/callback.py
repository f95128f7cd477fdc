"""Social sign-in, second part: the callback, which creates or links an identity."""

from typing import Any, Final
from urllib.parse import urlencode

from ory_guard.testing.flows.fake_flow import FakeFlow, InvalidFlowError
from ory_guard.testing.flows.login import LoginEndpoints
from ory_guard.testing.flows.registration import RegistrationEndpoints
from ory_guard.testing.flows.settings import SettingsEndpoints
from ory_guard.testing.flows.ui_nodes import Ui
from ory_guard.testing.oidc.provider import FakeOidcProvider
from ory_guard.testing.oidc.redirect import OidcRedirects
from ory_guard.testing.server.request import FakeRequest, MalformedBodyError
from ory_guard.testing.server.response import ApiError, FakeResponse
from ory_guard.testing.server.state import Server
from ory_guard.testing.store.identities import create_identity, touch
from ory_guard.testing.store.records import Identity, Session, new_id, random_string
from ory_guard.testing.store.sessions import Sessions, device_from

__all__ = ["OidcCallback"]

RETURN_CODE_LENGTH: Final = 64


class OidcCallback:
    """The callback, and the session token exchange for native apps.

    Args:
        server: The shared state of the fake.
        sessions: The session rules.
        redirects: Finds the flow that the browser came from.
        provider: Resolves authorization codes to claims.
        login: Completes logins.
        registration: Completes registrations.
        settings: Completes links to a provider.
    """

    def __init__(
        self,
        server: Server,
        sessions: Sessions,
        *,
        redirects: OidcRedirects,
        provider: FakeOidcProvider,
        login: LoginEndpoints,
        registration: RegistrationEndpoints,
        settings: SettingsEndpoints,
    ) -> None:
        self._server = server
        self._sessions = sessions
        self._redirects = redirects
        self._provider = provider
        self._login = login
        self._registration = registration
        self._settings = settings
        self._exchange_codes: dict[str, tuple[str, Session]] = {}

    def callback_by_form(self, request: FakeRequest, name: str) -> FakeResponse:
        """Redirect a provider that posts its response to the callback by GET."""
        try:
            submitted = request.submitted()
        except MalformedBodyError:
            submitted = []
        parameters = {key: str(value) for key, value in (*submitted, *request.query_pairs)}
        query = f"?{urlencode(sorted(parameters.items()))}" if parameters else ""
        return FakeResponse.redirect(request.method, f"{self._server.url(request.path)}{query}", 302)

    def callback(self, request: FakeRequest, name: str) -> FakeResponse:
        """Accept the provider's response and complete the flow."""
        if self._server.settings.provider(name) is None:
            request.json_only = True
            raise ApiError(404, reason=f"The provider {name!r} is not configured.")
        flow = self._redirects.take_flow(request.query.get("state", ""), name)
        flow.ui.reset()
        claims = self._provider.claims(request.query.get("code", ""))
        try:
            if claims is None:
                reason = request.query.get("error") or "the code is unknown"
                flow.ui.add_error(4000001, {"reason": f"The provider returned an error: {reason}."})
                raise InvalidFlowError(flow)  # noqa: TRY301 - handled like the errors below
            if flow.name == self._settings.name:
                return self._link(request, flow, name, claims)
            return self._sign_in(request, flow, name, claims)
        except InvalidFlowError as invalid:
            page = getattr(self._server.settings, f"{invalid.flow.name}_ui_url")
            return FakeResponse.redirect(request.method, f"{page}?flow={invalid.flow.id}")

    def _find_identity(self, name: str, subject: str) -> Identity | None:
        for identity in self._server.store.identities.values():
            if identity.credentials.oidc_subjects.get(name) == subject:
                return identity
        return None

    def _sign_in(self, request: FakeRequest, flow: FakeFlow, name: str, claims: dict[str, str]) -> FakeResponse:
        method = self._sessions.completed_method("oidc", name)
        existing = self._find_identity(name, claims["sub"])
        if existing is not None and existing.state != "active":
            flow.ui.add_error(4010011)
            raise InvalidFlowError(flow)
        if existing is None:
            traits = self._traits(flow, claims)
            if taken := self._server.find_owner(traits):
                identifier, owner = taken
                link = {"identity": owner, "provider": name, "subject": claims["sub"]}
                return self._ask_to_link(request, flow, identifier, link)
            identity = self._register(request, flow, name, claims["sub"], traits)
        else:
            identity = existing
        if flow.native:
            session = self._sessions.start(identity, [method], device_from(request))
            if existing is None:
                self._registration.start_verification(request, flow, identity, "oidc")
            return self._redirect_to_app(request, flow, session)
        finish = self._login.finish if existing else self._registration.finish
        return finish(request, flow, identity, method)

    def _traits(self, flow: FakeFlow, claims: dict[str, str]) -> dict[str, Any]:
        """Return the traits of the provider, replaced and completed by those that the user entered."""
        schema = self._server.schema
        entered = {name: value for name, value in flow.internal.get("oidc_traits", {}).items() if value}
        provided = {"email": claims["email"]} if claims["email"] else {}
        complete: dict[str, Any] = schema.with_nested_objects({**provided, **entered})
        return complete

    def _register(
        self, request: FakeRequest, flow: FakeFlow, name: str, subject: str, traits: dict[str, Any]
    ) -> Identity:
        """Create an identity; a registration flow asks for the traits that are missing or invalid."""
        ui = Ui("")
        if not self._server.schema.validate(traits, ui):
            raise InvalidFlowError(self._registration.ask_for_traits(request, flow, name, traits))
        identity = create_identity(self._server, traits)
        identity.credentials.oidc_subjects[name] = subject
        return identity

    def _ask_to_link(
        self, request: FakeRequest, flow: FakeFlow, identifier: str, link: dict[str, Any]
    ) -> FakeResponse:
        """Redirect to a login flow; a login of the identifier's owner there links the provider."""
        login = self._login.create_for_link(request, flow, link["provider"], identifier)
        login.internal["link"] = link
        page = self._login.ui_url(login)
        if flow.native:
            return_to = flow.return_to or self._server.settings.default_return_url
            page = f"{return_to}{'&' if '?' in return_to else '?'}flow={login.id}"
        return FakeResponse.redirect(request.method, f"{page}&no_org_ui=true")

    def _redirect_to_app(self, request: FakeRequest, flow: FakeFlow, session: Session) -> FakeResponse:
        """Redirect the browser to the app with the second code of the session token exchange."""
        code = random_string(RETURN_CODE_LENGTH)
        init_code = flow.internal.get("exchange_code") or new_id()
        self._exchange_codes[init_code] = (code, session)
        return_to = flow.return_to or self._server.settings.default_return_url
        separator = "&" if "?" in return_to else "?"
        return FakeResponse.redirect(request.method, f"{return_to}{separator}code={code}")

    def _link(self, request: FakeRequest, flow: FakeFlow, name: str, claims: dict[str, str]) -> FakeResponse:
        session = self._sessions.find(request)
        identity = flow.internal["identity"]
        if session is None or session.identity is not identity:
            raise ApiError(403, "security_identity_mismatch", "The flow belongs to another identity.")
        if self._find_identity(name, claims["sub"]) not in {None, identity}:
            flow.ui.add_error(4000007)
            raise InvalidFlowError(flow)
        identity.credentials.oidc_subjects[name] = claims["sub"]
        touch(self._server, identity)
        return self._settings.saved(request, flow, session, "oidc")

    def exchange_session_token(self, request: FakeRequest) -> FakeResponse:
        """`exchange_session_token`: return the session token for both codes; this can be repeated."""
        init_code, return_to_code = request.query.get("init_code"), request.query.get("return_to_code")
        if not init_code or not return_to_code:
            reason = 'The query parameters "init_code" and "return_to_code" are required.'
            raise ApiError(400, reason=reason)
        code, session = self._exchange_codes.get(init_code, ("", None))
        if session is None or code != return_to_code:
            raise ApiError(404, reason="No session was found for these codes.")
        document = {**self._sessions.document(session), "devices": []}
        return FakeResponse.json({"session_token": session.token, "session": document})
