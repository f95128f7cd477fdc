"""From an outcome and a requirement to a session or a refusal: pure, and evaluated on every request."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from ory_guard.exceptions import (
    CsrfViolation,
    EnrollmentRequired,
    Failure,
    ReauthenticationRequired,
    Refusal,
    RequirementNotMet,
    StepUpRequired,
)
from ory_guard.guard.context import header
from ory_guard.guard.requirements import Requirement, refusal_for, unmet
from ory_guard.guard.settings import GuardSettings
from ory_guard.kratos.urls import origin_of
from ory_guard.models.outcomes import Authenticated, Outcome
from ory_guard.models.session import Session

__all__ = ["SAFE_METHODS", "Gate"]

SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
"""Methods that change nothing, exactly as written here. Browsers never send TRACE, so it is not among them."""


class Gate:
    """Decides under one set of settings who may pass."""

    def __init__(self, settings: GuardSettings) -> None:
        self._settings = settings
        origins = [*settings.trusted_origins]
        if settings.app_url is not None:
            origins.append(origin_of(settings.app_url))
        self._trusted_origins = frozenset(origin.encode("ascii") for origin in origins)

    def trusts_origin(self, scope: Mapping[str, Any]) -> bool:
        """Tell whether the request names, in `Origin`, a page of ours."""
        return header(scope, b"origin") in self._trusted_origins

    def is_cross_site(self, scope: Mapping[str, Any]) -> bool:
        """Return whether a page of an untrusted origin may have sent this request, which voids its cookie.

        Requests with a safe method are never cross-site. For the others browsers send `Sec-Fetch-Site` (older
        browsers only `Origin`); a request with neither header was not made by a browser. A repeated header is one
        value that matches nothing. Websockets have no method, and need a trusted `Origin`.
        """
        if scope["type"] != "http":
            return not self.trusts_origin(scope)
        if scope["method"] in SAFE_METHODS:
            return False
        site = header(scope, b"sec-fetch-site")
        if site in (b"same-origin", b"none"):
            return False
        if site is None and header(scope, b"origin") is None:
            return False
        return not self.trusts_origin(scope)

    def passes(self, outcome: Authenticated, scope: Mapping[str, Any]) -> bool:
        """Return whether the session counts for this request, as it is at the gate.

        The middleware judged the request as it arrived. A middleware in between may have changed its method.
        """
        return outcome.credential != "cookie" or not self.is_cross_site(scope)

    def decide(
        self,
        requirement: Requirement,
        outcome: Outcome,
        scope: Mapping[str, Any],
        now: float,
        extra: Iterable[Failure] = (),
    ) -> Session[Any] | Refusal:
        """Return the session that may pass, or the refusal; nothing is raised.

        Args:
            requirement: What the gate asks for.
            outcome: Who is there.
            scope: The request, for the check that it was made by a page of ours.
            now: The wall-clock time, in seconds.
            extra: Failures that were found elsewhere (`when`).
        """
        if not isinstance(outcome, Authenticated):
            return refusal_for(outcome, aal=requirement.aal)
        if not self.passes(outcome, scope):
            return CsrfViolation()
        failures = (*unmet(requirement, outcome.session, now, self._settings.clock_skew), *extra)
        return self._refusal(requirement, failures) if failures else outcome.session

    def _refusal(self, requirement: Requirement, failures: tuple[Failure, ...]) -> Refusal:
        actual = {failure["id"]: failure["actual"] for failure in failures}
        incurable = [name for name in actual if name not in ("aal", "max_age")]
        if incurable or actual.get("aal", "aal1") != "aal1":
            return RequirementNotMet(failures=failures, aal=requirement.aal, max_age=requirement.max_age)
        if "aal" in actual:
            # Under highest_available whoami hides every session that could step up, so an aal1 that it shows
            # belongs to an identity with nothing enrolled.
            enrolled = self._settings.whoami_required_aal == "aal1"
            kind = StepUpRequired if enrolled else EnrollmentRequired
            return kind(failures=failures, aal=requirement.aal, max_age=requirement.max_age)
        return ReauthenticationRequired(failures=failures, aal=requirement.aal, max_age=requirement.max_age)
