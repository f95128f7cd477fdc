"""A session as a person wants to read it."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from ory_guard.cli.output import columns
from ory_guard.models import Device, Identity, Session

__all__ = ["ago", "session_lines"]

_UNITS: Final = ((86_400, "day"), (3_600, "hour"), (60, "minute"), (1, "second"))


def session_lines(session: Session[Any], now: float) -> list[str]:
    """Return the lines that tell of a session, at the wall-clock time `now`."""
    identity = session.identity
    return [_title(identity), "", *columns(_rows(session, now))]


def _title(identity: Identity[Any]) -> str:
    for name in ("email", "username", "phone"):
        if isinstance(identity.traits.get(name), str):
            return str(identity.traits[name])
    return next((address.value for address in identity.verifiable_addresses or () if address.value), identity.id)


def _rows(session: Session[Any], now: float) -> Iterator[tuple[str, str]]:
    identity = session.identity
    methods = ", then ".join(step.method or "?" for step in session.methods()) or "means unknown"
    yield "signed in", f"{_moment(session.authenticated_at, now)}, by {methods}"
    yield "assurance", session.authenticator_assurance_level or "unknown"
    yield "ends", _moment(session.expires_at, now)
    yield "session", session.id
    yield (
        "identity",
        f"{identity.id} ({identity.state or 'state unknown'}, schema {identity.schema_id or 'unknown'})",
    )
    if identity.organization_id:
        yield "organization", identity.organization_id
    for address in identity.verifiable_addresses or ():
        yield "address", f"{address.value} ({'verified' if address.verified else 'not verified'}, {address.via})"
    for name, value in _leaves(identity.traits):
        yield "trait", f"{name} = {value}"
    for name, value in _leaves({"": identity.metadata_public}) if identity.metadata_public is not None else ():
        yield "metadata", f"{name} = {value}"
    for device in session.devices or ():
        yield "device", _device(device)


def _device(device: Device) -> str:
    told = (device.ip_address, device.location, device.user_agent)
    return ", ".join(part for part in told if part) or "unknown"


def _leaves(value: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for key, item in value.items():
        name = f"{prefix}.{key}".strip(".")
        if isinstance(item, Mapping):
            yield from _leaves(item, name)
        else:
            yield name or "(whole)", _in_words(item)


def _in_words(value: Any) -> str:
    if isinstance(value, tuple):
        return ", ".join(_in_words(one) for one in value)
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)


def _moment(moment: datetime | None, now: float) -> str:
    if moment is None:
        return "at a time unknown"
    told = moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    return f"{ago(now - moment.timestamp())} ({told})"


def ago(seconds: float) -> str:
    """Return a span of time in words: the past for positive seconds, the future for negative ones."""
    size, unit = next(((size, unit) for size, unit in _UNITS if abs(seconds) >= size), (1, "second"))
    number = int(abs(seconds) // size)
    if number == 0:
        return "now"
    told = f"{number} {unit}{'' if number == 1 else 's'}"
    return f"{told} ago" if seconds > 0 else f"in {told}"
