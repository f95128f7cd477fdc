"""The values of a Kratos configuration, converted to those of `FakeKratosSettings`."""

import re
from collections.abc import Mapping
from typing import Any, Final

from ory_guard.testing.settings import Hook, OidcProvider, TokenizerTemplate

__all__ = [
    "parse_boolean",
    "parse_choice",
    "parse_duration",
    "parse_hooks",
    "parse_integer",
    "parse_providers",
    "parse_string",
    "parse_strings",
    "parse_templates",
]

_UNITS: Final = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_DURATION: Final = re.compile(r"(?:\d+(?:\.\d+)?(?:ns|us|µs|ms|s|m|h))+")
_DURATION_PART: Final = re.compile(r"(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h)")


def parse_duration(value: object) -> float:
    """Convert a Go duration such as `1h30m`, or a number of seconds, to seconds."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return float(value)
    if not isinstance(value, str) or not _DURATION.fullmatch(value):
        raise ValueError("expected a duration such as 1h, 90s or 1h30m")
    return sum(float(number) * _UNITS[unit] for number, unit in _DURATION_PART.findall(value))


def parse_string(value: object) -> str:
    """Return the value if it is a string; otherwise raise TypeError."""
    if not isinstance(value, str):
        raise TypeError("expected a string")
    return value


def parse_boolean(value: object) -> bool:
    """Return the value if it is a boolean; otherwise raise TypeError."""
    if not isinstance(value, bool):
        raise TypeError("expected true or false")
    return value


def parse_choice(value: object, choices: Mapping[str, bool]) -> bool:
    """Return the meaning of one of the names in `choices`; raise ValueError if it is something else."""
    if not isinstance(value, str) or value not in choices:
        raise ValueError(f"expected one of {', '.join(choices)}")
    return choices[value]


def parse_integer(value: object) -> int:
    """Return the value if it is an integer; otherwise raise TypeError."""
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError("expected an integer")
    return value


def parse_strings(value: object) -> tuple[str, ...]:
    """Return the value as a tuple if it is a list of strings; otherwise raise TypeError."""
    if not isinstance(value, list):
        raise TypeError("expected a list of strings")
    return tuple(parse_string(entry) for entry in value)


def parse_hooks(value: object) -> tuple[Hook, ...]:
    """Return a list of hooks as a tuple; raise ValueError if it is something else."""
    if not isinstance(value, list) or not all(isinstance(hook, dict) and hook.get("hook") for hook in value):
        raise ValueError("expected a list of hooks, such as [{hook: session}]")
    return tuple(value)


def parse_providers(value: object) -> tuple[OidcProvider, ...]:
    """Return the providers of a list; raise ValueError or TypeError if it is something else."""
    return tuple(
        OidcProvider(
            id=parse_string(entry["id"]),
            issuer_url=entry.get("issuer_url"),
            client_id=parse_string(entry.get("client_id", "kratos")),
            scope=parse_strings(entry.get("scope", ["openid", "email"])),
            label=parse_string(entry.get("label", "")),
        )
        for entry in _objects_with_id(value, "a list of providers, each with an id")
    )


def parse_templates(value: object) -> dict[str, TokenizerTemplate]:
    """Return the templates of an object; raise ValueError if it is something else."""
    if not isinstance(value, dict) or not all(isinstance(template, dict) for template in value.values()):
        raise ValueError("expected an object of templates")
    return {
        name: TokenizerTemplate(
            parse_duration(template.get("ttl", "1m")),
            dict(template.get("claims", {})),
            dict(template.get("constants", {})),
        )
        for name, template in value.items()
    }


def _objects_with_id(value: object, expected: str) -> list[Mapping[str, Any]]:
    if not isinstance(value, list) or not all(isinstance(entry, dict) and entry.get("id") for entry in value):
        raise ValueError(f"expected {expected}")
    return value
