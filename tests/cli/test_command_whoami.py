"""`ory-guard whoami`: the session of a credential, or a sentence that says why it has none."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from command_line import CommandResult, call, served_kratos

from ory_guard.testing import FakeKratos, Fault, SignedIn

TRAITS = {"email": "ada@example.test", "name": {"first": "Ada"}}


@pytest.fixture(scope="module")
def kratos() -> Iterator[FakeKratos]:
    """A fake on a real socket."""
    with served_kratos() as fake:
        yield fake


def log_in(kratos: FakeKratos, **properties: Any) -> SignedIn:
    """Log in a new identity."""
    return kratos.sign_in(kratos.add_identity(traits=TRAITS, **properties))


def whoami(kratos: FakeKratos, *arguments: object, **options: Any) -> CommandResult:
    """Call the command for a fake."""
    return call("whoami", "--kratos-url", kratos.settings.public_url, *arguments, **options)


def write(folder: Path, text: str) -> Path:
    """Write a file and return its path."""
    path = folder / "credential"
    path.write_text(text)
    return path


def test_prints_the_session(kratos: FakeKratos, tmp_path: Path) -> None:
    user = log_in(kratos, verified=True, metadata_public={"roles": ["reader", "writer"]}, organization_id="acme")

    result = whoami(kratos, "--token-file", write(tmp_path, f"{user.token}\n"))

    assert result.code == 0
    lines = result.out.splitlines()
    assert lines[:2] == ["ada@example.test", ""]
    rows = dict(line.split("  ", 1) for line in lines[2:])
    assert re.match(r"\s*(now|\d seconds? ago) \(.* UTC\), by password$", rows["logged in"])
    assert rows["assurance"].strip() == "aal1"
    assert rows["expires"].strip().startswith("in 59 minutes (")
    assert rows["identity"].strip() == f"{user.session.identity.id} (active, schema default)"
    assert rows["organization"].strip() == "acme"
    assert rows["address"].strip() == "ada@example.test (verified, email)"
    assert "name.first = Ada" in result.out
    assert rows["metadata"].strip() == "roles = reader, writer"
    assert user.token not in result.out + result.error


def test_reads_standard_input_and_environment(kratos: FakeKratos) -> None:
    user = log_in(kratos)

    assert whoami(kratos, "--token-file", "-", stdin=user.token).code == 0
    assert whoami(kratos, env={"ORY_SESSION_TOKEN": user.token}).code == 0
    assert whoami(kratos, env={"ORY_SESSION_COOKIE": f"{user.cookie_name}={user.cookie}"}).code == 0


@pytest.mark.parametrize("prefix", ["", "Cookie: ", "theme=dark; "])
def test_accepts_cookie_header_of_a_browser(kratos: FakeKratos, tmp_path: Path, prefix: str) -> None:
    user = log_in(kratos)

    path = write(tmp_path, f"{prefix}{user.cookie_name}={user.cookie}")
    result = whoami(kratos, "--cookie-file", path, "--json")

    assert result.code == 0
    session = json.loads(result.out)
    assert session["id"] == user.session.id
    assert session["identity"]["traits"] == TRAITS
    assert "tokenized" not in session


def test_accepts_cookie_jar_with_cookies_of_other_hosts(kratos: FakeKratos, tmp_path: Path) -> None:
    user = log_in(kratos)
    jar = write(
        tmp_path,
        "# Netscape HTTP Cookie File\n"
        f"#HttpOnly_127.0.0.1\tFALSE\t/\tFALSE\t4102444800\t{user.cookie_name}\t{user.cookie}\n"
        "example.com\tFALSE\t/\tFALSE\t0\tflag\t\n",
    )

    assert whoami(kratos, "--cookie-jar", jar).code == 0


def test_uses_settings_of_the_environment(tmp_path: Path) -> None:
    with served_kratos(cookie_name="acme_session") as kratos:
        user = log_in(kratos)
        path = write(tmp_path, f"acme_session={user.cookie}")

        configured = whoami(kratos, "--cookie-file", path, env={"ORY_GUARD_COOKIE_NAMES": "acme_session"})
        default = whoami(kratos, "--cookie-file", path)

    assert (configured.code, default.code) == (0, 1)
    assert "No cookie is named ory_kratos_session: set ORY_GUARD_COOKIE_NAMES" in default.error


def test_exits_with_1_for_a_revoked_token(kratos: FakeKratos, tmp_path: Path) -> None:
    user = log_in(kratos)
    kratos.revoke(user.session)

    result = whoami(kratos, "--token-file", write(tmp_path, user.token))

    assert (result.code, result.out) == (1, "")
    assert result.error.startswith("Not logged in: the credential is unknown, expired or revoked")


def test_exits_with_1_for_different_session_cookies(kratos: FakeKratos, tmp_path: Path) -> None:
    first, second = log_in(kratos), log_in(kratos)
    cookies = "; ".join(f"{user.cookie_name}={user.cookie}" for user in (first, second))

    result = whoami(kratos, "--cookie-file", write(tmp_path, cookies))

    assert (result.code, result.error.partition(":")[0]) == (1, "Ambiguous")


def test_does_not_print_an_invalid_credential(kratos: FakeKratos, tmp_path: Path) -> None:
    result = whoami(kratos, "--token-file", write(tmp_path, "ory_st_hunter 2"))

    expected = "Invalid credential: it contains forbidden characters or is too long\n"
    assert (result.code, result.out, result.error) == (1, "", expected)


def test_explains_how_to_complete_the_second_factor(kratos: FakeKratos, tmp_path: Path) -> None:
    user = log_in(kratos, totp=True)

    result = whoami(kratos, "--token-file", write(tmp_path, user.token))

    assert result.code == 1
    assert result.error.startswith("Second factor required: ")
    assert f"{kratos.settings.public_url}/self-service/login/browser?aal=aal2" in result.error


def test_explains_how_to_set_up_a_second_factor(kratos: FakeKratos, tmp_path: Path) -> None:
    body = json.dumps({"error": {"id": "session_aal2_enrollment_required", "code": 403}}).encode()
    kratos.fail(Fault(status=403, headers={"content-type": "application/json"}, body=body))

    result = whoami(kratos, "--token-file", write(tmp_path, "ory_st_x"))

    assert result.code == 1
    assert f"{kratos.settings.public_url}/self-service/settings/browser" in result.error


def test_exits_with_3_if_kratos_is_unreachable(tmp_path: Path) -> None:
    result = call("whoami", "--kratos-url", "http://127.0.0.1:1", "--token-file", write(tmp_path, "ory_st_x"))

    assert result.code == 3
    expected = "http://127.0.0.1:1 is unavailable (unreachable); run ory-guard doctor to find out why\n"
    assert result.error == expected


def test_exits_with_2_without_a_credential() -> None:
    result = call("whoami")

    assert result.code == 2
    assert "ORY_SESSION_TOKEN" in result.error


def test_exits_with_2_for_an_invalid_setting(tmp_path: Path) -> None:
    result = call("whoami", "--kratos-url", "kratos", "--token-file", write(tmp_path, "ory_st_x"))

    assert result.code == 2
    assert "kratos_public_url: 'kratos' is not allowed" in result.error
