"""The counters and the state of a guard, for `OryGuard.stats`."""

from ory_guard.events import GuardStats
from ory_guard.guard.authentication import Authenticator
from ory_guard.guard.refusal_reporter import RefusalReporter

__all__ = ["guard_stats"]


def guard_stats(authenticator: Authenticator, reporter: RefusalReporter) -> GuardStats:
    """Return the counters of a guard."""
    shared_cache, checker = authenticator.shared_cache, authenticator.checker
    policy = checker.calls.policy
    breaker, is_limited = policy.breaker_state, policy.limits.holds_all
    is_store_down = shared_cache is not None and shared_cache.degraded
    return GuardStats(
        entries=len(authenticator.cache),
        hits=authenticator.hits,
        misses=authenticator.misses,
        shared=checker.joined_checks,
        upstream_calls=checker.calls.count,
        store_hits=0 if shared_cache is None else shared_cache.hits,
        degraded=is_store_down or is_limited or breaker != "closed",
        breaker=breaker,
        store="none" if shared_cache is None else "down" if is_store_down else "up",
        pending_revocations=0 if shared_cache is None else len(shared_cache.pending),
        known=checker.class_stats(known=True),
        unknown=checker.class_stats(known=False),
        known_credentials=len(policy.known),
        rate_limited=is_limited,
        refusals=reporter.refusals,
        anonymous_refusals=reporter.anonymous_refusals,
        evictions=authenticator.cache.evictions,
    )
