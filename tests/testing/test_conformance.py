"""Conformance with the recordings of a real Kratos, and of the release v26.2.0 under several configurations.

The recordings are replayed against the fake in process, and with `FrontendClient` against a fake on sockets or a
real Kratos (marker `live`). Requests that `FrontendClient` does not make, such as page navigations, are sent as
recorded.
"""

import contextlib
import copy
import dataclasses
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from support.kratos_servers import KratosServer, in_process, live, on_sockets

from ory_guard.testing import FakeKratos, ManualClock, OidcProvider
from ory_guard.testing.config_file import read_config

from .normalize import is_advisory, is_unknown_difference
from .recorded_story import RecordedExchange, load, recorded
from .release_bodies import RELEASE
from .release_replay import ReleaseReplay
from .release_story import load_cases
from .replay import Replay, rewrite_for
from .setup_steps import run_with_setup

pytestmark = pytest.mark.anyio

# The setup of the two recorded servers.
SETTINGS: dict[str, dict[str, Any]] = {
    "default": {"cors_enabled": True},
    "strict": {
        "cors_enabled": True,
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

# On a real Kratos, waiting for a TOTP code can take 30 seconds between a login and the next Set-Cookie.
LEEWAY = 120


def report(say: Callable[[str], None], name: str, differences: dict[str, list[str]]) -> dict[str, list[str]]:
    """Print the differences at the end of the test run, and return the cases that have any."""
    different = {case: lines for case, lines in differences.items() if lines}
    say(f"{name} agrees with {len(differences) - len(different)} of {len(differences)} recorded exchanges")
    for case, lines in different.items():
        say("\n    ".join((f"  {case}", *lines)))
    return different


async def test_fake_conforms_to_all_recordings(say: Callable[[str], None]) -> None:
    replays = {server: Replay(in_process(**settings)) for server, settings in SETTINGS.items()}
    differences = {}
    for exchange in load():
        replay = replays[exchange.server]
        await replay.server.wait(max(0.0, exchange.at - replay.server.time()))
        differences[exchange.case] = await run_with_setup(replay, exchange)

    assert report(say, "FakeKratos", differences) == {}


@pytest.fixture(params=[on_sockets, pytest.param(live, marks=pytest.mark.live)], ids=["fake", "live"])
async def server(request: pytest.FixtureRequest) -> AsyncIterator[KratosServer]:
    """A Kratos on sockets, with the setup of the recorded `server: default`."""
    async with contextlib.AsyncExitStack() as stack:
        yield await stack.enter_async_context(request.param())


async def replay_on(server: KratosServer) -> tuple[Replay, list[RecordedExchange]]:
    """Return a replay and the recordings, rewritten for a server."""
    rewrite = await rewrite_for(server)
    story = [exchange for exchange in load(rewrite) if exchange.server == "default"]
    return Replay(server, rewrite=rewrite, typed=True, leeway=LEEWAY), story


# A real Kratos hashes passwords slowly, and each TOTP code can only be used once.
@pytest.mark.timeout(900)
async def test_server_and_client_conform_on_sockets(server: KratosServer, say: Callable[[str], None]) -> None:
    replay, story = await replay_on(server)
    differences = {}
    for exchange in story:
        lines = await run_with_setup(replay, exchange)
        differences[exchange.case] = [
            line for line in lines if is_unknown_difference(exchange, line, server.version)
        ]
    different = report(say, server.public, differences)
    if server.is_real:
        different = {case: lines for case, lines in different.items() if not all(map(is_advisory, lines))}
        say(
            f"{len(different)} exchanges differ in more than cache-control and Ory-Error-Id: {', '.join(different)}"
        )

    assert different == {}


CHANGES: dict[str, Callable[[dict[str, Any]], object]] = {
    "status": lambda response: response.update(status=201),
    "body.state is unexpected": lambda response: response["body"].pop("state"),
    "body.other is missing": lambda response: response["body"].update(other=1),
    "body.ui.nodes has": lambda response: response["body"]["ui"]["nodes"].pop(),
    "body.ui.nodes[1].group": lambda response: response["body"]["ui"]["nodes"][1].update(group="code"),
    "meta.label.id": lambda response: response["body"]["ui"]["nodes"][1]["meta"]["label"].update(id=1),
    "body.request_url": lambda response: response["body"].update(request_url="http://127.0.0.1:4433/else"),
    "ory-error-id": lambda response: response["headers"].append(["ory-error-id", ""]),
    "cookies are": lambda response: response["headers"].append(["set-cookie", "other=1; Path=/; Max-Age=1"]),
    "location": lambda response: response["headers"].append(["location", "http://127.0.0.1:4455/?flow=x"]),
}


@pytest.mark.parametrize("expected", CHANGES)
async def test_replay_reports_each_kind_of_difference(expected: str) -> None:
    exchange = recorded("login.browser.create.ajax")
    response = copy.deepcopy(exchange.response)
    CHANGES[expected](response)
    differences = await Replay(in_process()).run(dataclasses.replace(exchange, response=response))

    assert any(expected in line for line in differences)


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


async def replay_all(name: str) -> dict[str, list[str]]:
    """Replay the cases of a configuration, and return the differences of each."""
    cases = load_cases(name)
    settings = {"config": name, **RECORDINGS[name]}
    fields = read_config(RELEASE / "config" / f"{settings.pop('config')}.json").fields
    fake = FakeKratos(clock=ManualClock(), **fields | settings)
    replay = ReleaseReplay(fake, cases)
    return {case.name: await replay.run(case) for case in cases}


# The fake in this process responds to up to 547 requests, after the setup of their data.
@pytest.mark.timeout(120)
@pytest.mark.parametrize("name", RECORDINGS)
async def test_fake_conforms_to_release_except_for_known_differences(name: str, say: Callable[[str], None]) -> None:
    differences = await replay_all(name)
    different = {case for case, lines in differences.items() if lines}
    # The file has the reason for each of them.
    known = json.loads((RELEASE / "differences.json").read_text(encoding="utf-8")).keys() & differences.keys()
    say(f"FakeKratos agrees with {len(differences) - len(different)} of {len(differences)} exchanges of {name}")
    for case in sorted(different - known):
        say("\n    ".join((f"  {case}", *differences[case])))

    assert sorted(different - known) == []
    assert sorted(known - different) == []
