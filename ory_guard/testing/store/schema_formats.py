"""The formats of identity schemas that Kratos checks; it ignores all others."""

import ipaddress
import re
from collections.abc import Callable
from datetime import date, datetime
from typing import Final

from jsonschema import FormatChecker

from ory_guard.testing.server.return_to import InvalidUrlError, require_url
from ory_guard.testing.store.email_format import is_email, is_host_name

__all__ = ["FORMAT_CHECKER"]

_DATE: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_TIME: Final = re.compile(r"([0-9]{2}:[0-9]{2}:[0-9]{2})(?:[.,][0-9]+)?(?:Z|[+-][0-9]{2}:[0-9]{2})")
_SCHEME: Final = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]*:")
_JSON_POINTER: Final = re.compile(r"(?:/(?:[^~]|~[01~])*)?", re.DOTALL)
_SEPARATORS: Final = re.compile(r"[ ()./-]")
_PHONE: Final = re.compile(r"\+[1-9][0-9]{6,14}")


def _is_date(value: str) -> bool:
    if not _DATE.fullmatch(value):
        return False
    try:
        date.fromisoformat(value)
    except ValueError:
        return False
    return True


def _is_time(value: str) -> bool:
    match = _TIME.fullmatch(value)
    try:
        return match is not None and bool(datetime.strptime(match[1], "%H:%M:%S"))  # noqa: DTZ007 - a time of day
    except ValueError:
        return False


def _is_date_time(value: str) -> bool:
    day, separator, time = value.partition("T")
    return bool(separator) and _is_date(day) and _is_time(time)


def _is_uri_reference(value: str) -> bool:
    try:
        require_url(value)
    except InvalidUrlError:
        return False
    return True


def _is_uri(value: str) -> bool:
    return bool(_SCHEME.match(value)) and _is_uri_reference(value)


def _is_phone_number(value: str) -> bool:
    """Return whether a value is an international number. Kratos also knows the numbers of each country."""
    return bool(_PHONE.fullmatch(_SEPARATORS.sub("", value)))


def _is_ipv4(value: str) -> bool:
    groups = value.split(".")
    return len(groups) == 4 and all(re.fullmatch("[0-9]{1,4}", group) and int(group) <= 255 for group in groups)


def _is_ipv6(value: str) -> bool:
    try:
        ipaddress.IPv6Address(value)
    except ValueError:
        return False
    return "%" not in value


def _is_regex(value: str) -> bool:
    try:
        re.compile(value)
    except (re.error, RecursionError, OverflowError):
        return False
    return True


def _is_json_pointer(value: str) -> bool:
    return bool(_JSON_POINTER.fullmatch(value))


_CHECKS: Final[dict[str, Callable[[str], bool]]] = {
    "date-time": _is_date_time,
    "date": _is_date,
    "time": _is_time,
    "hostname": is_host_name,
    "email": is_email,
    "tel": _is_phone_number,
    "ip-address": _is_ipv4,
    "ipv4": _is_ipv4,
    "ipv6": _is_ipv6,
    "uri": _is_uri,
    "iri": _is_uri,
    "uri-reference": _is_uri_reference,
    "uriref": _is_uri_reference,
    "iri-reference": _is_uri_reference,
    "uri-template": _is_uri_reference,
    "regex": _is_regex,
    "json-pointer": _is_json_pointer,
}


def _for_strings(check: Callable[[str], bool]) -> Callable[[object], bool]:
    return lambda value: not isinstance(value, str) or check(value)


FORMAT_CHECKER: Final = FormatChecker(formats=())
for _name, _check in _CHECKS.items():
    FORMAT_CHECKER.checks(_name)(_for_strings(_check))
