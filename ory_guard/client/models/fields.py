"""The base model and the field types of Kratos' responses: strict for required fields, tolerant of additions."""

from collections.abc import Callable, Mapping
from typing import Annotated, Any, ClassVar, TypeVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Discriminator

from ory_guard.models.frozen import freeze
from ory_guard.models.session import KratosModel

__all__ = ["FrontendModel", "FrozenMapping", "FrozenValue", "ListOrNull", "discriminate_by"]

ItemT = TypeVar("ItemT")


class FrontendModel(KratosModel):
    """A frozen model of a JSON object in a response; unknown keys are kept.

    The model is dumped with Kratos' names, also for fields that have another name in Python (`async`, `class`).
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(
        defer_build=True, serialize_by_alias=True, validate_by_alias=True, validate_by_name=True
    )


ListOrNull = Annotated[tuple[ItemT, ...], BeforeValidator(lambda value: () if value is None else value)]
"""A JSON list, or null for an empty one."""

FrozenValue = Annotated[Any, AfterValidator(freeze)]
"""Any JSON value, deeply frozen."""

FrozenMapping = Annotated[Mapping[str, Any], AfterValidator(freeze)]
"""Any JSON object, deeply frozen."""


def discriminate_by(key: str, *known: str) -> Discriminator:
    """Select the member of a union by the value of a field; unknown values select the member tagged `""`.

    Args:
        key: The name of the field, the same in JSON and in the model.
        *known: The values that have a member of their own.
    """
    return Discriminator(_tag_of(key, frozenset(known)))


def _tag_of(key: str, known: frozenset[str]) -> Callable[[Any], str]:
    def tag(value: Any) -> str:
        if isinstance(value, BaseModel):
            member = getattr(value, key, None)
        else:
            member = value.get(key) if isinstance(value, Mapping) else None
        return member if isinstance(member, str) and member in known else ""

    return tag
