"""The fake against the recordings of a real Kratos."""

import pytest
from between import BEFORE
from recorded_scenario import load
from replay import SETTINGS, Replay

pytestmark = pytest.mark.anyio

# Where the fake differs, and why it should.
REASONS: dict[str, str] = {}


async def _replay_all() -> dict[str, list[str]]:
    replays = {server: Replay(server) for server in SETTINGS}
    found = {}
    for recorded in load():
        replay = replays[recorded.server]
        replay.wait_until(recorded.at)
        if before := BEFORE.get(recorded.case):
            await before(replay, recorded)
        found[recorded.case] = await replay.run(recorded)
    return found


async def test_the_fake_answers_as_recorded(capsys: pytest.CaptureFixture[str]) -> None:
    """Every recorded exchange gets an answer of the recorded form, in the order of the recording."""
    found = await _replay_all()
    different = {case: lines for case, lines in found.items() if lines}

    with capsys.disabled():
        agreeing = len(found) - len(different)
        print(f"\nFakeKratos agrees with {agreeing} of {len(found)} recorded exchanges")  # noqa: T201
        for case, lines in different.items():
            print(f"  {case}: {REASONS.get(case, 'no reason given')}")  # noqa: T201
            print("".join(f"    {line}\n" for line in lines), end="")  # noqa: T201
    assert different.keys() == REASONS.keys()
