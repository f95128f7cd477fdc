"""The requirements of a path: one rule per route, and every rule for a path that servers read differently."""

import re
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import unquote_to_bytes

from ory_guard.exceptions import ConfigurationError
from ory_guard.forward_auth.forwarded_request import ForwardedRequest
from ory_guard.guard.path_patterns import check_path_pattern, is_ambiguous_path
from ory_guard.guard.requirements import Requirement

__all__ = ["RouteTable"]

# An encoded slash, backslash or dot: one server decodes it before it selects a route, and another one afterwards.
_ENCODED_SEPARATOR: Final = re.compile(rb"%(?:2[ef]|5c)", re.IGNORECASE)


class RouteTable:
    """The requirements of the routes of a service.

    An exact path is selected before a prefix, and a long prefix before a short one. Many services serve one page
    with and without a trailing slash, so the requirement of `/a` applies to `/a/`, and that of `/a/*` to `/a`.

    Args:
        routes: The requirement for each exact decoded path and each prefix such as `/admin/*`; None if a session is
            not required.
        default: The requirement for all other paths.

    Raises:
        ConfigurationError: If a path or a requirement is invalid.
    """

    def __init__(self, routes: Mapping[str, Requirement | None], default: Requirement) -> None:
        self._exact: dict[str, tuple[Requirement, ...]] = {}
        prefixes: dict[str, tuple[Requirement, ...]] = {}
        self._default = (default,)
        self._strictest: tuple[Requirement, ...] = (default,)
        for pattern, requirement in _checked(routes).items():
            requirements = () if requirement is None else (requirement,)
            if pattern.endswith("*"):
                prefixes[pattern[:-1]] = requirements
            else:
                self._exact[pattern] = requirements
            if requirement not in (None, *self._strictest):
                self._strictest += requirements
        self._prefixes = sorted(prefixes.items(), key=lambda item: len(item[0]), reverse=True)
        self._exact |= self._other_spellings()

    def _other_spellings(self) -> dict[str, tuple[Requirement, ...]]:
        """Return the rules of paths that differ in a trailing slash from a route with a requirement."""
        rules: dict[str, tuple[Requirement, ...]] = {}
        for path, requirements in [*self._exact.items(), *self._prefixes]:
            other = path.removesuffix("/") or path if path.endswith("/") else f"{path}/"
            if requirements and other not in self._exact:
                own = rules.get(other) or self._by_prefix(other)
                rules[other] = (*own, *(rule for rule in requirements if rule not in own))
        return rules

    def _by_prefix(self, path: str) -> tuple[Requirement, ...]:
        return next((rule for prefix, rule in self._prefixes if path.startswith(prefix)), self._default)

    def resolve(self, request: ForwardedRequest) -> tuple[str, tuple[Requirement, ...]]:
        """Return the decoded path and the requirements that a session must meet; none for a public path."""
        if request.is_plain:
            path = request.raw_path.decode("ascii")
        else:
            raw = unquote_to_bytes(request.raw_path)
            path = raw.decode("utf-8", "replace")
            if (
                not request.raw_path.isascii()
                or _ENCODED_SEPARATOR.search(request.raw_path)
                or is_ambiguous_path(path)
                or path.encode() != raw  # not UTF-8
            ):
                return path, self._strictest
        requirements = self._exact.get(path)
        return path, self._by_prefix(path) if requirements is None else requirements


def _checked(routes: Any) -> Mapping[str, Requirement | None]:
    if not isinstance(routes, Mapping):
        raise ConfigurationError(
            f"ForwardAuth: routes must be a mapping of paths to requirements (got {type(routes).__name__})"
        )
    for pattern, requirement in routes.items():
        try:
            check_path_pattern(str(pattern))
        except ValueError as error:
            raise ConfigurationError(f"ForwardAuth: routes: {error}") from None
        if is_ambiguous_path(pattern):
            raise ConfigurationError(
                f"ForwardAuth: routes: {pattern!r} never matches: a path with a dot segment, //, \\, %, ; or a "
                "control character must meet all requirements"
            )
        if requirement is not None and not isinstance(requirement, Requirement):
            raise ConfigurationError(
                f"ForwardAuth: routes: {pattern!r} must have a Requirement, or None if it is public (got "
                f"{requirement!r})"
            )
    checked: Mapping[str, Requirement | None] = routes
    return checked
