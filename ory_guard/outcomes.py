"""What a session check can come to: five frozen values, of which one is a session.

Three answers, three meanings: `Anonymous` is nobody, `Rejected` and `SecondFactorRequired` are about the
caller's credential, and `Unavailable` is about Kratos: it never says that somebody is signed out.
"""

from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from ory_guard.credentials import CredentialKind
from ory_guard.models import Session

__all__ = ["Anonymous", "Answered", "Authenticated", "Outcome", "Rejected", "SecondFactorRequired", "Unavailable"]

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


Answered = Authenticated | Rejected | SecondFactorRequired
"""What Kratos can answer about a credential, and what may be kept for seconds."""

Outcome = Answered | Anonymous | Unavailable
"""What a session check can come to."""
