"""The one function that decides which addresses a page may show, and where a flow may lead back to."""

from urllib.parse import urlsplit

from ory_guard import GuardSettings
from ory_guard.starlette import safe_return_to

__all__ = ["safe_path", "safe_url"]


def safe_url(settings: GuardSettings, address: str | None) -> str | None:
    """Return an address if it leads into the application, to a trusted origin or to Kratos; else None.

    Addresses come from query parameters, and from Kratos, which compares only their host and the beginning of their
    path. A default return address of Kratos' own settings at another host needs an entry in `trusted_origins`.

    Args:
        settings: The guard's settings; `app_url` is set.
        address: The address, as sent.
    """
    if not address:
        return None
    if _is_kratos(settings, address):
        return address
    judged = safe_return_to(address, settings)
    return judged if judged != settings.app_url or address == settings.app_url else None


def safe_path(settings: GuardSettings, address: str | None) -> str | None:
    """Return the path of an address that leads into the application, to show and to link to; else None."""
    judged = safe_url(settings, address) or ""
    if not judged.startswith(f"{settings.app_url}/") or _is_kratos(settings, judged):
        return None
    return urlsplit(judged).path


def _is_kratos(settings: GuardSettings, address: str) -> bool:
    base = settings.kratos_browser_url
    path = address.removeprefix(base).partition("?")[0]
    plain = address.isascii() and address.isprintable() and not set(address) & set(" \\")
    return address.startswith(f"{base}/") and plain and "//" not in path and ".." not in path
