"""Where a browser is sent: every URL starts with an origin from the settings.

Nothing that a request says about hosts, schemes or ports is used, and whatever else is made by a client is
percent-encoded or dropped.
"""

import re
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import parse_qsl, quote, quote_from_bytes, unquote, unquote_to_bytes, urlencode, urlsplit

from ory_guard.guard.settings import GuardSettings
from ory_guard.kratos.urls import origin_of

__all__ = ["enrollment_url", "login_url", "request_url", "safe_return_to"]

# What RFC 3986 allows in a path and in a query, less the ampersand-free rest that quote() always keeps.
_PATH: Final = "/:@!$&'()*+,;=~"
_QUERY: Final = _PATH + "?"
_WELL_ENCODED: Final = re.compile(rb"(?:[^%]|%[0-9A-Fa-f]{2})*")
_DOTS: Final = re.compile(r"(?:\.|%2e){1,2}", re.IGNORECASE)
# Control characters, blanks, backslashes, and halves of a surrogate pair, which JSON can hold and no URL can.
_UNUSABLE: Final = re.compile(r"[\x00- \\\x7f\ud800-\udfff]")
_LONGEST_RETURN_TO: Final = 6_000


def login_url(
    settings: GuardSettings, *, aal: str | None = None, refresh: bool = False, return_to: str | None = None
) -> str:
    """Return where to sign in, step up (`aal`) or sign in again (`refresh`).

    `settings.login_url` may hold parameters of its own; the guard's take the place of same-named ones.
    """
    ours: dict[str, str] = {}
    if refresh:
        ours["refresh"] = "true"
    if aal is not None:
        ours["aal"] = aal
    if return_to is not None:
        ours["return_to"] = return_to
    address, _, query = (settings.login_url or _kratos(settings, "login")).partition("?")
    theirs = [
        (name, value)
        for name, value in parse_qsl(query, keep_blank_values=True)
        if name not in ("refresh", "aal", "return_to")
    ]
    parameters = urlencode([*theirs, *ours.items()])
    return f"{address}?{parameters}" if parameters else address


def enrollment_url(settings: GuardSettings, *, return_to: str | None = None) -> str:
    """Return where a second factor is set up: Kratos' settings flow, which takes `return_to` with it.

    Kratos' own aal2 login flow is a dead end for an identity without a second factor: it offers no method.
    """
    address = _kratos(settings, "settings")
    return address if return_to is None else f"{address}?{urlencode({'return_to': return_to})}"


def _kratos(settings: GuardSettings, flow: str) -> str:
    return f"{settings.kratos_browser_url}/self-service/{flow}/browser"


def request_url(settings: GuardSettings, scope: Mapping[str, Any], path: str, root_path: str) -> str:
    """Return the request's own URL as browsers know it: `app_url`, path and query.

    Args:
        settings: The guard's settings; `app_url` is set.
        scope: The ASGI scope, for `raw_path` and `query_string`.
        path: `scope["path"]` as the middleware first saw it.
        root_path: `scope["root_path"]` likewise; it is part of `app_url` already.

    Returns:
        The URL, or `app_url` alone where the path is not one (`*`, `//…`) or the URL is too long to carry.
    """
    app_url = str(settings.app_url)
    raw = scope.get("raw_path") or b""
    inner = path
    prefix = root_path.rstrip("/")
    if prefix and f"{path}/".startswith(f"{prefix}/"):
        inner = path[len(prefix) :] or "/"
        raw = raw.removeprefix(prefix.encode())
    if not inner.startswith("/") or inner.startswith("//"):
        return app_url
    encoded = quote(inner, safe=_PATH, errors="replace")
    if raw and _WELL_ENCODED.fullmatch(raw) and unquote_to_bytes(raw) == inner.encode(errors="replace"):
        encoded = quote_from_bytes(raw, safe=_PATH + "%")
    query = quote_from_bytes(scope.get("query_string", b""), safe=_QUERY + "%")
    url = app_url + encoded + (f"?{query}" if query else "")
    return url if len(quote(url, safe="")) <= _LONGEST_RETURN_TO else app_url


def safe_return_to(value: str | None, settings: GuardSettings) -> str:
    """Return `value` as an absolute URL if it leads into the application, else `app_url`.

    For applications that take a return address from their users. Accepted are absolute URLs whose origin is
    that of `app_url` or one of `trusted_origins`, and paths from the root; without dot segments, doubled
    slashes, backslashes or control characters; and not Kratos' own login or the login page (a loop).

    Args:
        value: What the user sent, percent-decoded once.
        settings: The guard's settings; `app_url` is set.
    """
    app_url = str(settings.app_url)
    if not value or _UNUSABLE.search(value):
        return app_url
    app_origin = origin_of(app_url)
    try:
        absolute = app_origin + value if value.startswith("/") else value
        parts = urlsplit(absolute)
        origin = origin_of(f"{parts.scheme}://{parts.netloc}")
    except ValueError:
        return app_url
    segments = parts.path.split("/")[1:]
    odd = any(_DOTS.fullmatch(part) for part in segments) or "" in segments[:-1]
    if (
        origin not in (app_origin, *settings.trusted_origins)
        or odd
        or _leads_to_login(parts.path, origin, settings)
    ):
        return app_url
    path = quote(parts.path or "/", safe=_PATH + "%")
    query = quote(parts.query, safe=_QUERY + "%")
    fragment = quote(parts.fragment, safe=_QUERY + "%")
    url = origin + path + (f"?{query}" if query else "") + (f"#{fragment}" if fragment else "")
    return url if len(quote(url, safe="")) <= _LONGEST_RETURN_TO else app_url


def _leads_to_login(path: str, origin: str, settings: GuardSettings) -> bool:
    decoded = unquote(path)
    if "/self-service/" in decoded:
        return True
    login = urlsplit(settings.login_url or "")
    same = unquote(login.path).rstrip("/") == decoded.rstrip("/")
    return bool(login.path) and origin_of(str(settings.login_url)) == origin and same
