"""The few pages that a person sees where no redirect helps; each stands for itself, without scripts."""

from html import escape
from string import Template
from typing import Final

from ory_guard.exceptions import CsrfViolation, Refusal, SessionCheckUnavailable
from ory_guard.guard.settings import GuardSettings

__all__ = ["HEADERS", "redirect_loop_page", "refusal_page"]

HEADERS: Final = [
    (b"content-type", b"text/html; charset=utf-8"),
    (b"content-security-policy", b"default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"),
]

_PAGE: Final = Template("""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>$title</title>
<style>
body { font: 1rem/1.5 system-ui, sans-serif; max-width: 34rem; margin: 15vh auto 0; padding: 0 1rem }
h1 { font-size: 1.4rem }
</style>
</head>
<body>
<main>
<h1>$title</h1>
<p>$reason</p>
$more<p><a href="$link">$invitation</a></p>
</main>
</body>
</html>
""")

_CONDITIONS: Final = {
    "aal": "the assurance level of the sign-in",
    "max_age": "how long ago you signed in",
    "authentication_methods": "the method you signed in with",
    "verified": "a verified address",
    "organization": "membership in an organization",
    "credential": "the session cookie or token of the request",
    "when": "a condition of this application",
}


def refusal_page(refusal: Refusal, settings: GuardSettings) -> bytes:
    """Return the page for a refusal that signing in does not cure; only fixed sentences, no values."""
    if isinstance(refusal, SessionCheckUnavailable):
        title = "Please try again in a moment"
    elif isinstance(refusal, CsrfViolation):
        title = "This request came from another site"
    else:
        title = "You may not open this page"
    missing = [_CONDITIONS.get(failure["id"], _CONDITIONS["when"]) for failure in refusal.failures]
    items = "".join(f"<li>{escape(condition)}</li>" for condition in missing)
    more = f"<p>What does not fit:</p>\n<ul>{items}</ul>\n" if items else ""
    return _page(title, refusal.reason, more, settings.app_url or "/", "Go to the start page")


def redirect_loop_page(location: str, settings: GuardSettings) -> bytes:
    """Return the page that ends a redirect loop, with the way on for who wants to try again."""
    home = escape(settings.app_url or "/", quote=True)
    reason = (
        "You were sent to sign in several times for the same page, and came back without what it asks for. "
        "Perhaps your browser keeps no cookies for this site, or the application and its sign-in service are set "
        "up for different addresses."
    )
    more = f'<p><a href="{home}">Go to the start page</a></p>\n'
    return _page("Signing in goes round in circles", reason, more, location, "Try to sign in again")


def _page(title: str, reason: str, more: str, link: str, invitation: str) -> bytes:
    page = _PAGE.substitute(
        title=escape(title), reason=escape(reason), more=more, link=escape(link, quote=True), invitation=invitation
    )
    return page.encode()
