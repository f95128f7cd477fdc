"""The project's `dataclass` behaves as the standard library's, and compiles no code when a class is defined."""

import copy
import dataclasses
import inspect
import pickle
from collections.abc import Callable
from typing import Any, ClassVar

import pytest

from ory_guard import Anonymous, Rejected, Requirement, SecondFactorRequired, Unavailable, events
from ory_guard._dataclass import dataclass
from ory_guard.cache import StoredSession
from ory_guard.exceptions import ConfigurationError

STORED = StoredSession(b"secret", "session", "identity", age=1.0, ttl=2.0, asked_at=3.0, fresh_until=4.0)
VALUES = [
    Anonymous(),
    Rejected("inactive", credential="cookie"),
    SecondFactorRequired("cookie", enrolled=True),
    Unavailable("timeout"),
    Unavailable(retry_after=7, reason="breaker"),
    Requirement(aal="aal2", authentication_methods=["totp"]),
    STORED,
    events.CheckFailed("0123abcd", "timeout", 2.0),
    events.StoreChanged(state="up", reason=""),
    events.SessionsInvalidated(None, "identity"),
]


def twin_of(value: Any) -> Any:
    """Return the same value of a class that the standard library's decorator made."""
    kind = type(value)
    fields = [
        (field.name, field.type, dataclasses.field(default=field.default, repr=field.repr))
        for field in dataclasses.fields(kind)
    ]
    twin = dataclasses.make_dataclass(kind.__name__, fields, frozen=True, slots=True)
    return twin(**{name: getattr(value, name) for name, *_ in fields})


@pytest.mark.parametrize("value", VALUES, ids=lambda value: type(value).__name__)
def test_class_behaves_as_one_of_the_standard_library(value: Any) -> None:
    twin, kind = twin_of(value), type(value)
    names = [field.name for field in dataclasses.fields(value)]

    assert repr(value) == repr(twin)
    assert "secret" not in repr(value)
    assert hash(value) == hash(twin)
    assert dataclasses.asdict(value) == dataclasses.asdict(twin)
    assert kind.__match_args__ == type(twin).__match_args__ == tuple(names)
    assert not hasattr(value, "__dict__")
    parameters = dict(inspect.signature(kind).parameters)
    assert parameters == dict(inspect.signature(type(twin)).parameters)
    for name in (*names, "other"):
        with pytest.raises(dataclasses.FrozenInstanceError, match=f"cannot assign to field '{name}'"):
            setattr(value, name, None)
        with pytest.raises(dataclasses.FrozenInstanceError, match=f"cannot delete field '{name}'"):
            delattr(value, name)


@pytest.mark.parametrize("value", VALUES, ids=lambda value: type(value).__name__)
@pytest.mark.parametrize(
    "duplicate",
    [copy.copy, copy.deepcopy, lambda value: pickle.loads(pickle.dumps(value)), dataclasses.replace],
    ids=["copy", "deepcopy", "pickle", "replace"],
)
def test_duplicates_are_equal(value: Any, duplicate: Callable[[Any], Any]) -> None:
    assert duplicate(value) == value
    assert type(duplicate(value)) is type(value)


def test_equality_compares_class_and_values() -> None:
    assert Unavailable("timeout") == Unavailable("timeout", 1)
    assert Unavailable("timeout") != Unavailable("timeout", 2)
    others: list[Any] = [events.RevocationsHeard(3), events.RevocationsSent(3), ("timeout", 1)]
    assert all((one == other) == (one is other) for one in others for other in others)
    assert dataclasses.replace(STORED, ttl=5.0).ttl == 5.0
    with pytest.raises(ConfigurationError, match="aal"):
        dataclasses.replace(Requirement(), aal="aal9")  # type: ignore[arg-type] # the values are validated again


@pytest.mark.parametrize(
    ("kind", "args", "kwargs", "text"),
    [
        (Rejected, ["inactive"], {}, "missing 1 required positional argument: 'credential'"),
        (Unavailable, ["timeout", 1, 2], {}, "takes from 2 to 3 positional arguments but 4 were given"),
        (Unavailable, ["timeout"], {"reason": "timeout"}, "got multiple values for argument 'reason'"),
        (Anonymous, [1], {}, "takes 1 positional argument but 2 were given"),
    ],
)
def test_constructor_rejects_wrong_arguments(
    kind: type[Any], args: list[Any], kwargs: dict[str, Any], text: str
) -> None:
    with pytest.raises(TypeError, match=text):
        kind(*args, **kwargs)


def test_constructor_is_compiled_on_first_use() -> None:
    @dataclass(frozen=True, slots=True)
    class Point:
        x: int
        y: int = 0

    before = Point.__init__
    first = Point(1)

    assert Point.__init__ is not before
    assert first == Point(1, y=0)


def test_applications_can_derive_events() -> None:
    @dataclasses.dataclass(frozen=True)
    class Custom(events.Event):
        name: ClassVar[str] = "custom"
        value: int

    class Longer(events.RevocationsSent):
        pass

    assert Custom(1) == Custom(1)
    assert isinstance(Custom(1), events.Event)
    assert repr(Longer(3)).endswith("Longer(count=3)")
