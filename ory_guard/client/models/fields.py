"""How the answers of Kratos' flows are read: tolerant of what Kratos may add, strict in what it needs."""

from collections.abc import Callable, Mapping
from typing import Annotated, Any, ClassVar, TypeVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Discriminator

from ory_guard.models import KratosModel, freeze

__all__ = ["FrontendModel", "FrozenMapping", "FrozenValue", "Listed", "by_key"]

ItemT = TypeVar("ItemT")


class FrontendModel(KratosModel):
    """A frozen value that Kratos answered; keys that this version does not know are kept.

    It is dumped under Kratos' own names, also where Python needs another one (`async`, `class`).
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(
        defer_build=True, serialize_by_alias=True, validate_by_alias=True, validate_by_name=True
    )


Listed = Annotated[tuple[ItemT, ...], BeforeValidator(lambda value: () if value is None else value)]
"""A list of Kratos', in which null is an empty one."""

FrozenValue = Annotated[Any, AfterValidator(freeze)]
"""Any JSON value, frozen deep."""

FrozenMapping = Annotated[Mapping[str, Any], AfterValidator(freeze)]
"""Any JSON object, frozen deep."""


def by_key(key: str, *known: str) -> Discriminator:
    """Choose the member of a union by the value under `key`, and the member tagged `""` for any other value.

    Args:
        key: The name of the telling field, the same in JSON and in the model.
        *known: The values that have a member of their own.
    """
    return Discriminator(_chooser(key, frozenset(known)))


def _chooser(key: str, known: frozenset[str]) -> Callable[[Any], str]:
    def choose(value: Any) -> str:
        if isinstance(value, BaseModel):
            found = getattr(value, key, None)
        else:
            found = value.get(key) if isinstance(value, Mapping) else None
        return found if isinstance(found, str) and found in known else ""

    return choose
