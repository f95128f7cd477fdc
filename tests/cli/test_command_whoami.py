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
    user = log_in(kratos)

    result = whoami(kratos, "--token-file", write(tmp_path, f"{user.token}\n"))

    assert result.code == 0
    assert result.out.startswith("ada@example.test\n\nlogged in ")
    assert re.search(r"^expires +in 59 minutes \(", result.out, re.MULTILINE)
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


def revoked(kratos: FakeKratos) -> tuple[str, str]:
    """Return a token of a session that has ended."""
    user = log_in(kratos)
    kratos.revoke(user.session)
    return "--token-file", user.token


def two_sessions(kratos: FakeKratos) -> tuple[str, str]:
    """Return the cookies of two sessions."""
    return "--cookie-file", "; ".join(
        f"{user.cookie_name}={user.cookie}" for user in (log_in(kratos), log_in(kratos))
    )


def without_second_factor(kratos: FakeKratos) -> tuple[str, str]:
    """Return the token of a session that lacks the second factor of its identity."""
    return "--token-file", log_in(kratos, totp=True).token


def without_enrollment(kratos: FakeKratos) -> tuple[str, str]:
    """Return a token for which Kratos requires a second factor that the identity does not have."""
    body = json.dumps({"error": {"id": "session_aal2_enrollment_required", "code": 403}}).encode()
    kratos.fail(Fault(status=403, headers={"content-type": "application/json"}, body=body))
    return "--token-file", "ory_st_x"


@pytest.mark.parametrize(
    ("credential", "start", "text"),
    [
        (revoked, "Not logged in: the credential is unknown, expired or revoked", ""),
        (two_sessions, "Ambiguous: ", ""),
        (
            lambda _: ("--token-file", "ory_st_hunter 2"),
            "Invalid credential: it contains forbidden characters or is too long\n",
            "",
        ),
        (without_second_factor, "Second factor required: ", "/self-service/login/browser?aal=aal2"),
        (without_enrollment, "Second factor required: ", "/self-service/settings/browser"),
    ],
    ids=["revoked", "two cookies", "invalid", "second factor", "no second factor"],
)
def test_exits_with_1_and_a_sentence_without_a_session(
    kratos: FakeKratos, tmp_path: Path, credential: Any, start: str, text: str
) -> None:
    option, value = credential(kratos)

    result = whoami(kratos, option, write(tmp_path, value))

    assert (result.code, result.out) == (1, "")
    assert result.error.startswith(start)
    assert f"{kratos.settings.public_url}{text}" in result.error or not text
    assert value not in result.error


@pytest.mark.parametrize(
    ("arguments", "code", "error"),
    [
        (
            ("--kratos-url", "http://127.0.0.1:1", "--token-file", "-"),
            3,
            "http://127.0.0.1:1 is unavailable (unreachable); run ory-guard doctor to find out why\n",
        ),
        ((), 2, "ORY_SESSION_TOKEN"),
        (("--kratos-url", "kratos", "--token-file", "-"), 2, "kratos_public_url: 'kratos' is not allowed"),
    ],
    ids=["unreachable", "no credential", "invalid setting"],
)
def test_exits_with_another_code_for_other_errors(arguments: tuple[str, ...], code: int, error: str) -> None:
    result = call("whoami", *arguments, stdin="ory_st_x")

    assert result.code == code
    assert error in result.error
