"""The models: tolerant where Kratos may grow, strict where a wrong value could let somebody in."""

import copy
import json
import pickle
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, ValidationError
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


class Name(BaseModel):
    """A part of the traits."""

    model_config = ConfigDict(frozen=True)

    first: str


class Traits(BaseModel):
    """Traits as an application types them."""

    model_config = ConfigDict(frozen=True)

    email: str
    name: Name


def read(body: Any) -> Session:
    """Read a session as the guard does: from JSON."""
    return Session.model_validate_json(body if isinstance(body, str | bytes) else json.dumps(body))


def test_a_session_is_read_under_kratos_field_names() -> None:
    """What Kratos sent is there, under the names that its documents use."""
    session = read(session_body())

    assert session.authenticator_assurance_level == "aal1"
    assert session.expires_at == datetime(2026, 7, 1, 13, tzinfo=UTC)
    assert [method.method for method in session.methods()] == ["password"]
    assert session.identity.traits["name"] == {"first": "Ada"}
    assert session.identity.metadata_public == {"roles": ("reader",)}
    assert session.devices is not None
    assert session.devices[0].ip_address == "192.0.2.1"


def test_nulls_and_missing_parts_are_accepted() -> None:
    """Kratos writes null for what is empty, and leaves out what it does not know."""
    nulls = dict.fromkeys(["authenticated_at", "authentication_methods", "devices", "issued_at", "tokenized"])
    session = read(session_body(**nulls, identity={"traits": None, "verifiable_addresses": None}))

    assert list(session.methods()) == []
    assert session.second_factor_at is None
    assert session.identity.traits == {}
    assert session.identity.verifiable_addresses is None


def test_traits_that_are_left_out_are_empty() -> None:
    """A handler can look into the traits without a question first."""
    body = session_body()
    del body["identity"]["traits"]

    assert read(body).identity.traits == {}


def test_unknown_keys_are_kept() -> None:
    """What a newer Kratos sends is there before this package knows it."""
    session = read(session_body(risk={"score": 3, "why": ["new device"]}))

    assert session.model_extra == {"risk": {"score": 3, "why": ("new device",)}}


def test_unknown_enum_values_stay_strings_and_odd_ones_count_for_nothing() -> None:
    """A new level or method breaks nothing; a value of the wrong kind satisfies nothing."""
    session = read(
        session_body(
            authenticator_assurance_level="aal3", authentication_methods=[step("palm", "aal3"), {"method": 7}]
        )
    )

    assert session.authenticator_assurance_level == "aal3"
    assert [method.method for method in session.methods()] == ["palm", None]
    assert read(session_body(authenticator_assurance_level=["aal2"])).authenticator_assurance_level is None


@pytest.mark.parametrize("active", [1, "true", "True", None, 0, [], "yes"])
def test_active_is_a_json_boolean_or_nonsense(active: Any) -> None:
    """Nothing but `true` and `false` says whether a session is active."""
    with pytest.raises(ValidationError):
        read(session_body(active=active))


@pytest.mark.parametrize("name", ["id", "active", "expires_at", "identity"])
def test_what_a_session_stands_on_must_be_there(name: str) -> None:
    """A body with only `id` and `active` (Ory Network, restricted origins) is no session."""
    body = session_body()
    del body[name]

    with pytest.raises(ValidationError):
        read(body)


@pytest.mark.parametrize("value", [7, "", None, True])
def test_ids_are_strings_with_something_in_them(value: Any) -> None:
    """An id that is empty or no string names nobody."""
    with pytest.raises(ValidationError):
        read(session_body(id=value))
    with pytest.raises(ValidationError):
        read(session_body(identity={"id": value}))


@pytest.mark.parametrize(
    "value",
    [
        "1700000000",
        1_700_000_000,
        1.7e9,
        "2026-07-01",
        "2026-07-01T12:00:00",
        "2026-07-01 12:00:00Z",
        "2026-13-01T12:00:00Z",
        "2026-07-01T12:00:00Z\n",
        "P1D",
        "",
        True,
        None,
    ],
)
def test_a_time_is_rfc_3339_or_nonsense(value: Any) -> None:
    """A number, a day without an hour or a time without a zone is not a time that Kratos writes."""
    with pytest.raises(ValidationError):
        read(session_body(expires_at=value))


@pytest.mark.parametrize(
    "value", ["2026-07-01T12:00:00Z", "2026-07-01T14:00:00.123456789+02:00", "2026-07-01t12:00:00.5z"]
)
def test_times_may_have_nine_fraction_digits_and_a_zone(value: str) -> None:
    """Go writes nanoseconds; Python keeps microseconds."""
    assert read(session_body(expires_at=value)).expires_at.replace(microsecond=0) == datetime(
        2026, 7, 1, 12, tzinfo=UTC
    )


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999", "1" + "0" * 400])
@pytest.mark.parametrize("place", ['"traits": {"score": [%s]}', '"metadata_public": %s', '"unknown": {"a": %s}'])
def test_a_number_that_json_cannot_carry_is_nonsense(number: str, place: str) -> None:
    """Such a number would break the next serialiser it meets."""
    body = json.dumps(session_body(identity={"marker": 0})).replace('"marker": 0', place % number)

    with pytest.raises(ValidationError):
        read(body)


def test_a_verified_flag_is_a_json_boolean() -> None:
    """The string `true` verifies no address."""
    with pytest.raises(ValidationError):
        read(session_body(identity={"verifiable_addresses": [{"verified": "true"}]}))


def test_the_second_factors_time_is_that_of_the_newest_aal2_step() -> None:
    """A password given again does not make the second factor newer."""
    session = read(aal2_session(password_at=-5, totp_at=-900))
    twice = read(session_body(authentication_methods=[step("totp", "aal2", -50), step("webauthn", "aal2", -90)]))

    assert session.second_factor_at is not None
    assert session.second_factor_at.timestamp() == pytest.approx(
        datetime.fromisoformat(timestamp(-900)[:26] + "Z").timestamp()
    )
    assert twice.second_factor_at == datetime.fromisoformat(timestamp(-50)[:26] + "Z")


def test_repr_shows_nothing_private() -> None:
    """A session ends up in logs and tracebacks; traits, addresses, metadata and devices do not."""
    shown = repr(
        read(session_body(tokenized="eyJ.secret", secret_extra="x1", identity={"metadata_admin": {"note": "vip"}}))
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
def test_a_handler_cannot_change_the_session_of_the_next_request(change: Any) -> None:
    """Sessions are shared while they are kept, so whatever tries to change one raises."""
    session = read(session_body(risk={"score": 3}))
    before = session.model_dump_json()

    with pytest.raises((TypeError, AttributeError, ValidationError)):
        change(session)
    assert session.model_dump_json() == before


def test_the_error_of_a_frozen_dict_says_what_to_do() -> None:
    """The way out is a copy."""
    with pytest.raises(TypeError, match="change a copy"):
        FrozenDict(a=1)["a"] = 2


def test_a_frozen_dict_is_a_dict_to_read_copy_and_pickle() -> None:
    """Serialisers, templates and caches of the application's own take it for what it is."""
    frozen = freeze({"a": [1, {"b": 2}]})

    assert json.loads(json.dumps(frozen)) == {"a": [1, {"b": 2}]}
    assert copy.copy(frozen) is frozen
    assert copy.deepcopy(frozen) is frozen
    assert pickle.loads(pickle.dumps(frozen)) == frozen
    assert type(pickle.loads(pickle.dumps(frozen))) is FrozenDict
    assert {**frozen, "c": 3} == {"a": (1, {"b": 2}), "c": 3}


@given(JSON)
def test_what_is_frozen_reads_like_what_it_was(value: Any) -> None:
    """Freezing loses nothing: back in JSON, it is the same document."""
    assert json.loads(json.dumps(freeze(value))) == json.loads(json.dumps(value))


@given(traits=st.dictionaries(st.text(), JSON, max_size=4), metadata=JSON)
def test_a_session_survives_the_round_trip_through_json(traits: dict[str, Any], metadata: Any) -> None:
    """What was read, written and read again is equal: stores and brokers may carry sessions."""
    session = read(session_body(identity={"traits": traits, "metadata_public": metadata}))

    assert read(session.model_dump_json()) == session


@given(st.binary())
def test_no_bytes_make_a_session_by_accident(body: bytes) -> None:
    """Whatever is not a session is a validation error, and nothing worse."""
    with pytest.raises(ValidationError):
        read(body)


def test_traits_can_be_typed() -> None:
    """A model of the application's reads the traits, and says so when they don't fit."""
    session = Session[Traits].model_validate_json(json.dumps(session_body()))

    assert session.identity.traits == Traits(email="ada@example.com", name=Name(first="Ada"))
    with pytest.raises(ValidationError):
        Session[Traits].model_validate_json(json.dumps(session_body(identity={"traits": {"email": "x"}})))


def test_sessions_can_be_made_in_tests_from_python_values() -> None:
    """A test gives a datetime where Kratos gives text; a time without a zone is still refused."""
    identity = Identity(id="i1")
    session = Session(id="s1", active=True, expires_at=datetime(2026, 7, 1, tzinfo=UTC), identity=identity)

    assert session.identity.traits == {}
    with pytest.raises(ValidationError):
        Session(id="s1", active=True, expires_at=datetime(2026, 7, 1), identity=identity)  # noqa: DTZ001 - the point


def test_a_session_has_a_short_name_for_logs() -> None:
    """The name is the same wherever the session is read, and no part of the id that Kratos' API takes."""
    session = read(session_body())

    assert len(session.log_id) == 8
    assert session.log_id == read(session_body()).log_id
    assert session.log_id not in session.id


def test_names_of_set_fields_are_copied() -> None:
    """Pydantic keeps them in a mutable set, which would be shared between requests."""
    session = Session.model_validate(session_body())

    session.model_fields_set.clear()
    session.identity.model_fields_set.add("organization_id")

    assert session.model_fields_set == session_body().keys()
    assert session.model_dump(exclude_unset=True).keys() == session_body().keys()
    assert "organization_id" not in session.model_dump(exclude_unset=True)["identity"]
    assert session.model_copy(update={"tokenized": "x"}).model_fields_set == {*session_body(), "tokenized"}
