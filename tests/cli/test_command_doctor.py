"""`ory-guard doctor`: what is found, for people and for programs, and what the command ends with."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from command_line import call, served, served_kratos
from doctor_cases import answering

from ory_guard.cli.doctor import CHECKS
from ory_guard.testing import FakeKratos

APP = "http://127.0.0.1:4455"


@pytest.fixture(scope="module")
def kratos() -> Iterator[FakeKratos]:
    """A fake on a real socket."""
    with served_kratos() as fake:
        yield fake


def test_a_good_set_up_ends_with_0(kratos: FakeKratos) -> None:
    """Everything that was looked at is told, and what was not is told with what to give."""
    ended = call("doctor", "--kratos-url", kratos.settings.public_url, "--app-url", APP)

    assert ended.code == 0
    lines = ended.out.splitlines()
    assert lines[0] == f"Kratos at {kratos.settings.public_url}, the application at {APP}"
    assert "ok       return_to      people may return to http://127.0.0.1:4455" in lines
    assert "skipped  version        only Kratos' admin API tells the version" in lines
    assert "                        -> give --admin-url" in lines
    assert lines[-1] == "0 problems, 0 notices, 9 ok, 5 not looked at."


def test_a_problem_ends_with_1(kratos: FakeKratos) -> None:
    """It is named with its fix."""
    ended = call("doctor", "--kratos-url", kratos.settings.public_url, "--app-url", "http://127.0.0.1:8000")

    assert ended.code == 1
    assert "problem  return_to " in ended.out
    assert "-> add http://127.0.0.1:8000 to selfservice.allowed_return_urls" in ended.out


def test_programs_get_json(kratos: FakeKratos) -> None:
    """Each finding has its check, its level, what it says and what to do."""
    ended = call(
        "doctor",
        "--json",
        "--app-url",
        "http://127.0.0.1:8000",
        env={"ORY_GUARD_KRATOS_PUBLIC_URL": kratos.settings.public_url},
    )

    report = json.loads(ended.out)
    assert ended.code == 1
    assert (report["kratos"], report["app"]) == (kratos.settings.public_url, "http://127.0.0.1:8000")
    assert report["problems"] == 1
    assert [finding["check"] for finding in report["findings"]] == [check.name for check in CHECKS]
    assert all(set(finding) == {"check", "level", "message", "fix"} for finding in report["findings"])


def test_without_the_applications_url_cookies_are_left_out(kratos: FakeKratos) -> None:
    """The guard's settings need it with cookies, and a look at Kratos does not."""
    ended = call("doctor", "--kratos-url", kratos.settings.public_url)

    assert ended.code == 0
    assert "the application at (not told)" in ended.out


def test_a_guard_that_takes_cookies_needs_the_applications_url(kratos: FakeKratos) -> None:
    """Where the environment says that it does, the mistake is told and not mended silently."""
    ended = call("doctor", "--kratos-url", kratos.settings.public_url, env={"ORY_GUARD_CREDENTIALS": "cookie"})

    assert ended.code == 2
    assert "app_url is not set" in ended.error


def test_a_kratos_that_is_not_there_ends_with_3() -> None:
    """There is nothing to be said about its set-up."""
    ended = call("doctor", "--kratos-url", "http://127.0.0.1:1")

    assert ended.code == 3
    assert "problem  reach          nothing takes connections at 127.0.0.1:1" in ended.out
    assert ended.out.endswith("1 problem, 0 notices, 0 ok, 13 not looked at.\n")


def test_everything_can_be_looked_at(kratos: FakeKratos, tmp_path: Path) -> None:
    """With a session of two factors, the keys of tokens, a Redis and the admin API."""
    user = kratos.sign_in(kratos.add_identity(totp=True), aal="aal2")
    (tmp_path / "cookie").write_text(f"{user.cookie_name}={user.cookie}")
    (tmp_path / "jwks.json").write_text(json.dumps(kratos.jwks))

    ended = call(
        "doctor", "--kratos-url", kratos.settings.public_url, "--browser-url", kratos.settings.public_url,
        "--app-url", APP, "--admin-url", "http://127.0.0.1:1", "--cookie-file", tmp_path / "cookie",
        "--redis-url", "redis://:hunter2@127.0.0.1:1/0", "--jwks", tmp_path / "jwks.json",
        "--tokenize-as", "jwt_basic", "--json",
    )  # fmt: skip

    levels = {finding["check"]: finding["level"] for finding in json.loads(ended.out)["findings"]}
    assert levels["cookie_name"] == levels["jwks"] == "ok"
    assert levels["redis"] == levels["version"] == "problem"
    assert levels["required_aal"] == "skipped"
    assert "hunter2" not in ended.out + ended.error
    assert user.cookie not in ended.out + ended.error


def test_an_admin_url_that_is_none_ends_with_2(kratos: FakeKratos) -> None:
    """It is checked before anything is asked."""
    ended = call("doctor", "--kratos-url", kratos.settings.public_url, "--admin-url", "admin")

    assert ended.code == 2
    assert ended.error == "--admin-url must be an absolute http:// or https:// URL with a host\n"


def test_keys_may_lie_at_a_url(kratos: FakeKratos) -> None:
    """Wherever the operator hands them out."""

    def make(url: str) -> tuple[Any, str]:
        keys = answering(kratos.admin_app, "/jwks.json", 200, json.dumps(kratos.jwks).encode())
        return keys, f"{url}/jwks.json"

    with served(make) as url:
        ended = call("doctor", "--kratos-url", kratos.settings.public_url, "--jwks", url)
        missing = call("doctor", "--kratos-url", kratos.settings.public_url, "--jwks", f"{url}.old")

    assert f"{url} holds 1 usable key" in ended.out
    assert f"{url}.old can't be used: status 404" in missing.out
