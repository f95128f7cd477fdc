"""The security headers of the pages."""

from typing import Final

from starlette.requests import Request

from ory_guard.guard.settings import GuardSettings
from ory_guard.kratos.urls import origin_of

__all__ = ["ContentSecurityPolicy", "allow_providers"]

_HEADERS: Final = {
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
    # The guard reads the Referer to redirect back to the form of a refused POST.
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
}


class ContentSecurityPolicy:
    """The Content-Security-Policy of the pages, and related headers.

    Scripts need the nonce of the response. Forms are submitted to Kratos; browsers also check the redirects that
    follow, so the policy contains every origin to which a form may lead.

    Args:
        settings: The guard's settings, with `app_url`.
        form_origins: Further origins to which Kratos may redirect a form, or None for any https origin on pages
            with a provider or an OAuth2 login request.
    """

    def __init__(self, settings: GuardSettings, form_origins: tuple[str, ...] | None) -> None:
        own = origin_of(str(settings.app_url))
        kratos = origin_of(settings.kratos_browser_url)
        images = " ".join(dict.fromkeys(["'self'", "data:", kratos]))
        forms = " ".join(dict.fromkeys(["'self'", own, kratos, *settings.trusted_origins, *(form_origins or ())]))
        self._are_providers_unknown = form_origins is None
        self._policy = (
            "default-src 'none'; script-src 'nonce-{nonce}'; style-src 'self'; font-src 'self'; "
            "connect-src 'self'; "
            f"img-src {images}; form-action {forms}{{providers}}; base-uri 'none'; frame-ancestors 'none'"
        )

    def headers(self, request: Request) -> dict[str, str]:
        """Return the headers of a page."""
        is_open = self._are_providers_unknown and getattr(request.state, "has_providers", False)
        policy = self._policy.format(nonce=request.state.csp_nonce, providers=" https:" if is_open else "")
        return {"content-security-policy": policy, **_HEADERS}


def allow_providers(request: Request) -> None:
    """Allow the forms of this page to lead to a sign-in provider or an OAuth2 client."""
    request.state.has_providers = True
