"""`dataclass(frozen=True, slots=True)` that compiles nothing at import time.

The standard library compiles seven methods for each class, which was a third of the import time of the guard. Here,
a class compiles its constructor when it is first called, and all classes share the other methods. The rest is the
standard library's: fields, pattern matching, `dataclasses.replace`, `dataclasses.asdict`.
"""

import dataclasses
from collections.abc import Callable
from inspect import Signature, signature
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

__all__ = ["dataclass", "dataclass_base"]

T = TypeVar("T")


class _LazySignature:
    """The signature of a class, made when it is read."""

    def __get__(self, _instance: object, owner: type[Any]) -> Signature:
        _self, *parameters = signature(_compile_constructor(owner)).parameters.values()
        return Signature(parameters)


class _Methods:
    """The methods that all classes share."""

    __match_args__: tuple[str, ...]
    __signature__: Final = _LazySignature()

    def __repr__(self) -> str:
        names = [field.name for field in dataclasses.fields(cast(Any, self)) if field.repr]
        return f"{type(self).__qualname__}({', '.join(f'{name}={getattr(self, name)!r}' for name in names)})"

    def __eq__(self, other: object) -> bool:
        return _values(self) == _values(other) if type(other) is type(self) else NotImplemented

    def __hash__(self) -> int:
        return hash(_values(self))

    def __setattr__(self, name: str, _value: object) -> None:
        raise dataclasses.FrozenInstanceError(f"cannot assign to field {name!r}")

    def __delattr__(self, name: str) -> None:
        raise dataclasses.FrozenInstanceError(f"cannot delete field {name!r}")

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), _values(self)


_SHARED: Final = (
    "__signature__",
    "__repr__",
    "__eq__",
    "__hash__",
    "__setattr__",
    "__delattr__",
    "__reduce__",
)


def _values(instance: Any) -> tuple[Any, ...]:
    return tuple([getattr(instance, name) for name in instance.__match_args__])


def _compile_constructor(kind: type[Any]) -> Callable[..., None]:
    fields = dataclasses.fields(kind)
    defaults = {field.name: field.default for field in fields if field.default is not dataclasses.MISSING}
    parameters = [
        f"{field.name}=defaults[{field.name!r}]" if field.name in defaults else field.name for field in fields
    ]
    statements = [f"set_field(self, {field.name!r}, {field.name})" for field in fields]
    statements.append("self.__post_init__()" if hasattr(kind, "__post_init__") else "pass")
    source = f"def __init__({', '.join(['self', *parameters])}):\n    " + "\n    ".join(statements)
    namespace: dict[str, Any] = {"set_field": object.__setattr__, "defaults": defaults}
    exec(source, namespace)  # noqa: S102 - of the names of fields, as the standard library does
    constructor: Callable[..., None] = namespace["__init__"]
    constructor.__qualname__ = f"{kind.__qualname__}.__init__"
    constructor.__annotations__ = {field.name: field.type for field in fields}
    return constructor


def _frozen_dataclass(kind: type[T]) -> type[T]:
    made: Any = dataclasses.dataclass(init=False, repr=False, eq=False, slots=True)(kind)

    def initialize(self: object, *args: Any, **kwargs: Any) -> None:
        made.__init__ = constructor = _compile_constructor(made)
        constructor(self, *args, **kwargs)

    made.__init__ = initialize
    for name in _SHARED:
        setattr(made, name, vars(_Methods)[name])
    parameters = made.__dataclass_params__
    parameters.init = parameters.repr = parameters.eq = parameters.frozen = True
    return cast("type[T]", made)


def _decorator(*, frozen: bool, slots: bool) -> Callable[[type[T]], type[T]]:
    assert frozen  # noqa: S101 - no other kind is supported
    assert slots  # noqa: S101 - as above
    return _frozen_dataclass


def _base_decorator(*, frozen: bool) -> Callable[[type[T]], type[T]]:
    # Neither a frozen nor another dataclass can inherit from both kinds, so a base class without fields is neither.
    assert frozen  # noqa: S101 - no other kind is supported
    return lambda kind: kind


if TYPE_CHECKING:
    from dataclasses import dataclass
    from dataclasses import dataclass as dataclass_base
else:
    dataclass = _decorator
    dataclass_base = _base_decorator
