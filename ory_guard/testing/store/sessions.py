"""Session rules: creation, lookup by credential, refresh, AAL, and cookies."""

from typing import Any, Final

from ory_guard.testing.clock import SECOND
from ory_guard.testing.server.request import FakeRequest
from ory_guard.testing.server.response import ApiError
from ory_guard.testing.server.state import Server
from ory_guard.testing.store.records import FakeAuthenticationMethod, FakeDevice, Identity, Session
from ory_guard.testing.store.serialization import NO_ID, session_document

__all__ = ["AAL_OF_METHOD", "NO_DEVICE_ID", "REVOKE_HOOK", "Sessions", "device_from", "inactive_error"]

BEARER_PARTS: Final = 2
REVOKE_HOOK: Final = "revoke_active_sessions"
NO_DEVICE_ID: Final = NO_ID

AAL_OF_METHOD: Final = {
    "password": "aal1",
    "oidc": "aal1",
    "code": "aal1",
    "code_recovery": "aal1",
    "link_recovery": "aal1",
    "totp": "aal2",
    "lookup_secret": "aal2",
    "webauthn": "aal2",
    "passkey": "aal1",
}


class Sessions:
    """The session rules of one fake."""

    def __init__(self, server: Server) -> None:
        self._server = server

    def credential_token(self, request: FakeRequest) -> str | None:
        """Return the session token of the credential that Kratos would use.

        The order is: a non-empty X-Session-Token, a cookie that can be decoded, then `Authorization: Bearer` with
        exactly one space.
        """
        if token := request.headers.get("x-session-token"):
            return token
        if cookie := self._cookie(request):
            return cookie[0]
        parts = request.headers.get("authorization", "").split(" ")
        if len(parts) == BEARER_PARTS and parts[0].lower() == "bearer" and parts[1]:
            return parts[1]
        return None

    def find(self, request: FakeRequest) -> Session | None:
        """Return the active session of a request, or None."""
        if self._server.is_database_locked:
            return None
        session = self._server.store.sessions_by_token.get(self.credential_token(request) or "")
        return session if session and session.is_active(self._server.now()) else None

    def start(
        self,
        identity: Identity,
        methods: list[FakeAuthenticationMethod],
        device: FakeDevice | None = None,
        *,
        at: int | None = None,
    ) -> Session:
        """Create a session for an identity that completed these methods."""
        return self._server.store.add_session(self.prepare(identity, methods, device, at=at))

    def prepare(
        self,
        identity: Identity,
        methods: list[FakeAuthenticationMethod],
        device: FakeDevice | None = None,
        *,
        at: int | None = None,
    ) -> Session:
        """Return a new session that is not stored yet."""
        now = self._server.now() if at is None else at
        return Session(
            identity=identity,
            issued_at=now,
            authenticated_at=now,
            expires_at=now + self.lifespan,
            methods=methods,
            devices=[device] if device else [],
        )

    @property
    def lifespan(self) -> int:
        """The session lifespan in nanoseconds."""
        return int(self._server.settings.session_lifespan * SECOND)

    def completed_method(self, method: str, provider: str | None = None) -> FakeAuthenticationMethod:
        """Return a record of a method that was completed now."""
        return FakeAuthenticationMethod(method, self.aal_of(method), self._server.now(), provider)

    def aal_of(self, method: str) -> str:
        """Return the authenticator assurance level of a method; some depend on the configuration."""
        settings = self._server.settings
        if method == "webauthn" and settings.webauthn_passwordless:
            return "aal1"
        is_second_factor = settings.code_mfa_enabled and not settings.code_passwordless_enabled
        return "aal2" if method == "code" and is_second_factor else AAL_OF_METHOD[method]

    def second_factors(self, identity: Identity) -> tuple[str, ...]:
        """Return the methods with which an identity can reach aal2."""
        factors = identity.credentials.second_factors
        schema = self._server.schema_of(identity)
        has_codes = self.aal_of("code") == "aal2" and schema.code_addresses(identity.traits)
        return (*factors, "code") if has_codes else factors

    def count_first_factors(self, identity: Identity) -> int:
        """Return the number of credentials with which an identity can log in."""
        credentials = identity.credentials
        codes = self._server.schema_of(identity).code_addresses(identity.traits)
        return (
            (credentials.password is not None)
            + len(credentials.oidc_subjects)
            + len(credentials.passkey.keys)
            + len(credentials.webauthn.usable(is_passwordless=True))
            + (len(codes) if self._server.settings.code_passwordless_enabled else 0)
        )

    def satisfies_aal(self, session: Session, required: str) -> bool:
        """Return whether a session uses the highest AAL available to its identity, if that is required."""
        return required == "aal1" or session.aal == "aal2" or not self.second_factors(session.identity)

    def refresh(self, session: Session, method: FakeAuthenticationMethod) -> None:
        """Record a refresh or step-up: update `authenticated_at` and the expiry, but not the id or the token."""
        session.methods.append(method)
        session.authenticated_at = self._server.now()
        session.expires_at = session.authenticated_at + self.lifespan

    def add_method(self, session: Session, method: str) -> None:
        """Record an enrolled factor as completed: update `authenticated_at`, but not the expiry."""
        session.methods.append(self.completed_method(method))
        session.authenticated_at = self._server.now()

    def extend(self, session: Session) -> None:
        """Set the expiry of a session to a full lifespan from now."""
        session.expires_at = self._server.now() + self.lifespan

    def is_privileged(self, session: Session) -> bool:
        """Return whether the login is recent enough to change credentials."""
        age = self._server.now() - session.authenticated_at
        return age < self._server.settings.privileged_session_max_age * SECOND

    def require_aal(self, session: Session, required: str, return_to: str | None = None) -> None:
        """Check that a session uses the highest AAL available to its identity, if that is required.

        Raises:
            ApiError: If a second factor is enrolled and the session has not used it.
        """
        if self.satisfies_aal(session, required):
            return
        location = self.step_up_url(return_to)
        raise ApiError(
            403,
            "session_aal2_required",
            "The identity has a second factor, but the session was created without it.",
            message="The session's authenticator assurance level is too low",
            details={"redirect_browser_to": location},
            extra={"redirect_browser_to": location},
            location=location,
        )

    def step_up_url(self, return_to: str | None) -> str:
        """Return the URL that starts the second factor in a browser."""
        return self._server.url("/self-service/login/browser", aal="aal2", return_to=return_to)

    def issue_cookie(self, request: FakeRequest, session: Session) -> None:
        """Set the session cookie; its value is different each time."""
        set_cookie = self._server.jar.session_cookie(session.token, session.expires_at, self._server.now())
        request.set_cookies.append(set_cookie)

    def refresh_cookie(self, request: FakeRequest, session: Session) -> None:
        """Set the session cookie again if the one in the request expires before the session.

        Raises:
            ApiError: If the session cookie cannot be decoded (a defect of Kratos that the fake reproduces).
        """
        if not request.cookie_values(self._server.settings.cookie_name):
            return
        cookie = self._cookie(request)
        if cookie is None:
            raise ApiError(500, message="the session cookie's value is not valid")
        if cookie[1] < session.expires_at:
            self.issue_cookie(request, session)

    def revoke_others(self, session: Session) -> None:
        """Revoke the other sessions of the identity, as the hook `revoke_active_sessions` does."""
        for other in self._server.store.sessions_of(session.identity):
            other.active = other is session and other.active

    def log_out(self, request: FakeRequest, session: Session) -> None:
        """Revoke a session and remove its cookie."""
        session.active = False
        request.set_cookies.append(self._server.jar.expired_session_cookie(session.token, self._server.now()))

    def document(self, session: Session) -> dict[str, Any]:
        """Return the JSON document of a session, including its identity."""
        return session_document(session, self._server.identity_document(session.identity))

    def _cookie(self, request: FakeRequest) -> tuple[str, int] | None:
        for value in request.cookie_values(self._server.settings.cookie_name):
            if cookie := self._server.jar.decode_session(value, self._server.now()):
                return cookie.session_token, cookie.expires_at
        return None


def inactive_error(identity: Identity) -> ApiError:
    """Return the error of a release for the login of an inactive identity."""
    return ApiError(
        401,
        reason="This account was disabled.",
        message="identity is disabled",
        details={"identity_id": identity.id},
    )


def device_from(request: FakeRequest, device_id: str | None = None) -> FakeDevice:
    """Return the client of a request as a device."""
    device = FakeDevice(request.client, request.headers.get("user-agent", ""))
    device.location = request.headers.get("cf-ipcountry", "")
    if device_id is not None:
        device.id = device_id
    return device
