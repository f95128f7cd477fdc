"""Outcomes of a session check, and the objects that applications read: `request.user` and `request.auth`.

`Anonymous` means that there is no credential, `Rejected` and `SecondFactorRequired` describe the credential, and
`Unavailable` describes Kratos: it is unknown whether the user is logged in.
"""

from dataclasses import FrozenInstanceError
from typing import Any, Final, Literal, NamedTuple, NoReturn

from ory_guard._dataclass import dataclass
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
    """The request has a valid session.

    It is a named tuple because each request creates one, which takes half the time of a frozen dataclass.

    Attributes:
        session: The session.
        credential: The kind of the credential.
        source: The source of the session: Kratos, a cache, a JWT or `override()`.
        age: Seconds since the session was requested from Kratos.
    """

    session: "Session[Any]"
    credential: CredentialKind
    source: Source
    age: float


class _NoSession:
    """An outcome without a session, which is false: `if await guard.authenticate(…):` lets only users in."""

    __slots__ = ()

    def __bool__(self) -> Literal[False]:
        return False


@dataclass(frozen=True, slots=True)
class Anonymous(_NoSession):
    """The request has no credential, so Kratos was not called."""


@dataclass(frozen=True, slots=True)
class Rejected(_NoSession):
    """The credential of the request is not accepted.

    Attributes:
        reason: `malformed` if the credential contains invalid characters or is too long; `ambiguous` if there are
            different tokens, cookies of two sessions, or more than two different cookies; `origin` for a cookie
            if the request is cross-site, with an unsafe method or as a websocket; `inactive` if Kratos rejects it.
        credential: The kind of the credential.
    """

    reason: RejectedReason
    credential: CredentialKind


@dataclass(frozen=True, slots=True)
class SecondFactorRequired(_NoSession):
    """The session is valid, but Kratos requires a second factor before it returns the session.

    Attributes:
        credential: The kind of the credential.
        enrolled: Whether the identity has a second factor, or has to set one up first.
    """

    credential: CredentialKind
    enrolled: bool


@dataclass(frozen=True, slots=True)
class Unavailable(_NoSession):
    """The session could not be checked: Kratos can't be reached, or its response is invalid.

    Attributes:
        reason: The cause.
        retry_after: Seconds after which the client may try again, from 1 to 60.
    """

    reason: UnavailableReason
    retry_after: int = 1


CacheableOutcome = Authenticated | Rejected | SecondFactorRequired
"""The outcomes that can be cached: Kratos' responses about a credential."""

Outcome = CacheableOutcome | Anonymous | Unavailable
"""The outcome of a session check. Only `Authenticated` is true in a condition."""


class SessionUser:
    """`request.user`: a user for Starlette, created from the session for each request.

    The session and the attributes that are read from it are immutable. Other attributes can be set and deleted,
    because other libraries do so (Django Channels sets `_wrapped`); they last as long as the request.

    Args:
        session: The session, or None.
    """

    __slots__ = ("__dict__", "__weakref__", "_ory_session")

    def __init__(self, session: "Session[Any] | None") -> None:
        self._ory_session = session

    @property
    def session(self) -> "Session[Any] | None":
        """The session, or None."""
        return self._ory_session

    @property
    def is_authenticated(self) -> bool:
        """Whether there is a session."""
        return self._ory_session is not None

    @property
    def identity(self) -> str:
        """The identity ID, or an empty string."""
        return "" if self._ory_session is None else self._ory_session.identity.id

    @property
    def display_name(self) -> str:
        """The identity ID, or an empty string. Which trait is a name depends on the application."""
        return self.identity

    def __bool__(self) -> bool:
        return self.is_authenticated


_SCOPES: Final = {"aal1": ("authenticated", "aal1"), "aal2": ("authenticated", "aal1", "aal2")}
_AUTHENTICATED: Final = ("authenticated",)


class SessionAuth:
    """`request.auth`: the scopes for Starlette's `@requires`.

    It is cached with the session and shared between requests, so it is immutable.

    Args:
        outcome: The outcome of the session check.

    Attributes:
        session: The session, or None.
    """

    __slots__ = ("_outcome", "session")

    _outcome: Outcome
    session: "Session[Any] | None"

    def __init__(self, outcome: Outcome) -> None:
        object.__setattr__(self, "_outcome", outcome)
        object.__setattr__(self, "session", outcome.session if isinstance(outcome, Authenticated) else None)

    def __setattr__(self, name: str, _value: object) -> NoReturn:
        raise FrozenInstanceError(f"cannot assign to field {name!r}")

    def __delattr__(self, name: str) -> NoReturn:
        raise FrozenInstanceError(f"cannot delete field {name!r}")

    def __reduce__(self) -> tuple[Any, ...]:
        return SessionAuth, (self._outcome,)

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
        if self.session is None:
            return ()
        return _SCOPES.get(self.session.authenticator_assurance_level or "", _AUTHENTICATED)
