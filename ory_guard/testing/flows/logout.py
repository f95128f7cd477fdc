"""Logout, for browsers and native apps."""

from ory_guard.testing.server.request import FakeRequest, MalformedBodyError
from ory_guard.testing.server.response import ApiError, FakeResponse
from ory_guard.testing.server.state import Server
from ory_guard.testing.store.records import Session
from ory_guard.testing.store.sessions import Sessions

__all__ = ["LogoutEndpoints"]


class LogoutEndpoints:
    """The operations of logout."""

    def __init__(self, server: Server, sessions: Sessions) -> None:
        self._server = server
        self._sessions = sessions

    def create_browser(self, request: FakeRequest) -> FakeResponse:
        """`create_browser_logout_flow`: return the logout URL of the browser's session."""
        session = self._require_session(request)
        token = session.logout_token
        return_to = self._server.return_to(request)
        logout_url = self._server.url("/self-service/logout", return_to=return_to, token=token)
        return FakeResponse.json({"logout_url": logout_url, "logout_token": token})

    def update(self, request: FakeRequest) -> FakeResponse:
        """`update_logout_flow`: revoke the session that the logout token belongs to."""
        token = request.query.get("token")
        if not token:
            raise ApiError(400, reason='The query parameter "token" is missing.')
        session = self._require_session(request)
        if session.logout_token != token:
            raise ApiError(403, reason="The logout token belongs to another session.")
        self._sessions.log_out(request, session)
        request.renew_csrf()
        return_to = self._server.return_to(request)
        if request.prefers_json:
            return FakeResponse(204)
        return FakeResponse.redirect(request.method, return_to or self._server.settings.logout_return_url)

    def perform_native(self, request: FakeRequest) -> FakeResponse:
        """`perform_native_logout`: revoke the session of a token; only an unknown token is refused."""
        if request.content_type != "application/json":
            raise ApiError(400, reason="The request body must be JSON with the content type application/json.")
        try:
            token = request.payload().get("session_token")
        except MalformedBodyError as error:
            raise ApiError(400, reason=f"The request body is invalid: {error}.") from error
        if token is not None and not isinstance(token, str):
            raise ApiError(400, reason="session_token must be a string.")
        session = self._server.store.sessions_by_token.get(token) if token else None
        if session is None:
            raise ApiError(
                403, reason="The provided Ory Session Token could not be found, is invalid, or otherwise malformed."
            )
        session.active = False
        return FakeResponse(204)

    def _require_session(self, request: FakeRequest) -> Session:
        session = self._sessions.find(request)
        if session is None:
            raise ApiError(
                401,
                "session_inactive",
                "The request has no active session.",
                message="there is no valid session",
            )
        return session
