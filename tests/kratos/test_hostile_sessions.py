"""The cost of a session is at most ten times that of `json.loads`, whatever its user put into it."""

import json
import logging
import sys
from collections.abc import Iterator
from types import CodeType, FrameType
from typing import Any, get_args

import pytest
from support.clock import NOW
from support.guard_bench import parser_of, settings_of
from support.scripted_kratos import session_body

from ory_guard import Authenticated, Identity, Session, Unavailable
from ory_guard.kratos.http_response import HTTPResponse
from ory_guard.kratos.json_limits import MAX_JSON_VALUES
from ory_guard.kratos.session_parser import ParsedSession
from ory_guard.models.credential import Credential
from ory_guard.models.session import KratosModel

VALUES = MAX_JSON_VALUES - 60
"""The largest number of values that fits into a session beside its other fields."""

TIME = "2026-11-29T12:00:00Z"


def item_models(model: type[KratosModel]) -> Iterator[tuple[str, type[KratosModel]]]:
    """Yield the fields of a model that are lists of models, and the models of their items."""
    for name, field in model.model_fields.items():
        for option in get_args(field.annotation):
            items = [each for each in get_args(option) if isinstance(each, type) and issubclass(each, KratosModel)]
            yield from ((name, each) for each in items)


SESSION_LISTS = dict(item_models(Session))
LISTS = SESSION_LISTS | dict(item_models(Identity))


def with_list(name: str, items: list[Any], **identity: Any) -> dict[str, Any]:
    """Return a session with a list of the session or of its identity."""
    if name in SESSION_LISTS:
        return session_body(**{"devices": [], name: items}, identity=identity)
    return session_body(devices=[], identity={name: items, **identity})


def nested(depth: int) -> dict[str, Any]:
    return {"a": nested(depth - 1)} if depth else {}


def parse(body: Any) -> ParsedSession:
    response = HTTPResponse(200, [(b"content-type", b"application/json")], json.dumps(body).encode())
    return parser_of(settings_of()).parse(response, Credential("x_session_token", b"", b"t"), NOW.timestamp())


def count_calls(body: Any) -> dict[CodeType, int]:
    """Return how often each Python function is called while a session is parsed."""
    calls: dict[CodeType, int] = {}

    def count(frame: FrameType, event: str, _argument: object) -> None:
        if event == "call":
            calls[frame.f_code] = calls.get(frame.f_code, 0) + 1

    previous = sys.getprofile()
    sys.setprofile(count)
    try:
        parse(body)
    finally:
        sys.setprofile(previous)
    return calls


def number_of_values(value: Any) -> int:
    items = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return 1 + sum(map(number_of_values, items))


def hostile_sessions() -> Iterator[Any]:
    """Yield the sessions with the most objects for their JSON."""
    for name, model in LISTS.items():
        known = list(model.model_fields)[:3]
        items: list[Any] = [{}, {"a": 0}, {"a": {}}, {known[0]: None}, dict.fromkeys("abc"), None, 0, []]
        for item in items:
            number = VALUES // number_of_values(item)
            yield pytest.param(with_list(name, [item] * number), id=f"{name} of {item}")
        yield pytest.param(with_list(name, [dict.fromkeys(known)] * (VALUES // 4)), id=f"{name} of {known}")
        padding = {"metadata_public": [None] * 2_900}
        yield pytest.param(with_list(name, [{}] * 1_000, **padding), id=f"{name} beside other values")
    arrays: list[Any] = [
        [{}] * VALUES,
        [[]] * VALUES,
        [None] * VALUES,
        [{"a": 0}] * (VALUES // 2),
        [nested(58)] * 65,
    ]
    for name in ("traits", "metadata_public", "unknown"):
        for value in arrays:
            yield pytest.param(session_body(identity={name: {"a": value}}), id=f"{name} of {str(value)[:30]}")


@pytest.mark.parametrize("body", [*hostile_sessions()])
def test_cost_of_a_session_is_bounded_by_its_values(body: Any) -> None:
    """A JSON value is the unit of `json.loads`; a model takes twenty times as long, a Python call up to five times.

    So the sum is at most ten times that of `json.loads`.
    """
    values = number_of_values(body)
    calls = count_calls(body)

    models = sum(number for code, number in calls.items() if code.co_qualname == "KratosModel._freeze")

    assert 20 * (models - 32) + 5 * (sum(calls.values()) - 2 * models - 100) <= 10 * values


@pytest.mark.parametrize("name", LISTS)
@pytest.mark.parametrize(
    ("small", "is_accepted"), [pytest.param(32, True, id="as many as allowed"), pytest.param(33, False, id="more")]
)
def test_number_of_small_items_is_limited(
    name: str, small: int, caplog: pytest.LogCaptureFixture, *, is_accepted: bool
) -> None:
    """An item of Kratos has three known fields or more."""
    known = dict.fromkeys(list(LISTS[name].model_fields)[:3])

    parsed = parse(with_list(name, [{"a": 0}] * small + [known] * 100))

    assert isinstance(parsed.outcome, Authenticated) is is_accepted
    if not is_accepted:
        assert parsed.outcome == Unavailable("protocol")
        assert (
            "it has 33 addresses, devices and login steps with fewer than 3 known fields, more than 32"
            in caplog.text
        )


def test_small_items_of_all_lists_are_counted_together() -> None:
    of_session: dict[str, Any] = {name: [{}] * 9 for name in SESSION_LISTS}
    of_identity: dict[str, Any] = {name: [{}] * 9 for name in LISTS.keys() - SESSION_LISTS}

    assert parse(session_body(**of_session, identity=of_identity)).outcome == Unavailable("protocol")


@pytest.mark.parametrize(
    "body",
    [
        pytest.param([{}] * 40, id="array"),
        pytest.param({"identity": [{}] * 40}, id="identity is an array"),
        pytest.param({"devices": {str(number): {} for number in range(40)}}, id="list is an object"),
        pytest.param({"devices": [[{}]] * 40}, id="items are arrays"),
    ],
)
def test_session_of_other_types_is_invalid(body: Any, caplog: pytest.LogCaptureFixture) -> None:
    assert parse(body).outcome == Unavailable("protocol")
    assert "known fields" not in caplog.text


@pytest.mark.parametrize("name", LISTS)
def test_only_the_first_invalid_item_of_a_list_is_reported(name: str, caplog: pytest.LogCaptureFixture) -> None:
    """The details of an error take longer than the item."""
    caplog.set_level(logging.ERROR)
    parse(with_list(name, [0] * 3_000))

    assert f"{name}.0" in caplog.text
    assert "more" not in caplog.text
    assert "errors" not in caplog.text


STEP = {"method": "password", "aal": "aal1", "completed_at": TIME}
DEVICE = {"id": "d", "ip_address": "192.0.2.1", "user_agent": "Mozilla/5.0", "location": "Berlin, DE"}
ADDRESS = {"id": "a", "value": "ada@example.com", "via": "email", "created_at": TIME, "updated_at": TIME}


@pytest.mark.parametrize(
    ("name", "item", "number"),
    [
        ("authentication_methods", STEP, 500),
        ("devices", DEVICE, 400),
        ("verifiable_addresses", ADDRESS | {"verified": True, "status": "completed"}, 250),
        ("recovery_addresses", ADDRESS, 300),
    ],
)
def test_long_list_of_kratos_is_accepted(name: str, item: dict[str, Any], number: int) -> None:
    """Kratos adds a login step and a device with each login of a session."""
    assert isinstance(parse(with_list(name, [item] * number)).outcome, Authenticated)
