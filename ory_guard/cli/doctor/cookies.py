"""Does the cookie that Kratos gives a browser reach the application?"""

import ipaddress
from collections.abc import Iterator
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from ory_guard.cli.doctor.context import DoctorContext, Finding, notice, ok, problem, skipped
from ory_guard.kratos.session_parser import Answer

__all__ = ["check_cookie_domain", "check_same_site"]

_LOOPBACK: Final = ("localhost", "127.0.0.1", "::1")


class _Place(NamedTuple):
    scheme: str
    host: str
    path: str


class _Cookie(NamedTuple):
    domain: str
    path: str
    same_site: str
    secure: bool


async def check_same_site(context: DoctorContext) -> list[Finding]:
    """Compare the hosts of the application and of Kratos as browsers know them."""
    if context.settings.app_url is None:
        return [skipped("the application's URL is not known", "give --app-url, or set ORY_GUARD_APP_URL")]
    app, kratos = _place(context.settings.app_url), _place(context.settings.kratos_browser_url)
    if app.scheme != kratos.scheme:
        return [
            problem(
                f"the application has {app.scheme}:// and Kratos {kratos.scheme}://: to browsers these are two "
                "sites, and cookies with SameSite don't go from one to the other",
                "use https:// for both",
            )
        ]
    if app.host == kratos.host:
        return [ok(f"the application and Kratos have one host, {app.host}")]
    if {app.host, kratos.host} <= set(_LOOPBACK):
        return [
            problem(
                f"the application is at {app.host} and Kratos at {kratos.host}: the same machine, but two hosts "
                "to a browser, which never gives cookies of one to the other",
                f"write {kratos.host} in both, also in the address bar",
            )
        ]
    parent = _common_parent(app.host, kratos.host)
    if parent is None:
        return [
            problem(
                f"the application is at {app.host} and Kratos at {kratos.host}: two sites, so Kratos' cookie never "
                "reaches the application",
                "put both below one domain of yours (a custom domain or a proxy in front of Kratos), or accept "
                "session tokens only (ORY_GUARD_CREDENTIALS=x_session_token,bearer)",
            )
        ]
    return [ok(f"{app.host} and {kratos.host} are one site, if {parent} is a domain of yours")]


async def check_cookie_domain(context: DoctorContext) -> list[Finding]:
    """Look at the attributes of a cookie that Kratos sets; the session cookie gets the same ones."""
    if context.settings.app_url is None:
        return [skipped("the application's URL is not known", "give --app-url, or set ORY_GUARD_APP_URL")]
    answer = await context.kratos.get("/self-service/login/browser")
    cookie = _cookie_in(answer)
    if cookie is None:
        return [skipped(f"Kratos sets no cookie (status {answer.status}), so its attributes can't be told")]
    app, kratos = _place(context.settings.app_url), _place(context.settings.kratos_browser_url)
    findings = [*_judge_domain(cookie, app, kratos), *_judge_flags(cookie, app)]
    where = f"domain {cookie.domain}" if cookie.domain else f"host {kratos.host}"
    return findings or [ok(f"Kratos' cookies are for the {where}, and reach {app.host}")]


def _judge_domain(cookie: _Cookie, app: _Place, kratos: _Place) -> Iterator[Finding]:
    if cookie.domain and not _is_below(kratos.host, cookie.domain):
        yield problem(
            f"Kratos is at {kratos.host} and sets cookies for {cookie.domain}: browsers refuse them",
            f"take cookies.domain out of Kratos' configuration, or set it to a domain that {kratos.host} is in",
        )
    elif not _is_below(app.host, cookie.domain) if cookie.domain else app.host != kratos.host:
        parent = _common_parent(app.host, kratos.host)
        yield problem(
            f"Kratos' cookies are for {cookie.domain or kratos.host}, so they never reach {app.host}",
            f"set cookies.domain to {parent} in Kratos' configuration"
            if parent
            else "put the application and Kratos on one host, or below one domain of yours",
        )
    if not (app.path + "/").startswith(cookie.path.rstrip("/") + "/"):
        yield problem(
            f"Kratos' cookies are for the path {cookie.path}, so they never reach {app.path or '/'}",
            "set cookies.path to / in Kratos' configuration",
        )


def _judge_flags(cookie: _Cookie, app: _Place) -> Iterator[Finding]:
    if cookie.secure and app.scheme == "http":
        told = "Kratos' cookies are Secure, and the application is at http://"
        fix = "use https:// for the application, or start Kratos with --dev while you develop"
        if app.host in _LOOPBACK:
            yield notice(f"{told}: some browsers send them to {app.host} all the same, others don't", fix)
        else:
            yield problem(f"{told}, where browsers don't send them", fix)
    if cookie.same_site == "none" and not cookie.secure:
        yield problem(
            "Kratos' cookies have SameSite=None without Secure: browsers refuse them",
            "set cookies.same_site to Lax in Kratos' configuration",
        )
    if cookie.same_site == "strict":
        yield notice(
            "Kratos' cookies have SameSite=Strict: whoever follows a link from another site looks signed out",
            "set cookies.same_site to Lax in Kratos' configuration",
        )


def _cookie_in(answer: Answer) -> _Cookie | None:
    lines = [value.decode("latin-1") for name, value in answer.headers if name == b"set-cookie"]
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


def _place(url: str) -> _Place:
    parts = urlsplit(url)
    return _Place(parts.scheme, parts.hostname or "", parts.path)


def _is_below(host: str, domain: str) -> bool:
    return host == domain or host.endswith(f".{domain}")


def _common_parent(one: str, other: str) -> str | None:
    """Return the domain, of two labels at least, that both hosts are in; public suffixes are not known here."""
    if _is_address(one) or _is_address(other):
        return None
    common: list[str] = []
    for left, right in zip(reversed(one.split(".")), reversed(other.split(".")), strict=False):
        if left != right:
            break
        common.insert(0, left)
    return ".".join(common) if len(common) > 1 else None


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
