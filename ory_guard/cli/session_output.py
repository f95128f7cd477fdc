"""A session as lines of text."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from ory_guard.cli.output import columns
from ory_guard.models import Device, Identity, Session

__all__ = ["format_interval", "session_lines"]

_UNITS: Final = ((86_400, "day"), (3_600, "hour"), (60, "minute"), (1, "second"))


def session_lines(session: Session[Any], now: float) -> list[str]:
    """Return a description of a session, one line each.

    Args:
        session: The session.
        now: The current time, in seconds since the epoch.
    """
    identity = session.identity
    return [_title(identity), "", *columns(_rows(session, now))]


def _title(identity: Identity[Any]) -> str:
    for name in ("email", "username", "phone"):
        if isinstance(identity.traits.get(name), str):
            return str(identity.traits[name])
    return next((address.value for address in identity.verifiable_addresses or () if address.value), identity.id)


def _rows(session: Session[Any], now: float) -> Iterator[tuple[str, str]]:
    identity = session.identity
    methods = ", then ".join(step.method or "?" for step in session.methods()) or "unknown method"
    yield "logged in", f"{_format_time(session.authenticated_at, now)}, by {methods}"
    yield "assurance", session.authenticator_assurance_level or "unknown"
    yield "expires", _format_time(session.expires_at, now)
    yield "session", session.id
    yield (
        "identity",
        f"{identity.id} ({identity.state or 'unknown state'}, schema {identity.schema_id or 'unknown'})",
    )
    if identity.organization_id:
        yield "organization", identity.organization_id
    for address in identity.verifiable_addresses or ():
        yield "address", f"{address.value} ({'verified' if address.verified else 'not verified'}, {address.via})"
    for name, value in _flatten(identity.traits):
        yield "trait", f"{name} = {value}"
    for name, value in _flatten({"": identity.metadata_public}) if identity.metadata_public is not None else ():
        yield "metadata", f"{name} = {value}"
    for device in session.devices or ():
        yield "device", _format_device(device)


def _format_device(device: Device) -> str:
    properties = (device.ip_address, device.location, device.user_agent)
    return ", ".join(value for value in properties if value) or "unknown"


def _flatten(value: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for key, item in value.items():
        name = f"{prefix}.{key}".strip(".")
        if isinstance(item, Mapping):
            yield from _flatten(item, name)
        else:
            yield name or "(value)", _format_value(item)


def _format_value(value: Any) -> str:
    if isinstance(value, tuple):
        return ", ".join(map(_format_value, value))
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def _format_time(time: datetime | None, now: float) -> str:
    if time is None:
        return "at an unknown time"
    return f"{format_interval(now - time.timestamp())} ({time.astimezone(UTC):%Y-%m-%d %H:%M:%S UTC})"


def format_interval(seconds: float) -> str:
    """Return an interval in its largest unit: the past for positive seconds, the future for negative seconds."""
    size, unit = next(((size, unit) for size, unit in _UNITS if abs(seconds) >= size), (1, "second"))
    count = int(abs(seconds) // size)
    if count == 0:
        return "now"
    interval = f"{count} {unit}{'' if count == 1 else 's'}"
    return f"{interval} ago" if seconds > 0 else f"in {interval}"
