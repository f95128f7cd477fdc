"""Sessions."""

from ory_guard.client.decoding import as_model, as_nothing, as_sessions_page
from ory_guard.client.models.results import DeleteMySessionsCount, SessionsPage
from ory_guard.client.operations.descriptor import Operations, operation
from ory_guard.models import Session

__all__ = ["SessionsOperations"]


class SessionsOperations(Operations):
    """Whose session it is, and the sessions on other devices."""

    @operation
    async def to_session(
        self,
        *,
        x_session_token: str | None = None,
        cookie: str | None = None,
        tokenize_as: str | None = None,
        authorization: str | None = None,
    ) -> Session:
        """Say whose session a credential is (`/sessions/whoami`), asking Kratos each time.

        Pass one credential: with several, Kratos takes the first of session token, cookie and bearer token, and
        may answer 500 or issue a cookie anew for somebody else.

        Args:
            x_session_token: The session token of a native client.
            cookie: The browser's `Cookie` header.
            tokenize_as: The template of a JWT to get in `tokenized`.
            authorization: `Bearer` and a session token.

        Raises:
            KratosAPIError: 401 for a credential that is no session, 403 `session_aal2_required` for one that
                lacks its second factor (`redirect_browser_to` leads there), 400 for an unknown template.
        """
        return await self._ask(
            "to_session",
            as_model(Session),
            x_session_token=x_session_token,
            cookie=cookie,
            tokenize_as=tokenize_as,
            authorization=authorization,
        )

    @operation
    async def list_my_sessions(
        self,
        *,
        per_page: int | None = None,
        page: int | None = None,
        page_size: int | None = None,
        page_token: str | None = None,
        x_session_token: str | None = None,
        cookie: str | None = None,
    ) -> SessionsPage:
        """List the caller's other sessions, one page of them.

        Args:
            per_page: Deprecated by Kratos; use `page_size`.
            page: Deprecated by Kratos; use `page_token`.
            page_size: How many sessions a page has, from 1 to 1000.
            page_token: Which page; None for the first.
            x_session_token: The session token of a native client.
            cookie: The browser's `Cookie` header.

        Raises:
            KratosAPIError: 401 without a session, 403 for one that lacks its second factor.
        """
        return await self._ask(
            "list_my_sessions",
            as_sessions_page,
            per_page=per_page,
            page=page,
            page_size=page_size,
            page_token=page_token,
            x_session_token=x_session_token,
            cookie=cookie,
        )

    @operation
    async def disable_my_session(
        self, *, id: str, x_session_token: str | None = None, cookie: str | None = None
    ) -> None:
        """Revoke another session of the caller's; an unknown one is no error.

        Args:
            id: That session's id.
            x_session_token: The session token of a native client.
            cookie: The browser's `Cookie` header.

        Raises:
            KratosAPIError: 400 for the session that asks, 401 without a session.
        """
        await self._ask("disable_my_session", as_nothing, id=id, x_session_token=x_session_token, cookie=cookie)

    @operation
    async def disable_my_other_sessions(
        self, *, x_session_token: str | None = None, cookie: str | None = None
    ) -> DeleteMySessionsCount:
        """Revoke all sessions of the caller's but the one that asks.

        Args:
            x_session_token: The session token of a native client.
            cookie: The browser's `Cookie` header.

        Raises:
            KratosAPIError: 401 without a session.
        """
        return await self._ask(
            "disable_my_other_sessions",
            as_model(DeleteMySessionsCount),
            x_session_token=x_session_token,
            cookie=cookie,
        )
