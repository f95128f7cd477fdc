"""The sessions that the benchmarks' Kratos answers with are as different as real ones."""

import json
from collections.abc import Iterator
from typing import Any

from benchmarks.traffic import whoami_bodies, whoami_body

LEVEL = "authenticator_assurance_level"
SHARED = {"schema_id", "schema_url", "state", "via", "status", "method", "aal", "location", LEVEL}


def strings(value: Any, name: str = "") -> Iterator[str]:
    """Yield the strings in a session that belong to nobody else."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from strings(item, key)
    elif isinstance(value, list):
        for item in value:
            yield from strings(item, name)
    elif isinstance(value, str) and name not in SHARED:
        yield value


def test_every_credential_has_a_session_of_its_own() -> None:
    """Two sessions share no id, time, address or device, have the recorded size, and stay the same."""
    body = whoami_bodies()
    first, second = body(b"one"), body(b"two")

    assert len(first) == len(second) == len(whoami_body())
    assert len({*strings(json.loads(first))}) == 19
    assert {*strings(json.loads(first))}.isdisjoint(strings(json.loads(second)))
    assert body(b"one") == first
