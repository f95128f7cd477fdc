"""What only somebody's session shows: the cookie's name, and which assurance whoami asks for."""

from fnmatch import fnmatchcase
from typing import Any, Final

from ory_guard.cli.credential_input import Header
from ory_guard.cli.doctor.context import DoctorContext, Finding, error_object, json_object, ok, problem, skipped
from ory_guard.kratos.session_parser import Answer

__all__ = ["check_cookie_name", "check_required_aal", "find_session"]

_GIVE: Final = "give --cookie-file, --cookie-jar or --token-file with somebody's session"
_AAL2_REQUIRED: Final = "session_aal2_required"


async def check_cookie_name(context: DoctorContext) -> list[Finding]:
    """Ask about each cookie that may be the session, one at a time: Kratos' answer tells which one is."""
    if context.credential is None or context.credential[0] != b"cookie":
        return [skipped("a cookie's name shows only in a browser's cookies", "give --cookie-file or --cookie-jar")]
    expected = context.settings.cookie_names
    found = await _session_cookies(context, context.credential)
    if not found:
        return [
            skipped(
                f"Kratos knows none of these cookies as a session: {', '.join(_cookies_in(context.credential))}",
                "sign in, and take the browser's cookies again",
            )
        ]
    unknown = [name for name in found if not _matches(name, expected)]
    if unknown:
        return [
            problem(
                f"Kratos' session cookie is {unknown[0]}, and the guard looks for {', '.join(expected)}",
                f"set ORY_GUARD_COOKIE_NAMES to {unknown[0]}",
            )
        ]
    return [ok(f"Kratos' session cookie is {next(iter(found))}, which the guard looks for")]


async def check_required_aal(context: DoctorContext) -> list[Finding]:
    """Find out what `session.whoami.required_aal` is, from a session at aal1 of somebody with a second factor."""
    credential = await find_session(context)
    if credential is None:
        return [skipped("required_aal shows only to a session", _GIVE)]
    answer = await context.kratos.get("/sessions/whoami", credential)
    if error_object(answer).get("id") == _AAL2_REQUIRED:
        return [_judge(context, "highest_available")]
    if json_object(answer).get("authenticator_assurance_level") != "aal1":
        return [skipped("this session does not show required_aal", "give one at aal1, of a user with two factors")]
    kind = "browser" if credential[0] == b"cookie" else "api"
    if _offers_second_factor(await context.kratos.get(f"/self-service/login/{kind}", credential, aal="aal2")):
        return [_judge(context, "aal1")]
    return [skipped("required_aal does not show without a second factor", "give a session of a user with two")]


def _judge(context: DoctorContext, found: str) -> Finding:
    expected = context.settings.whoami_required_aal
    if found == expected:
        return ok(f"session.whoami.required_aal is {found}, as the guard expects")
    what = (
        "whoever needs a second factor at a gate is told to set one up, although they have one"
        if found == "aal1"
        else "whoever has no second factor is sent to a login that they can't complete"
    )
    return problem(
        f"session.whoami.required_aal is {found} in Kratos, and the guard expects {expected}: {what}",
        f"set ORY_GUARD_WHOAMI_REQUIRED_AAL to {found}",
    )


async def find_session(context: DoctorContext) -> Header | None:
    """Return the one credential to ask with: of a browser's cookies the one that is a session."""
    if context.credential is None or context.credential[0] != b"cookie":
        return context.credential
    found = await _session_cookies(context, context.credential)
    return next((_cookie(name, value) for name, value in found.items()), None)


async def _session_cookies(context: DoctorContext, credential: Header) -> dict[str, str]:
    # Other cookies of the browser are none of Kratos' business.
    likely = {
        name: value
        for name, value in _cookies_in(credential).items()
        if "session" in name.lower() or _matches(name, context.settings.cookie_names)
    }
    return {name: value for name, value in likely.items() if await _is_session(context, _cookie(name, value))}


async def _is_session(context: DoctorContext, cookie: Header) -> bool:
    answer = await context.kratos.get("/sessions/whoami", cookie)
    return answer.status == 200 or error_object(answer).get("id") == _AAL2_REQUIRED


def _cookie(name: str, value: str) -> Header:
    return b"cookie", f"{name}={value}".encode("ascii")


def _cookies_in(credential: Header) -> dict[str, str]:
    pairs = (part.strip().partition("=") for part in credential[1].decode("ascii").split(";"))
    return {name: value for name, found, value in pairs if found}


def _matches(name: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def _offers_second_factor(answer: Answer) -> bool:
    ui: Any = json_object(answer).get("ui")
    nodes = ui.get("nodes") if isinstance(ui, dict) else None
    groups = {node.get("group") for node in nodes if isinstance(node, dict)} if isinstance(nodes, list) else set()
    return bool(groups - {None, "default"})
