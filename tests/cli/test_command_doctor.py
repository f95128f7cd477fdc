"""`ory-guard doctor`: its output as text and JSON, and its exit codes."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from command_line import CommandResult, call, served, served_kratos
from doctor_setup import APP, replacing

from ory_guard.cli.doctor import CHECKS
from ory_guard.testing import FakeKratos

OTHER_APP = "http://127.0.0.1:8000"


@pytest.fixture(scope="module")
def kratos() -> Iterator[FakeKratos]:
    """A fake on a real socket."""
    with served_kratos() as fake:
        yield fake


def doctor(kratos: FakeKratos, *arguments: object, **options: Any) -> CommandResult:
    """Call the command for a fake."""
    return call("doctor", "--kratos-url", kratos.settings.public_url, *arguments, **options)


def test_exits_with_0_without_a_problem(kratos: FakeKratos) -> None:
    result = doctor(kratos, "--app-url", APP)

    assert result.code == 0
    lines = result.out.splitlines()
    assert lines[0] == f"Kratos: {kratos.settings.public_url}, application: {APP}"
    assert f"ok       return_to      Kratos accepts {APP} as a return URL" in lines
    assert "skipped  version        only Kratos' admin API reports the version" in lines
    assert "                        -> give --admin-url" in lines
    assert lines[-1] == "0 problems, 1 notice, 8 ok, 5 skipped."


def test_exits_with_1_for_a_problem_and_prints_all_findings_as_json(kratos: FakeKratos) -> None:
    variables = {"ORY_GUARD_KRATOS_PUBLIC_URL": kratos.settings.public_url}
    result = call("doctor", "--json", "--app-url", OTHER_APP, env=variables)

    report = json.loads(result.out)
    assert result.code == 1
    assert (report["kratos"], report["app"]) == (kratos.settings.public_url, OTHER_APP)
    assert report["problems"] == 1
    assert [finding["check"] for finding in report["findings"]] == [check.name for check in CHECKS]
    assert all(set(finding) == {"check", "level", "message", "fix"} for finding in report["findings"])


def test_exits_with_2_if_cookies_are_configured_without_app_url(kratos: FakeKratos) -> None:
    result = doctor(kratos, env={"ORY_GUARD_CREDENTIALS": "cookie"})

    assert result.code == 2
    assert "app_url is required" in result.error


def test_exits_with_3_if_kratos_is_unreachable() -> None:
    result = call("doctor", "--kratos-url", "http://127.0.0.1:1")

    assert result.code == 3
    assert "application: (unknown)" in result.out
    assert "problem  reach          connection refused at 127.0.0.1:1" in result.out
    assert result.out.endswith("1 problem, 0 notices, 0 ok, 13 skipped.\n")


def test_all_inputs_together_reveal_no_secret(kratos: FakeKratos, tmp_path: Path) -> None:
    user = kratos.sign_in(kratos.add_identity(totp=True), aal="aal2")
    (tmp_path / "cookie").write_text(f"{user.cookie_name}={user.cookie}")
    (tmp_path / "jwks.json").write_text(json.dumps(kratos.jwks))

    result = doctor(
        kratos, "--browser-url", kratos.settings.public_url, "--app-url", APP, "--admin-url", "http://127.0.0.1:1",
        "--cookie-file", tmp_path / "cookie", "--redis-url", "redis://:hunter2@127.0.0.1:1/0",
        "--jwks", tmp_path / "jwks.json", "--tokenize-as", "jwt_basic", "--json",
    )  # fmt: skip

    levels = {finding["check"]: finding["level"] for finding in json.loads(result.out)["findings"]}
    assert levels["cookie_name"] == levels["jwks"] == "ok"
    assert levels["redis"] == levels["version"] == "problem"
    assert levels["required_aal"] == "skipped"
    assert "hunter2" not in result.out + result.error
    assert user.cookie not in result.out + result.error


def test_exits_with_2_for_an_invalid_admin_url(kratos: FakeKratos) -> None:
    result = doctor(kratos, "--admin-url", "admin")

    assert result.code == 2
    assert result.error == "--admin-url must be an absolute http:// or https:// URL with a host\n"


def test_jwks_can_be_a_url(kratos: FakeKratos) -> None:
    def make(url: str) -> tuple[Any, str]:
        app = replacing("/jwks.json", 200, json.dumps(kratos.jwks).encode())(kratos.admin_app)
        return app, f"{url}/jwks.json"

    with served(make) as url:
        found = doctor(kratos, "--jwks", url)
        missing = doctor(kratos, "--jwks", f"{url}.old")

    assert f"{url} contains 1 usable key" in found.out
    assert f"{url}.old can't be used: status 404" in missing.out
