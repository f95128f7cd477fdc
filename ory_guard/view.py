"""What applications see of an outcome under Starlette's names: `request.user` and `request.auth`."""

from dataclasses import dataclass, field
from typing import Any, Final

from ory_guard.exceptions import SessionCheckUnavailable
from ory_guard.models import Session
from ory_guard.outcomes import Authenticated, Outcome, Unavailable

__all__ = ["SessionUser", "SessionView"]


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class SessionUser:
    """`request.user`: Starlette's user, made of the session.

    It is kept with the session for every request to come, so it can't be changed.

    Attributes:
        session: The session, or None.
        is_authenticated: Whether there is one.
        identity: The identity's id, or an empty string.
        display_name: The same: traits are the application's to show.
    """

    session: Session[Any] | None
    is_authenticated: bool = field(init=False)
    identity: str = field(init=False)
    display_name: str = field(init=False)

    def __post_init__(self) -> None:
        identity = "" if self.session is None else self.session.identity.id
        object.__setattr__(self, "is_authenticated", self.session is not None)
        object.__setattr__(self, "identity", identity)
        object.__setattr__(self, "display_name", identity)

    def __bool__(self) -> bool:
        return self.is_authenticated


_SCOPES: Final = {"aal1": ("authenticated", "aal1"), "aal2": ("authenticated", "aal1", "aal2")}
_NOBODY: Final = SessionUser(None)


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class SessionView:
    """`request.auth`: what Starlette's `@requires` looks at; it can't be changed either.

    Attributes:
        user: What is `request.user`.
    """

    _outcome: Outcome
    _scopes: tuple[str, ...] = field(init=False, default=())
    user: SessionUser = field(init=False, default=_NOBODY)

    def __post_init__(self) -> None:
        if isinstance(self._outcome, Authenticated):
            level = self._outcome.session.authenticator_assurance_level
            object.__setattr__(self, "_scopes", _SCOPES.get(level or "", ("authenticated",)))
            object.__setattr__(self, "user", SessionUser(self._outcome.session))

    def __bool__(self) -> bool:
        return self.user.is_authenticated

    @property
    def scopes(self) -> tuple[str, ...]:
        """What the session counts for: `authenticated`, `aal1`, `aal2`; nothing without a session.

        Raises:
            SessionCheckUnavailable: Kratos could not be asked, so nobody knows.
        """
        if isinstance(self._outcome, Unavailable):
            raise SessionCheckUnavailable(retry_after=self._outcome.retry_after)
        return self._scopes
