"""What a session check can come to: five frozen values, of which one is a session.

Three answers, three meanings: `Anonymous` is nobody, `Rejected` and `SecondFactorRequired` are about the
caller's credential, and `Unavailable` is about Kratos: it never says that somebody is signed out.
"""

from dataclasses import dataclass, field
from typing import Any, Final, Literal, NamedTuple

from ory_guard.exceptions import SessionCheckUnavailable
from ory_guard.models.credential import CredentialKind
from ory_guard.models.session import Session

__all__ = [
    "Anonymous",
    "Authenticated",
    "CacheableOutcome",
    "Outcome",
    "Rejected",
    "SecondFactorRequired",
    "SessionAuth",
    "SessionUser",
    "Unavailable",
]

Source = Literal["upstream", "cache", "store", "token", "override"]
RejectedReason = Literal["malformed", "ambiguous", "inactive", "origin"]
UnavailableReason = Literal["timeout", "unreachable", "rate_limited", "protocol", "overloaded", "breaker"]


class Authenticated(NamedTuple):
    """Somebody is signed in.

    A named tuple, since one is made for every request, in half the time of a frozen dataclass.

    Attributes:
        session: The session, as Kratos has it.
        credential: What it was found by.
        source: Where the answer comes from.
        age: Seconds since the question was sent to Kratos.
    """

    session: Session[Any]
    credential: CredentialKind
    source: Source
    age: float


@dataclass(frozen=True, slots=True)
class Anonymous:
    """The request carries no credential, so nobody was asked."""


@dataclass(frozen=True, slots=True)
class Rejected:
    """The request carries a credential that is not accepted.

    Attributes:
        reason: `malformed` and `ambiguous` can't be sent; `origin` is the cookie of a cross-site request with an
            unsafe method, or of a websocket without a trusted `Origin`; `inactive` is Kratos' answer.
        credential: Which kind it was.
    """

    reason: RejectedReason
    credential: CredentialKind


@dataclass(frozen=True, slots=True)
class SecondFactorRequired:
    """A session is there, and Kratos wants a second factor before it tells whose it is.

    Attributes:
        credential: What it was found by.
        enrolled: Whether the identity has a second factor to complete, or has to set one up first.
    """

    credential: CredentialKind
    enrolled: bool


@dataclass(frozen=True, slots=True)
class Unavailable:
    """Kratos could not be asked, or did not answer in a way that means anything.

    Attributes:
        reason: What went wrong.
        retry_after: Seconds after which asking again makes sense, from 1 to 60.
    """

    reason: UnavailableReason
    retry_after: int = 1


CacheableOutcome = Authenticated | Rejected | SecondFactorRequired
"""What Kratos can answer about a credential, and what may be kept for seconds."""

Outcome = CacheableOutcome | Anonymous | Unavailable
"""What a session check can come to."""


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
class SessionAuth:
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
