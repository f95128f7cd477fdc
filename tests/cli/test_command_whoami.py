"""`ory-guard whoami`: a session as a person wants to read it, and a sentence where there is none."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from command_line import Ended, call, served_kratos

from ory_guard.testing import FakeKratos, Fault, SignedIn

TRAITS = {"email": "ada@example.test", "name": {"first": "Ada"}}


@pytest.fixture(scope="module")
def kratos() -> Iterator[FakeKratos]:
    """A fake on a real socket."""
    with served_kratos() as fake:
        yield fake


def signed_in(kratos: FakeKratos, **properties: Any) -> SignedIn:
    """Sign somebody new in."""
    return kratos.sign_in(kratos.add_identity(traits=TRAITS, **properties))


def whoami(kratos: FakeKratos, *arguments: object, **call_with: Any) -> Ended:
    """Ask who somebody is."""
    return call("whoami", "--kratos-url", kratos.settings.public_url, *arguments, **call_with)


def file_with(folder: Path, text: str) -> Path:
    """Write a file."""
    path = folder / "credential"
    path.write_text(text)
    return path


def test_a_session_is_told_in_words(kratos: FakeKratos, tmp_path: Path) -> None:
    """Who it is stands first, then how and until when they are signed in."""
    user = signed_in(kratos, verified=True, metadata_public={"roles": ["reader", "writer"]}, organization_id="acme")

    ended = whoami(kratos, "--token-file", file_with(tmp_path, f"{user.token}\n"))

    assert ended.code == 0
    lines = ended.out.splitlines()
    assert lines[:2] == ["ada@example.test", ""]
    rows = dict(line.split("  ", 1) for line in lines[2:])
    assert re.match(r"\s*(now|\d seconds? ago) \(.* UTC\), by password$", rows["signed in"])
    assert rows["assurance"].strip() == "aal1"
    assert rows["ends"].strip().startswith("in 59 minutes (")
    assert rows["identity"].strip() == f"{user.session.identity.id} (active, schema default)"
    assert rows["organization"].strip() == "acme"
    assert rows["address"].strip() == "ada@example.test (verified, email)"
    assert "name.first = Ada" in ended.out
    assert rows["metadata"].strip() == "roles = reader, writer"
    assert user.token not in ended.out + ended.error


def test_a_token_may_come_from_standard_input_or_the_environment(kratos: FakeKratos) -> None:
    """Neither shows in the list of processes."""
    user = signed_in(kratos)

    assert whoami(kratos, "--token-file", "-", stdin=user.token).code == 0
    assert whoami(kratos, env={"ORY_SESSION_TOKEN": user.token}).code == 0
    assert whoami(kratos, env={"ORY_SESSION_COOKIE": f"{user.cookie_name}={user.cookie}"}).code == 0


@pytest.mark.parametrize("start", ["", "Cookie: ", "theme=dark; "])
def test_a_cookie_may_be_copied_from_a_browser(kratos: FakeKratos, tmp_path: Path, start: str) -> None:
    """As the value of the header, with the header's name, and among other cookies."""
    user = signed_in(kratos)

    ended = whoami(
        kratos, "--cookie-file", file_with(tmp_path, f"{start}{user.cookie_name}={user.cookie}"), "--json"
    )

    assert ended.code == 0
    session = json.loads(ended.out)
    assert session["id"] == user.session.id
    assert session["identity"]["traits"] == TRAITS
    assert "tokenized" not in session


def test_a_cookie_jar_may_be_used(kratos: FakeKratos, tmp_path: Path) -> None:
    """In the form in which curl keeps it; what belongs to other hosts is in there, too."""
    user = signed_in(kratos)
    jar = file_with(
        tmp_path,
        "# Netscape HTTP Cookie File\n"
        f"#HttpOnly_127.0.0.1\tFALSE\t/\tFALSE\t4102444800\t{user.cookie_name}\t{user.cookie}\n"
        "example.com\tFALSE\t/\tFALSE\t0\tflag\t\n",
    )

    assert whoami(kratos, "--cookie-jar", jar).code == 0


def test_the_settings_of_the_environment_count(tmp_path: Path) -> None:
    """A cookie of another name is found where the guard would find it."""
    with served_kratos(cookie_name="acme_session") as kratos:
        user = signed_in(kratos)
        cookie = file_with(tmp_path, f"acme_session={user.cookie}")

        assert whoami(kratos, "--cookie-file", cookie, env={"ORY_GUARD_COOKIE_NAMES": "acme_session"}).code == 0
        unseen = whoami(kratos, "--cookie-file", cookie)

    assert unseen.code == 1
    assert "No cookie is named ory_kratos_session: set ORY_GUARD_COOKIE_NAMES" in unseen.error


def test_a_credential_of_nobody_ends_with_1(kratos: FakeKratos, tmp_path: Path) -> None:
    """A token that was revoked is told from a Kratos that is not there."""
    user = signed_in(kratos)
    kratos.revoke(user.session)

    ended = whoami(kratos, "--token-file", file_with(tmp_path, user.token))

    assert (ended.code, ended.out) == (1, "")
    assert ended.error.startswith("Nobody: the credential is unknown, expired or revoked")


def test_two_cookies_that_differ_are_nobodys(kratos: FakeKratos, tmp_path: Path) -> None:
    """Another parser would take the other one."""
    ended = whoami(kratos, "--cookie-file", file_with(tmp_path, "ory_kratos_session=a; ory_kratos_session=b"))

    assert ended.code == 1
    assert "there are two session cookies, and they differ" in ended.error


def test_what_can_not_be_a_credential_is_not_shown(kratos: FakeKratos, tmp_path: Path) -> None:
    """It may be one with something pasted into it."""
    ended = whoami(kratos, "--token-file", file_with(tmp_path, "ory_st_sec ret"))

    assert ended.code == 1
    assert ended.error.startswith("Nobody: this holds what no credential has")
    assert "sec" not in ended.error.replace("second", "")


def test_a_session_that_lacks_its_second_factor_is_told_apart(kratos: FakeKratos, tmp_path: Path) -> None:
    """With the address where it is completed."""
    user = signed_in(kratos, totp=True)

    ended = whoami(kratos, "--token-file", file_with(tmp_path, user.token))

    assert ended.code == 1
    assert f"{kratos.settings.public_url}/self-service/login/browser?aal=aal2" in ended.error


def test_a_session_that_has_to_enrol_is_told_apart(kratos: FakeKratos, tmp_path: Path) -> None:
    """Ory Network wants a second factor of people who have none."""
    body = json.dumps({"error": {"id": "session_aal2_enrollment_required", "code": 403}}).encode()
    kratos.fail(Fault(status=403, headers={"content-type": "application/json"}, body=body))

    ended = whoami(kratos, "--token-file", file_with(tmp_path, "ory_st_x"))

    assert ended.code == 1
    assert f"{kratos.settings.public_url}/self-service/settings/browser" in ended.error


def test_a_kratos_that_is_not_there_ends_with_3(tmp_path: Path) -> None:
    """It says nothing about whose the credential is."""
    ended = call("whoami", "--kratos-url", "http://127.0.0.1:1", "--token-file", file_with(tmp_path, "ory_st_x"))

    assert ended.code == 3
    assert ended.error == "http://127.0.0.1:1 could not be asked (unreachable): ory-guard doctor tells more\n"


def test_without_a_credential_it_says_how_to_give_one() -> None:
    """No credential is a mistake in the call."""
    ended = call("whoami")

    assert ended.code == 2
    assert "ORY_SESSION_TOKEN" in ended.error


def test_a_wrong_setting_ends_with_2(tmp_path: Path) -> None:
    """The text is that of the guard's own check."""
    ended = call("whoami", "--kratos-url", "kratos", "--token-file", file_with(tmp_path, "ory_st_x"))

    assert ended.code == 2
    assert "kratos_public_url: 'kratos' is not allowed" in ended.error
