"""Requirements: each condition, combinations, and properties."""

import dataclasses
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.clock import NOW
from support.scripted_kratos import aal2_session, session_body, step, timestamp

from ory_guard import Session
from ory_guard.exceptions import ConfigurationError
from ory_guard.guard.requirements import ANY_SESSION, Requirement, evaluate, is_condition_met, is_recent

SKEW = 60.0


def failures(requirement: Requirement, **changes: Any) -> list[Any]:
    session = Session.model_validate(session_body(**changes))
    return list(evaluate(requirement, session, NOW.timestamp(), SKEW))


def of_identity(requirement: Requirement, **identity: Any) -> list[Any]:
    return failures(requirement, identity=identity)


@pytest.mark.parametrize(
    ("required", "level", "met"),
    [
        ("aal1", "aal1", True),
        ("aal1", "aal2", True),
        ("aal2", "aal2", True),
        ("aal2", "aal1", False),
        ("aal1", "aal3", False),
        ("aal2", "aal3", False),
        ("aal2", "AAL2", False),
        ("aal1", None, False),
    ],
)
def test_aal_is_a_minimum(required: Any, level: str | None, met: bool) -> None:
    """An unknown level meets no requirement."""
    actual_failures = failures(Requirement(aal=required), authenticator_assurance_level=level)

    assert actual_failures == ([] if met else [{"id": "aal", "expected": required, "actual": level}])


WITHOUT_FACTOR = session_body(
    authenticator_assurance_level="aal2", authentication_methods=[step("password", "aal1", -1)]
)


@pytest.mark.parametrize(
    ("conditions", "body", "age"),
    [
        ({}, session_body(authenticated_at=timestamp(-299)), 0),
        ({}, session_body(authenticated_at=timestamp(-301)), 301),
        ({}, aal2_session(password_at=-5, totp_at=-3_600), 0),
        # A password alone changes `authenticated_at`.
        ({"aal": "aal2"}, aal2_session(password_at=-5, totp_at=-3_600), 3_600),
        ({"aal": "aal2"}, aal2_session(password_at=-3_600, totp_at=-5), 0),
        ({"aal": "aal2"}, WITHOUT_FACTOR, None),
    ],
)
def test_max_age_counts_from_the_last_login_or_second_factor(
    conditions: dict[str, Any], body: dict[str, Any], age: int | None
) -> None:
    expected = [] if age == 0 else [{"id": "max_age", "expected": 300, "actual": age}]

    assert failures(Requirement(max_age=300, **conditions), **body) == expected


@pytest.mark.parametrize(
    ("seconds_ago", "fresh"), [(-60.1, False), (-60, True), (0, True), (300, True), (300.1, False), (None, False)]
)
def test_time_in_the_future_is_recent_only_within_the_clock_skew(seconds_ago: float | None, fresh: bool) -> None:
    at = None if seconds_ago is None else NOW - timedelta(seconds=seconds_ago)

    assert is_recent(at, 300, NOW.timestamp(), SKEW) is fresh


@pytest.mark.parametrize(
    ("wanted", "met"),
    [(["password"], True), (["totp", "password"], True), (["webauthn"], False), (["Password"], False)],
)
def test_authentication_methods_require_one_of_the_methods(wanted: list[str], met: bool) -> None:
    """The methods of all steps count."""
    actual_failures = failures(
        Requirement(authentication_methods=wanted), authentication_methods=[step(), {"method": None}, step("code")]
    )

    assert actual_failures == (
        [] if met else [{"id": "authentication_methods", "expected": wanted, "actual": ["code", "password"]}]
    )


ADDRESSES = [
    {"value": "ada@example.com", "via": "email", "verified": True},
    {"value": "+15550100", "via": "sms", "verified": False},
    {"value": "x", "verified": None},
]


@pytest.mark.parametrize(
    ("required", "addresses", "met", "actual"),
    [
        (True, ADDRESSES, True, []),
        ("email", ADDRESSES, True, []),
        ("sms", ADDRESSES, False, ["email"]),
        (True, ADDRESSES[1:], False, []),
        (True, [], False, []),
        (True, None, False, []),
        ("email", [{"value": "y", "verified": True}], False, [""]),
        (False, None, True, []),
    ],
)
def test_verified_requires_any_address_or_one_of_a_kind(
    required: bool | str, addresses: Any, met: bool, actual: list[str]
) -> None:
    """The failure contains kinds and no addresses."""
    actual_failures = of_identity(Requirement(verified=required), verifiable_addresses=addresses)

    assert actual_failures == ([] if met else [{"id": "verified", "expected": required, "actual": actual}])


@pytest.mark.parametrize(
    ("required", "actual", "met"),
    [("o1", "o1", True), ("o1", "o2", False), ("o1", None, False), (None, "o2", True)],
)
def test_organization_requires_the_exact_id(required: str | None, actual: str | None, met: bool) -> None:
    actual_failures = of_identity(Requirement(organization=required), organization_id=actual)

    assert actual_failures == ([] if met else [{"id": "organization", "expected": required, "actual": actual}])


@pytest.mark.parametrize("actual", [str(UUID(int=10)), str(UUID(int=10)).upper()])
@pytest.mark.parametrize("required", [UUID(int=10), str(UUID(int=10)).upper(), UUID(int=10).urn])
def test_organization_is_compared_in_kratos_spelling(required: Any, actual: str) -> None:
    assert of_identity(Requirement(organization=required), organization_id=actual) == []


@pytest.mark.parametrize("required", ["", " ", "a b", b"o1", 5])
def test_organization_must_be_an_id(required: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"^organization: .* is not an id"):
        Requirement(organization=required)


def test_evaluate_returns_all_failures() -> None:
    """They have a fixed order and contain no traits."""
    requirement = Requirement(
        aal="aal2", max_age=60, authentication_methods=["totp"], verified="sms", organization="o1"
    )

    actual_failures = failures(requirement)

    assert [failure["id"] for failure in actual_failures] == [
        "aal",
        "max_age",
        "authentication_methods",
        "verified",
        "organization",
    ]
    assert "ada@example.com" not in str(actual_failures)


@pytest.mark.parametrize(
    ("conditions", "text"),
    [
        ({"aal": "aal3"}, "aal: 'aal3' is not allowed: use 'aal1' or 'aal2'"),
        ({"aal": 2}, "aal: 2 is not allowed"),
        ({"max_age": 0}, "max_age: 0 is not allowed: use a number of seconds above 0"),
        ({"max_age": float("nan")}, "max_age: nan is not allowed"),
        ({"max_age": float("inf")}, "max_age: inf is not allowed"),
        ({"max_age": "300"}, "max_age: '300' is not allowed"),
        ({"max_age": timedelta(seconds=3)}, "is not allowed: use a number of seconds above 0"),
        ({"max_age": True}, "max_age: True is not allowed"),
        ({"authentication_methods": "totp"}, "authentication_methods: 'totp' is not allowed: use a list"),
        (
            {"authentication_methods": []},
            "authentication_methods: [] is not allowed: use a list of methods, such as",
        ),
        ({"authentication_methods": ["totp", ""]}, "authentication_methods: ['totp', ''] is not allowed"),
        ({"authentication_methods": 5}, "authentication_methods: 5 is not allowed"),
        ({"verified": 0}, "verified: 0 is not allowed: use True, or the `via` of an address, such as 'email'"),
        ({"verified": ""}, "verified: '' is not allowed"),
        (
            {"when": True},
            "use a function that takes the session and returns a bool, or an instance of the class",
        ),
        ({"when": 1}, "when: 1 is not allowed"),
        ({"when": bool}, "when: <class 'bool'> is not allowed"),
        ({"revalidate": "no"}, "revalidate: 'no' is not allowed: use True or False"),
    ],
)
def test_requirement_rejects_invalid_conditions(conditions: dict[str, Any], text: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Requirement(**conditions)

    assert text in str(caught.value)


async def _generate(*_: object) -> Any:
    yield False


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("condition", "kind"),
    [
        pytest.param(lambda role: lambda _session: role == "editor", "function", id="returns the condition"),
        pytest.param(lambda session: (name == "editor" for name in session.devices), "generator", id="generator"),
        pytest.param(_generate, "async_generator", id="asynchronous generator"),
    ],
)
async def test_condition_that_returns_no_truth_value_is_an_error(condition: Any, kind: str) -> None:
    """Python considers such an object true, so that every session would meet the requirement."""
    with pytest.raises(ConfigurationError) as caught:
        await is_condition_met(condition, Session.model_validate(session_body()))

    assert str(caught.value) == (
        f"when: {condition!r} returned a {kind}, expected True or False: if it is a function that returns the "
        "condition, call it, such as when=has_role('editor')"
    )


def test_copy_of_a_requirement_has_the_same_conditions() -> None:
    assert dataclasses.replace(Requirement(aal="aal1"), aal="aal2") == Requirement(aal="aal2")


def test_equal_conditions_are_equal_requirements() -> None:
    """Lists and tuples, and integers and floats, are equal."""
    assert Requirement(authentication_methods=["totp"]) == Requirement(authentication_methods=("totp",))
    assert hash(Requirement(max_age=300)) == hash(Requirement(max_age=300.0))
    assert Requirement(authentication_methods=None) == ANY_SESSION


LEVELS = st.sampled_from(["aal1", "aal2", "aal3", "", None])
STEPS = st.lists(
    st.builds(
        step, st.sampled_from(["password", "totp"]), st.sampled_from(["aal1", "aal2"]), st.integers(-900, 90)
    ),
    max_size=4,
)
SESSIONS = st.builds(
    lambda level, steps, at: Session.model_validate(
        session_body(authenticator_assurance_level=level, authentication_methods=steps, authenticated_at=at)
    ),
    LEVELS,
    STEPS,
    st.none() | st.integers(-900, 90).map(timestamp),
)
REQUIREMENTS = st.builds(
    Requirement,
    aal=st.sampled_from([None, "aal1", "aal2"]),
    max_age=st.none() | st.integers(1, 900),
    authentication_methods=st.none()
    | st.lists(st.sampled_from(["password", "totp"]), min_size=1, max_size=2, unique=True),
    verified=st.sampled_from([False, True, "email", "sms"]),
    organization=st.sampled_from([None, "o1"]),
)


def passes(requirement: Requirement, session: Session[Any]) -> bool:
    return not evaluate(requirement, session, NOW.timestamp(), SKEW)


@given(SESSIONS, st.sampled_from([None, "aal1", "aal2"]), st.integers(1, 900), st.integers(0, 900))
def test_session_that_meets_max_age_meets_a_greater_max_age(
    session: Session[Any], aal: Any, age: int, more: int
) -> None:
    if passes(Requirement(aal=aal, max_age=age), session):
        assert passes(Requirement(aal=aal, max_age=age + more), session)


@given(REQUIREMENTS, SESSIONS)
def test_conditions_are_independent(requirement: Requirement, session: Session[Any]) -> None:
    """A requirement is met if and only if each of its conditions is met."""
    singles = [
        Requirement(aal=requirement.aal),
        Requirement(aal=requirement.aal, max_age=requirement.max_age),
        Requirement(authentication_methods=requirement.authentication_methods),
        Requirement(verified=requirement.verified),
        Requirement(organization=requirement.organization),
    ]

    assert passes(requirement, session) == all(passes(single, session) for single in singles)
