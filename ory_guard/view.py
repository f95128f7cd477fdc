"""What applications see of an outcome under Starlette's names: `request.user` and `request.auth`."""

from typing import Any, Final

from ory_guard.exceptions import SessionCheckUnavailable
from ory_guard.models import Session
from ory_guard.outcomes import Authenticated, Outcome, Unavailable

__all__ = ["SessionUser", "SessionView"]


class SessionUser:
    """`request.user`: Starlette's user, made of the session.

    Attributes:
        session: The session, or None.
        is_authenticated: Whether there is one.
        identity: The identity's id, or an empty string.
        display_name: The same: traits are the application's to show.
    """

    __slots__ = ("display_name", "identity", "is_authenticated", "session")

    def __init__(self, session: Session[Any] | None) -> None:
        self.session: Session[Any] | None = session
        self.is_authenticated: bool = session is not None
        self.identity: str = "" if session is None else session.identity.id
        self.display_name: str = self.identity


_SCOPES: Final = {"aal1": ("authenticated", "aal1"), "aal2": ("authenticated", "aal1", "aal2")}
_NOBODY: Final = SessionUser(None)


class SessionView:
    """`request.auth`: what Starlette's `@requires` looks at.

    Args:
        outcome: Who is there.

    Attributes:
        user: What is `request.user`.
    """

    __slots__ = ("_outcome", "_scopes", "user")

    def __init__(self, outcome: Outcome) -> None:
        self._outcome = outcome
        self._scopes: tuple[str, ...] = ()
        self.user: SessionUser = _NOBODY
        if isinstance(outcome, Authenticated):
            level = outcome.session.authenticator_assurance_level
            self._scopes = _SCOPES.get(level or "", ("authenticated",))
            self.user = SessionUser(outcome.session)

    @property
    def scopes(self) -> tuple[str, ...]:
        """What the session counts for: `authenticated`, `aal1`, `aal2`; nothing without a session.

        Raises:
            SessionCheckUnavailable: Kratos could not be asked, so nobody knows.
        """
        if isinstance(self._outcome, Unavailable):
            raise SessionCheckUnavailable(retry_after=self._outcome.retry_after)
        return self._scopes
