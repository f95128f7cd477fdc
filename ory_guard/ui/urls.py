"""The URLs on the pages: of the pages themselves, of Kratos' flows, and of the pages to which flows return."""

from collections.abc import Mapping
from typing import Any, Final, Literal
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit

from ory_guard.client.models.flows import Flow
from ory_guard.client.operations.all_operations import OPERATIONS
from ory_guard.guard.context import require_auth_context
from ory_guard.guard.responses.redirects import safe_return_to
from ory_guard.guard.settings import GuardSettings
from ory_guard.kratos.urls import origin_of

__all__ = [
    "carried_parameters",
    "flow_url",
    "is_kratos_url",
    "mount_url",
    "safe_destination",
    "safe_url",
    "server_root_path",
    "settings_purpose",
    "visitor_parameters",
]

FLOWS: Final = ("login", "registration", "recovery", "verification", "settings")
_RETURN_PARAMETERS: Final = frozenset({"return_to", "after_verification_return_to"})
_CARRIED: Final = ("login_challenge", "identity_schema", "organization", "via")
_SHOW_ALL: Final = "show"
"""The parameter of a settings flow that a visitor started."""

_KEPT: Final[Mapping[str, tuple[str, ...]]] = {
    **dict.fromkeys(("login", "registration", "recovery"), _CARRIED),
    "settings": (_SHOW_ALL,),
}
"""The parameters that Kratos keeps in the `request_url` of a flow, even if the flow does not use them."""

_MAX_PARAMETER: Final = 4_096


def server_root_path(settings: GuardSettings, root_path: str) -> str:
    """Return the part of a root path that `app_url` contains already; the rest is the mount of the pages."""
    prefix = unquote(urlsplit(str(settings.app_url)).path)
    return prefix if f"{root_path}/".startswith(f"{prefix}/") else ""


def mount_url(settings: GuardSettings, scope: Mapping[str, Any]) -> str:
    """Return the public URL of the pages: `app_url` and the path at which they are mounted.

    Args:
        settings: The guard's settings, with `app_url`.
        scope: The ASGI scope inside of the mount and of the guard's middleware.
    """
    outer = require_auth_context(scope).root_path.rstrip("/")
    root_path = str(scope.get("root_path", "")).rstrip("/")
    inner = root_path.removeprefix(outer) if f"{root_path}/".startswith(f"{outer}/") else root_path
    return str(settings.app_url) + quote(inner)


def visitor_parameters(flow: str, query: Mapping[str, str]) -> dict[str, str]:
    """Return the parameters for a flow that a visitor starts: for settings, that all of them are shown."""
    return {**query, **({_SHOW_ALL: "all"} if flow == "settings" and "return_to" in query else {})}


def settings_purpose(flow: Flow) -> Literal["change", "recovery", "requirement"]:
    """Return why a settings flow was started, by the URL in it: by a visitor, by a recovery, or by a requirement.

    The guard redirects to Kratos with `return_to` if a page requires a second factor and there is none.
    """
    start = urlsplit(flow.request_url or "")
    if start.path.endswith("/self-service/recovery"):
        return "recovery"
    is_requirement = flow.return_to is not None and _SHOW_ALL not in dict(parse_qsl(start.query))
    return "requirement" if is_requirement else "change"


def flow_url(settings: GuardSettings, flow: str, parameters: Mapping[str, str | None]) -> str:
    """Return the URL at which Kratos starts a flow, without unknown parameters and unsafe return URLs."""
    known = {*OPERATIONS[f"create_browser_{flow}_flow"].query, *_KEPT.get(flow, ())}
    query = {
        name: safe_url(settings, value) if name in _RETURN_PARAMETERS else value
        for name, value in parameters.items()
        if name in known
    }
    encoded = urlencode({name: value for name, value in query.items() if value and len(value) <= _MAX_PARAMETER})
    url = f"{settings.kratos_browser_url}/self-service/{flow}/browser"
    return f"{url}?{encoded}" if encoded else url


def carried_parameters(flow: Flow) -> dict[str, str | None]:
    """Return the parameters of a flow that also apply to the flow that replaces it."""
    query = dict(parse_qsl(urlsplit(flow.request_url or "").query))
    return {
        **{name: query.get(name) for name in _CARRIED},
        **{
            name: value
            for name, attribute in (
                ("login_challenge", "oauth2_login_challenge"),
                ("identity_schema", "identity_schema"),
                ("organization", "organization_id"),
            )
            if (value := getattr(flow, attribute, None))
        },
        "return_to": flow.return_to,
        "after_verification_return_to": flow.return_to,
    }


def safe_url(settings: GuardSettings, url: str | None) -> str | None:
    """Return a URL if it is in the application, on a trusted origin or on Kratos; else None.

    URLs come from query parameters and from Kratos, which compares only their host and the start of their path. If
    Kratos' default return URL is on another host, add its origin to `trusted_origins`.

    Args:
        settings: The guard's settings, with `app_url`.
        url: The URL as received.
    """
    if not url:
        return None
    if is_kratos_url(settings, url):
        return url
    return_to = safe_return_to(url, settings)
    # safe_return_to() replaces an unsafe URL with app_url.
    return return_to if return_to != settings.app_url or url == settings.app_url else None


def safe_destination(settings: GuardSettings, url: str | None) -> tuple[str, str] | None:
    """Return a safe URL with its name for people: its path, with the host for another one; None for all others."""
    safe = safe_url(settings, url)
    if safe is None or is_kratos_url(settings, safe):
        return None
    parts = urlsplit(safe)
    is_own = f"{parts.scheme}://{parts.netloc}" == origin_of(str(settings.app_url))
    if is_own and safe.rstrip("/") == settings.app_url:
        return None
    return safe, parts.path if is_own else parts.netloc + parts.path.rstrip("/")


def is_kratos_url(settings: GuardSettings, url: str) -> bool:
    """Return whether a URL is below Kratos' URL for browsers, without tricks in its path."""
    base = settings.kratos_browser_url
    path = url.removeprefix(base).partition("?")[0]
    is_plain = url.isascii() and url.isprintable() and not set(url) & set(" \\")
    return url.startswith(f"{base}/") and is_plain and "//" not in path and ".." not in path
