"""Tests of what the example tells of the guard's work."""

import json
from typing import Any

import pytest
from support.asgi_calls import call

from ory_guard.testing import Fault

from .deployment import Deployment
from .visitor import Visitor

pytestmark = pytest.mark.anyio


async def debug(visitor: Visitor) -> dict[str, Any]:
    """Return what `/debug/guard` tells this browser."""
    answer = await visitor.client.get(f"{visitor.deployment.app_url}/debug/guard")
    told: dict[str, Any] = json.loads(answer.text)
    return told


async def test_a_first_look_is_a_miss_and_the_next_a_hit(visitor: Visitor, deployment: Deployment) -> None:
    """The request itself and the last ones of the same browser are told, with times and ages."""
    await visitor.register("ada@example.test")
    deployment.wait(31)
    await visitor.open("/me")
    deployment.wait(7)
    told = await debug(visitor)
    miss = told["earlier"][0]

    assert (told["request"]["cache"], told["request"]["credential"]) == ("hit", "cookie")
    assert 7 <= told["request"]["age"] < 8
    assert (miss["path"], miss["cache"], miss["outcome"], miss["status"]) == ("/me", "miss", "Authenticated", 200)
    assert 0 < miss["kratos_us"] <= miss["guard_us"]


async def test_a_refusal_is_told_with_its_failures(visitor: Visitor) -> None:
    """Why a gate said no is there on the page to which it led."""
    await visitor.register("ada@example.test")
    await visitor.open("/vault")
    told = await debug(visitor)
    refused = next(visit for visit in told["earlier"] if visit["path"] == "/vault")

    assert (refused["refused"], refused["status"]) == ("session_aal2_enrollment_required", 303)
    assert refused["failures"] == [{"id": "aal", "expected": "aal2", "actual": "aal1"}]
    assert "aal: expected aal2, found aal1" in visitor.page.text


async def test_other_browsers_learn_nothing_of_it(visitor: Visitor, deployment: Deployment) -> None:
    """What is kept belongs to one browser."""
    await visitor.register("ada@example.test")
    await visitor.open("/me")
    async with Visitor(deployment) as other:
        told = await debug(other)

    assert told["earlier"] == []
    assert told["request"]["outcome"] == "Anonymous"


async def test_nothing_that_could_sign_anybody_in_is_told(visitor: Visitor) -> None:
    """Neither the panel nor the JSON holds a cookie's value or an address's query."""
    await visitor.register("ada@example.test")
    await visitor.open("/me?secret=hush")
    panel, told = visitor.page.text, json.dumps(await debug(visitor))

    for value in visitor.client.cookies.values():
        assert value not in panel
        assert value not in told
    assert "hush" not in panel + told


async def test_the_trail_of_many_browsers_stays_short(deployment: Deployment) -> None:
    """A thousand browsers are remembered, and no more."""
    for _ in range(1_010):
        await call(deployment.app, "/no-such-page")
    kept = deployment.app.state.site.activity_log._kept

    assert len(kept) == 1_000


async def test_a_check_that_fails_is_told_as_such(visitor: Visitor, deployment: Deployment) -> None:
    """Who gets no answer from Kratos is not told that nobody is signed in."""
    await visitor.register("ada@example.test")
    deployment.wait(31)
    deployment.fake.fail(Fault.server_error(), times=10)

    told = await debug(visitor)

    assert (told["request"]["outcome"], told["request"]["reason"]) == ("Unavailable", "unreachable")
