"""URLs for redirects: each one starts with an origin from the settings.

The host, scheme and port of a request are not used. Its path and query are percent-encoded.
"""

import re
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import parse_qsl, quote, quote_from_bytes, unquote, unquote_to_bytes, urlencode, urlsplit

from ory_guard.guard.settings import GuardSettings
from ory_guard.kratos.urls import origin_of

__all__ = ["enrollment_url", "login_url", "request_url", "safe_return_to"]

# The characters that RFC 3986 allows in a path and in a query, without the unreserved ones that quote() keeps.
_PATH: Final = "/:@!$&'()*+,;=~"
_QUERY: Final = _PATH + "?"
_WELL_ENCODED: Final = re.compile(rb"(?:[^%]|%[0-9A-Fa-f]{2})*")
_DOTS: Final = re.compile(r"(?:\.|%2e){1,2}", re.IGNORECASE)
# Control characters, spaces, backslashes and lone surrogates, which JSON can contain and a URL can't.
_FORBIDDEN_CHARS: Final = re.compile(r"[\x00- \\\x7f\ud800-\udfff]")
_MAX_RETURN_TO: Final = 6_000


def login_url(
    settings: GuardSettings, *, aal: str | None = None, refresh: bool = False, return_to: str | None = None
) -> str:
    """Return the URL to log in, to step up (`aal`), or to log in again (`refresh`).

    `settings.login_url` may contain other parameters; the guard replaces those with the same name.
    """
    guard_params: dict[str, str] = {}
    if refresh:
        guard_params["refresh"] = "true"
    if aal is not None:
        guard_params["aal"] = aal
    if return_to is not None:
        guard_params["return_to"] = return_to
    address, _, query = (settings.login_url or _flow_url(settings, "login")).partition("?")
    configured_params = [
        (name, value)
        for name, value in parse_qsl(query, keep_blank_values=True)
        if name not in ("refresh", "aal", "return_to")
    ]
    parameters = urlencode([*configured_params, *guard_params.items()])
    return f"{address}?{parameters}" if parameters else address


def enrollment_url(settings: GuardSettings, *, return_to: str | None = None) -> str:
    """Return the URL to enroll a second factor: Kratos' settings flow.

    Kratos' login flow with `aal=aal2` offers no method to an identity without a second factor.
    """
    address = _flow_url(settings, "settings")
    return address if return_to is None else f"{address}?{urlencode({'return_to': return_to})}"


def _flow_url(settings: GuardSettings, flow: str) -> str:
    return f"{settings.kratos_browser_url}/self-service/{flow}/browser"


def request_url(settings: GuardSettings, scope: Mapping[str, Any], path: str, root_path: str) -> str:
    """Return the URL of the request as the browser shows it: `app_url`, path and query.

    Args:
        settings: The settings of the guard; `app_url` is set.
        scope: The ASGI scope, for `raw_path` and `query_string`.
        path: `scope["path"]` at the middleware.
        root_path: `scope["root_path"]` at the middleware; it is part of `app_url` already.

    Returns:
        The URL; `app_url` if the path is invalid (`*`, `//…`) or the URL is too long for a parameter.
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
    return url if len(quote(url, safe="")) <= _MAX_RETURN_TO else app_url


def safe_return_to(value: str | None, settings: GuardSettings) -> str:
    """Return `value` as an absolute URL if it belongs to the application, else `app_url`.

    For applications that accept a `return_to` from their users. A URL belongs to the application if it is a path
    from the root, or has the origin of `app_url` or one of `trusted_origins`. It must not contain dot segments,
    double slashes, backslashes or control characters, and must not be Kratos' login or the login page (a loop).

    Args:
        value: The value from the user, percent-decoded once.
        settings: The settings of the guard; `app_url` is set.
    """
    app_url = str(settings.app_url)
    if not value or _FORBIDDEN_CHARS.search(value):
        return app_url
    app_origin = origin_of(app_url)
    try:
        absolute = app_origin + value if value.startswith("/") else value
        parts = urlsplit(absolute)
        origin = origin_of(f"{parts.scheme}://{parts.netloc}")
    except ValueError:
        return app_url
    segments = parts.path.split("/")[1:]
    is_suspicious = any(_DOTS.fullmatch(part) for part in segments) or "" in segments[:-1]
    if (
        origin not in (app_origin, *settings.trusted_origins)
        or is_suspicious
        or _leads_to_login(parts.path, origin, settings)
    ):
        return app_url
    path = quote(parts.path or "/", safe=_PATH + "%")
    query = quote(parts.query, safe=_QUERY + "%")
    fragment = quote(parts.fragment, safe=_QUERY + "%")
    url = origin + path + (f"?{query}" if query else "") + (f"#{fragment}" if fragment else "")
    return url if len(quote(url, safe="")) <= _MAX_RETURN_TO else app_url


def _leads_to_login(path: str, origin: str, settings: GuardSettings) -> bool:
    decoded = unquote(path)
    if "/self-service/" in decoded:
        return True
    login = urlsplit(settings.login_url or "")
    same = unquote(login.path).rstrip("/") == decoded.rstrip("/")
    return bool(login.path) and origin_of(str(settings.login_url)) == origin and same
