"""Sessions."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from ory_guard.client.models.results import DeleteMySessionsCount, SessionsPage
from ory_guard.client.operations.operation_decorator import Operations, operation
from ory_guard.models.session import Session

__all__ = ["SessionOperations"]


def _require_tokenized(session: Session, arguments: Mapping[str, Any]) -> None:
    if arguments.get("tokenize_as") is not None and not session.tokenized:
        raise ValueError("the response has no JWT in `tokenized`; tokenize_as requires Kratos v1.1 or later")


class SessionOperations(Operations):
    """Get the session of a credential; list and revoke the other sessions of its identity."""

    @operation("GET", "/sessions/whoami", undocumented=("authorization",), check=_require_tokenized)
    async def to_session(
        self,
        *,
        x_session_token: str | None = None,
        cookie: str | None = None,
        tokenize_as: str | None = None,
        authorization: str | None = None,
    ) -> Session:
        """Return the session of a credential (`/sessions/whoami`); every call is sent to Kratos.

        Pass one credential. With several, Kratos uses the first of session token, cookie and bearer token, and
        may respond with 500 or with a new cookie for another identity.

        Args:
            x_session_token: The session token of a native client.
            cookie: The browser's `Cookie` header.
            tokenize_as: The name of a tokenizer template; the JWT is returned in `tokenized` (Kratos v1.1 or
                later).
            authorization: `Bearer` and a session token.

        Raises:
            KratosAPIError: If the credential is not valid (401), if the session needs its second factor (403
                `session_aal2_required`; `redirect_browser_to` is the URL for it), or if the template is unknown
                (400).
            KratosProtocolError: If `tokenize_as` was sent and the response has no `tokenized`, as with Kratos
                before v1.1.
        """

    @operation("GET", "/sessions", deprecated=("per_page", "page"))
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
        """Return one page of the caller's other sessions.

        Args:
            per_page: Deprecated by Kratos; use `page_size`.
            page: Deprecated by Kratos; use `page_token`.
            page_size: The number of sessions per page, 1 to 1000 (Kratos v1.1 or later).
            page_token: The token of the page; None for the first page (Kratos v1.1 or later).
            x_session_token: The session token of a native client.
            cookie: The browser's `Cookie` header.

        Raises:
            KratosAPIError: If the session is missing (401) or needs its second factor (403; Kratos after v1.3.1).
        """

    @operation("DELETE", "/sessions/{id}")
    async def disable_my_session(
        self, *, id: str | UUID, x_session_token: str | None = None, cookie: str | None = None
    ) -> None:
        """Revoke another session of the caller. An unknown session is not an error.

        Args:
            id: The ID of the session to revoke.
            x_session_token: The session token of a native client.
            cookie: The browser's `Cookie` header.

        Raises:
            KratosAPIError: If `id` is not a UUID or is the caller's current session (400), or if the session is
                missing (401).
        """

    @operation("DELETE", "/sessions")
    async def disable_my_other_sessions(
        self, *, x_session_token: str | None = None, cookie: str | None = None
    ) -> DeleteMySessionsCount:
        """Revoke all sessions of the caller except the current one.

        Args:
            x_session_token: The session token of a native client.
            cookie: The browser's `Cookie` header.

        Raises:
            KratosAPIError: If the session is missing (401).
        """
