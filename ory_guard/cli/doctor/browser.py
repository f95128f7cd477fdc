"""What browsers depend on: Kratos' own idea of its URL, where it sends people back to, and CORS."""

from typing import Final

from ory_guard.cli.doctor.context import (
    DoctorContext,
    Finding,
    error_object,
    json_object,
    notice,
    ok,
    problem,
    skipped,
    text_header,
)
from ory_guard.kratos.urls import origin_of

__all__ = ["check_base_url", "check_cors", "check_return_to"]

_NO_APP: Final = "the application's URL is not known"
_GIVE_APP: Final = "give --app-url, or set ORY_GUARD_APP_URL"
_ELSEWHERE: Final = "https://doctor.invalid"


async def check_base_url(context: DoctorContext) -> list[Finding]:
    """Compare where Kratos' forms lead with where the guard sends browsers."""
    answer = await context.kratos.get("/self-service/login/browser")
    ui = json_object(answer).get("ui")
    action = ui.get("action") if isinstance(ui, dict) else None
    if not isinstance(action, str):
        return [skipped(f"Kratos starts no login (status {answer.status}), so its own URL can't be told")]
    own, expected = action.partition("/self-service/")[0], context.settings.kratos_browser_url
    if own == expected:
        return [ok(f"browsers reach Kratos at {own}, and Kratos thinks so too")]
    return [
        problem(
            f"Kratos' forms lead to {own}, and the guard sends browsers to {expected}: a flow that is begun at one "
            "has its cookies there, and ends at the other",
            f"set serve.public.base_url to {expected}/ in Kratos' configuration, or ORY_GUARD_KRATOS_BROWSER_URL "
            f"to {own}",
        )
    ]


async def check_return_to(context: DoctorContext) -> list[Finding]:
    """Ask for a login that returns to the application."""
    app_url = context.settings.app_url
    if app_url is None:
        return [skipped(_NO_APP, _GIVE_APP)]
    answer = await context.kratos.get("/self-service/login/browser", return_to=app_url)
    if error_object(answer).get("id") == "self_service_flow_return_to_forbidden":
        return [
            problem(
                f"Kratos does not let people return to {app_url}: they see its error page instead of the login",
                f"add {app_url} to selfservice.allowed_return_urls in Kratos' configuration",
            )
        ]
    if answer.status != 200:
        return [skipped(f"Kratos starts no login (status {answer.status}), so it can't be told")]
    return [ok(f"people may return to {app_url}")]


async def check_cors(context: DoctorContext) -> list[Finding]:
    """Look whether pages of the application, or of just anybody, may read Kratos' answers."""
    elsewhere = await _allowed(context, _ELSEWHERE)
    if elsewhere == (_ELSEWHERE, True):
        return [
            problem(
                "Kratos lets every page of the web read its answers with the visitor's cookies",
                "name your own origins in serve.public.cors.allowed_origins, without wildcards",
            )
        ]
    if context.settings.app_url is None:
        return [skipped(_NO_APP, _GIVE_APP)]
    origin = origin_of(context.settings.app_url)
    if origin == origin_of(context.settings.kratos_browser_url):
        return [ok("the application and Kratos have one origin, so CORS does not matter")]
    allowed, with_cookies = await _allowed(context, origin)
    if allowed == origin and with_cookies:
        return [ok(f"scripts of {origin} may call Kratos")]
    if allowed:
        return [
            problem(
                f"scripts of {origin} may call Kratos, but not with cookies (allowed: {allowed})",
                f"serve.public.cors: allowed_origins with {origin} itself, and allow_credentials: true",
            )
        ]
    return [
        notice(
            f"scripts of {origin} may not call Kratos; pages and forms may",
            f"only if scripts have to: serve.public.cors with enabled: true, {origin} among allowed_origins, and "
            "allow_credentials: true",
        )
    ]


async def _allowed(context: DoctorContext, origin: str) -> tuple[str, bool]:
    answer = await context.kratos.get("/sessions/whoami", (b"origin", origin.encode()))
    allowed = text_header(answer, "access-control-allow-origin")
    return allowed, text_header(answer, "access-control-allow-credentials") == "true"
