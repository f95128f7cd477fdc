"""The recorded story of `server: default` against a Kratos on sockets: a served fake, or a real one (`live`).

Both run the same code. Each call that `FrontendClient` can make goes through it, the updates of all flows among
them; navigations and form posts are sent as they were recorded.
"""

import asyncio
import contextlib
import dataclasses
import time
from collections.abc import AsyncIterator, Callable

import httpx2
import pytest
from between import BEFORE
from client_call import call_with_client
from other_kratos import speaks_against
from places import Place, live, on_sockets
from recorded_scenario import Exchange, load
from replay import Replay
from rewriting import rewriting_for
from typed_calls import is_typed_call

pytestmark = pytest.mark.anyio

# Between a sign-in and the answer that shows the end of its session half a minute may have been waited.
LEEWAY = 120

UPDATES = {
    (f"update_{flow}_flow", kind)
    for flow in ("login", "registration", "settings", "recovery", "verification")
    for kind in ("native", "browser")
}


@pytest.fixture(params=[on_sockets, pytest.param(live, marks=pytest.mark.live)], ids=["served", "live"])
async def place(request: pytest.FixtureRequest) -> AsyncIterator[Place]:
    """A Kratos that is set up as the recorded one."""
    async with contextlib.AsyncExitStack() as stack:
        yield await stack.enter_async_context(request.param())


async def the_story(place: Place) -> tuple[Replay, list[Exchange]]:
    """Return a replay, and what was recorded, in the words of a place."""
    rewrite = await rewriting_for(place)
    story = [recorded for recorded in load(rewrite) if recorded.server == "default"]
    return Replay(place, rewrite=rewrite, typed=True, leeway=LEEWAY), story


# Passwords are hashed slowly, and each code of an authenticator app has to be waited for.
@pytest.mark.timeout(900)
async def test_kratos_answers_as_recorded(place: Place, say: Callable[[str], None]) -> None:
    """The whole story gets answers of the recorded form, and the client understands them all."""
    replay, story = await the_story(place)
    found = {}
    for recorded in story:
        if before := BEFORE.get(recorded.case):
            await before(replay, recorded)
        lines = await replay.run(recorded)
        found[recorded.case] = [line for line in lines if speaks_against(recorded, line)]

    different = {case: lines for case, lines in found.items() if lines}
    say(f"{place.public} agrees with {len(found) - len(different)} of {len(found)}")
    for case, lines in different.items():
        say(f"  {case}: {'; '.join(lines)}")
    assert different == {}


def test_the_client_makes_the_updates_of_every_flow() -> None:
    """Among the calls that go through the client is an update of each flow, by an app and by a browser."""
    story = [recorded for recorded in load() if recorded.server == "default"]
    made = {
        (one.operation, "browser" if "csrf_token" in one.request["body"] else "native")
        for one in story
        if is_typed_call(one) and one.request["body"]
    }

    assert made >= UPDATES


async def test_a_difference_is_noticed() -> None:
    """An answer with another status than the recorded one is told."""
    async with on_sockets() as place:
        replay, story = await the_story(place)
        recorded = next(one for one in story if one.case == "login.native.create")
        other = dataclasses.replace(recorded, response={**recorded.response, "status": 201})
        lines = await replay.run(other)

    assert lines == ["status is 200 instead of 201"]


@pytest.mark.parametrize(
    ("status", "body", "problem"),
    [
        (200, "{}", "FrontendClient raised KratosProtocolError"),
        (404, '{"error": {"code": 404}}', ""),
        (302, "", ""),
    ],
)
async def test_what_the_client_makes_of_an_answer_is_told(status: int, body: str, problem: str) -> None:
    """A success that it can't read is a difference; a refusal that it raises is none."""
    recorded = next(one for one in load() if one.case == "login.native.create")
    answer = httpx2.Response(status, headers={"content-type": "application/json"}, content=body)
    place = Place("http://127.0.0.1:1", "", httpx2.MockTransport(lambda _: answer), time.time, asyncio.sleep)

    heard, problems = await call_with_client(place, recorded)

    assert (heard.status_code, heard.text) == (status, body)
    assert [one.partition("(")[0] for one in problems] == ([problem] if problem else [])


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
def test_what_another_kratos_may_answer(case: str, line: str, expected: bool) -> None:
    """What differs between releases, or is left open, is let pass where it is expected and nowhere else."""
    recorded = next(one for one in load() if one.case == case)

    assert speaks_against(recorded, line) is expected
