"""HTML pages for refusals that a redirect does not resolve; they contain no scripts and load nothing."""

from html import escape
from string import Template
from typing import Final

from ory_guard.exceptions import CsrfViolation, Failure, Refusal, SessionCheckUnavailable
from ory_guard.guard.responses.refusal_reasons import REASON_TEXTS, RefusalReason
from ory_guard.guard.settings import GuardSettings

__all__ = ["HEADERS", "error_page", "redirect_loop_page", "refusal_page"]

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
$details<p><a href="$link">$link_text</a></p>
</main>
</body>
</html>
""")

_CONDITIONS: Final = {
    "aal": "the assurance level of your login",
    "max_age": "a recent login",
    "authentication_methods": "an accepted login method",
    "verified": "a verified address",
    "organization": "membership in an organization",
    "credential": "a valid session cookie or session token",
    "when": "a condition of this application",
}


def refusal_page(refusal: Refusal, settings: GuardSettings) -> bytes:
    """Return the page for a refusal that a login does not resolve; it contains fixed sentences and no values."""
    if isinstance(refusal, SessionCheckUnavailable):
        title = "Temporarily unavailable"
    elif isinstance(refusal, CsrfViolation):
        title = "Cross-site request blocked"
    else:
        title = "Access denied"
    items = "".join(f"<li>{escape(_condition_of(failure, refusal))}</li>" for failure in refusal.failures)
    details = f"<p>Requirements not met:</p>\n<ul>{items}</ul>\n" if items else ""
    return _page(title, refusal.reason, details, settings.app_url or "/", "Go to the home page")


def _condition_of(failure: Failure, refusal: Refusal) -> str:
    if failure["id"] == "max_age" and refusal.aal == "aal2":  # then it is the age of the second factor
        return "a recent second factor"
    return _CONDITIONS.get(failure["id"], _CONDITIONS["when"])


def error_page(title: str, reason: str, settings: GuardSettings) -> bytes:
    """Return a page with a title and a sentence, and a link to the home page."""
    return _page(title, reason, "", settings.app_url or "/", "Go to the home page")


def redirect_loop_page(login_url: str, settings: GuardSettings, reason: RefusalReason) -> bytes:
    """Return the page that ends a redirect loop, with the reason and a link to log in again."""
    home = escape(settings.app_url or "/", quote=True)
    text = "You were redirected to log in several times within seconds, but still don't have access to this page."
    details = (
        f"<p>{escape(REASON_TEXTS[reason])}</p>\n<p>Reason: <code>{reason}</code></p>\n"
        f'<p><a href="{home}">Go to the home page</a></p>\n'
    )
    return _page("Login redirect loop", text, details, login_url, "Log in again")


def _page(title: str, reason: str, details: str, link: str, link_text: str) -> bytes:
    page = _PAGE.substitute(
        title=escape(title),
        reason=escape(reason),
        details=details,
        link=escape(link, quote=True),
        link_text=link_text,
    )
    return page.encode()
