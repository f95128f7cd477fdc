"""The doctor's checks of the Kratos server, its connection and a user's session, as a table."""

import json
from typing import Any

import pytest
from doctor_setup import Application, Row, Setup, adding, assert_finding, cookies, replacing, run_check, token

from ory_guard.testing import FakeKratos, ManualClock

AT = "http://127.0.0.1:4433"
HIGHEST = "highest_available"
NATIVE_LOGIN = "/self-service/login/api"
WHOAMI = "/sessions/whoami"
REQUIRES_ENROLLMENT = replacing(WHOAMI, 403, b'{"error": {"id": "session_aal2_enrollment_required"}}')


def admin(version: object) -> Application:
    """Return an admin API that reports a version."""
    body = json.dumps({"version": version}).encode()
    return replacing("/admin/version", 200, body)(FakeKratos().admin_app)


def clock(ahead: float) -> Setup:
    """Return a setup in which Kratos' clock is ahead of the local clock."""
    local, remote = ManualClock(), ManualClock()
    (remote if ahead > 0 else local).advance(abs(ahead))
    return Setup({"clock": remote}, inputs={"clock": local})


def user(credential: Any = token, kratos_aal: str = HIGHEST, guard_aal: str = HIGHEST, **properties: Any) -> Setup:
    """Return a setup with the session of a user, and both values of `required_aal`."""
    settings = {"whoami_required_aal": guard_aal}
    return Setup({"whoami_required_aal": kratos_aal}, settings, user=properties, credential=credential)


def odd_login(body: bytes) -> Setup:
    """Return a setup in which a login at aal2 has this body."""
    kratos = {"whoami_required_aal": "aal1"}
    return Setup(kratos, proxy=replacing(NATIVE_LOGIN, 200, body), user={"totp": True}, credential=token)


def cookie_setup(kratos_name: str, *guard_names: str, **properties: Any) -> Setup:
    """Return a setup with a browser's cookies, the session cookie of which has this name in Kratos."""
    return Setup(
        {"cookie_name": kratos_name},
        {"cookie_names": guard_names or ("ory_kratos_session",)},
        user=properties,
        credential=cookies,
    )


REACH: dict[str, Row] = {
    "reachable": ("reach", Setup(), "ok", f"Kratos responds at {AT} in "),
    "admin API": (
        "reach",
        Setup(proxy=lambda _: FakeKratos().admin_app),
        "problem",
        f"{AT} is Kratos' admin API -> set ORY_GUARD_KRATOS_PUBLIC_URL",
    ),
    **{
        f"other server, {status}": (
            "reach",
            Setup(proxy=replacing(WHOAMI, status, b"<html>", b"text/html")),
            "problem",
            f"{WHOAMI} responds with {status}",
            "path prefix",
        )
        for status in (404, 403, 401, 204)
    },
    "200 without a credential": (
        "reach",
        Setup(proxy=replacing(WHOAMI, 200)),
        "problem",
        "responds with 200 without a credential",
    ),
    "bad gateway": ("reach", Setup(proxy=replacing(WHOAMI, 502)), "problem", "responds with 502", "/health/ready"),
    "429": ("reach", Setup(proxy=replacing(WHOAMI, 429)), "problem", "rate limit exceeded ->"),
    "429 with Retry-After": (
        "reach",
        Setup(proxy=adding({"retry-after": "7"}, replacing(WHOAMI, 429))),
        "problem",
        "rate limit exceeded, retry after 7 seconds",
    ),
    "closed port": (
        "reach",
        Setup({"public_url": "http://127.0.0.1:1"}, over_sockets=True),
        "problem",
        "connection refused at 127.0.0.1:1 -> start Kratos",
    ),
    "unknown host": (
        "reach",
        Setup({"public_url": "http://kratos.invalid"}, over_sockets=True),
        "problem",
        "the host name kratos.invalid can't be resolved",
    ),
    "no response": (
        "reach",
        Setup({"public_url": "http://127.0.0.1:1"}, {"timeout": 1e-9}, over_sockets=True),
        "problem",
        "127.0.0.1:1 does not respond",
        "firewall",
    ),
}

SERVER: dict[str, Row] = {
    "no admin URL": ("version", Setup(), "skipped", "-> give --admin-url"),
    **{
        f"version {version}": ("version", Setup(admin=admin(version)), "ok", f"Kratos is {version}")
        for version in ("v26.2.0", "v26.2.7", "26.2.0-rc.1")
    },
    **{
        f"version {version}": (
            "version",
            Setup(admin=admin(version)),
            "notice",
            f"Kratos is {version}, but ory_guard was developed for v26.2.0",
        )
        for version in ("v1.3.1", "v25.4.0", "master")
    },
    **{
        name: ("version", Setup(admin=app), "notice", "without a version", "default port 4434")
        for name, app in {
            "no version": replacing("/admin/version", 404)(FakeKratos().admin_app),
            "number": admin(26),
        }.items()
    },
    "clocks agree": ("clock", clock(0), "ok", "agree"),
    "clock ahead": ("clock", clock(30), "notice", "30.0 s ahead of", "NTP"),
    "clock behind": ("clock", clock(-30), "notice", "30.0 s behind", "NTP"),
    "clock skewed": ("clock", clock(300), "problem", "300.0 s ahead of", "clock_skew is 60 s", "NTP"),
    **{
        f"clock unknown from {body.decode()}": ("clock", Setup(proxy=replacing(NATIVE_LOGIN, 400, body)), "skipped")
        for body in (b"{}", b'{"issued_at": 5}', b'{"issued_at": "today"}', b"[", b"[]")
    },
    "caching unlimited": (
        "caching",
        Setup({"cacheable_sessions": False}),
        "notice",
        "cached for cache_ttl, 30 s",
        "feature_flags.cacheable_sessions",
    ),
    "caching limited": (
        "caching",
        Setup({"cacheable_sessions_max_age": 10}, user={}, credential=token),
        "notice",
        "cache_ttl is 30 s, but Kratos limits caching to 10 s",
    ),
    "caching allowed": ("caching", Setup(user={}, credential=token), "ok", "Kratos allows 300 s"),
    "caching without a session": ("caching", Setup(settings={"cache_ttl": 120}), "ok", "120 s, or less if Kratos"),
    **{
        f"caching with an aal1 session in {credential.__name__}": (
            "caching",
            Setup(user={"totp": True}, credential=credential),
            "ok",
            "or less if Kratos limits it",
        )
        for credential in (token, cookies)
    },
    **{
        f"cache with {name}": (
            "caching",
            Setup(proxy=adding({name: value})),
            "problem",
            f"a cache in front of Kratos answers whoami ({name})",
            "/sessions/whoami",
        )
        for name, value in {
            "age": "12",
            "x-cache": "Hit from cloud",
            "cf-cache-status": "HIT",
            "x-cache-hits": "3",
        }.items()
    },
    "cache miss": ("caching", Setup(proxy=adding({"x-cache": "MISS", "age": "0"})), "ok", "or less"),
}

SESSION: dict[str, Row] = {
    "cookie name matches": (
        "cookie_name",
        cookie_setup("ory_kratos_session"),
        "ok",
        "Kratos' session cookie is ory_kratos_session, as the guard expects",
    ),
    "cookie name differs": (
        "cookie_name",
        cookie_setup("acme_session"),
        "problem",
        "Kratos' session cookie is acme_session, but the guard expects ory_kratos_session",
        "-> set ORY_GUARD_COOKIE_NAMES to acme_session",
    ),
    "cookie name matches a pattern": (
        "cookie_name",
        cookie_setup("ory_session_acme", "ory_session_*", totp=True),
        "ok",
        "ory_session_acme",
    ),
    "session without enrolled factor": (
        "cookie_name",
        Setup(proxy=REQUIRES_ENROLLMENT, credential=(b"cookie", b"ory_kratos_session=x")),
        "ok",
        "ory_kratos_session",
    ),
    "no session cookie": (
        "cookie_name",
        Setup(credential=(b"cookie", b"ory_kratos_session=old; nothing")),
        "skipped",
        "none of these cookies is a session in Kratos: ory_kratos_session ->",
    ),
    "no cookies": ("cookie_name", Setup(), "skipped", "-> give --cookie-file"),
    "token": (
        "cookie_name",
        Setup(credential=(b"x-session-token", b"ory_st_x")),
        "skipped",
        "-> give --cookie-file",
    ),
    **{
        f"{required} as expected, {credential.__name__}": (
            "required_aal",
            user(credential, required, required, totp=True),
            "ok",
            f"session.whoami.required_aal is {required}",
        )
        for required in (HIGHEST, "aal1")
        for credential in (token, cookies)
    },
    "aal1 instead of highest_available": (
        "required_aal",
        user(token, "aal1", totp=True),
        "problem",
        "is aal1 in Kratos, but the guard expects highest_available: users with a second factor are redirected",
        "-> set ORY_GUARD_WHOAMI_REQUIRED_AAL to aal1",
    ),
    "highest_available instead of aal1": (
        "required_aal",
        user(token, HIGHEST, "aal1", totp=True),
        "problem",
        "a login that they can't complete",
        "-> set ORY_GUARD_WHOAMI_REQUIRED_AAL to highest_available",
    ),
    "one factor": ("required_aal", user(), "skipped", "-> give a session of a user with two factors"),
    "aal2 session": ("required_aal", Setup(user={}, aal="aal2", credential=token), "skipped", "with this session"),
    "unknown token": (
        "required_aal",
        Setup(credential=(b"x-session-token", b"ory_st_x")),
        "skipped",
        "with this session",
    ),
    "no credential": ("required_aal", Setup(), "skipped", "--token-file"),
    "other cookies": ("required_aal", Setup(credential=(b"cookie", b"theme=dark")), "skipped", "--token-file"),
    **{
        f"login flow {body.decode()}": ("required_aal", odd_login(body), "skipped", "without a second factor")
        for body in (b"{}", b'{"ui": {"nodes": 5}}', b'{"ui": {"nodes": [5, {"group": "default"}]}}')
    },
}

ROWS = REACH | SERVER | SESSION


@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS)
def test_check_reports_finding(row: Row) -> None:
    assert_finding(row)


@pytest.mark.parametrize(
    ("proxy", "level", "text"),
    [
        (None, "ok", "no response has rate limit headers"),
        (
            adding({"x-ratelimit-limit": "100", "ratelimit-remaining": "7"}),
            "notice",
            "requests are rate limited: ratelimit-remaining: 7, x-ratelimit-limit: 100",
        ),
        (replacing(NATIVE_LOGIN, 429), "problem", "1 of the requests got 429 (without rate limit headers)"),
        (adding({"retry-after": "3"}, replacing(NATIVE_LOGIN, 429)), "problem", "got 429 (retry-after: 3)"),
    ],
    ids=["no limit", "limit", "429", "429 with header"],
)
def test_rate_limit_reports_headers_of_earlier_responses(proxy: Any, level: str, text: str) -> None:
    context = Setup(proxy=proxy).build()
    run_check("clock", context)

    (finding,) = run_check("rate_limit", context)

    assert finding.level == level
    assert text in finding.message
    assert ("ORY_GUARD_CACHE_TTL" in finding.fix) == (level != "ok")
