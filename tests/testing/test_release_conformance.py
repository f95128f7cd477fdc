"""Conformance with the recordings of the release v26.2.0, under the same configuration."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from ory_guard.testing import FakeKratos, ManualClock

from .release_replay import ReleaseReplay
from .release_story import RELEASE, load_cases

pytestmark = pytest.mark.anyio


def settings() -> dict[str, Any]:
    """Return the settings of `config/base.json`."""
    schema = json.loads((RELEASE / "config" / "identity.schema.json").read_text(encoding="utf-8"))
    return {
        "version": "v26.2.0",
        "public_url": "http://127.0.0.1:44131",
        "admin_url": "http://127.0.0.1:44132",
        "allowed_return_urls": ("http://127.0.0.1:4455", "http://127.0.0.1:8000", "myapp://callback"),
        "totp_issuer": "Postern",
        "webauthn_name": "Postern",
        "identity_schemas": {"default": schema},
    }


def known_differences() -> dict[str, str]:
    """Return the cases that the fake answers differently, each with the reason."""
    return dict(json.loads((RELEASE / "differences.json").read_text(encoding="utf-8")))


async def replay_all() -> dict[str, list[str]]:
    """Replay all cases, and return the differences of each."""
    cases = load_cases()
    replay = ReleaseReplay(FakeKratos(clock=ManualClock(), **settings()), cases)
    return {case.name: await replay.run(case) for case in cases}


# A fake in this process answers 547 requests and sets up what they need.
@pytest.mark.timeout(120)
async def test_fake_conforms_to_release_except_for_known_differences(say: Callable[[str], None]) -> None:
    differences = await replay_all()
    different = {case for case, lines in differences.items() if lines}
    say(f"FakeKratos agrees with {len(differences) - len(different)} of {len(differences)} exchanges of v26.2.0")
    for case in sorted(different - known_differences().keys()):
        say("\n    ".join((f"  {case}", *differences[case])))

    assert sorted(different - known_differences().keys()) == []
    assert sorted(known_differences().keys() - different) == []


def test_each_known_difference_has_a_reason() -> None:
    assert all(reason.strip() for reason in known_differences().values())
