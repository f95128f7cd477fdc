"""Checks of the Kratos server: version, clock, caching and rate limits."""

import re
from datetime import datetime
from typing import Final

from ory_guard.cli.doctor.check_context import DoctorContext
from ory_guard.cli.doctor.findings import Finding, notice, ok, problem, skipped
from ory_guard.cli.doctor.probe import json_object, lacks_second_factor, text_header
from ory_guard.cli.doctor.session import find_session
from ory_guard.kratos.http_response import HTTPResponse

__all__ = ["check_caching", "check_clock", "check_rate_limit", "check_version"]

SUPPORTED_VERSION: Final = "v26.2.0"

_VERSION: Final = re.compile(r"v?(\d+)\.(\d+)(?:\.\d+)*(?:[-+].*)?")
_RATE_LIMIT_HEADERS: Final = re.compile(r"retry-after|(?:x-)?rate-?limit.*")
_CLOCK_TOLERANCE: Final = 2.0


async def check_version(context: DoctorContext) -> list[Finding]:
    """Compare Kratos' version with the supported one.

    All releases answer `/admin/version`; `/version` is a redirect in releases before v26.2.0.
    """
    if context.admin is None:
        return [skipped("only Kratos' admin API reports the version", "give --admin-url")]
    response = await context.admin.get("/admin/version")
    version = json_object(response).get("version")
    if not isinstance(version, str):
        return [
            notice(
                f"{context.admin.url}/admin/version responds with {response.status} and without a version",
                "set --admin-url to the URL of Kratos' admin API (default port 4434)",
            )
        ]
    actual, supported = _VERSION.fullmatch(version), _VERSION.fullmatch(SUPPORTED_VERSION)
    if actual is not None and supported is not None and actual.groups() == supported.groups():
        return [ok(f"Kratos is {version}, the release that ory_guard was developed for")]
    return [
        notice(
            f"Kratos is {version}, but ory_guard was developed for {SUPPORTED_VERSION}: sessions are the same, "
            "flow operations may differ",
            "run your tests against that release before you use newer operations of FrontendClient",
        )
    ]


async def check_clock(context: DoctorContext) -> list[Finding]:
    """Compare Kratos' clock, from the `issued_at` of a new flow, with the local clock."""
    before = context.clock.time()
    response = await context.kratos.get("/self-service/login/api")
    after = context.clock.time()
    try:
        issued_at = datetime.fromisoformat(json_object(response)["issued_at"]).timestamp()
    except (KeyError, TypeError, ValueError):
        return [skipped(f"Kratos does not create a login flow (status {response.status}), so its time is unknown")]
    ahead = issued_at - min(max(issued_at, before), after)
    allowed = context.settings.clock_skew
    difference = f"Kratos' clock is {abs(ahead):.1f} s {'ahead of' if ahead > 0 else 'behind'} the local clock"
    fix = "synchronize both clocks (NTP)"
    if abs(ahead) > allowed:
        return [problem(f"{difference}, but clock_skew is {allowed:g} s: sessions expire at the wrong time", fix)]
    if abs(ahead) > _CLOCK_TOLERANCE:
        return [notice(f"{difference}, within the {allowed:g} s of clock_skew", fix)]
    return [ok("Kratos' clock and the local clock agree")]


async def check_caching(context: DoctorContext) -> list[Finding]:
    """Check the cache lifetime in whoami responses, and whether a proxy caches them already."""
    credential = await find_session(context)
    response = await context.kratos.get("/sessions/whoami", *([credential] if credential else []))
    if lacks_second_factor(response):  # this error never has the header
        response = await context.kratos.get("/sessions/whoami")
    if headers := _cache_hit_headers(response):
        return [
            problem(
                f"a cache in front of Kratos answers whoami ({', '.join(headers)}): revoked sessions stay valid",
                "exclude /sessions/whoami from caching in all proxies and CDNs",
            )
        ]
    seconds, ttl = text_header(response, "ory-session-cache-for"), context.settings.cache_ttl
    if not seconds.isdigit():
        return [
            notice(
                f"Kratos does not limit caching: sessions are cached for cache_ttl, {ttl:g} s",
                "set feature_flags.cacheable_sessions: true in Kratos' configuration to limit it there, too",
            )
        ]
    if response.status != 200:
        return [ok(f"sessions are cached for cache_ttl, {ttl:g} s, or less if Kratos limits it")]
    if int(seconds) < ttl:
        return [
            notice(f"cache_ttl is {ttl:g} s, but Kratos limits caching to {seconds} s: the lower value applies")
        ]
    return [ok(f"sessions are cached for cache_ttl, {ttl:g} s; Kratos allows {seconds} s")]


def _cache_hit_headers(response: HTTPResponse) -> list[str]:
    counts = [name for name in ("age", "x-cache-hits") if text_header(response, name) not in ("", "0")]
    return counts + [
        name for name in ("x-cache", "cf-cache-status") if "hit" in text_header(response, name).lower()
    ]


async def check_rate_limit(context: DoctorContext) -> list[Finding]:
    """Check all responses so far for rate limits."""
    limits = {
        name.decode("latin-1"): value.decode("latin-1")
        for response in context.kratos.responses
        for name, value in response.headers
        if _RATE_LIMIT_HEADERS.fullmatch(name.decode("latin-1"))
    }
    rejected = sum(response.status == 429 for response in context.kratos.responses)
    headers = ", ".join(f"{name}: {value}" for name, value in sorted(limits.items()))
    fix = "increase ORY_GUARD_CACHE_TTL, which reduces the number of calls, or the rate limit"
    if rejected:
        return [problem(f"{rejected} of the requests got 429 ({headers or 'without rate limit headers'})", fix)]
    if limits:
        return [notice(f"requests are rate limited: {headers}", fix)]
    return [ok("no response has rate limit headers")]
