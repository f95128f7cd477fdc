"""Conformance with the recordings of a real Kratos.

The recordings are replayed against the fake in process, and with `FrontendClient` against a fake on sockets or a
real Kratos (marker `live`). Requests that `FrontendClient` does not make, such as page navigations, are sent as
recorded.
"""

import asyncio
import contextlib
import copy
import dataclasses
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx2
import pytest
from support.kratos_servers import KratosServer, in_process, live, on_sockets
from support.live_kratos import parse_version
from support.typed_calls import is_typed_call

from ory_guard.testing import OidcProvider

from .normalize import is_advisory, is_unknown_difference
from .recorded_story import RecordedExchange, load, recorded
from .replay import Replay, call_with_client, rewrite_for
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

UPDATES = {
    (f"update_{flow}_flow", kind)
    for flow in ("login", "registration", "settings", "recovery", "verification")
    for kind in ("native", "browser")
}


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


def test_client_calls_include_the_updates_of_all_flows() -> None:
    calls = {
        (exchange.operation, "browser" if "csrf_token" in exchange.request["body"] else "native")
        for exchange in load()
        if exchange.server == "default" and is_typed_call(exchange) and exchange.request["body"]
    }

    assert calls >= UPDATES


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


async def test_replay_with_client_reports_a_difference() -> None:
    async with on_sockets() as server:
        replay, story = await replay_on(server)
        exchange = next(exchange for exchange in story if exchange.case == "login.native.create")
        changed = dataclasses.replace(exchange, response={**exchange.response, "status": 201})

        assert await replay.run(changed) == ["status is 200 instead of 201"]


@pytest.mark.parametrize(
    ("status", "body", "problem"),
    [
        (200, "{}", "FrontendClient raised KratosProtocolError"),
        (404, '{"error": {"code": 404}}', ""),
        (302, "", ""),
    ],
)
async def test_replay_with_client_reports_unparsed_success(status: int, body: str, problem: str) -> None:
    response = httpx2.Response(status, headers={"content-type": "application/json"}, content=body)
    transport = httpx2.MockTransport(lambda _: response)
    server = KratosServer("http://127.0.0.1:1", "", transport, time.time, asyncio.sleep)

    actual, problems = await call_with_client(server, recorded("login.native.create"))

    assert (actual.status_code, actual.text) == (status, body)
    assert [problem.partition("(")[0] for problem in problems] == ([problem] if problem else [])


@pytest.mark.parametrize(
    ("case", "line", "expected"),
    [
        ("login.native.submit.inactive_identity", "status is 401 instead of 400", False),
        ("login.native.submit.inactive_identity", "status is 200 instead of 400", True),
        ("login.native.submit.wrong_password", "status is 401 instead of 400", True),
        ("settings.native.create", "body.identity.organization_id is missing", False),
        ("settings.native.create", "body.identity.traits is missing", True),
        ("whoami.cookie", "body.identity.organization_id is missing", True),
        ("registration.browser.submit.csrf_missing", "body.error.details.docs is 1 instead of 2", False),
        ("registration.browser.submit.csrf_missing", "body.error.details.reject_reason is missing", True),
        ("whoami.aal2", "body.identity.state_changed_at is missing", False),
        ("recovery.native.submit.code", "body.ui.nodes[1].attributes.autocomplete is missing", False),
        ("login.native.create", "body.ui.nodes[1].attributes.autocomplete is missing", True),
        ("registration.native.submit.duplicate", "body.ui.nodes[1].attributes.value is missing", False),
        ("whoami.cookie", "vary is ['Cookie'] instead of ['Origin', 'Cookie']", False),
        ("whoami.cookie", "vary is ['Origin'] instead of ['Origin', 'Cookie']", True),
        ("login.native.create", "body.ui.nodes[1].meta.label.context.title is 'a' instead of 'b'", False),
        ("login.native.create", "body.ui.nodes[1].meta.label.id is 1 instead of 2", True),
    ],
)
def test_known_differences_are_limited_to_their_cases(case: str, line: str, expected: bool) -> None:
    assert is_unknown_difference(recorded(case), line) is expected


@pytest.mark.parametrize(
    ("version", "case", "line", "expected"),
    [
        ("v1.3.1", "sessions.list.aal2_required", "status is 200 instead of 403", False),
        ("v25.4.0", "sessions.list.aal2_required", "status is 200 instead of 403", True),
        ("v1.3.1", "sessions.list", "status is 200 instead of 403", True),
        ("v1.3.1", "login.native.create", "body.ui.nodes[1].meta.label.context.name is missing", False),
        ("master", "login.native.create", "body.ui.nodes[1].meta.label.context.name is missing", True),
        ("v1.3.1", "registration.two_step.html.get", "body.ui.nodes has 5 entries instead of 7", False),
        ("v1.3.1", "registration.two_step.html.get", "status is 500 instead of 200", True),
    ],
)
def test_known_differences_end_with_a_release(version: str, case: str, line: str, expected: bool) -> None:
    assert is_unknown_difference(recorded(case), line, parse_version(version)) is expected


@pytest.mark.parametrize(
    ("line", "expected"), [("cache-control is None instead of []", True), ("vary is None", False)]
)
def test_only_two_headers_are_advisory(line: str, expected: bool) -> None:
    assert is_advisory(line) is expected


async def test_old_releases_may_order_nodes_differently() -> None:
    exchange = recorded("login.browser.create.ajax")
    response = copy.deepcopy(exchange.response)
    response["body"]["ui"]["nodes"].reverse()
    changed = dataclasses.replace(exchange, response=response)
    old = dataclasses.replace(in_process(cors_enabled=True), version=(1, 3, 1))

    assert await Replay(old).run(changed) == []
    assert await Replay(in_process(cors_enabled=True)).run(changed) != []
