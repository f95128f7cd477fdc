"""Validation of `return_to` URLs."""

import re
from collections.abc import Iterable
from typing import Final
from urllib.parse import SplitResult, urlsplit

__all__ = ["InvalidUrlError", "allowed_url", "require_url"]

_SCHEME: Final = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]*:")
_HOST: Final = re.compile(
    r"(?:\[[^]]*\]|(?:[\w.~!$&'()*+,;=<>\"-]|[^\x00-\x7f]|%[0-9a-fA-F]{2})*)(?::\d*)?", re.ASCII
)
_USERINFO: Final = re.compile(r"(?:[\w.~!$&'()*+,;=:@-]|%[0-9a-fA-F]{2})*", re.ASCII)
_BAD_ESCAPE: Final = re.compile(r"%(?![0-9a-fA-F]{2})")


class InvalidUrlError(ValueError):
    """The text is not a URL by the rules of Go's `net/url`."""


def allowed_url(url: str, allowed: Iterable[str], default: str) -> str | None:
    """Return the URL if an allowed URL covers it, or None.

    Args:
        url: The requested URL; a missing scheme or host is taken from `default`.
        allowed: The allowed URLs. Each covers URLs with the same scheme and host (`*.` matches any subdomain) whose
            path starts with its path. User information in a URL is ignored.
        default: The default return URL.

    Raises:
        InvalidUrlError: If the text is not a URL.
    """
    require_url(url)
    try:
        parts, fallback = urlsplit(url), urlsplit(default)
        completed = parts._replace(scheme=parts.scheme or fallback.scheme, netloc=parts.netloc or fallback.netloc)
        is_allowed = any(_covers(urlsplit(entry), completed) for entry in allowed)
    except ValueError as error:
        raise InvalidUrlError(str(error)) from error
    if not is_allowed:
        return None
    return url if parts.scheme and parts.netloc else completed.geturl()


def require_url(url: str) -> None:
    """Check a URL by the rules of Go's `url.Parse`, which are stricter than those of `urlsplit`.

    Raises:
        InvalidUrlError: If it is not a URL.
    """
    if any(character < " " or character == "\x7f" for character in url):
        raise InvalidUrlError("it contains a control character")
    without_fragment, _, fragment = url.partition("#")
    scheme = _SCHEME.match(without_fragment)
    rest = without_fragment[scheme.end() :] if scheme else without_fragment
    path = rest.partition("?")[0]
    if path.startswith("//"):
        authority, slash, path = path[2:].partition("/")
        _require_authority(authority)
        path = slash + path
    elif scheme and not path.startswith("/"):
        return  # an opaque URL such as mailto:
    elif ":" in path.partition("/")[0]:
        raise InvalidUrlError("the first path segment contains a colon")
    if _BAD_ESCAPE.search(path) or _BAD_ESCAPE.search(fragment):
        raise InvalidUrlError("it contains an invalid escape")


def _require_authority(authority: str) -> None:
    userinfo, _, host = authority.rpartition("@")
    if not _USERINFO.fullmatch(userinfo):
        raise InvalidUrlError("the user information is invalid")
    if not _HOST.fullmatch(host):
        raise InvalidUrlError("the host or port is invalid")


def _covers(allowed: SplitResult, url: SplitResult) -> bool:
    host, pattern = url.netloc.lower().rpartition("@")[2], allowed.netloc.lower()
    same_host = host.endswith(pattern[1:]) if pattern.startswith("*") else host == pattern
    in_path = (url.path or "/").startswith(allowed.path or "/")
    return same_host and in_path and url.scheme.lower() == allowed.scheme.lower()
