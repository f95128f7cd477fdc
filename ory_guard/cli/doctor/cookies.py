"""Checks whether browsers send Kratos' session cookie to the application."""

from collections.abc import Iterator
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from ory_guard.cli.doctor.check_context import DoctorContext
from ory_guard.cli.doctor.findings import Finding, notice, ok, problem, skipped
from ory_guard.kratos.http_response import HTTPResponse
from ory_guard.kratos.urls import common_domain

__all__ = ["check_cookie_domain", "check_same_site"]

_LOOPBACK: Final = ("localhost", "127.0.0.1", "::1")


class _Location(NamedTuple):
    scheme: str
    host: str
    path: str


class _Cookie(NamedTuple):
    domain: str
    path: str
    same_site: str
    secure: bool


async def check_same_site(context: DoctorContext) -> list[Finding]:
    """Compare the hosts of the application and of Kratos as browsers do."""
    if context.settings.app_url is None:
        return [skipped("the application's URL is unknown", "give --app-url, or set ORY_GUARD_APP_URL")]
    app, kratos = _location(context.settings.app_url), _location(context.settings.kratos_browser_url)
    if app.scheme != kratos.scheme:
        return [
            problem(
                f"the application uses {app.scheme}:// and Kratos {kratos.scheme}://: browsers treat these as two "
                "sites, and do not send SameSite cookies from one to the other",
                "use https:// for both",
            )
        ]
    if app.host == kratos.host:
        return [ok(f"the application and Kratos have the same host, {app.host}")]
    if {app.host, kratos.host} <= set(_LOOPBACK):
        return [
            problem(
                f"the application is at {app.host} and Kratos at {kratos.host}: browsers treat these as two hosts, "
                "and do not send cookies of one to the other",
                f"use {kratos.host} for both, and in the browser's address bar",
            )
        ]
    parent = common_domain(app.host, kratos.host)
    if parent is None:
        return [
            problem(
                f"the application is at {app.host} and Kratos at {kratos.host}: these are two sites, so Kratos' "
                "cookie never reaches the application",
                "serve both below one domain that you own (a custom domain, or a proxy in front of Kratos), or "
                "accept session tokens only (ORY_GUARD_CREDENTIALS=x_session_token,bearer)",
            )
        ]
    return [ok(f"{app.host} and {kratos.host} are the same site, provided that you own {parent}")]


async def check_cookie_domain(context: DoctorContext) -> list[Finding]:
    """Check the attributes of a cookie from Kratos; the session cookie has the same ones."""
    if context.settings.app_url is None:
        return [skipped("the application's URL is unknown", "give --app-url, or set ORY_GUARD_APP_URL")]
    response = await context.kratos.get("/self-service/login/browser")
    cookie = _first_cookie(response)
    if cookie is None:
        return [skipped(f"Kratos sets no cookie (status {response.status}), so its attributes are unknown")]
    app, kratos = _location(context.settings.app_url), _location(context.settings.kratos_browser_url)
    reach = _check_reach(cookie, app, kratos)
    if context.is_below_app:
        reach = (_unless_replaced(finding, context.settings.kratos_browser_url) for finding in reach)
    findings = [*reach, *_check_flags(cookie, app)]
    scope = f"domain {cookie.domain}" if cookie.domain else f"host {kratos.host}"
    return findings or [ok(f"Kratos' cookies are valid for the {scope} and reach {app.host}")]


def _check_reach(cookie: _Cookie, app: _Location, kratos: _Location) -> Iterator[Finding]:
    if cookie.domain and not _is_below(kratos.host, cookie.domain):
        yield problem(
            f"Kratos is at {kratos.host} and sets cookies for {cookie.domain}: browsers reject them",
            f"remove cookies.domain from Kratos' configuration, or set it to {kratos.host} or a parent domain",
        )
    elif not _is_below(app.host, cookie.domain) if cookie.domain else app.host != kratos.host:
        parent = common_domain(app.host, kratos.host)
        yield problem(
            f"Kratos' cookies are valid for {cookie.domain or kratos.host}, so they never reach {app.host}",
            f"set cookies.domain to {parent} in Kratos' configuration"
            if parent
            else "serve the application and Kratos on one host, or below one domain that you own",
        )
    if not (app.path + "/").startswith(cookie.path.rstrip("/") + "/"):
        yield problem(
            f"Kratos' cookies are valid for the path {cookie.path}, so they never reach {app.path or '/'}",
            "set cookies.path to / in Kratos' configuration",
        )


def _unless_replaced(finding: Finding, url: str) -> Finding:
    """Return a notice: `KratosProxy` replaces the domain and the path of cookies, other proxies may not."""
    message = f"{finding.message}, unless {url} is KratosProxy, which replaces their domain and path"
    return notice(message, f"only without KratosProxy: {finding.fix}")


def _check_flags(cookie: _Cookie, app: _Location) -> Iterator[Finding]:
    if cookie.secure and app.scheme == "http":
        message = "Kratos' cookies are Secure, but the application uses http://"
        fix = "use https:// for the application, or start Kratos with --dev during development"
        if app.host in _LOOPBACK:
            yield notice(f"{message}: only some browsers send them to {app.host}", fix)
        else:
            yield problem(f"{message}: browsers do not send them", fix)
    if cookie.same_site == "none" and not cookie.secure:
        yield problem(
            "Kratos' cookies have SameSite=None without Secure: browsers reject them",
            "set cookies.same_site to Lax in Kratos' configuration",
        )
    if cookie.same_site == "strict":
        yield notice(
            "Kratos' cookies have SameSite=Strict: users who follow a link from another site appear logged out",
            "set cookies.same_site to Lax in Kratos' configuration",
        )


def _first_cookie(response: HTTPResponse) -> _Cookie | None:
    lines = [value.decode("latin-1") for value in response.values(b"set-cookie")]
    if not lines:
        return None
    parts = [part.strip().partition("=") for part in lines[0].split(";")[1:]]
    attributes = {name.lower(): value for name, _, value in parts}
    return _Cookie(
        domain=attributes.get("domain", "").lstrip(".").lower(),
        path=attributes.get("path") or "/",
        same_site=attributes.get("samesite", "").lower(),
        secure="secure" in attributes,
    )


def _location(url: str) -> _Location:
    parts = urlsplit(url)
    return _Location(parts.scheme, parts.hostname or "", parts.path)


def _is_below(host: str, domain: str) -> bool:
    return host == domain or host.endswith(f".{domain}")
