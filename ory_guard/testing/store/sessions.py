"""How sessions begin, are found in a request, grow stronger, and reach the browser."""

from typing import Any, Final

from ory_guard.testing.clock import SECOND
from ory_guard.testing.server.request import Exchange
from ory_guard.testing.server.response import ApiError
from ory_guard.testing.server.state import Server
from ory_guard.testing.store.records import AuthenticationMethod, Device, Identity, Session
from ory_guard.testing.store.serialization import session_document

__all__ = ["AAL_OF_METHOD", "NO_DEVICE_ID", "Sessions", "device_of"]

BEARER_PARTS: Final = 2
NO_DEVICE_ID: Final = "00000000-0000-0000-0000-000000000000"

AAL_OF_METHOD: Final = {
    "password": "aal1",
    "oidc": "aal1",
    "code_recovery": "aal1",
    "totp": "aal2",
    "lookup_secret": "aal2",
    "webauthn": "aal2",
}


class Sessions:
    """The session rules of one fake."""

    def __init__(self, server: Server) -> None:
        self._server = server

    def token_in(self, exchange: Exchange) -> str | None:
        """
        Return the token of the credential that Kratos would read.

        A non-empty X-Session-Token comes first, then a cookie that decodes, then `Authorization: Bearer`
        whose two parts are split by one space.
        """
        if token := exchange.headers.get("x-session-token"):
            return token
        if cookie := self._cookie(exchange):
            return cookie[0]
        parts = exchange.headers.get("authorization", "").split(" ")
        if len(parts) == BEARER_PARTS and parts[0].lower() == "bearer" and parts[1]:
            return parts[1]
        return None

    def find(self, exchange: Exchange) -> Session | None:
        """Return the active session of the request, or None."""
        session = self._server.store.sessions_by_token.get(self.token_in(exchange) or "")
        return session if session and session.is_active(self._server.now()) else None

    def start(
        self,
        identity: Identity,
        methods: list[AuthenticationMethod],
        device: Device | None = None,
        *,
        at: int | None = None,
    ) -> Session:
        """Begin a session of an identity that completed these methods."""
        now = self._server.now() if at is None else at
        return self._server.store.add_session(
            Session(
                identity=identity,
                issued_at=now,
                authenticated_at=now,
                expires_at=now + self.lifespan,
                methods=methods,
                devices=[device] if device else [],
            )
        )

    @property
    def lifespan(self) -> int:
        """How long a session lasts, in nanoseconds."""
        return int(self._server.settings.session_lifespan * SECOND)

    def completed(self, method: str, provider: str | None = None) -> AuthenticationMethod:
        """Describe a method that was completed just now."""
        return AuthenticationMethod(method, AAL_OF_METHOD[method], self._server.now(), provider)

    def renew(self, session: Session, method: AuthenticationMethod) -> None:
        """Note a re-authentication or step-up: a later end, a newer `authenticated_at`, the same id and token."""
        session.methods.append(method)
        session.authenticated_at = self._server.now()
        session.expires_at = session.authenticated_at + self.lifespan

    def add_method(self, session: Session, method: str) -> None:
        """Note that enrolling a factor completed it: `authenticated_at` moves, the end doesn't."""
        session.methods.append(self.completed(method))
        session.authenticated_at = self._server.now()

    def extend(self, session: Session) -> None:
        """Move the end of a session to a full lifespan from now."""
        session.expires_at = self._server.now() + self.lifespan

    def is_privileged(self, session: Session) -> bool:
        """Tell whether the sign-in is young enough to change credentials."""
        age = self._server.now() - session.authenticated_at
        return age < self._server.settings.privileged_session_max_age * SECOND

    def require_aal(self, session: Session, required: str, return_to: str | None = None) -> None:
        """
        Let a session pass that is as strong as its identity's factors allow, where that is asked for.

        Raises:
            ApiError: A second factor is enrolled and this session did not use it.
        """
        if required == "aal1" or session.aal == "aal2" or not session.identity.credentials.second_factors:
            return
        location = self.step_up_url(return_to)
        raise ApiError(
            403,
            "session_aal2_required",
            "There is a session, and its identity has a second factor that was not used for it.",
            message="The session's authenticator assurance level is too low",
            details={"redirect_browser_to": location},
            extra={"redirect_browser_to": location},
            location=location,
        )

    def step_up_url(self, return_to: str | None) -> str:
        """Return where a browser completes the second factor."""
        return self._server.page("/self-service/login/browser", aal="aal2", return_to=return_to)

    def issue_cookie(self, exchange: Exchange, session: Session) -> None:
        """Give the browser the session's cookie, under a new value."""
        line = self._server.jar.session_line(session.token, session.expires_at, self._server.now())
        exchange.set_cookies.append(line)

    def refresh_cookie(self, exchange: Exchange, session: Session) -> None:
        """
        Issue the cookie anew where the caller's one ends before the session does.

        Raises:
            ApiError: The caller has a session cookie that does not decode (a defect of Kratos).
        """
        if not exchange.cookie_values(self._server.settings.cookie_name):
            return
        cookie = self._cookie(exchange)
        if cookie is None:
            raise ApiError(500, message="the session cookie's value is not valid")
        if cookie[1] < session.expires_at:
            self.issue_cookie(exchange, session)

    def end(self, exchange: Exchange, session: Session) -> None:
        """Revoke a session and take its cookie from the browser."""
        session.active = False
        exchange.set_cookies.append(self._server.jar.session_removal(session.token, self._server.now()))

    def document(self, session: Session) -> dict[str, Any]:
        """Describe a session with its identity."""
        return session_document(session, self._server.identity_document(session.identity))

    def _cookie(self, exchange: Exchange) -> tuple[str, int] | None:
        for value in exchange.cookie_values(self._server.settings.cookie_name):
            if sealed := self._server.jar.open_session(value):
                return sealed.session_token, sealed.expires_at
        return None


def device_of(exchange: Exchange, number: str | None = None) -> Device:
    """Describe the caller as a device."""
    device = Device(exchange.client, exchange.headers.get("user-agent", ""))
    if number is not None:
        device.id = number
    return device
