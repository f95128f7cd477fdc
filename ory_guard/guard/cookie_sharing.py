"""A warning for hosts of Kratos and of the application between which browsers do not share a cookie."""

import logging

from ory_guard.guard.settings import GuardSettings
from ory_guard.kratos.urls import common_domain, host_and_port, is_loopback_host

__all__ = ["can_share_cookies", "warn_if_cookies_are_not_shared"]

_log = logging.getLogger("ory_guard")


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
    app_host, kratos_host = (host_and_port(url)[0] for url in (settings.app_url, settings.kratos_browser_url))
    return app_host == kratos_host or common_domain(app_host, kratos_host) is not None
