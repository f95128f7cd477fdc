"""The doctor's checks of the Kratos server, its connection and a user's session, as a table."""

import json
from typing import Any

import pytest
from doctor_setup import (
    Application,
    adding,
    assert_finding,
    cookies,
    over_sockets,
    replacing,
    row,
    run_check,
    setup,
    token,
)

from ory_guard.testing import FakeKratos, ManualClock

AT = "http://127.0.0.1:4433"
HIGHEST = "highest_available"
NATIVE_LOGIN = "/self-service/login/api"
WHOAMI = "/sessions/whoami"
UNKNOWN_TOKEN = (b"x-session-token", b"ory_st_x")
REQUIRES_ENROLLMENT = replacing(WHOAMI, 403, b'{"error": {"id": "session_aal2_enrollment_required"}}')


def admin(version: object) -> Application:
    """Return an admin API that reports a version."""
    body = json.dumps({"version": version}).encode()
    return replacing("/admin/version", 200, body)(FakeKratos().admin_app)


def reach(texts: str, response: Any = None, *more: Any, url: str = AT, **settings: Any) -> Any:
    """Return a row about a proxy, about the status (and more) of a response to whoami, or about a URL."""
    proxy = replacing(WHOAMI, response, *more) if isinstance(response, int) else response or over_sockets
    return row("reach problem", texts, {"public_url": url}, settings, proxy=proxy)


def clock(expected: str, texts: str, ahead: float) -> Any:
    """Return a row in which Kratos' clock is ahead of the local clock."""
    local, remote = ManualClock(), ManualClock()
    (remote if ahead > 0 else local).advance(abs(ahead))
    return row(f"clock {expected}", texts, {"clock": remote}, clock=local)


def aal(expected: str, texts: str, required: str, expected_aal: str, credential: Any = token, **user: Any) -> Any:
    """Return a row about a user's session, with `required_aal` in Kratos and in the settings of the guard."""
    settings = {"whoami_required_aal": required}, {"whoami_required_aal": expected_aal}
    return row(f"required_aal {expected}", texts, *settings, user={"totp": True, **user}, credential=credential)


def name(expected: str, texts: str, cookie_name: str, *configured: str, **user: Any) -> Any:
    """Return a row about a browser's cookies, with the name of the session cookie in Kratos and in the settings."""
    guard = {"cookie_names": configured or ("ory_kratos_session",)}
    return row(f"cookie_name {expected}", texts, {"cookie_name": cookie_name}, guard, user=user, credential=cookies)


ROWS = [
    row("reach ok", f"Kratos responds at {AT} in "),
    reach(f"{AT} is Kratos' admin API -> set ORY_GUARD_KRATOS_PUBLIC_URL", lambda _: FakeKratos().admin_app),
    *(
        reach(f"{WHOAMI} responds with {status} … path prefix", status, b"<html>", b"text/html")
        for status in (404, 403, 401, 204)
    ),
    reach("responds with a session without a credential: a proxy adds one", 200, b'{"identity": {}}'),
    reach("responds with another document and the status 200", 200, b"[]"),
    reach("set ORY_GUARD_KRATOS_PUBLIC_URL", 200, b'{"hello": 1}'),
    reach("responds with 502 … /health/ready", 502),
    reach("rate limit exceeded ->", 429),
    reach("exceeded, retry after 7 s", adding({"retry-after": "7"}, replacing(WHOAMI, 429))),
    reach("connection refused at 127.0.0.1:1 -> start Kratos", url="http://127.0.0.1:1"),
    reach("the host name kratos.invalid can't be resolved", url="http://kratos.invalid"),
    reach("127.0.0.1:1 does not respond … firewall", url="http://127.0.0.1:1", timeout=1e-9),
    row("version skipped", "-> give --admin-url"),
    *(
        row("version ok", f"Kratos is {version}", admin=admin(version))
        for version in ("v26.2.0", "v26.2.7", "26.2.0-rc.1")
    ),
    *(
        row("version notice", f"Kratos is {version}, but ory_guard was developed for v26.2.0", admin=admin(version))
        for version in ("v1.3.1", "v25.4.0", "master")
    ),
    row(
        "version notice", "responds with 404 … default port 4434", admin=replacing("/admin/version", 404)(admin(0))
    ),
    row("version notice", "without a version … default port 4434", admin=admin(26)),
    clock("ok", "agree", 0),
    clock("notice", "30.0 s ahead of … NTP", 30),
    clock("notice", "30.0 s behind … NTP", -30),
    clock("problem", "300.0 s ahead of … clock_skew is 60 s … NTP", 300),
    *(
        row("clock skipped", "status 400", proxy=replacing(NATIVE_LOGIN, 400, body))
        for body in (b"{}", b'{"issued_at": 5}', b'{"issued_at": "today"}', b"[", b"[]")
    ),
    row("caching notice", "30 s … feature_flags.cacheable_sessions", {"cacheable_sessions": False}),
    row(
        "caching notice",
        "cache_ttl is 30 s, but Kratos limits caching to 10 s",
        {"cacheable_sessions_max_age": 10},
        credential=token,
    ),
    row("caching ok", "cached for cache_ttl, 30 s; Kratos allows 300 s", credential=token),
    row("caching ok", "120 s, or less if Kratos limits it", guard={"cache_ttl": 120}),
    row("caching ok", "or less if Kratos limits it", user={"totp": True}, credential=token),
    row("caching ok", "or less if Kratos limits it", user={"totp": True}, credential=cookies),
    *(
        row("caching problem", f"answers whoami ({header}) … exclude {WHOAMI}", proxy=adding({header: value}))
        for header, value in [("age", "12"), ("x-cache", "Hit"), ("cf-cache-status", "HIT"), ("x-cache-hits", "3")]
    ),
    row("caching ok", "or less", proxy=adding({"x-cache": "MISS", "age": "0"})),
    name("ok", "Kratos' session cookie is ory_kratos_session, as the guard expects", "ory_kratos_session"),
    name(
        "problem",
        "cookie is acme_session, but the guard expects ory_kratos_session -> set ORY_GUARD_COOKIE_NAMES to acme",
        "acme_session",
    ),
    name("ok", "cookie is ory_session_acme", "ory_session_acme", "ory_session_*", totp=True),
    row(
        "cookie_name ok",
        "is s, as",
        guard={"cookie_names": ("s",)},
        proxy=REQUIRES_ENROLLMENT,
        credential=(b"cookie", b"s=x"),
    ),
    row(
        "cookie_name skipped",
        "none of these cookies is a session in Kratos: ory_kratos_session ->",
        credential=(b"cookie", b"ory_kratos_session=old; nothing"),
    ),
    row(
        "cookie_name ok",
        "Kratos' session cookie is ory_kratos_session, as the guard expects",
        user={},
        credential=lambda user: (b"cookie", cookies(user)[1] + b"; ory_kratos_session=old"),
    ),
    row("cookie_name skipped", "-> give --cookie-file"),
    row("cookie_name skipped", "-> give --cookie-file", credential=UNKNOWN_TOKEN),
    *(
        aal("ok", f"session.whoami.required_aal is {required}", required, required, credential)
        for required in (HIGHEST, "aal1")
        for credential in (token, cookies)
    ),
    *(
        row(
            "required_aal ok",
            "session.whoami.required_aal is aal1",
            {"whoami_required_aal": "aal1"},
            {"whoami_required_aal": "aal1", "token_cookie_names": ("app_session",)},
            user={"totp": True},
            credential=lambda user, quote=quote: (
                b"cookie",
                b"ory_kratos_session=old; app_session=old; app_session=%b%b%b"
                % (quote, user.token.encode(), quote),
            ),
        )
        for quote in (b"", b'"')
    ),
    row(
        "required_aal skipped",
        "only with a session",
        guard={"token_cookie_names": ("app_session",)},
        credential=(b"cookie", b"app_session=old"),
    ),
    aal(
        "problem",
        "is aal1 in Kratos, but the guard expects highest_available: users with a second factor are redirected … "
        "-> set ORY_GUARD_WHOAMI_REQUIRED_AAL to aal1",
        "aal1",
        HIGHEST,
    ),
    aal(
        "problem",
        "a login that they can't complete … -> set ORY_GUARD_WHOAMI_REQUIRED_AAL to highest",
        HIGHEST,
        "aal1",
    ),
    aal("skipped", "-> give a session of a user with two factors", HIGHEST, HIGHEST, totp=False),
    aal("skipped", "with this session", HIGHEST, HIGHEST, aal="aal2"),
    row("required_aal skipped", "with this session", credential=UNKNOWN_TOKEN),
    row("required_aal skipped", "--token-file"),
    row("required_aal skipped", "--token-file", credential=(b"cookie", b"theme=dark")),
    *(
        row(
            "required_aal skipped",
            "without a second factor",
            {"whoami_required_aal": "aal1"},
            proxy=replacing(NATIVE_LOGIN, 200, body),
            user={"totp": True},
            credential=token,
        )
        for body in (b"{}", b'{"ui": {"nodes": 5}}', b'{"ui": {"nodes": [5, {"group": "default"}]}}')
    ),
]


@pytest.mark.parametrize(("expected", "texts", "arguments", "keywords"), ROWS)
def test_check_reports_finding(expected: str, texts: str, arguments: Any, keywords: Any) -> None:
    assert_finding(expected, texts, arguments, keywords)


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
    context = setup(proxy=proxy)
    run_check("clock", context)

    (finding,) = run_check("rate_limit", context)

    assert finding.level == level
    assert text in finding.message
    assert ("ORY_GUARD_CACHE_TTL" in finding.fix) == (level != "ok")
