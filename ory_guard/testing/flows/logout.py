"""Logout, in browsers and in apps."""

from ory_guard.testing.server.request import Exchange, MalformedBodyError
from ory_guard.testing.server.response import Answer, ApiError
from ory_guard.testing.server.state import Server
from ory_guard.testing.store.records import Session
from ory_guard.testing.store.sessions import Sessions

__all__ = ["LogoutEndpoints"]


class LogoutEndpoints:
    """The operations of logout."""

    def __init__(self, server: Server, sessions: Sessions) -> None:
        self._server = server
        self._sessions = sessions

    def create_browser(self, exchange: Exchange) -> Answer:
        """`create_browser_logout_flow`: where this browser logs out."""
        session = self._own(exchange)
        token = session.logout_token
        return_to = self._server.return_to(exchange)
        page = self._server.page("/self-service/logout", return_to=return_to, token=token)
        return Answer.json({"logout_url": page, "logout_token": token})

    def submit(self, exchange: Exchange) -> Answer:
        """`update_logout_flow`: end the session that the token belongs to."""
        token = exchange.query.get("token")
        if not token:
            raise ApiError(400, reason='The query parameter "token" is missing.')
        session = self._own(exchange)
        if session.logout_token != token:
            raise ApiError(403, reason="The logout token belongs to another session.")
        return_to = self._server.return_to(exchange)
        self._sessions.end(exchange, session)
        exchange.renew_csrf()
        if exchange.wants_json:
            return Answer(204)
        return Answer.redirect(exchange.method, return_to or self._server.settings.logout_return_url)

    def perform_native(self, exchange: Exchange) -> Answer:
        """`perform_native_logout`: end the session of a token; a dead one is fine, too."""
        try:
            token = exchange.payload().get("session_token")
        except MalformedBodyError as error:
            raise ApiError(400, reason=f"The request could not be read: {error}.") from error
        if not token or not isinstance(token, str):
            raise ApiError(403, reason="The session token is missing or malformed.")
        session = self._server.store.sessions_by_token.get(token)
        if session is not None:
            session.active = False
        return Answer(204)

    def _own(self, exchange: Exchange) -> Session:
        session = self._sessions.find(exchange)
        if session is None:
            raise ApiError(
                401,
                "session_inactive",
                "No active session came with this request.",
                message="there is no valid session",
            )
        return session
