"""Checks of the URLs and CORS settings that browsers depend on."""

from collections.abc import Iterator
from typing import Final

from ory_guard.cli.doctor.check_context import DoctorContext
from ory_guard.cli.doctor.findings import Finding, notice, ok, problem, skipped
from ory_guard.cli.doctor.probe import error_object, json_object, text_header
from ory_guard.kratos.url_mapping import URLMapping
from ory_guard.kratos.urls import http_url, origin_of

__all__ = ["check_base_url", "check_cors", "check_return_to"]

_NO_APP_URL: Final = "the application's URL is unknown"
_GIVE_APP_URL: Final = "give --app-url, or set ORY_GUARD_APP_URL"
_FOREIGN_ORIGIN: Final = "https://doctor.invalid"


async def check_base_url(context: DoctorContext) -> list[Finding]:
    """Compare the URL in Kratos' forms with the URL that the guard redirects browsers to."""
    response = await context.kratos.get("/self-service/login/browser")
    ui = json_object(response).get("ui")
    action = ui.get("action") if isinstance(ui, dict) else None
    if not isinstance(action, str):
        return [skipped(f"Kratos does not create a login flow (status {response.status}), so its URL is unknown")]
    actual, expected = action.partition("/self-service/")[0], context.settings.kratos_browser_url
    if not context.is_below_app:
        return [_compare(actual, expected)]
    page = text_header(await context.kratos.navigate("/self-service/login/browser"), "location")
    return [_compare_below_app(context, actual), *_check_page(context, page.partition("?")[0])]


def _compare(actual: str, expected: str) -> Finding:
    if actual == expected:
        return ok(f"the guard and Kratos agree on Kratos' browser URL, {actual}")
    return problem(
        f"Kratos' forms are submitted to {actual}, but the guard redirects browsers to {expected}: the cookies "
        "of a flow are set at one URL and missing at the other",
        f"set serve.public.base_url to {expected}/ in Kratos' configuration, or ORY_GUARD_KRATOS_BROWSER_URL "
        f"to {actual}",
    )


def _compare_below_app(context: DoctorContext, actual: str) -> Finding:
    """Compare the URL in Kratos' forms with the two URLs that are possible behind `KratosProxy`."""
    kratos_url, proxy_url = http_url(context.settings.kratos_public_url), context.settings.kratos_browser_url
    if actual == proxy_url:
        return _compare(actual, proxy_url)
    if URLMapping(kratos_url, proxy_url).map_url(actual) == proxy_url:
        return ok(f"KratosProxy at {proxy_url} changes {actual} in Kratos' forms to its own URL")
    return problem(
        f"Kratos' forms are submitted to {actual}, which is neither kratos_public_url, {kratos_url}, nor the "
        f"proxy, {proxy_url}: browsers leave the proxy, and the cookies of a flow are missing at the other URL",
        f"set serve.public.base_url to {proxy_url}/ in Kratos' configuration",
    )


def _check_page(context: DoctorContext, page: str) -> Iterator[Finding]:
    """Report a login page at a URL of the API, where `KratosProxy` serves no pages."""
    for url in (http_url(context.settings.kratos_public_url), context.settings.kratos_browser_url):
        if page.startswith(f"{url}/"):
            yield problem(
                f"Kratos' login flow leads to {page}, below {url}: KratosProxy serves no pages",
                f"mount FlowPages in the application, at {context.settings.app_url}/auth for example, and set "
                "selfservice.flows.*.ui_url to its pages (ory-guard fake: --ui-url)",
            )
            return


async def check_return_to(context: DoctorContext) -> list[Finding]:
    """Create a login flow that returns to the application."""
    app_url = context.settings.app_url
    if app_url is None:
        return [skipped(_NO_APP_URL, _GIVE_APP_URL)]
    response = await context.kratos.get("/self-service/login/browser", return_to=app_url)
    if error_object(response).get("id") == "self_service_flow_return_to_forbidden":
        return [
            problem(
                f"Kratos rejects {app_url} as a return URL: browsers see an error page instead of the login",
                f"add {app_url} to selfservice.allowed_return_urls in Kratos' configuration",
            )
        ]
    if response.status != 200:
        return [skipped(f"Kratos does not create a login flow (status {response.status}), so this is unknown")]
    return [ok(f"Kratos accepts {app_url} as a return URL")]


async def check_cors(context: DoctorContext) -> list[Finding]:
    """Check whether scripts of the application, or of any website, can read Kratos' responses."""
    if await _allowed(context, _FOREIGN_ORIGIN) == (_FOREIGN_ORIGIN, True):
        return [
            problem(
                "any website can read Kratos' responses with the cookies of its visitors",
                "list your own origins in serve.public.cors.allowed_origins, without wildcards",
            )
        ]
    if context.settings.app_url is None:
        return [skipped(_NO_APP_URL, _GIVE_APP_URL)]
    origin = origin_of(context.settings.app_url)
    if origin == origin_of(context.settings.kratos_browser_url):
        return [ok("the application and Kratos have the same origin, so CORS is not needed")]
    allowed, with_cookies = await _allowed(context, origin)
    if allowed == origin and with_cookies:
        return [ok(f"scripts of {origin} can call Kratos")]
    if allowed:
        return [
            problem(
                f"scripts of {origin} can call Kratos, but not with cookies (allowed: {allowed})",
                f"add {origin} to serve.public.cors.allowed_origins, and set allow_credentials: true",
            )
        ]
    return [
        notice(
            f"scripts of {origin} can't call Kratos; pages and forms can",
            f"only if scripts have to: set serve.public.cors.enabled: true, add {origin} to allowed_origins, "
            "and set allow_credentials: true",
        )
    ]


async def _allowed(context: DoctorContext, origin: str) -> tuple[str, bool]:
    response = await context.kratos.get("/sessions/whoami", (b"origin", origin.encode()))
    allowed = text_header(response, "access-control-allow-origin")
    return allowed, text_header(response, "access-control-allow-credentials") == "true"
