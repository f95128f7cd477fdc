"""Checks that need a user's session: the name of the cookie, and the AAL that whoami requires."""

from fnmatch import fnmatchcase
from typing import Any, Final

from ory_guard.cli.doctor.check_context import DoctorContext
from ory_guard.cli.doctor.findings import Finding, ok, problem, skipped
from ory_guard.cli.doctor.probe import error_object, json_object, lacks_second_factor
from ory_guard.kratos.http_response import HTTPResponse
from ory_guard.models.credential import Header

__all__ = ["check_cookie_name", "check_required_aal", "find_session"]

_GIVE_SESSION: Final = "give --cookie-file, --cookie-jar or --token-file with a user's session"


async def check_cookie_name(context: DoctorContext) -> list[Finding]:
    """Send each cookie that may be the session to Kratos, one at a time, to find the session cookie."""
    if context.credential is None or context.credential[0] != b"cookie":
        return [skipped("this check needs the cookies of a browser", "give --cookie-file or --cookie-jar")]
    expected = context.settings.cookie_names
    sessions = await _session_cookies(context, context.credential)
    if not sessions:
        names = dict.fromkeys(name for name, _ in _parse_cookies(context.credential))
        return [
            skipped(
                f"none of these cookies is a session in Kratos: {', '.join(names)}",
                "log in, and copy the browser's cookies again",
            )
        ]
    unexpected = [name for name, _ in sessions if not _matches(name, expected)]
    if unexpected:
        return [
            problem(
                f"Kratos' session cookie is {unexpected[0]}, but the guard expects {', '.join(expected)}",
                f"set ORY_GUARD_COOKIE_NAMES to {unexpected[0]}",
            )
        ]
    return [ok(f"Kratos' session cookie is {sessions[0][0]}, as the guard expects")]


async def check_required_aal(context: DoctorContext) -> list[Finding]:
    """Find the value of `session.whoami.required_aal`, from an aal1 session of a user with a second factor."""
    credential = await find_session(context)
    if credential is None:
        return [skipped("required_aal can be checked only with a session", _GIVE_SESSION)]
    response = await context.kratos.get("/sessions/whoami", credential)
    if error_object(response).get("id") == "session_aal2_required":
        return [_compare_required_aal(context, "highest_available")]
    if json_object(response).get("authenticator_assurance_level") != "aal1":
        return [
            skipped(
                "required_aal can't be checked with this session", "give an aal1 session of a user with two factors"
            )
        ]
    kind = "browser" if credential[0] == b"cookie" else "api"
    if _offers_second_factor(await context.kratos.get(f"/self-service/login/{kind}", credential, aal="aal2")):
        return [_compare_required_aal(context, "aal1")]
    return [
        skipped(
            "required_aal can't be checked without a second factor", "give a session of a user with two factors"
        )
    ]


def _compare_required_aal(context: DoctorContext, actual: str) -> Finding:
    expected = context.settings.whoami_required_aal
    if actual == expected:
        return ok(f"session.whoami.required_aal is {actual}, as the guard expects")
    consequence = (
        "users with a second factor are redirected to set one up"
        if actual == "aal1"
        else "users without a second factor are redirected to a login that they can't complete"
    )
    return problem(
        f"session.whoami.required_aal is {actual} in Kratos, but the guard expects {expected}: {consequence}",
        f"set ORY_GUARD_WHOAMI_REQUIRED_AAL to {actual}",
    )


async def find_session(context: DoctorContext) -> Header | None:
    """Return the session token, or the first cookie that is a session in Kratos; None without either."""
    if context.credential is None or context.credential[0] != b"cookie":
        return context.credential
    sessions = await _session_cookies(context, context.credential)
    if sessions:
        return _cookie(*sessions[0])
    tokens = [
        _token(value)
        for name, value in _parse_cookies(context.credential)
        if name in context.settings.token_cookie_names
    ]
    for token in tokens:
        if await _is_session(context, token):
            return token
    return None


async def _session_cookies(context: DoctorContext, credential: Header) -> list[tuple[str, str]]:
    # Kratos must not receive the other cookies of the browser.
    candidates = [
        (name, value)
        for name, value in _parse_cookies(credential)
        if ("session" in name.lower() or _matches(name, context.settings.cookie_names))
        and name not in context.settings.token_cookie_names
    ]
    return [(name, value) for name, value in candidates if await _is_session(context, _cookie(name, value))]


async def _is_session(context: DoctorContext, credential: Header) -> bool:
    response = await context.kratos.get("/sessions/whoami", credential)
    return response.status == 200 or lacks_second_factor(response)


def _cookie(name: str, value: str) -> Header:
    return b"cookie", f"{name}={value}".encode("ascii")


def _token(value: str) -> Header:
    return b"x-session-token", value.strip('"').encode("ascii")


def _parse_cookies(credential: Header) -> list[tuple[str, str]]:
    # A browser may send two cookies with the same name.
    pairs = (part.strip().partition("=") for part in credential[1].decode("ascii").split(";"))
    return list(dict.fromkeys((name, value) for name, separator, value in pairs if separator))


def _matches(name: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def _offers_second_factor(response: HTTPResponse) -> bool:
    ui: Any = json_object(response).get("ui")
    nodes = ui.get("nodes") if isinstance(ui, dict) else None
    groups = {node.get("group") for node in nodes if isinstance(node, dict)} if isinstance(nodes, list) else set()
    return bool(groups - {None, "default"})
