"""The doctor on Kratos itself: version, clock, caching and limits."""

import json
from typing import Any

import pytest
from doctor_cases import adding, answering, found, found_all, make_context, token_of

from ory_guard.cli.doctor.context import json_object
from ory_guard.kratos.session_parser import Answer
from ory_guard.testing import FakeKratos, ManualClock


def admin_with(version: object) -> Any:
    """Return an admin API that tells this version."""
    return answering(FakeKratos().admin_app, "/version", 200, json.dumps({"version": version}).encode())


def test_the_version_is_only_told_by_the_admin_api() -> None:
    """Without its URL the doctor says what to give."""
    finding = found("version", FakeKratos())

    assert (finding.level, finding.fix) == ("skipped", "give --admin-url")


@pytest.mark.parametrize("version", ["v26.2.0", "v26.2.7", "26.2.0-rc.1"])
def test_the_release_that_ory_guard_was_made_for_is_fine(version: str) -> None:
    """Patch releases and candidates of it too."""
    assert found("version", FakeKratos(), admin=admin_with(version)).level == "ok"


@pytest.mark.parametrize("version", ["v1.3.1", "v25.4.0", "master"])
def test_another_release_is_noticed(version: str) -> None:
    """Sessions are the same there; the client's newer operations may not be."""
    finding = found("version", FakeKratos(), admin=admin_with(version))

    assert finding.level == "notice"
    assert finding.message.startswith(f"Kratos is {version}, and ory_guard was made for v26.2.0")


@pytest.mark.parametrize("admin", [FakeKratos().admin_app, admin_with(26)], ids=["404", "number"])
def test_an_admin_api_without_a_version_is_noticed(admin: Any) -> None:
    """Whatever answers there is not understood."""
    finding = found("version", FakeKratos(), admin=admin)

    assert finding.level == "notice"
    assert "tells no version" in finding.message
    assert "whose port is 4434" in finding.fix


@pytest.mark.parametrize(
    ("seconds", "level", "words"),
    [
        (0, "ok", "agree"),
        (30, "notice", "30.0 s ahead of"),
        (-30, "notice", "30.0 s behind"),
        (300, "problem", "300.0 s ahead of"),
    ],
)
def test_a_clock_that_differs_is_named(seconds: float, level: str, words: str) -> None:
    """Beyond clock_skew it is a problem: sessions end at the wrong time."""
    ours, theirs = ManualClock(), ManualClock()
    (theirs if seconds > 0 else ours).advance(abs(seconds))

    finding = found("clock", FakeKratos(clock=theirs), clock=ours)

    assert finding.level == level
    assert words in finding.message
    assert ("NTP" in finding.fix) == (level != "ok")


@pytest.mark.parametrize("body", [b"{}", b'{"issued_at": 5}', b'{"issued_at": "today"}', b"[", b"[]"])
def test_a_clock_that_is_not_told_is_skipped(body: bytes) -> None:
    """Where no login can be begun, its time is not known."""
    fake = FakeKratos()

    finding = found("clock", fake, app=answering(fake.app, "/self-service/login/api", 400, body))

    assert finding.level == "skipped"


def test_caching_that_is_switched_off_is_noticed() -> None:
    """Then nothing but cache_ttl bounds how long a session is kept."""
    finding = found("caching", FakeKratos(cacheable_sessions=False))

    assert finding.level == "notice"
    assert "sessions are kept for cache_ttl, 30 s" in finding.message
    assert "feature_flags.cacheable_sessions" in finding.fix


def test_a_cache_ttl_that_kratos_shortens_is_noticed() -> None:
    """The less of both counts, so the setting promises too much."""
    fake = FakeKratos(cacheable_sessions_max_age=10)
    user = fake.sign_in(fake.add_identity())

    finding = found("caching", fake, credential=token_of(user))

    assert finding.level == "notice"
    assert "cache_ttl is 30 s, but Kratos lets answers be kept for 10 s" in finding.message


def test_caching_that_fits_is_fine() -> None:
    """Kratos would allow more than cache_ttl; without a session it only shows that it has a say."""
    fake = FakeKratos()
    user = fake.sign_in(fake.add_identity())

    assert found("caching", fake, credential=token_of(user)).message.endswith("Kratos would allow 300 s")
    assert found("caching", fake, cache_ttl=120).message.endswith("or for less where Kratos says so")


@pytest.mark.parametrize(
    "headers", [{"age": "12"}, {"x-cache": "Hit from cloud"}, {"cf-cache-status": "HIT"}, {"x-cache-hits": "3"}]
)
def test_a_cache_in_front_of_kratos_is_named(headers: dict[str, str]) -> None:
    """In it revoked sessions live on, and one user's answer may be another's."""
    fake = FakeKratos()

    finding = found("caching", fake, app=adding(fake.app, headers))

    assert finding.level == "problem"
    assert next(iter(headers)) in finding.message
    assert "/sessions/whoami" in finding.fix


def test_a_cache_that_lets_everything_through_is_no_problem() -> None:
    """A CDN that says MISS did ask Kratos."""
    fake = FakeKratos()

    finding = found("caching", fake, app=adding(fake.app, {"x-cache": "MISS", "age": "0"}))

    assert finding.level == "ok"


def test_limits_are_told() -> None:
    """What a gateway says about limits is repeated, with the setting that bounds the calls."""
    fake = FakeKratos()
    context = make_context(fake, app=adding(fake.app, {"x-ratelimit-limit": "100", "ratelimit-remaining": "7"}))
    found_all("clock", context)

    (finding,) = found_all("rate_limit", context)

    assert finding.level == "notice"
    assert finding.message == "calls are limited: ratelimit-remaining: 7, x-ratelimit-limit: 100"
    assert "ORY_GUARD_CACHE_TTL" in finding.fix


@pytest.mark.parametrize(("headers", "words"), [({"retry-after": "3"}, "retry-after: 3"), ({}, "no more is told")])
def test_limits_that_were_reached_are_a_problem(headers: dict[str, str], words: str) -> None:
    """A 429 to one of the doctor's own questions would be one to a user's, too."""
    fake = FakeKratos()
    context = make_context(fake, app=adding(answering(fake.app, "/self-service/login/api", 429), headers))
    found_all("clock", context)

    (finding,) = found_all("rate_limit", context)

    assert finding.level == "problem"
    assert words in finding.message


def test_without_limits_all_is_well() -> None:
    """No header speaks of limits."""
    fake = FakeKratos()
    context = make_context(fake)
    found_all("clock", context)

    assert [finding.level for finding in found_all("rate_limit", context)] == ["ok"]


def test_json_that_is_none_reads_as_nothing() -> None:
    """Deeply nested, broken or foreign bodies raise nothing."""
    headers = [(b"content-type", b"application/json")]

    assert json_object(Answer(200, headers, b"[" * 100_000)) == {}
    assert json_object(Answer(200, [], b"{}")) == {}
