"""What a route asks of a session, and which of it a session does not meet: no I/O, no state.

Evaluated on every request from the cached facts; a verdict is never kept.
"""

from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass
from datetime import datetime
from math import inf
from typing import Any, Final, Literal, NoReturn

from ory_guard.exceptions import (
    ConfigurationError,
    CsrfViolation,
    EnrollmentRequired,
    Failure,
    Refusal,
    SessionCheckUnavailable,
    SessionRequired,
    StepUpRequired,
)
from ory_guard.models.ids import normalize_id, normalize_uuid
from ory_guard.models.outcomes import Anonymous, Rejected, SecondFactorRequired, Unavailable
from ory_guard.models.session import Session

__all__ = [
    "ANY_SESSION",
    "AssuranceLevel",
    "Condition",
    "Requirement",
    "is_fresh",
    "refusal_for",
    "unmet",
]

AssuranceLevel = Literal["aal1", "aal2"]
Condition = Callable[[Session[Any]], bool | Awaitable[bool]]

_KNOWN_LEVELS: Final = ("aal1", "aal2")


@dataclass(frozen=True, slots=True)
class Requirement:
    """The conditions of a gate; the defaults ask for nothing but a session.

    Args:
        aal: The least assurance level.
        max_age: The greatest age of the sign-in in seconds; with `aal="aal2"` that of the second factor.
        authentication_methods: At least one of these was used to sign in.
        verified: True for any verified address, or the `via` of the one that must be verified (`"email"`).
        organization: The `organization_id` that the identity must have; a UUID in any spelling.
        when: The application's own condition.
        revalidate: Ask Kratos on every request, whatever is kept.

    Raises:
        ConfigurationError: A value is none of those.
    """

    aal: AssuranceLevel | None = None
    max_age: float | None = None
    authentication_methods: Collection[str] | None = None
    verified: bool | str = False
    organization: str | None = None
    when: Condition | None = None
    revalidate: bool = False

    def __post_init__(self) -> None:
        if self.aal not in (None, *_KNOWN_LEVELS):
            raise ConfigurationError(f"aal: {self.aal!r} is not allowed: use 'aal1' or 'aal2'")
        if self.max_age is not None and not _is_a_duration(self.max_age):
            raise ConfigurationError(f"max_age: {self.max_age!r} is not allowed: use seconds above 0")
        if isinstance(self.authentication_methods, str):
            raise ConfigurationError(
                f"authentication_methods: {self.authentication_methods!r} is not allowed: use a list of methods"
            )
        object.__setattr__(self, "authentication_methods", tuple(self.authentication_methods or ()))
        if self.organization is not None:
            object.__setattr__(self, "organization", normalize_id("organization", self.organization))

    @classmethod
    def __get_pydantic_core_schema__(cls, _source: Any, _handler: Any) -> NoReturn:
        # FastAPI asks for it when the class of a gate is a dependency, which would leave the route open.
        raise ConfigurationError(
            "a Requirement is never read from a request: write Depends(require(...)), or Depends(OwnGate(...)) "
            "with an instance of the gate"
        )


def _is_a_duration(seconds: object) -> bool:
    return isinstance(seconds, int | float) and 0 < seconds < inf


ANY_SESSION: Final = Requirement()
"""Asks for nothing but a session."""


def is_fresh(moment: datetime | None, max_age: float, now: float, clock_skew: float) -> bool:
    """Tell whether `moment` lies within `max_age` seconds before `now`.

    A time that is missing, or further in the future than the clocks may differ, is not fresh.
    """
    return moment is not None and -clock_skew <= now - moment.timestamp() <= max_age


def unmet(requirement: Requirement, session: Session[Any], now: float, clock_skew: float) -> list[Failure]:
    """Return every condition that the session does not meet, `when` left out.

    Args:
        requirement: What is asked for.
        session: The facts.
        now: The wall-clock time, in seconds.
        clock_skew: How far Kratos' clock may be ahead, in seconds.
    """
    failures: list[Failure] = []
    level = session.authenticator_assurance_level
    if requirement.aal is not None and (level not in _KNOWN_LEVELS or level < requirement.aal):
        failures.append(Failure(id="aal", expected=requirement.aal, actual=level))
    if requirement.max_age is not None:
        moment = session.second_factor_at if requirement.aal == "aal2" else session.authenticated_at
        if not is_fresh(moment, requirement.max_age, now, clock_skew):
            age = None if moment is None else round(now - moment.timestamp())
            failures.append(Failure(id="max_age", expected=requirement.max_age, actual=age))
    failures.extend(_unmet_by_identity(requirement, session))
    return failures


def _unmet_by_identity(requirement: Requirement, session: Session[Any]) -> list[Failure]:
    failures: list[Failure] = []
    if wanted := requirement.authentication_methods:
        used = sorted({step.method for step in session.methods() if step.method})
        if not set(wanted) & set(used):
            failures.append(Failure(id="authentication_methods", expected=list(wanted), actual=used))
    if requirement.verified is not False:
        addresses = session.identity.verifiable_addresses or ()
        verified = sorted({address.via or "" for address in addresses if address.verified is True})
        if not verified or (requirement.verified is not True and requirement.verified not in verified):
            failures.append(Failure(id="verified", expected=requirement.verified, actual=verified))
    organization = session.identity.organization_id
    if requirement.organization not in (None, organization and normalize_uuid(organization)):
        failures.append(Failure(id="organization", expected=requirement.organization, actual=organization))
    return failures


def refusal_for(
    outcome: Anonymous | Rejected | SecondFactorRequired | Unavailable, *, aal: str | None = None
) -> Refusal:
    """Return the refusal that every gate answers to an outcome without a session."""
    if isinstance(outcome, Anonymous):
        return SessionRequired(aal=aal)
    if isinstance(outcome, Rejected):
        if outcome.reason == "origin":
            return CsrfViolation()
        return SessionRequired(aal=aal, credential_sent=True)
    if isinstance(outcome, SecondFactorRequired):
        return StepUpRequired(aal="aal2") if outcome.enrolled else EnrollmentRequired(aal="aal2")
    return SessionCheckUnavailable(retry_after=outcome.retry_after)
