"""Requirements: the conditions of a route, and the decision whether a session meets them.

Every function depends on its arguments alone and runs on every request. Sessions are cached, decisions are not.
"""

import inspect
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterable, Iterator
from datetime import datetime
from math import inf
from typing import Any, Final, Literal, NoReturn, TypedDict

from ory_guard._dataclass import dataclass
from ory_guard.exceptions import (
    ConfigurationError,
    EnrollmentRequired,
    Failure,
    ReauthenticationRequired,
    Refusal,
    RequirementNotMet,
    SessionCheckUnavailable,
    SessionRequired,
    StepUpRequired,
)
from ory_guard.guard.settings import GuardSettings
from ory_guard.models.ids import normalize_id, normalize_uuid
from ory_guard.models.outcomes import (
    Anonymous,
    Authenticated,
    Outcome,
    Rejected,
    SecondFactorRequired,
    Unavailable,
)
from ory_guard.models.session import Session

__all__ = [
    "ANY_SESSION",
    "AssuranceLevel",
    "Condition",
    "Conditions",
    "Requirement",
    "decide",
    "evaluate",
    "is_condition_met",
    "is_recent",
    "refusal_for",
    "requirement_of",
]

AssuranceLevel = Literal["aal1", "aal2"]
Condition = Callable[["Session[Any]"], bool | Awaitable[bool]]

_KNOWN_LEVELS: Final = ("aal1", "aal2")
_SECOND_FACTOR_TOO_OLD: Final = "This resource requires a recent second factor. Complete it again to continue."


class Conditions(TypedDict, total=False):
    """The arguments of `Requirement`, for `**conditions: Unpack[Conditions]` (PEP 692)."""

    aal: AssuranceLevel | None
    max_age: float | None
    authentication_methods: Collection[str] | None
    verified: bool | str
    organization: str | None
    when: Condition | None
    revalidate: bool


@dataclass(frozen=True, slots=True)
class Requirement:
    """The conditions that a session must meet; without arguments, any session does.

    Args:
        aal: Minimum assurance level, `aal1` or `aal2`.
        max_age: Maximum age of the login, in seconds; with `aal="aal2"`, that of the second factor.
        authentication_methods: Methods of which the login used at least one; not empty.
        verified: True to require any verified address, or the `via` of the required one (`"email"`).
        organization: Required `organization_id` of the identity; a UUID in any spelling.
        when: Function of the application, `Session -> bool`, sync or async. If it raises an exception, the request
            fails with that exception; if it returns a function or a generator, with a `ConfigurationError`.
        revalidate: Call Kratos on every request instead of using the cached session.

    Raises:
        ConfigurationError: If an argument is invalid.
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
        if self.max_age is not None and not _is_duration(self.max_age):
            raise ConfigurationError(f"max_age: {self.max_age!r} is not allowed: use a number of seconds above 0")
        if self.authentication_methods is not None:
            object.__setattr__(self, "authentication_methods", _checked_methods(self.authentication_methods))
        if not _is_verified_condition(self.verified):
            raise ConfigurationError(
                f"verified: {self.verified!r} is not allowed: use True, or the `via` of an address, such as 'email'"
            )
        if self.organization is not None:
            object.__setattr__(self, "organization", normalize_id("organization", self.organization))
        if self.when is not None and not _is_function(self.when):
            raise ConfigurationError(
                f"when: {self.when!r} is not allowed: use a function that takes the session and returns a bool, or "
                "an instance of the class"
            )
        if not isinstance(self.revalidate, bool):
            raise ConfigurationError(f"revalidate: {self.revalidate!r} is not allowed: use True or False")

    @classmethod
    def __get_pydantic_core_schema__(cls, _source: Any, _handler: Any) -> NoReturn:
        # FastAPI builds a schema if a class with this argument is a dependency, which would leave the route open.
        raise ConfigurationError(
            "a Requirement is never read from a request: write Depends(require(...)), or Depends(OwnGate(...)) "
            "with an instance of the class"
        )


def _is_duration(seconds: object) -> bool:
    return isinstance(seconds, int | float) and not isinstance(seconds, bool) and 0 < seconds < inf


def _is_verified_condition(value: object) -> bool:
    return isinstance(value, bool) or (isinstance(value, str) and value != "")


def _is_function(condition: object) -> bool:
    return callable(condition) and not isinstance(condition, type)  # an instance of a class is always true


def _checked_methods(methods: object) -> tuple[str, ...]:
    names = () if isinstance(methods, str) or not isinstance(methods, Iterable) else tuple(methods)
    if not names or not all(isinstance(name, str) and name for name in names):
        raise ConfigurationError(
            f"authentication_methods: {methods!r} is not allowed: use a list of methods, such as ['totp']"
        )
    return names


ANY_SESSION: Final = Requirement()
"""The requirement that any session meets."""


def requirement_of(function: str, conditions: Conditions, *others: str) -> Requirement:
    """Return the requirement for the keyword arguments of a function.

    Args:
        function: The name of the function, for the error.
        conditions: The keyword arguments.
        *others: The names of the other arguments that the function accepts by keyword, for the error.

    Raises:
        ConfigurationError: If an argument is unknown or invalid.
    """
    try:
        return Requirement(**conditions) if conditions else ANY_SESSION
    except TypeError:
        allowed = (*others, *Conditions.__annotations__)
        unknown = [name for name in conditions if name not in allowed]
        if not unknown:
            raise
        raise ConfigurationError(
            f"{function}: unknown argument {', '.join(unknown)}: use {', '.join(allowed[:-1])} or {allowed[-1]}"
        ) from None


async def is_condition_met(condition: Condition, session: "Session[Any]") -> bool:
    """Return the result of a condition of the application (`when`).

    Raises:
        ConfigurationError: If the result is a function or a generator, which Python considers true.
    """
    result: Any = condition(session)
    if inspect.isawaitable(result):
        result = await result
    if callable(result) or isinstance(result, Iterator | AsyncIterator):
        raise ConfigurationError(
            f"when: {condition!r} returned a {type(result).__name__}, expected True or False: if it is a function "
            "that returns the condition, call it, such as when=has_role('editor')"
        )
    return bool(result)


def is_recent(moment: datetime | None, max_age: float, now: float, clock_skew: float) -> bool:
    """Return whether `moment` is at most `max_age` seconds before `now`.

    A missing time is not recent, nor is one that is more than `clock_skew` seconds in the future.
    """
    return moment is not None and -clock_skew <= now - moment.timestamp() <= max_age


def evaluate(requirement: Requirement, session: "Session[Any]", now: float, clock_skew: float) -> list[Failure]:
    """Return every condition that the session does not meet, except for `when`.

    Args:
        requirement: The requirement.
        session: The session.
        now: The wall-clock time, in seconds.
        clock_skew: The maximum by which Kratos' clock may be ahead, in seconds.
    """
    failures: list[Failure] = []
    if requirement.aal is not None:
        level = session.authenticator_assurance_level
        if level not in _KNOWN_LEVELS or level < requirement.aal:
            failures.append(Failure(id="aal", expected=requirement.aal, actual=level))
    if requirement.max_age is not None:
        moment = session.second_factor_at if requirement.aal == "aal2" else session.authenticated_at
        if not is_recent(moment, requirement.max_age, now, clock_skew):
            age = None if moment is None else round(now - moment.timestamp())
            failures.append(Failure(id="max_age", expected=requirement.max_age, actual=age))
    failures.extend(_evaluate_identity(requirement, session))
    return failures


def _evaluate_identity(requirement: Requirement, session: "Session[Any]") -> list[Failure]:
    failures: list[Failure] = []
    if methods := requirement.authentication_methods:
        used = sorted({step.method for step in session.methods() if step.method})
        if not set(methods) & set(used):
            failures.append(Failure(id="authentication_methods", expected=list(methods), actual=used))
    if requirement.verified is not False:
        addresses = session.identity.verifiable_addresses or ()
        verified = sorted({address.via or "" for address in addresses if address.verified is True})
        if not verified or (requirement.verified is not True and requirement.verified not in verified):
            failures.append(Failure(id="verified", expected=requirement.verified, actual=verified))
    if requirement.organization is not None:
        organization = session.identity.organization_id
        if requirement.organization != (organization and normalize_uuid(organization)):
            failures.append(Failure(id="organization", expected=requirement.organization, actual=organization))
    return failures


def decide(
    requirement: Requirement,
    outcome: Outcome,
    *,
    settings: GuardSettings,
    now: float,
    failures: Iterable[Failure] = (),
) -> "Session[Any] | Refusal":
    """Return the session if it meets the requirement, else the refusal; do not raise it.

    Args:
        requirement: The requirement.
        outcome: The outcome of the session check.
        settings: The settings of the guard.
        now: The wall-clock time, in seconds.
        failures: Conditions that the caller evaluated itself (`when`) and that are not met.
    """
    if not isinstance(outcome, Authenticated):
        return refusal_for(outcome, aal=requirement.aal)
    failures = (*evaluate(requirement, outcome.session, now, settings.clock_skew), *failures)
    if not failures:
        return outcome.session
    kind = _refusal_class(failures, settings)
    is_factor_too_old = kind is ReauthenticationRequired and requirement.aal == "aal2"
    reason = _SECOND_FACTOR_TOO_OLD if is_factor_too_old else None
    return kind(reason, failures=failures, aal=requirement.aal, max_age=requirement.max_age)


def _refusal_class(failures: Iterable[Failure], settings: GuardSettings) -> type[Refusal]:
    actual = {failure["id"]: failure["actual"] for failure in failures}
    if actual.keys() - {"aal", "max_age"} or actual.get("aal", "aal1") != "aal1":
        return RequirementNotMet
    if "aal" not in actual:
        return ReauthenticationRequired
    # Under `highest_available` whoami responds 403 if the identity has a second factor that the session lacks. So
    # if it returns a session at aal1, no second factor is enrolled.
    return StepUpRequired if settings.whoami_required_aal == "aal1" else EnrollmentRequired


def refusal_for(
    outcome: Anonymous | Rejected | SecondFactorRequired | Unavailable, *, aal: str | None = None
) -> Refusal:
    """Return the refusal for an outcome without a session; that of a cross-site request is the `CSRFPolicy`'s."""
    if isinstance(outcome, Anonymous):
        return SessionRequired(aal=aal)
    if isinstance(outcome, Rejected):
        return SessionRequired(aal=aal, credential_sent=True)
    if isinstance(outcome, SecondFactorRequired):
        return StepUpRequired(aal="aal2") if outcome.enrolled else EnrollmentRequired(aal="aal2")
    return SessionCheckUnavailable(retry_after=outcome.retry_after)
