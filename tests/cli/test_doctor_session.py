"""The doctor with somebody's session: the cookie's name, and the assurance that whoami asks for."""

from typing import Any

import pytest
from doctor_cases import answering, cookie_of, found, token_of

from ory_guard.cli.doctor import Finding
from ory_guard.testing import FakeKratos


def required_aal(fake: FakeKratos, by: Any = token_of, **properties: Any) -> Finding:
    """Return what is found with somebody's session at aal1."""
    settings = {key: properties.pop(key) for key in [*properties] if key == "whoami_required_aal"}
    user = fake.sign_in(fake.add_identity(**properties))
    return found("required_aal", fake, credential=by(user), **settings)


def test_the_cookie_that_the_guard_looks_for_is_fine() -> None:
    """Other cookies of the same browser are never sent to Kratos."""
    fake = FakeKratos()
    user = fake.sign_in(fake.add_identity())

    finding = found("cookie_name", fake, credential=cookie_of(user, "theme=dark", "cart=3"))

    assert finding.message == "Kratos' session cookie is ory_kratos_session, which the guard looks for"
    assert not any("theme" in request.headers.get("cookie", "") for request in fake.requests)


def test_a_cookie_of_another_name_is_named() -> None:
    """The setting that Kratos' `session.cookie.name` needs is told."""
    fake = FakeKratos(cookie_name="acme_session")
    user = fake.sign_in(fake.add_identity())

    finding = found("cookie_name", fake, credential=cookie_of(user, "ory_kratos_session=old"))

    assert finding.level == "problem"
    assert finding.message == "Kratos' session cookie is acme_session, and the guard looks for ory_kratos_session"
    assert finding.fix == "set ORY_GUARD_COOKIE_NAMES to acme_session"


def test_a_cookie_that_a_pattern_matches_is_fine() -> None:
    """Ory Network's cookies have a project's name at their end."""
    fake = FakeKratos(cookie_name="ory_session_acme")
    user = fake.sign_in(fake.add_identity(totp=True))

    finding = found("cookie_name", fake, credential=cookie_of(user), cookie_names=("ory_session_*",))

    assert finding.level == "ok"


def test_cookies_that_are_no_session_are_told_by_name() -> None:
    """Only their names: their values may sign somebody in elsewhere."""
    finding = found("cookie_name", FakeKratos(), credential=(b"cookie", b"ory_kratos_session=old; nothing"))

    assert finding.level == "skipped"
    assert finding.message == "Kratos knows none of these cookies as a session: ory_kratos_session"
    assert "old" not in finding.message


@pytest.mark.parametrize("credential", [None, (b"x-session-token", b"ory_st_x")])
def test_a_cookies_name_shows_only_in_cookies(credential: tuple[bytes, bytes] | None) -> None:
    """A session token has none."""
    assert found("cookie_name", FakeKratos(), credential=credential).level == "skipped"


@pytest.mark.parametrize("by", [token_of, cookie_of], ids=["token", "cookie"])
def test_highest_available_is_recognised(by: Any) -> None:
    """Whoami tells nothing of a session at aal1 whose user has two factors."""
    assert required_aal(FakeKratos(), by, totp=True).level == "ok"


@pytest.mark.parametrize("by", [token_of, cookie_of], ids=["token", "cookie"])
def test_aal1_is_recognised(by: Any) -> None:
    """Whoami tells of such a session, and a login offers the second factor."""
    fake = FakeKratos(whoami_required_aal="aal1")

    assert required_aal(fake, by, totp=True, whoami_required_aal="aal1").level == "ok"


def test_a_server_at_aal1_where_the_guard_expects_more_is_named() -> None:
    """The guard would send people to set up what they have."""
    finding = required_aal(FakeKratos(whoami_required_aal="aal1"), totp=True)

    assert finding.level == "problem"
    assert "is aal1 in Kratos, and the guard expects highest_available" in finding.message
    assert finding.fix == "set ORY_GUARD_WHOAMI_REQUIRED_AAL to aal1"


def test_a_server_at_highest_available_where_the_guard_expects_aal1_is_named() -> None:
    """The guard would send people without a second factor to a login that they can't complete."""
    finding = required_aal(FakeKratos(), totp=True, whoami_required_aal="aal1")

    assert finding.level == "problem"
    assert "a login that they can't complete" in finding.message
    assert finding.fix == "set ORY_GUARD_WHOAMI_REQUIRED_AAL to highest_available"


def test_a_user_with_one_factor_does_not_show_it() -> None:
    """Whoami answers alike in both settings."""
    finding = required_aal(FakeKratos())

    assert finding.level == "skipped"
    assert finding.fix == "give a session of a user with two"


def test_a_session_at_aal2_does_not_show_it() -> None:
    """Nor does a credential that is no session."""
    fake = FakeKratos()
    user = fake.sign_in(fake.add_identity(), aal="aal2")

    for credential in (token_of(user), (b"x-session-token", b"ory_st_x")):
        finding = found("required_aal", fake, credential=credential)
        assert "does not show required_aal" in finding.message


@pytest.mark.parametrize("credential", [None, (b"cookie", b"theme=dark")])
def test_without_a_session_it_does_not_show(credential: tuple[bytes, bytes] | None) -> None:
    """The doctor says what to give."""
    finding = found("required_aal", FakeKratos(), credential=credential)

    assert finding.level == "skipped"
    assert "--token-file" in finding.fix


@pytest.mark.parametrize("body", [b"{}", b'{"ui": {"nodes": 5}}', b'{"ui": {"nodes": [5, {"group": "default"}]}}'])
def test_a_login_that_offers_nothing_shows_no_second_factor(body: bytes) -> None:
    """Odd answers are no second factor either."""
    fake = FakeKratos(whoami_required_aal="aal1")
    user = fake.sign_in(fake.add_identity(totp=True))
    odd = answering(fake.app, "/self-service/login/api", 200, body)

    assert found("required_aal", fake, app=odd, credential=token_of(user)).level == "skipped"
