"""The fake against the recordings of a real Kratos."""

import copy
import dataclasses
from collections.abc import Callable
from typing import Any

import pytest
from between import BEFORE
from places import in_process
from recorded_scenario import load
from replay import Replay

from ory_guard.testing import OidcProvider

pytestmark = pytest.mark.anyio

# How the two servers of the recordings were set up.
SETTINGS: dict[str, dict[str, Any]] = {
    "default": {},
    "strict": {
        "public_url": "http://127.0.0.1:4533",
        "whoami_required_aal": "aal1",
        "cacheable_sessions": False,
        "login_lifespan": 10,
        "privileged_session_max_age": 2,
        "session_lifespan": 20,
        "cookie_name": "acme_session",
        "oidc_providers": (OidcProvider("mini", issuer_url="http://127.0.0.1:4466"),),
    },
}

# Where the fake differs, and why it should.
REASONS: dict[str, str] = {}


async def _replay_all() -> dict[str, list[str]]:
    replays = {server: Replay(in_process(**settings)) for server, settings in SETTINGS.items()}
    found = {}
    for recorded in load():
        replay = replays[recorded.server]
        await replay.place.wait(max(0.0, recorded.at - replay.place.time()))
        if before := BEFORE.get(recorded.case):
            await before(replay, recorded)
        found[recorded.case] = await replay.run(recorded)
    return found


async def test_the_fake_answers_as_recorded(say: Callable[[str], None]) -> None:
    """Every recorded exchange gets an answer of the recorded form, in the order of the recording."""
    found = await _replay_all()
    different = {case: lines for case, lines in found.items() if lines}

    say(f"FakeKratos agrees with {len(found) - len(different)} of {len(found)} recorded exchanges")
    for case, lines in different.items():
        say("\n    ".join((f"  {case}: {REASONS.get(case, 'no reason given')}", *lines)))
    assert different.keys() == REASONS.keys()


CHANGES: dict[str, Callable[[dict[str, Any]], object]] = {
    "status": lambda answer: answer.update(status=201),
    "body.state is too much": lambda answer: answer["body"].pop("state"),
    "body.other is missing": lambda answer: answer["body"].update(other=1),
    "body.ui.nodes has": lambda answer: answer["body"]["ui"]["nodes"].pop(),
    "body.ui.nodes[1].group": lambda answer: answer["body"]["ui"]["nodes"][1].update(group="code"),
    "meta.label.id": lambda answer: answer["body"]["ui"]["nodes"][1]["meta"]["label"].update(id=1),
    "body.request_url": lambda answer: answer["body"].update(request_url="http://127.0.0.1:4433/else"),
    "ory-error-id": lambda answer: answer["headers"].append(["ory-error-id", ""]),
    "cookies are": lambda answer: answer["headers"].append(["set-cookie", "other=1; Path=/; Max-Age=1"]),
    "location": lambda answer: answer["headers"].append(["location", "http://127.0.0.1:4455/?flow=x"]),
}


@pytest.mark.parametrize("named", CHANGES)
async def test_a_difference_is_noticed(named: str) -> None:
    """The comparison names what differs: a fake that answered otherwise would not pass."""
    recorded = next(one for one in load() if one.case == "login.browser.create.ajax")
    answer = copy.deepcopy(recorded.response)
    CHANGES[named](answer)
    found = await Replay(in_process()).run(dataclasses.replace(recorded, response=answer))

    assert any(named in line for line in found)
