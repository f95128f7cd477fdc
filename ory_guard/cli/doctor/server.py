"""Kratos itself: its version, its clock, what it says about caching and about limits."""

import re
from datetime import datetime
from typing import Final

from ory_guard.cli.doctor.context import (
    DoctorContext,
    Finding,
    json_object,
    notice,
    ok,
    problem,
    skipped,
    text_header,
)

__all__ = ["check_caching", "check_clock", "check_rate_limit", "check_version"]

MADE_FOR: Final = "v26.2.0"

_RELEASE: Final = re.compile(r"v?(\d+)\.(\d+)(?:\.\d+)*(?:[-+].*)?")
_LIMITS: Final = re.compile(r"retry-after|(?:x-)?rate-?limit.*")
_TOLERANCE: Final = 2.0


async def check_version(context: DoctorContext) -> list[Finding]:
    """Compare the server's version with the one that ory_guard was made for; only the admin API tells it."""
    if context.admin is None:
        return [skipped("only Kratos' admin API tells the version", "give --admin-url")]
    answer = await context.admin.get("/version")
    version = json_object(answer).get("version")
    if not isinstance(version, str):
        return [
            notice(
                f"{context.admin.url}/version answers {answer.status} and tells no version",
                "give --admin-url as the URL of Kratos' admin API, whose port is 4434 by default",
            )
        ]
    release, made_for = _RELEASE.fullmatch(version), _RELEASE.fullmatch(MADE_FOR)
    if release is not None and made_for is not None and release.groups() == made_for.groups():
        return [ok(f"Kratos is {version}, which ory_guard was made for")]
    return [
        notice(
            f"Kratos is {version}, and ory_guard was made for {MADE_FOR}: sessions are the same, "
            "operations of flows may differ",
            "run your tests against that release before you use FrontendClient's newer operations",
        )
    ]


async def check_clock(context: DoctorContext) -> list[Finding]:
    """Compare Kratos' clock, as a flow's `issued_at` tells it, with ours."""
    before = context.clock.time()
    answer = await context.kratos.get("/self-service/login/api")
    after = context.clock.time()
    try:
        issued_at = datetime.fromisoformat(json_object(answer)["issued_at"]).timestamp()
    except (KeyError, TypeError, ValueError):
        return [skipped(f"Kratos starts no login (status {answer.status}), so its time can't be told")]
    ahead = issued_at - min(max(issued_at, before), after)
    allowed = context.settings.clock_skew
    told = f"Kratos' clock is {abs(ahead):.1f} s {'ahead of' if ahead > 0 else 'behind'} this machine's"
    fix = "synchronise both clocks (NTP)"
    if abs(ahead) > allowed:
        return [problem(f"{told}: clock_skew allows {allowed:g} s, so sessions end at the wrong time", fix)]
    if abs(ahead) > _TOLERANCE:
        return [notice(f"{told}, within the {allowed:g} s of clock_skew", fix)]
    return [ok("Kratos' clock and this machine's agree")]


async def check_caching(context: DoctorContext) -> list[Finding]:
    """Look at what whoami says about how long its answers may be kept, and whether somebody keeps them already."""
    answer = await context.kratos.get("/sessions/whoami", *([context.credential] if context.credential else []))
    kept = [name for name in ("age", "x-cache-hits") if text_header(answer, name) not in ("", "0")]
    kept += [name for name in ("x-cache", "cf-cache-status") if "hit" in text_header(answer, name).lower()]
    if kept:
        return [
            problem(
                f"a cache in front of Kratos answers whoami ({', '.join(kept)}): revoked sessions live on in it",
                "let no proxy or CDN cache /sessions/whoami",
            )
        ]
    seconds, ttl = text_header(answer, "ory-session-cache-for"), context.settings.cache_ttl
    if not seconds.isdigit():
        return [
            notice(
                f"Kratos says nothing about caching: sessions are kept for cache_ttl, {ttl:g} s",
                "feature_flags.cacheable_sessions: true lets Kratos bound it, too",
            )
        ]
    if answer.status != 200:
        return [ok(f"sessions are kept for cache_ttl, {ttl:g} s, or for less where Kratos says so")]
    if int(seconds) < ttl:
        return [notice(f"cache_ttl is {ttl:g} s, but Kratos lets answers be kept for {seconds} s: the less counts")]
    return [ok(f"sessions are kept for cache_ttl, {ttl:g} s; Kratos would allow {seconds} s")]


async def check_rate_limit(context: DoctorContext) -> list[Finding]:
    """Look for limits in the headers of every answer so far."""
    told = {
        name.decode("latin-1"): value.decode("latin-1")
        for answer in context.kratos.answers
        for name, value in answer.headers
        if _LIMITS.fullmatch(name.decode("latin-1"))
    }
    limited = [answer for answer in context.kratos.answers if answer.status == 429]
    words = ", ".join(f"{name}: {value}" for name, value in sorted(told.items()))
    fix = "raise ORY_GUARD_CACHE_TTL, which divides the calls, or the limit"
    if limited:
        return [problem(f"{len(limited)} of these questions were answered 429 ({words or 'no more is told'})", fix)]
    if told:
        return [notice(f"calls are limited: {words}", fix)]
    return [ok("no limit shows in the headers")]
