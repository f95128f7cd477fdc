"""Immutable values: a cached session is shared between requests.

`freeze` makes JSON values immutable. `refuse_mutable_model` checks the annotations of an application's traits model
when the guard is created. `find_mutable` checks each parsed value, because a validator or a default factory can
return a value that does not match its annotation.
"""

import math
import typing
from collections.abc import Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from contextlib import suppress
from dataclasses import fields, is_dataclass
from functools import cached_property
from types import NoneType, UnionType
from typing import (
    Annotated,
    Any,
    Final,
    Literal,
    NoReturn,
    Self,
    Union,
    get_args,
    get_origin,
    get_type_hints,
)

from pydantic import BaseModel, GetCoreSchemaHandler
from pydantic.fields import FieldInfo
from pydantic_core import CoreSchema, PydanticUndefined, core_schema
from typing_extensions import TypeAliasType, TypeVar, is_typeddict

from ory_guard.exceptions import ConfigurationError

__all__ = ["FrozenDict", "find_mutable", "freeze", "refuse_change", "refuse_mutable_model"]

_DOUBLE_BITS: Final = 1024


def refuse_change(_self: object, *_args: object, **_kwargs: object) -> NoReturn:
    """Replace a method that would change a shared value.

    Raises:
        TypeError: Always.
    """
    message = "values of a session are immutable because they are shared between requests: change a copy"
    raise TypeError(message)


ValueT = TypeVar("ValueT", default=Any)


class FrozenDict(dict[str, ValueT]):
    """Immutable `dict`, for reading and serializing.

    As the annotation of a pydantic field, it accepts a JSON object and freezes it recursively. `FrozenDict[int]`
    accepts only integers as values.
    """

    __slots__ = ()

    __setitem__ = __delitem__ = __ior__ = refuse_change
    clear = pop = popitem = setdefault = update = refuse_change

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, _memo: object) -> Self:
        return self

    def __reduce__(self) -> tuple[type[Self], tuple[dict[str, ValueT]]]:
        return type(self), (dict(self),)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        values = [handler.generate_schema(argument) for argument in get_args(source)]
        keys = core_schema.str_schema(strict=True)
        return core_schema.no_info_after_validator_function(freeze, core_schema.dict_schema(keys, *values))


_EMPTY_DICT: Final[FrozenDict[Any]] = FrozenDict()


def freeze(value: Any) -> Any:
    """Return an immutable copy of a JSON value: `FrozenDict` for dicts, tuples for lists, recursively.

    Raises:
        ValueError: If a number is not finite, or is an integer that is larger than a double.
    """
    kind = type(value)
    if kind is str or value is None or kind is bool:
        return value
    if kind is dict:
        if not value:
            return _EMPTY_DICT
        frozen = value.copy()
        for key, item in value.items():
            if type(item) is not str and item is not None:
                frozen[key] = freeze(item)
        return FrozenDict(frozen)
    if kind is list:
        return tuple([item if type(item) is str else freeze(item) for item in value])
    if (kind is float and not math.isfinite(value)) or (kind is int and value.bit_length() > _DOUBLE_BITS):
        raise ValueError("a number is not finite")
    return value


# --- values


def find_mutable(value: Any, place: str) -> str | None:
    """Return a description of the first mutable value, or None.

    Args:
        value: A parsed value, such as a traits model.
        place: The name of the value.
    """
    kind = type(value)
    parts: Iterator[tuple[str, Any]] = iter(())
    if isinstance(value, BaseModel):
        if not kind.model_config.get("frozen"):
            return f"{place} is a {kind.__name__}"
        parts = ((f"{place}.{name}", item) for name, item in value.__dict__.items())
    elif is_dataclass(kind):
        if not _is_frozen_dataclass(kind):
            return f"{place} is a {kind.__name__}"
        parts = ((f"{place}.{field.name}", getattr(value, field.name)) for field in fields(value))
    elif isinstance(value, tuple | frozenset):
        parts = ((place, item) for item in value)
    elif kind is FrozenDict:
        parts = ((place, item) for item in value.values())
    elif not isinstance(value, type) and not _is_value_type(kind):
        return f"{place} is a {kind.__name__}"
    return next((found for name, item in parts if (found := find_mutable(item, name))), None)


def _is_value_type(kind: type[Any]) -> bool:
    # By convention, a type with its own equality is hashable only if it is immutable.
    return kind is NoneType or getattr(kind, "__hash__", None) not in (None, object.__hash__)


def _is_frozen_dataclass(kind: type[Any]) -> bool:
    return bool(kind.__dataclass_params__.frozen)


# --- annotations

_INSTEAD: Final[tuple[tuple[type[Any], str], ...]] = (
    (Mapping, "a frozen model or ory_guard.models.FrozenDict"),
    (AbstractSet, "frozenset[{}]"),
    (bytearray, "bytes"),
    (Iterable, "tuple[{}, ...]"),
)
_ALIASES: Final = (TypeAliasType, getattr(typing, "TypeAliasType", TypeAliasType))
_FROZEN: Final = "model_config = ConfigDict(frozen=True)"


def refuse_mutable_model(model: Any) -> None:
    """Refuse a traits model whose instances are mutable at any depth.

    Raises:
        ConfigurationError: If it is not a frozen pydantic model, or a field has a mutable value.
    """
    if not (isinstance(model, type) and issubclass(model, BaseModel) and model.model_config.get("frozen")):
        raise ConfigurationError(
            f"traits: {model!r} is not allowed: use a pydantic model with {_FROZEN}, "
            "because a session is shared between requests"
        )
    _check_model(model, model.__name__, set())


def _refuse(place: str, annotation: Any, instead: str) -> NoReturn:
    raise ConfigurationError(
        f"traits: {place}: {_name_of(annotation)} is mutable, and a session is shared between requests: "
        f"use {instead}"
    )


def _check_model(model: type[BaseModel], place: str, seen: set[Any]) -> None:
    if model in seen:
        return
    seen.add(model)
    if not model.model_config.get("frozen"):
        _refuse(place, model, f"{_FROZEN} in {model.__name__}")
    if model.model_config.get("extra") == "allow":
        _refuse(place, f'extra="allow" of {model.__name__}', 'extra="ignore", and a field for each trait')
    for name in model.__private_attributes__:
        _refuse(f"{place}.{name}", "a private attribute", "a field")
    for name, field in model.model_fields.items():
        _check(field.annotation, f"{place}.{name}", seen)
        _check_default(field, f"{place}.{name}")
    for name in dir(model):
        attribute = next((vars(owner)[name] for owner in model.__mro__ if name in vars(owner)), None)
        if isinstance(attribute, cached_property):
            returned = get_type_hints(attribute.func, include_extras=True).get("return", Any)
            _check(returned, f"{place}.{name}", seen)


def _check_default(field: FieldInfo, place: str) -> None:
    default = None
    with suppress(Exception):  # the factory needs other fields; its value is checked in each session
        default = field.get_default(call_default_factory=True, validated_data={})
    if default is not PydanticUndefined and (found := find_mutable(default, place)):
        _refuse(place, f"the default ({found})", "an immutable default, such as () or frozenset()")


def _check(annotation: Any, place: str, seen: set[Any]) -> None:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if isinstance(annotation, _ALIASES):
        if annotation not in seen:
            seen.add(annotation)
            _check(annotation.__value__, place, seen)
    elif isinstance(annotation, typing.TypeVar):
        _check(annotation.__bound__ or Any, place, seen)
    elif isinstance(annotation, typing.NewType):
        _check(annotation.__supertype__, place, seen)
    elif origin is Annotated:
        _check(arguments[0], place, seen)
    elif origin is Literal or annotation in (None, NoneType):
        return
    elif origin in (Union, UnionType) or (origin in (tuple, frozenset, FrozenDict) and arguments):
        for argument in arguments:
            if argument is not Ellipsis:
                _check(argument, place, seen)
    else:
        _check_class(annotation, origin or annotation, arguments, place, seen)


def _check_class(annotation: Any, kind: Any, arguments: tuple[Any, ...], place: str, seen: set[Any]) -> None:
    if kind is Any or kind is object or not isinstance(kind, type):
        _refuse(place, annotation, "the type of the value, or ory_guard.models.FrozenDict for a JSON object")
    elif kind is FrozenDict or (kind is type and arguments):
        return
    elif is_typeddict(kind):
        _refuse(place, annotation, "a frozen model or ory_guard.models.FrozenDict")
    elif issubclass(kind, BaseModel):
        _check_model(kind, place, seen)
    elif is_dataclass(kind):
        _check_dataclass(kind, place, seen)
    elif issubclass(kind, tuple) and hasattr(kind, "_fields"):
        for name, hint in get_type_hints(kind, include_extras=True).items():
            _check(hint, f"{place}.{name}", seen)
    elif kind in (tuple, frozenset):
        _refuse(
            place,
            annotation,
            f"the type of its items, as in {'tuple[str, ...]' if kind is tuple else 'frozenset[str]'}",
        )
    elif _is_value_type(kind):
        return
    else:
        _refuse_class(annotation, kind, arguments, place)


def _refuse_class(annotation: Any, kind: type[Any], arguments: tuple[Any, ...], place: str) -> None:
    item = _name_of(arguments[0]) if arguments else "str"
    instead = next((text for known, text in _INSTEAD if issubclass(kind, known)), None)
    if instead is not None:
        _refuse(place, annotation, instead.format(item))
    # A type such as EmailStr produces a value of another type.
    if not hasattr(kind, "__get_pydantic_core_schema__"):
        _refuse(place, annotation, "a type that is immutable and hashable")


def _check_dataclass(kind: type[Any], place: str, seen: set[Any]) -> None:
    if kind in seen:
        return
    seen.add(kind)
    if not _is_frozen_dataclass(kind):
        _refuse(place, kind, f"@dataclass(frozen=True) for {kind.__name__}")
    hints = get_type_hints(kind, include_extras=True)
    for field in fields(kind):
        _check(hints[field.name], f"{place}.{field.name}", seen)


def _name_of(annotation: Any) -> str:
    if isinstance(annotation, str):
        return annotation
    is_class = isinstance(annotation, type) and get_origin(annotation) is None
    return annotation.__name__ if is_class else str(annotation).removeprefix("typing.")
