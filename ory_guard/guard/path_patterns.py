"""Path patterns of the settings: exact decoded paths, and prefixes such as `/static/*`."""

import re
from collections.abc import Iterable
from typing import Final
from urllib.parse import urlsplit

__all__ = ["PathPatterns", "check_path_pattern", "is_ambiguous_path", "paths_of_kratos"]

# An application or a server may normalize such a path to one outside of the prefix.
_AMBIGUOUS: Final = re.compile(r"//|/\.\.?(?:/|\Z)|[\\%;\x00-\x1f\x7f-\x9f]")


class PathPatterns:
    """A set of path patterns.

    Attributes:
        exact: The exact paths.
        prefixes: The prefixes, with a trailing slash and without the `*`.

    Raises:
        ValueError: If a pattern is invalid.
    """

    def __init__(self, patterns: Iterable[str]) -> None:
        patterns = [check_path_pattern(pattern) for pattern in patterns]
        self.exact: frozenset[str] = frozenset(pattern for pattern in patterns if not pattern.endswith("*"))
        self.prefixes: tuple[str, ...] = tuple(pattern[:-1] for pattern in patterns if pattern.endswith("*"))

    def __contains__(self, path: str) -> bool:
        return path in self.exact or (path.startswith(self.prefixes) and not _AMBIGUOUS.search(path))


def is_ambiguous_path(path: str) -> bool:
    """Return whether a server may normalize a decoded path: dot segments, `//`, `%`, `;`, control characters."""
    return _AMBIGUOUS.search(path) is not None


def check_path_pattern(pattern: str) -> str:
    """Return the pattern, if it is valid.

    Raises:
        ValueError: If it is neither an exact path nor a prefix.
    """
    prefix = pattern.removesuffix("*")
    if not prefix.startswith("/") or "?" in prefix or "#" in prefix or "*" in prefix:
        raise ValueError(f"{pattern!r} must be a decoded path that starts with /, or a prefix such as /static/*")
    if prefix != pattern and (prefix == "/" or not prefix.endswith("/") or _AMBIGUOUS.search(prefix)):
        raise ValueError(
            f"{pattern!r} must be a prefix such as /static/*: at least one segment and a trailing /*, without dot "
            "segments, //, \\, %, ; and control characters"
        )
    return pattern


def paths_of_kratos(app_url: str | None, kratos_url: str) -> tuple[str, ...]:
    """Return the prefixes of Kratos' paths, with and without the path of `app_url`, or nothing.

    Args:
        app_url: The public URL of the application.
        kratos_url: The URL of Kratos for browsers. It has paths in the application only if it is below `app_url`.
    """
    if app_url is None or not kratos_url.startswith(f"{app_url}/"):
        return ()
    patterns = {f"{kratos_url[len(app_url) :]}/*", f"{urlsplit(kratos_url).path}/*"}
    return tuple(pattern for pattern in sorted(patterns) if not _AMBIGUOUS.search(pattern))
