"""Traits models are refused if their values are mutable."""

import json
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import make_dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import Enum
from functools import cached_property
from ipaddress import IPv4Address
from pathlib import Path
from typing import Annotated, Any, Generic, Literal, NamedTuple, NewType, Optional, TypeVar
from uuid import UUID

import pytest
from pydantic import (
    AfterValidator,
    AnyUrl,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    Json,
    PrivateAttr,
    RootModel,
    SecretStr,
    create_model,
)
from pydantic.dataclasses import dataclass as pydantic_dataclass
from pydantic_core import CoreSchema, core_schema
from support.guard_bench import Bench, guard_of, request
from support.scripted_kratos import ScriptedKratos, session_body, signed_in
from typing_extensions import TypeAliasType, TypedDict

from ory_guard import Authenticated, Session, Unavailable
from ory_guard.exceptions import ConfigurationError
from ory_guard.models.frozen import FrozenDict, find_mutable

FROZEN = ConfigDict(frozen=True)
ItemT = TypeVar("ItemT")
BoundT = TypeVar("BoundT", bound=str)
UserId = NewType("UserId", str)
Tags = NewType("Tags", list)  # type: ignore[type-arg] # without the type of its items
Words = TypeAliasType("Words", tuple[str, ...])
Lists = TypeAliasType("Lists", list[str])


Color = Enum("Color", ["RED"])


class Point(NamedTuple):
    """A named tuple."""

    x: int
    label: str


class Bag(NamedTuple):
    """A named tuple with a list."""

    items: list[str]


class Typed(TypedDict):
    """A dict at runtime."""

    name: str


Address = make_dataclass("Address", [("street", str, "")], frozen=True)
Mutable = make_dataclass("Mutable", [("street", str, "")])
Listed = make_dataclass("Listed", [("streets", list[str])], frozen=True)
Deep = create_model("Deep", __config__=FROZEN, parts=(tuple[dict[str, str], ...], ()))
Open = create_model("Open", __config__=ConfigDict(frozen=True, extra="allow"))
Private = create_model("Private", __config__=FROZEN, _note=(str, PrivateAttr(default="")))


class Name(BaseModel):
    """A frozen model with an immutable cached property, which is shared between requests."""

    model_config = FROZEN
    first: str = ""

    @cached_property
    def length(self) -> int:
        """The length."""
        return len(self.first)


class Cached(Name):
    """A frozen model with a mutable cached property."""

    @cached_property
    def words(self) -> list[str]:
        """The words."""
        return self.first.split()


class Loose(BaseModel):
    """A model that is not frozen."""

    first: str = ""


class Node(BaseModel):
    """A frozen recursive model."""

    model_config = FROZEN
    parent: Optional["Node"] = None


class Page(BaseModel, Generic[ItemT]):
    """A frozen generic model."""

    model_config = FROZEN
    items: tuple[ItemT, ...] = ()


@pydantic_dataclass(frozen=True)
class Chain:
    """A frozen recursive dataclass."""

    following: Optional["Chain"] = None


class Same:
    """A mutable class that pydantic creates from strings."""

    def __init__(self, text: str) -> None:
        self.text = text

    @classmethod
    def __get_pydantic_core_schema__(cls, _source: object, _handler: object) -> CoreSchema:
        return core_schema.no_info_after_validator_function(cls, core_schema.str_schema())


class Plain:
    """A class that pydantic does not support."""


def traits_with(annotation: Any, default: Any = ...) -> type[BaseModel]:
    """Return a frozen model with one field."""
    config = ConfigDict(frozen=True, arbitrary_types_allowed=True)
    fields: dict[str, Any] = {"field": (annotation, default)}
    return create_model("Traits", __config__=config, **fields)


@pytest.mark.parametrize(
    "annotation",
    [
        str, int, float, bool, bytes, None, Decimal, UUID, date, datetime, Path, IPv4Address, Color, AnyUrl,
        SecretStr, AwareDatetime, str | None, Literal["a"], Annotated[str, Field(min_length=1)],
        UserId, tuple[Words, Words], tuple[str, ...], tuple[int, str], frozenset[str],
        tuple[frozenset[int], ...], tuple[Name, ...],
        Point, Name, Node, Page[str], Address, Chain, FrozenDict, tuple[Annotated[str, "note"], ...],
        RootModel[str], FrozenDict[int], BoundT, Same,
    ],
    ids=str,
)  # fmt: skip
def test_immutable_annotations_are_accepted(annotation: Any) -> None:
    if annotation == RootModel[str]:
        annotation = create_model("Root", __base__=RootModel[str], __cls_kwargs__={"frozen": True})

    guard_of(ScriptedKratos(), traits=traits_with(annotation))


@pytest.mark.parametrize(
    ("annotation", "place", "instead"),
    [
        (list, "Traits.field: list", "tuple[str, ...]"),
        (list[int] | None, "Traits.field: list[int]", "tuple[int, ...]"),
        (Annotated[list[str], Field(max_length=3)], "Traits.field: list[str]", "tuple[str, ...]"),
        (Sequence[str], "Traits.field: ", "tuple[str, ...]"),
        (Json[list[str]], "Traits.field: list[str]", "tuple[str, ...]"),
        (Tags, "Traits.field: list", "tuple[str, ...]"),
        (Lists, "Traits.field: list[str]", "tuple[str, ...]"),
        (set[str], "Traits.field: set[str]", "frozenset[str]"),
        (dict[str, str], "Traits.field: dict[str, str]", "FrozenDict"),
        (Mapping[str, str], "Traits.field: ", "FrozenDict"),
        (Typed, "Traits.field: Typed", "a frozen model"),
        (bytearray, "Traits.field: bytearray", "bytes"),
        (Any, "Traits.field: ", "the type of the value"),
        (ItemT, "Traits.field: ", "the type of the value"),
        (tuple, "Traits.field: tuple", "tuple[str, ...]"),
        (frozenset, "Traits.field: frozenset", "frozenset[str]"),
        (FrozenDict[list[str]], "Traits.field: list[str]", "tuple[str, ...]"),
        (Bag, "Traits.field.items: list[str]", "tuple[str, ...]"),
        (Loose, "Traits.field: Loose", "ConfigDict(frozen=True) in Loose"),
        (Deep, "Traits.field.parts: dict[str, str]", "FrozenDict"),
        (Open, 'Traits.field: extra="allow" of Open', 'extra="ignore"'),
        (Private, "Traits.field._note: a private attribute", "a field"),
        (Cached, "Traits.field.words: list[str]", "tuple[str, ...]"),
        (Page[list[str]], "Traits.field.items: list[str]", "tuple[str, ...]"),
        (Mutable, "Traits.field: Mutable", "@dataclass(frozen=True)"),
        (Listed, "Traits.field.streets: list[str]", "tuple[str, ...]"),
        (Plain, "Traits.field: ", "a type that is immutable and hashable"),
        (Callable[[], None], "Traits.field: ", "a type that is immutable and hashable"),
    ],
    ids=str,
)  # fmt: skip
def test_mutable_annotation_is_refused_when_the_guard_is_created(annotation: Any, place: str, instead: str) -> None:
    """The error contains the field, the annotation and an immutable alternative."""
    with pytest.raises(ConfigurationError) as caught:
        guard_of(ScriptedKratos(), traits=traits_with(annotation))

    assert str(caught.value).startswith("traits: ")
    assert place in str(caught.value)
    assert instead in str(caught.value)


@pytest.mark.parametrize(
    ("annotation", "default"),
    [
        (tuple[str, ...], Field(default_factory=list)),
        (tuple[str, ...], Field(default=[])),
        (FrozenDict, Field(default_factory=dict)),
        (Name, Field(default_factory=Loose)),
        (tuple[str, ...], Field(default=([],))),
    ],
)
def test_mutable_default_is_refused_when_the_guard_is_created(annotation: Any, default: Any) -> None:
    """Pydantic does not validate defaults."""
    with pytest.raises(ConfigurationError, match=r"Traits\.field: the default \(Traits\.field is a \w+\) is"):
        guard_of(ScriptedKratos(), traits=traits_with(annotation, default))


@pytest.mark.parametrize("traits", [Loose, Open, dict, "Traits", traits_with(str)(field="x"), Typed])
def test_traits_must_be_a_frozen_model(traits: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"^traits: "):
        guard_of(ScriptedKratos(), traits=traits)


def test_frozen_dict_in_a_model_is_frozen_recursively() -> None:
    traits = traits_with(FrozenDict)
    model: Any = Session.__class_getitem__(traits)
    session = model.model_validate_json(json.dumps(session_body(identity={"traits": {"field": {"a": [{"b": 1}]}}})))
    frozen = session.identity.traits.field

    assert type(frozen) is FrozenDict
    assert frozen == {"a": ({"b": 1},)}
    assert type(frozen["a"][0]) is FrozenDict
    assert json.loads(session.model_dump_json())["identity"]["traits"] == {"field": {"a": [{"b": 1}]}}


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("annotation", "found"),
    [
        (Annotated[str, AfterValidator(list)], "Traits.field is a list"),
        (Annotated[tuple[str, ...], AfterValidator(lambda items: (set(items),))], "Traits.field is a set"),
        (Annotated[Name, AfterValidator(lambda _: Loose())], "Traits.field is a Loose"),
        (Annotated[Address, AfterValidator(lambda _: Mutable())], "Traits.field is a Mutable"),
        (Annotated[Address, AfterValidator(lambda _: Listed([]))], "Traits.field.streets is a list"),
        (Annotated[FrozenDict, AfterValidator(lambda _: FrozenDict(a=[]))], "Traits.field is a list"),
        (Same, "Traits.field is a Same"),
    ],
)
async def test_mutable_value_of_a_validator_is_refused_in_each_session(
    annotation: Any, found: str, caplog: pytest.LogCaptureFixture
) -> None:
    """The log contains the field and no value."""
    given: dict[Any, Any] = {Name: {}, Address: {}, FrozenDict: {}, tuple[str, ...]: ["zebra"]}
    raw = given.get(getattr(annotation, "__origin__", None), "zebra")
    bench = Bench(signed_in(session_body(identity={"traits": {"field": raw}})))
    guard = guard_of(bench.kratos, bench.clock, traits=traits_with(annotation))

    assert await guard.authenticate(request()) == Unavailable("protocol")
    [record] = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert f"({found}, which is mutable)" in record.getMessage()
    assert "zebra" not in record.getMessage()


@pytest.mark.anyio
async def test_default_that_depends_on_other_fields_is_checked_in_each_session() -> None:
    factory = Field(default_factory=lambda values: [values["first"]])
    traits = create_model("Traits", __config__=FROZEN, first=(str, "x"), rest=(tuple[str, ...], factory))

    assert await guard_of(ScriptedKratos(signed_in()), traits=traits).authenticate(request()) == Unavailable(
        "protocol"
    )


@pytest.mark.anyio
async def test_immutable_traits_are_parsed() -> None:
    traits = create_model(
        "Traits",
        __config__=FROZEN,
        email=(str, ...),
        name=(FrozenDict, ...),
        address=(Address, Address()),
        point=(Point, Point(1, "")),
        kind=(type[Name], Name),
    )
    outcome = await guard_of(ScriptedKratos(signed_in()), traits=traits).authenticate(request())

    assert isinstance(outcome, Authenticated)
    assert outcome.session.identity.traits.name == {"first": "Ada"}
    assert find_mutable(outcome.session.identity.traits, "traits") is None
