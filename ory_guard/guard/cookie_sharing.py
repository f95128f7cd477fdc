"""A warning for hosts of Kratos and of the application between which browsers do not share a cookie."""

import logging
from ipaddress import ip_address
from typing import Final

from ory_guard.guard.settings import GuardSettings
from ory_guard.kratos.urls import host_and_port, is_loopback_host

__all__ = ["can_share_cookies", "warn_if_cookies_are_not_shared"]

_log = logging.getLogger("ory_guard")

_SHARED_LABELS: Final = 2  # fewer are a public suffix, for which browsers accept no cookie


def warn_if_cookies_are_not_shared(settings: GuardSettings) -> None:
    """Log a warning if a browser can't send Kratos' session cookie to the application."""
    if not can_share_cookies(settings):
        app_host = host_and_port(str(settings.app_url))[0]
        kratos_host = host_and_port(settings.kratos_browser_url)[0]
        is_loopback = is_loopback_host(app_host) and is_loopback_host(kratos_host)
        alternative = "use the same host name in both URLs" if is_loopback else "use hosts of one domain"
        _log.warning(
            "settings.cookies_not_shared app_url=%s kratos_browser_url=%s: browsers don't send the cookie of one "
            "host to the other; %s, or serve Kratos below app_url with ory_guard.proxy.KratosProxy",
            settings.app_url,
            settings.kratos_browser_url,
            alternative,
        )


def can_share_cookies(settings: GuardSettings) -> bool:
    """Return whether browsers can send Kratos' session cookie to the application, or no cookie is accepted."""
    if "cookie" not in settings.credentials or settings.app_url is None:
        return True
    hosts = (host_and_port(url)[0] for url in (settings.app_url, settings.kratos_browser_url))
    return _can_share_cookies(*hosts)


def _can_share_cookies(host: str, other: str) -> bool:
    if host == other:
        return True
    if _is_address(host) or _is_address(other):
        return False
    shared = 0
    for label, other_label in zip(reversed(host.split(".")), reversed(other.split(".")), strict=False):
        if label != other_label:
            break
        shared += 1
    return shared >= _SHARED_LABELS


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
