"""What of two answers has to agree, though ids, tokens, times and words differ."""

import re
from collections.abc import Iterator
from http.cookies import Morsel, SimpleCookie
from typing import Any
from urllib.parse import parse_qsl, urlsplit

COMPARED_HEADERS = ("ory-error-id", "ory-session-cache-for", "x-total-count", "cache-control", "vary")
PRESENT_HEADERS = ("x-kratos-authenticated-identity-id", "x-content-type-options")
MAX_AGE_LEEWAY = 5

# Leaves whose values differ from run to run, or are words of our own.
_FREE = frozenset(
    {
        "text",
        "reason",
        "message",
        "ip_address",
        "user_agent",
        "since",
        "hint",
        "reject_reason",
        "ory_session_token",
        "session_token",
        "session_token_exchange_code",
        "logout_token",
        "tokenized",
        "secret",
        "src",
        "integrity",
        "nonce",
        "onclick",
    }
)
_OPAQUE = re.compile(
    r"[0-9a-f]{8}-[0-9a-f-]{27}|\d{4}-\d\d-\d\dT[\d:.]+Z|[\w+/-]{60,}={0,2}|"
    r'\{"publicKey".*|<a href=.*|<\d+ characters.*|404 page.*',
    re.DOTALL,
)


def shape(value: Any, key: str = "") -> Any:
    """Replace what may differ by what it is, and keep the rest."""
    if isinstance(value, dict):
        return {name: shape(inner, name) for name, inner in value.items()}
    if isinstance(value, list):
        return [shape(inner, key) for inner in value]
    if not isinstance(value, str):
        return type(value).__name__ if key in _FREE else value
    if key in _FREE:
        return "…"
    if "://" in value and not value.startswith("<"):
        return url_shape(value)
    return _OPAQUE.sub("…", value)


def url_shape(url: str) -> tuple[str, str, str, tuple[str, ...]]:
    """Keep scheme, host, path and the names in the query."""
    parts = urlsplit(url)
    names = tuple(sorted(name for name, _ in parse_qsl(parts.query, keep_blank_values=True)))
    return parts.scheme, parts.netloc, parts.path, names


def differences(recorded: Any, found: Any, path: str = "body") -> Iterator[str]:
    """Yield where two shapes differ."""
    if isinstance(recorded, dict) and isinstance(found, dict):
        for name in sorted(recorded.keys() - found.keys()):
            yield f"{path}.{name} is missing"
        for name in sorted(found.keys() - recorded.keys()):
            yield f"{path}.{name} is too much"
        for name in recorded.keys() & found.keys():
            yield from differences(recorded[name], found[name], f"{path}.{name}")
    elif isinstance(recorded, list) and isinstance(found, list):
        if len(recorded) != len(found):
            yield f"{path} has {len(found)} entries instead of {len(recorded)}: {_names(recorded, found)}"
        for index, (left, right) in enumerate(zip(recorded, found, strict=False)):
            yield from differences(left, right, f"{path}[{index}]")
    elif recorded != found:
        yield f"{path} is {found!r} instead of {recorded!r}"


def _names(recorded: list[Any], found: list[Any]) -> str:
    def names(nodes: list[Any]) -> list[Any]:
        return [
            (one["attributes"].get("name") or one["attributes"].get("id"))
            for one in nodes
            if isinstance(one, dict) and "attributes" in one
        ]

    return f"{names(recorded)} / {names(found)}"


def header_differences(
    recorded: list[list[str]], found: list[tuple[str, str]], leeway: int = MAX_AGE_LEEWAY
) -> Iterator[str]:
    """Yield where the headers that matter differ; cookies may last `leeway` seconds more or less."""
    left, right = _headers(recorded), _headers(found)
    for name in COMPARED_HEADERS:
        if left.get(name) != right.get(name):
            yield f"{name} is {right.get(name)} instead of {left.get(name)}"
    for name in PRESENT_HEADERS:
        if (name in left) != (name in right):
            yield f"{name} is {'there' if name in right else 'missing'}"
    media = [headers.get("content-type", [""])[0].lower() for headers in (left, right)]
    if media[0] != media[1]:
        yield f"content-type is {media[1]!r} instead of {media[0]!r}"
    for name in ("location", "link"):
        places = [sorted(_links(headers.get(name, [""])[0])) for headers in (left, right)]
        yield from differences(places[0], places[1], name)
    yield from _cookie_differences(left.get("set-cookie", []), right.get("set-cookie", []), leeway)


def _headers(pairs: Any) -> dict[str, list[str]]:
    headers: dict[str, list[str]] = {}
    for name, value in pairs:
        values = [value] if name.lower() in {"set-cookie", "link"} else value.split(", ")
        headers.setdefault(name.lower(), []).extend(values)
    return headers


def _links(value: str) -> Iterator[Any]:
    for part in value.split(",<"):
        url, _, rel = part.strip("<").partition(">")
        parts = urlsplit(url)
        yield rel, parts.scheme, parts.netloc, parts.path, sorted(name for name, _ in parse_qsl(parts.query))


def _cookie_differences(recorded: list[str], found: list[str], leeway: int) -> Iterator[str]:
    left, right = _cookies(recorded), _cookies(found)
    if left.keys() != right.keys():
        yield f"cookies are {sorted(right)} instead of {sorted(left)}"
    for name in left.keys() & right.keys():
        for attribute in ("path", "domain", "httponly", "secure", "samesite"):
            if left[name][attribute] != right[name][attribute]:
                yield f"cookie {name}: {attribute} is {right[name][attribute]!r}"
        ages = [int(one["max-age"]) for one in (left[name], right[name])]
        if abs(ages[0] - ages[1]) > leeway:
            yield f"cookie {name}: Max-Age is {ages[1]} instead of {ages[0]}"
        if bool(left[name]["expires"]) != bool(right[name]["expires"]):
            yield f"cookie {name}: Expires differs"


def _cookies(lines: list[str]) -> dict[str, "Morsel[str]"]:
    jar: dict[str, Morsel[str]] = {}
    for line in lines:
        jar.update(SimpleCookie(line))
    return jar
