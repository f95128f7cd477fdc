"""Conformance with the recordings of the release v26.2.0, under the same configuration."""

import json
from collections.abc import Callable

import pytest

from ory_guard.testing import FakeKratos, ManualClock
from ory_guard.testing.config_file import read_config

from .release_bodies import RELEASE
from .release_replay import ReleaseReplay
from .release_story import load_cases

pytestmark = pytest.mark.anyio

# Each file of exchanges, and the configuration under which they were recorded, if it has another name.
RECORDINGS: dict[str, dict[str, str]] = {
    "base": {},
    "short-lifespans": {},
    "passwordless-code": {},
    "identifier-first-and-code-mfa": {},
    "link": {},
    "require-verified-address": {},
    "database-locked": {"config": "base", "public_url": "http://127.0.0.1:44191"},
}


def known_differences() -> dict[str, str]:
    """Return the cases that the fake answers differently, each with the reason."""
    return dict(json.loads((RELEASE / "differences.json").read_text(encoding="utf-8")))


async def replay_all(name: str) -> dict[str, list[str]]:
    """Replay the cases of a configuration, and return the differences of each."""
    cases = load_cases(name)
    settings = {"config": name, **RECORDINGS[name]}
    fields = read_config(RELEASE / "config" / f"{settings.pop('config')}.json").fields
    fake = FakeKratos(clock=ManualClock(), **fields | settings)
    replay = ReleaseReplay(fake, cases)
    return {case.name: await replay.run(case) for case in cases}


# A fake in this process answers up to 547 requests and sets up what they need.
@pytest.mark.timeout(120)
@pytest.mark.parametrize("name", RECORDINGS)
async def test_fake_conforms_to_release_except_for_known_differences(name: str, say: Callable[[str], None]) -> None:
    differences = await replay_all(name)
    different = {case for case, lines in differences.items() if lines}
    known = known_differences().keys() & differences.keys()
    say(f"FakeKratos agrees with {len(differences) - len(different)} of {len(differences)} exchanges of {name}")
    for case in sorted(different - known):
        say("\n    ".join((f"  {case}", *differences[case])))

    assert sorted(different - known) == []
    assert sorted(known - different) == []
