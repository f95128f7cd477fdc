"""`Session` and `Identity`: parsing, immutability and representation."""

import copy
import json
import pickle
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from support.scripted_kratos import aal2_session, session_body, step, timestamp

from ory_guard import Identity, Session
from ory_guard.models.frozen import FrozenDict, freeze

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


def parse(body: Any) -> Session:
    """Parse a session from JSON, as the guard does."""
    return Session.model_validate_json(body if isinstance(body, str | bytes) else json.dumps(body))


def test_missing_null_and_unknown_values_are_accepted() -> None:
    """Kratos returns null for empty values; a newer one may return other keys."""
    nulls = dict.fromkeys(["authenticated_at", "authentication_methods", "devices", "issued_at", "tokenized"])
    session = parse(session_body(**nulls, risk={"why": ["new"]}, identity={"verifiable_addresses": None}))
    without = Identity(id="i1")

    assert list(session.methods()) == []
    assert session.second_factor_at is None
    assert session.identity.verifiable_addresses is None
    assert session.model_extra == {"risk": {"why": ("new",)}}
    assert parse(session_body(identity={"traits": None})).identity.traits == without.traits == {}


@pytest.mark.parametrize(
    "changes",
    [
        {"expires_at": "2026-07-01 12:00:00Z"},
        {"expires_at": "P1D"},
        {"expires_at": "2026-07-01"},
        {"expires_at": datetime(2026, 7, 1)},  # noqa: DTZ001 - a time without a time zone is invalid
        {"identity": {"verifiable_addresses": [{"verified": "true"}]}},
    ],
)
def test_value_of_another_format_is_invalid(changes: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Session.model_validate(session_body(**changes))


def test_unknown_enum_values_are_kept_if_they_are_strings() -> None:
    """A value of another type is None, which meets no requirement."""
    session = parse(
        session_body(
            authenticator_assurance_level="aal3", authentication_methods=[step("palm", "aal3"), {"method": 7}]
        )
    )

    assert session.authenticator_assurance_level == "aal3"
    assert session.expires_at == datetime(2026, 7, 1, 13, tzinfo=UTC), "a time with nanoseconds"
    assert [method.method for method in session.methods()] == ["palm", None]
    assert parse(session_body(authenticator_assurance_level=["aal2"])).authenticator_assurance_level is None


@pytest.mark.parametrize("number", ["NaN", "1" + "0" * 400])
@pytest.mark.parametrize("place", ['"traits": {"score": [%s]}', '"metadata_public": %s', '"unknown": {"a": %s}'])
def test_numbers_that_json_cannot_represent_are_invalid(number: str, place: str) -> None:
    """They could not be serialized."""
    body = json.dumps(session_body(identity={"marker": 0})).replace('"marker": 0', place % number)

    with pytest.raises(ValidationError):
        parse(body)


def test_second_factor_at_is_the_time_of_the_newest_aal2_step() -> None:
    session = parse(aal2_session(password_at=-5, totp_at=-900))
    twice = parse(session_body(authentication_methods=[step("totp", "aal2", -50), step("webauthn", "aal2", -90)]))

    assert session.second_factor_at == datetime.fromisoformat(timestamp(-900)[:26] + "Z")
    assert twice.second_factor_at == datetime.fromisoformat(timestamp(-50)[:26] + "Z")


def test_repr_contains_no_personal_data() -> None:
    shown = repr(
        parse(session_body(tokenized="eyJ.secret", secret_extra="x1", identity={"metadata_admin": {"note": "vip"}}))
    )

    for private in ("ada@example.com", "Ada", "192.0.2.1", "reader", "eyJ.secret", "vip", "x1"):
        assert private not in shown
    assert session_body()["id"] in shown


@pytest.mark.parametrize(
    "change",
    [
        lambda session: session.identity.traits.update(admin=True),
        lambda session: session.identity.traits.__setitem__("email", "eve@example.com"),
        lambda session: session.identity.traits["name"].clear(),
        lambda session: session.identity.traits.__delitem__("email"),
        lambda session: session.identity.traits.pop("email"),
        lambda session: session.identity.traits.popitem(),
        lambda session: session.identity.traits.setdefault("admin", True),
        lambda session: session.identity.traits.__ior__({"admin": True}),
        lambda session: session.identity.metadata_public["roles"].append("admin"),
        lambda session: session.model_extra["risk"].update(score=0),
        lambda session: setattr(session, "active", False),
        lambda session: setattr(session.identity, "id", "eve"),
        lambda session: setattr(session, "risk", None),
    ],
)
def test_session_is_immutable(change: Any) -> None:
    """A cached session is shared between requests."""
    session = parse(session_body(risk={"score": 3}))
    before = session.model_dump_json()

    with pytest.raises((TypeError, AttributeError, ValidationError), match=r"frozen|change a copy|no attribute"):
        change(session)
    assert session.model_dump_json() == before


def test_frozen_dict_can_be_copied_and_pickled() -> None:
    frozen = freeze({"a": [1, {"b": 2}]})
    unpickled = pickle.loads(pickle.dumps(frozen))

    assert json.loads(json.dumps(frozen)) == {"a": [1, {"b": 2}]}
    assert copy.copy(frozen) is copy.deepcopy(frozen) is frozen
    assert (unpickled, type(unpickled)) == (frozen, FrozenDict)
    assert {**frozen, "c": 3} == {"a": (1, {"b": 2}), "c": 3}


@given(JSON)
def test_frozen_value_is_equal_in_json(value: Any) -> None:
    assert json.loads(json.dumps(freeze(value))) == json.loads(json.dumps(value))


@given(traits=st.dictionaries(st.text(), JSON, max_size=4), metadata=JSON)
def test_session_survives_a_round_trip_through_json(traits: dict[str, Any], metadata: Any) -> None:
    session = parse(session_body(identity={"traits": traits, "metadata_public": metadata}))

    assert parse(session.model_dump_json()) == session


def test_log_id_is_stable_and_not_part_of_the_id() -> None:
    session = parse(session_body())

    assert len(session.log_id) == 8
    assert session.log_id == parse(session_body()).log_id
    assert session.log_id not in session.id


def test_sessions_share_the_names_of_set_fields() -> None:
    """They would be more than a third of the memory of a session."""
    first, second = parse(session_body(id="one")), parse(session_body(id="two"))
    shared = first.__pydantic_fields_set__

    assert shared is second.__pydantic_fields_set__
    assert parse(session_body(tokenized="x")).__pydantic_fields_set__ == {*shared, "tokenized"}
    for change in (shared.clear, shared.pop, lambda: shared.add("x"), lambda: shared.update({"x"})):
        with pytest.raises(TypeError, match="immutable"):
            change()
    for copied in (copy.copy(first), copy.deepcopy(first), pickle.loads(pickle.dumps(first))):
        assert copied == first
        assert type(copied.__pydantic_fields_set__) is set


def test_names_of_set_fields_are_copied() -> None:
    """Pydantic keeps them in a set."""
    session = Session.model_validate(session_body())

    session.model_fields_set.clear()
    session.identity.model_fields_set.add("organization_id")

    assert session.model_fields_set == session_body().keys()
    assert session.model_dump(exclude_unset=True).keys() == session_body().keys()
    assert "organization_id" not in session.model_dump(exclude_unset=True)["identity"]
    assert session.model_copy(update={"tokenized": "x"}).model_fields_set == {*session_body(), "tokenized"}
