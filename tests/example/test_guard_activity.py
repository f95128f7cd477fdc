"""Tests of the guard's activity in the panel and in `/debug/guard`."""

import json
import re
from typing import Any

import pytest
from support.asgi_calls import call

from example_app.request_activity import RequestActivity
from ory_guard.testing import Fault

from .deployment import Deployment
from .visitor import Visitor

pytestmark = pytest.mark.anyio


async def debug(visitor: Visitor) -> dict[str, Any]:
    """Return the JSON of `/debug/guard` for this browser."""
    response = await visitor.client.get(f"{visitor.deployment.app_url}/debug/guard")
    activity: dict[str, Any] = json.loads(response.text)
    return activity


async def test_first_request_is_a_miss_and_the_next_is_a_hit(visitor: Visitor, deployment: Deployment) -> None:
    await visitor.register("ada@example.test")
    deployment.wait(31)
    await visitor.open("/me")
    deployment.wait(7)
    activity = await debug(visitor)
    miss = activity["previous"][0]

    assert (activity["request"]["cache"], activity["request"]["credential"]) == ("hit", "cookie")
    assert 7 <= activity["request"]["age"] < 30  # the clock also runs during the requests
    assert (miss["path"], miss["cache"], miss["outcome"], miss["status"]) == ("/me", "miss", "Authenticated", 200)
    assert 0 < miss["kratos_us"] <= miss["guard_us"]


async def test_refusal_is_recorded_with_its_failures(visitor: Visitor) -> None:
    await visitor.register("ada@example.test")
    await visitor.open("/vault")
    activity = await debug(visitor)
    request = next(entry for entry in activity["previous"] if entry["path"] == "/vault")

    assert (request["refusal"], request["status"]) == ("session_aal2_enrollment_required", 303)
    assert request["failures"] == [{"id": "aal", "expected": "aal2", "actual": "aal1"}]
    assert "aal: expected aal2, found aal1" in visitor.page.text
    await visitor.open("/members")
    assert "verified: expected email, found none" in visitor.page.text


def steps_of(activity: RequestActivity) -> list[tuple[str, str]]:
    """Return the parts and texts of the steps, without the time of the request and the age of the session."""
    return [(step.part, re.sub(r" at .*|, [0-9.]+ s old", "", step.text)) for step in activity.steps]


async def test_steps_show_the_way_of_each_request(visitor: Visitor, deployment: Deployment) -> None:
    await visitor.register("ada@example.test")
    deployment.wait(31)
    for path in ("/me", "/me", "/vault"):
        await visitor.open(path)
    log = deployment.app.state.site.activity_log
    (recent,) = log._by_browser.values()
    pages = {f"{each.path} {each.cache_result}": each for each in recent}

    assert steps_of(pages["/me miss"]) == [
        ("Browser", "GET /me"),
        ("Guard", "Authenticated, by cookie"),
        ("Cache", "miss"),
        ("Kratos", "whoami: Authenticated, status 200"),
        ("Requirement", "CurrentSession: met"),
        ("Response", "200"),
    ]
    assert steps_of(pages["/me hit"])[2:4] == [("Cache", "hit"), ("Requirement", "CurrentSession: met")]
    refused = pages["/vault hit"]
    assert ("Requirement", "refused: session_aal2_enrollment_required") in steps_of(refused)
    assert ("Response", "303") in steps_of(refused)
    for step in refused.steps[1:]:
        assert step.seconds is not None
        assert step.seconds > 0
    assert log._running == {}


async def test_other_browsers_do_not_see_the_activity(visitor: Visitor, deployment: Deployment) -> None:
    await visitor.register("ada@example.test")
    await visitor.open("/me")
    async with Visitor(deployment) as other:
        activity = await debug(other)

    assert activity["previous"] == []
    assert activity["request"]["outcome"] == "Anonymous"


async def test_activity_contains_neither_cookies_nor_queries(visitor: Visitor) -> None:
    await visitor.register("ada@example.test")
    await visitor.open("/me?secret=hush")
    panel, activity = visitor.page.text, json.dumps(await debug(visitor))

    for value in visitor.client.cookies.values():
        assert value not in panel
        assert value not in activity
    assert "hush" not in panel + activity


async def test_activity_is_limited_to_1000_browsers(deployment: Deployment) -> None:
    for _ in range(1_010):
        await call(deployment.app, "/no-such-page")
    browsers = deployment.app.state.site.activity_log._by_browser

    assert len(browsers) == 1_000


async def test_failed_check_is_unavailable_not_anonymous(visitor: Visitor, deployment: Deployment) -> None:
    await visitor.register("ada@example.test")
    deployment.wait(31)
    deployment.fake.fail(Fault.server_error(), times=10)

    activity = await debug(visitor)

    assert (activity["request"]["outcome"], activity["request"]["reason"]) == ("Unavailable", "unreachable")
    await visitor.open("/")
    assert "Kratos" in visitor.page.text
    assert "whoami failed: unreachable" in visitor.page.text
