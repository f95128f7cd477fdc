"""One request as the panel draws it: browser, guard, cache and Kratos, requirement, response."""

import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

from ory_guard.exceptions import Failure
from ory_guard.models import Authenticated, Outcome, Rejected, Unavailable

__all__ = ["RequestActivity", "Step"]


@dataclass(frozen=True)
class Step:
    """A step of a request.

    Attributes:
        part: The part that handled the request: the name of a step in the panel.
        text: What it did.
        seconds: How long it took.
        is_failure: Whether it refused the request, or failed.
    """

    part: Literal["Browser", "Guard", "Cache", "Kratos", "Requirement", "Response"]
    text: str
    seconds: float | None = None
    is_failure: bool = False


@dataclass(eq=False)
class RequestActivity:
    """The guard's activity for one request.

    Attributes:
        method: The HTTP method.
        path: The path, without the query.
        arrived_at: The wall-clock time of the request's arrival, in seconds since the epoch.
        started: The same moment by `time.perf_counter()`.
        guard_seconds: How long the authentication took.
        lookups: What the guard did to find the session: the steps of the cache and of Kratos.
        credential_id: Eight hex digits that identify the credential.
        cache_result: `hit`, `miss` or `shared`, or None without a credential.
        outcome: The outcome of the authentication.
        requirement: The requirement of the page, as in its code.
        refusal_code: The code of the refusal, or None if the request was not refused.
        failures: The requirements that were not met.
        decided: When the requirement was met or refused, by `time.perf_counter()`.
        status: The status of the response.
        total_seconds: The time until the response started.
    """

    method: str
    path: str
    arrived_at: float
    started: float = field(default_factory=time.perf_counter)
    guard_seconds: float = 0.0
    lookups: list[Step] = field(default_factory=list)
    credential_id: str | None = None
    cache_result: str | None = None
    outcome: Outcome | None = None
    requirement: str | None = None
    refusal_code: str | None = None
    failures: tuple[Failure, ...] = ()
    decided: float | None = None
    status: int = 0
    total_seconds: float = 0.0

    @property
    def elapsed(self) -> float:
        """Seconds since the request arrived."""
        return time.perf_counter() - self.started

    @property
    def steps(self) -> list[Step]:
        """The steps of the request, in the order of the panel."""
        outcome = self.outcome
        reason = getattr(outcome, "reason", None)
        credential = getattr(outcome, "credential", None)
        arrival = datetime.fromtimestamp(self.arrived_at, UTC)
        guard = type(outcome).__name__
        guard += f" ({reason})" if reason else f", by {credential}" if credential else ""
        steps = [
            Step("Browser", f"{self.method} {self.path} at {arrival:%H:%M:%S} UTC"),
            Step("Guard", guard, self.guard_seconds, isinstance(outcome, Rejected | Unavailable)),
            *(self.lookups or [Step("Cache", "not asked: no credential that could be checked")]),
        ]
        if self.requirement or self.refusal_code:
            result = f"refused: {self.refusal_code}" if self.refusal_code else "met"
            text = f"{self.requirement}: {result}" if self.requirement else result
            after_guard = None if self.decided is None else self.decided - self.started - self.guard_seconds
            steps.append(Step("Requirement", text, after_guard, self.refusal_code is not None))
        response = str(self.status) if self.status else "this page"
        return [*steps, Step("Response", response, self.total_seconds or self.elapsed)]

    def as_dict(self) -> dict[str, Any]:
        """Return the JSON of `/debug/guard`, with times in microseconds and the age in seconds."""
        outcome = self.outcome
        calls = [step.seconds for step in self.lookups if step.part == "Kratos" and step.seconds is not None]
        return {
            "method": self.method,
            "path": self.path,
            "status": self.status or None,
            "outcome": type(outcome).__name__,
            "reason": getattr(outcome, "reason", None),
            "credential": getattr(outcome, "credential", None),
            "cache": self.cache_result,
            "age": round(outcome.age, 3) if isinstance(outcome, Authenticated) else None,
            "refusal": self.refusal_code,
            "failures": list(self.failures),
            "guard_us": round(self.guard_seconds * 1e6),
            "kratos_us": round(sum(calls) * 1e6) if calls else None,
        }
