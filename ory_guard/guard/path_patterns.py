"""Path patterns of the settings: exact decoded paths, and prefixes such as `/static/*`."""

import re
from collections.abc import Iterable
from typing import Final

__all__ = ["PathPatterns", "check_path_pattern"]

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
