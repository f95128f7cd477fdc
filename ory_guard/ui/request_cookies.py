"""The visitor's cookies that belong to Kratos, and the cookie with a notice for the next page."""

from typing import Final

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from ory_guard.guard.settings import TOKEN_CHARACTERS, GuardSettings, matches_cookie_name

__all__ = ["NOTICE_COOKIE", "kratos_cookies", "redirect", "session_cookie_names"]

NOTICE_COOKIE: Final = "ory_guard_notice"
_KRATOS_COOKIES: Final = ("csrf_token", "ory_", "__Host-ory_", "__Secure-ory_")
_OWN_COOKIES: Final = ("ory_guard_",)


def kratos_cookies(request: Request, settings: GuardSettings) -> str | None:
    """Return Kratos' cookies from the `Cookie` header; those of the application are not forwarded to Kratos."""
    names = tuple(name.rstrip("*") for name in settings.cookie_names)
    pairs = (pair.strip() for pair in ";".join(request.headers.getlist("cookie")).split(";"))
    forwarded = [pair for pair in pairs if pair.startswith((*_KRATOS_COOKIES, *names)) and _is_plain(pair)]
    return "; ".join(pair for pair in forwarded if not pair.startswith(_OWN_COOKIES)) or None


def session_cookie_names(request: Request, settings: GuardSettings) -> list[bytes]:
    """Return the names of the request's cookies that hold a session, each once."""
    patterns = (*settings.cookie_names, *settings.token_cookie_names)
    names = dict.fromkeys(
        pair.partition("=")[0].strip() for pair in ";".join(request.headers.getlist("cookie")).split(";")
    )
    return [
        name.encode()
        for name in names
        if TOKEN_CHARACTERS.issuperset(name) and any(matches_cookie_name(name, pattern) for pattern in patterns)
    ]


def redirect(url: str, notice: str | None = None, *, mount: str = "/", secure: bool = False) -> Response:
    """Return a redirect; the next page shows the notice, which is the key of a text."""
    response = RedirectResponse(url, 303)
    if notice is not None:
        response.set_cookie(
            NOTICE_COOKIE, notice, max_age=60, path=mount, secure=secure, httponly=True, samesite="lax"
        )
    return response


def _is_plain(text: str) -> bool:
    return text.isascii() and text.isprintable()
