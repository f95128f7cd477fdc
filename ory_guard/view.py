"""The outcome under Starlette's names: `request.user` and `request.auth`."""

from dataclasses import dataclass, field
from typing import Any, Final

from ory_guard.exceptions import SessionCheckUnavailable
from ory_guard.models import Session
from ory_guard.outcomes import Authenticated, Outcome, Unavailable

__all__ = ["SessionUser", "SessionView"]


class SessionUser:
    """`request.user`: Starlette's user, made from the session for one request.

    The session and the attributes that are read from it can't be changed. Other attributes can be set and deleted,
    since other libraries do so (Django Channels sets `_wrapped`); they last as long as the request.

    Args:
        session: The session, or None.
    """

    __slots__ = ("__dict__", "__session", "__weakref__")

    def __init__(self, session: Session[Any] | None) -> None:
        self.__session = session

    @property
    def session(self) -> Session[Any] | None:
        """The session, or None."""
        return self.__session

    @property
    def is_authenticated(self) -> bool:
        """Whether there is a session."""
        return self.__session is not None

    @property
    def identity(self) -> str:
        """The identity's id, or an empty string."""
        return "" if self.__session is None else self.__session.identity.id

    @property
    def display_name(self) -> str:
        """The identity's id, or an empty string: the application knows which trait is a name."""
        return self.identity

    def __bool__(self) -> bool:
        return self.is_authenticated


_SCOPES: Final = {"aal1": ("authenticated", "aal1"), "aal2": ("authenticated", "aal1", "aal2")}


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class SessionView:
    """`request.auth`: the scopes that Starlette's `@requires` checks.

    It is cached with the session and shared between requests, so it can't be changed.

    Attributes:
        session: The session, or None.
    """

    _outcome: Outcome
    _scopes: tuple[str, ...] = field(init=False, default=())
    session: Session[Any] | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        if isinstance(self._outcome, Authenticated):
            level = self._outcome.session.authenticator_assurance_level
            object.__setattr__(self, "_scopes", _SCOPES.get(level or "", ("authenticated",)))
            object.__setattr__(self, "session", self._outcome.session)

    def __bool__(self) -> bool:
        return self.session is not None

    @property
    def scopes(self) -> tuple[str, ...]:
        """The scopes of the session: `authenticated`, `aal1`, `aal2`; empty without a session.

        Raises:
            SessionCheckUnavailable: If the session could not be checked.
        """
        if isinstance(self._outcome, Unavailable):
            raise SessionCheckUnavailable(retry_after=self._outcome.retry_after)
        return self._scopes
