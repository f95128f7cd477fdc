"""Comparison of responses with recorded ones, ignoring ids, tokens, times, wording, and known differences."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from http.cookies import Morsel, SimpleCookie
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx2
from support.live_kratos import NEWEST, Version

from .recorded_story import RecordedExchange

COMPARED_HEADERS = ("ory-error-id", "ory-session-cache-for", "x-total-count", "cache-control", "vary")
PRESENT_HEADERS = ("x-kratos-authenticated-identity-id", "x-content-type-options")
MAX_AGE_LEEWAY = 5

# Values that differ between runs, or whose wording is the fake's own.
_IGNORED_VALUES = frozenset(
    {
        "text",
        "reason",
        "message",
        "ip_address",
        "user_agent",
        "since",
        "expired_at_unix",
        "used_at_unix",
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
        "hashed_password",
        "recovery_code",
        "subject",
        "body",
    }
)
_OPAQUE = re.compile(
    r"[0-9a-f]{8}-[0-9a-f-]{27}|\d{4}-\d\d-\d\dT[\d:.]+Z|[\w+/-]{60,}={0,2}|"
    r'\{"publicKey".*|<a href=.*|<\d+ characters.*|404 page.*',
    re.DOTALL,
)
# The recordings have the length of long texts in their place.
_LEFT_OUT = re.compile(r"<\d+ characters")


def normalize(value: Any, key: str = "") -> Any:
    """Replace ignored values and opaque parts with placeholders."""
    if isinstance(value, dict):
        return {name: normalize(inner, name) for name, inner in value.items()}
    if isinstance(value, list):
        return [normalize(inner, key) for inner in value]
    if not isinstance(value, str):
        return type(value).__name__ if key in _IGNORED_VALUES else value
    if key in _IGNORED_VALUES:
        return "…"
    if "://" in value and not value.startswith("<"):
        return normalize_url(value)
    return _OPAQUE.sub("…", value)


def body_of(recorded: Any, response: httpx2.Response) -> Any:
    """Return the body of a response, or the recorded one if the recording only has its length."""
    content_type = response.headers.get("content-type", "")
    if "javascript" in content_type or _LEFT_OUT.match(str(recorded)):
        return recorded
    return json.loads(response.text) if "json" in content_type and response.text else response.text


def without_long_texts(recorded: Any, actual: Any) -> Any:
    """Return a body with the recorded placeholders in place of its long texts."""
    if isinstance(recorded, dict) and isinstance(actual, dict):
        return {name: without_long_texts(recorded.get(name), value) for name, value in actual.items()}
    if isinstance(recorded, list) and isinstance(actual, list) and len(recorded) == len(actual):
        return [without_long_texts(left, right) for left, right in zip(recorded, actual, strict=True)]
    return recorded if _LEFT_OUT.match(str(recorded)) else actual


def sort_nodes(value: Any) -> Any:
    """Return a normalized body with the nodes of its form in a fixed order; releases order them differently."""
    if isinstance(value, dict):
        value = {name: sort_nodes(inner) for name, inner in value.items()}
        if isinstance(value.get("nodes"), list):
            value["nodes"] = sorted(value["nodes"], key=_node_key)
    return value


def _node_key(node: dict[str, Any]) -> tuple[str, ...]:
    attributes = node["attributes"]
    value = attributes.get("value") if attributes.get("type") == "submit" else ""
    return str(attributes.get("name") or attributes.get("id")), str(value), node["group"]


def normalize_url(url: str) -> tuple[str, str, str, tuple[str, ...]]:
    """Return scheme, host, path and the names of the query parameters."""
    parts = urlsplit(url)
    names = tuple(sorted(name for name, _ in parse_qsl(parts.query, keep_blank_values=True)))
    return parts.scheme, parts.netloc, parts.path, names


def diff(recorded: Any, actual: Any, path: str = "body") -> Iterator[str]:
    """Yield the differences between two normalized values."""
    if isinstance(recorded, dict) and isinstance(actual, dict):
        for name in sorted(recorded.keys() - actual.keys()):
            yield f"{path}.{name} is missing"
        for name in sorted(actual.keys() - recorded.keys()):
            yield f"{path}.{name} is unexpected"
        for name in recorded.keys() & actual.keys():
            yield from diff(recorded[name], actual[name], f"{path}.{name}")
    elif isinstance(recorded, list) and isinstance(actual, list):
        if len(recorded) != len(actual):
            yield f"{path} has {len(actual)} entries instead of {len(recorded)}: {_names(recorded, actual)}"
        for index, (left, right) in enumerate(zip(recorded, actual, strict=False)):
            yield from diff(left, right, f"{path}[{index}]")
    elif recorded != actual:
        yield f"{path} is {actual!r} instead of {recorded!r}"


def _names(recorded: list[Any], actual: list[Any]) -> str:
    def names(nodes: list[Any]) -> list[Any]:
        return [
            (node["attributes"].get("name") or node["attributes"].get("id"))
            for node in nodes
            if isinstance(node, dict) and "attributes" in node
        ]

    return f"{names(recorded)} / {names(actual)}"


def diff_headers(
    recorded: list[list[str]], actual: list[tuple[str, str]], leeway: int = MAX_AGE_LEEWAY
) -> Iterator[str]:
    """Yield the differences in relevant headers; the Max-Age of cookies may differ by `leeway` seconds."""
    left, right = _headers(recorded), _headers(actual)
    for name in COMPARED_HEADERS:
        if left.get(name) != right.get(name):
            yield f"{name} is {right.get(name)} instead of {left.get(name)}"
    for name in PRESENT_HEADERS:
        if (name in left) != (name in right):
            yield f"{name} is {'unexpected' if name in right else 'missing'}"
    media_types = [headers.get("content-type", [""])[0].lower() for headers in (left, right)]
    if media_types[0] != media_types[1]:
        yield f"content-type is {media_types[1]!r} instead of {media_types[0]!r}"
    for name in ("location", "link"):
        links = [sorted(_links(headers.get(name, [""])[0])) for headers in (left, right)]
        yield from diff(links[0], links[1], name)
    yield from _diff_cookies(left.get("set-cookie", []), right.get("set-cookie", []), leeway)


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
        path = _OPAQUE.sub("…", parts.path)
        yield rel, parts.scheme, parts.netloc, path, sorted(name for name, _ in parse_qsl(parts.query))


def _diff_cookies(recorded: list[str], actual: list[str], leeway: int) -> Iterator[str]:
    left, right = _cookies(recorded), _cookies(actual)
    if left.keys() != right.keys():
        yield f"cookies are {sorted(right)} instead of {sorted(left)}"
    for name in left.keys() & right.keys():
        for attribute in ("path", "domain", "httponly", "secure", "samesite"):
            if left[name][attribute] != right[name][attribute]:
                yield f"cookie {name}: {attribute} is {right[name][attribute]!r}"
        ages = [int(cookie["max-age"]) for cookie in (left[name], right[name])]
        if abs(ages[0] - ages[1]) > leeway:
            yield f"cookie {name}: Max-Age is {ages[1]} instead of {ages[0]}"
        if bool(left[name]["expires"]) != bool(right[name]["expires"]):
            yield f"cookie {name}: Expires differs"


def _cookies(lines: list[str]) -> dict[str, "Morsel[str]"]:
    jar: dict[str, Morsel[str]] = {}
    for line in lines:
        jar.update(SimpleCookie(line))
    return jar


@dataclass(frozen=True)
class KnownDifference:
    """A known difference between Kratos releases or setups.

    Attributes:
        reason: The cause of the difference.
        exchanges: A pattern for cases or operations.
        differences: A pattern for differences.
        before: The release that no longer has the difference.
    """

    reason: str
    exchanges: str
    differences: str
    before: Version = (*NEWEST, 1)

    def covers(self, recorded: RecordedExchange, difference: str, version: Version) -> bool:
        """Return whether a difference of a release is a known one."""
        if version >= self.before:
            return False
        names = (recorded.case, recorded.operation)
        is_affected = any(re.fullmatch(self.exchanges, name) for name in names)
        return is_affected and bool(re.fullmatch(self.differences, difference))


KNOWN_DIFFERENCES = (
    KnownDifference(
        "the release responds with 401; the recorded version shows the login form with message 4010011",
        r"login\.native\.submit\.inactive_identity",
        r"status is 401 instead of 400|body\..*|content-type is .*|ory-error-id is .*|cache-control is .*",
    ),
    KnownDifference(
        "the organization_id in settings flows differs between releases",
        r"(create|get|update)_(browser_|native_)?settings_flow",
        r"body\.(identity\.)?organization_id .*",
    ),
    KnownDifference(
        "the release omits state_changed_at after a settings flow",
        r".*",
        r"body\.(session\.)?identity\.state_changed_at is missing",
    ),
    KnownDifference(
        "the release omits the autocomplete attribute of code fields",
        r"(update|get)_(recovery|verification)_flow",
        r"body\.ui\.nodes\[\d+\]\.attributes\.autocomplete is missing",
    ),
    KnownDifference(
        "the release does not repeat an address that is already registered",
        r"registration\.native\.submit\.duplicate",
        r"body\.ui\.nodes\[\d+\]\.attributes\.value is missing",
    ),
    KnownDifference(
        "the URL of Ory's CSRF documentation changed",
        r".*",
        r"body\.error\.details\.docs .*",
    ),
    KnownDifference(
        "CORS, and with it Vary: Origin, depends on the setup",
        r".*",
        r"vary is (None|\['Cookie'\]) instead of .*",
    ),
    KnownDifference(
        "the titles of traits depend on the identity schema",
        r".*",
        r"body\.ui\.nodes\[\d+\]\.meta\.label\.context\.title .*",
    ),
    KnownDifference(
        "labels have no name in their context",
        r".*",
        r"body\.ui\.nodes\[\d+\]\.meta\.label\.context(\.name)? is missing",
        before=(25, 4, 0),
    ),
    KnownDifference(
        "the second step of registration has no fields for missing traits",
        r"registration\.two_step\..*",
        r"body\.(ui|transient_payload).*",
        before=(25, 4, 0),
    ),
    KnownDifference(
        "an aal1 session of an identity with two factors can list its sessions",
        r"sessions\.list\.aal2_required",
        r".*",
        before=(25, 4, 0),
    ),
    KnownDifference(
        "errors do not tell whether credentials are missing",
        r".*",
        r"body\.CredentialsMissing is missing",
        before=(25, 4, 0),
    ),
)


def is_unknown_difference(recorded: RecordedExchange, difference: str, version: Version = NEWEST) -> bool:
    """Return whether a difference of a release is not a known one."""
    return not any(known.covers(recorded, difference, version) for known in KNOWN_DIFFERENCES)


def is_advisory(difference: str) -> bool:
    """Return whether a difference is only reported: releases differ in headers that no client depends on."""
    return difference.startswith(("cache-control is ", "ory-error-id is "))
