"""What Kratos says about a session, as frozen values under Kratos' own field names.

Reading is tolerant where Kratos may grow (unknown keys are kept, unknown enum values stay strings, nulls are
accepted) and strict where a wrong value could let somebody in: `id`, `active` and times. Numbers that JSON
can't carry (NaN, infinities, integers beyond a double) are nonsense. Whatever a handler gets is frozen deep:
it is shared with the next request of the same session.
"""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from functools import lru_cache
from hashlib import blake2b
from typing import Annotated, Any, ClassVar, Generic, Self

from pydantic import BaseModel, ConfigDict, Field, GetCoreSchemaHandler, field_validator, model_validator
from pydantic_core import CoreSchema, PydanticCustomError, core_schema
from typing_extensions import TypeVar

from ory_guard.models.frozen import FrozenDict, find_mutable, freeze, refuse_change

__all__ = [
    "AuthenticationMethod",
    "Device",
    "EnumText",
    "FrozenDict",
    "Identity",
    "KratosModel",
    "RecoveryAddress",
    "Session",
    "Timestamp",
    "VerifiableAddress",
    "freeze",
]

_RFC3339 = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?([Zz]|[+-][0-9]{2}:[0-9]{2})$"


class _FieldNames(set[str]):
    # Pydantic gives every object a set of its own with the names of the fields that were there. Those of a class
    # mostly have the same, and such sets would be more than a third of what a kept session takes.

    __slots__ = ()

    add = discard = remove = pop = clear = update = refuse_change
    difference_update = intersection_update = symmetric_difference_update = refuse_change
    __ior__ = __iand__ = __isub__ = __ixor__ = refuse_change

    def __copy__(self) -> set[str]:
        return set(self)

    def __reduce__(self) -> tuple[type[set[str]], tuple[list[str]]]:
        return set, (list(self),)


_shared_names = lru_cache(maxsize=256)(_FieldNames)


def _share_field_names(value: Any) -> None:
    if isinstance(value, BaseModel):
        object.__setattr__(
            value, "__pydantic_fields_set__", _shared_names(frozenset(value.__pydantic_fields_set__))
        )
        for item in value.__dict__.values():
            _share_field_names(item)
    elif isinstance(value, tuple | frozenset):
        for item in value:
            _share_field_names(item)


class _Rfc3339:
    """Reads a time from RFC 3339 text only: pydantic alone would also take `"1700000000"`."""

    def __get_pydantic_core_schema__(self, _source: object, _handler: GetCoreSchemaHandler) -> CoreSchema:
        moment = core_schema.datetime_schema(tz_constraint="aware")
        text = core_schema.chain_schema([core_schema.str_schema(strict=True, pattern=_RFC3339), moment])
        instance = core_schema.datetime_schema(tz_constraint="aware", strict=True)
        return core_schema.json_or_python_schema(text, core_schema.union_schema([instance, text]))


class _TextOrNone:
    """Reads anything but a string as None: an enum's odd value satisfies nothing and breaks nothing."""

    def __get_pydantic_core_schema__(self, _source: object, _handler: GetCoreSchemaHandler) -> CoreSchema:
        text = core_schema.nullable_schema(core_schema.str_schema(strict=True))
        return core_schema.with_default_schema(text, default=None, on_error="default")


Timestamp = Annotated[datetime, _Rfc3339()]
"""A time with its zone, read from RFC 3339 text."""

EnumText = Annotated[str | None, _TextOrNone()]
"""A value of one of Kratos' enums: any string, None for anything else."""

_Strict = Field(strict=True)


class KratosModel(BaseModel):
    """A frozen value that Kratos sent, unknown keys included; its `repr` shows only what is harmless."""

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True, extra="allow")

    @model_validator(mode="after")
    def _freeze(self) -> Self:
        object.__setattr__(self, "__pydantic_fields_set__", _shared_names(frozenset(self.__pydantic_fields_set__)))
        if self.__pydantic_extra__:
            object.__setattr__(self, "__pydantic_extra__", freeze(self.__pydantic_extra__))
        return self

    def __repr_args__(self) -> Iterable[tuple[str | None, Any]]:
        for name, field in type(self).model_fields.items():
            if field.repr:
                yield name, getattr(self, name)


class AuthenticationMethod(KratosModel):
    """One completed step of a sign-in.

    Attributes:
        method: `password`, `totp`, `oidc`, … as Kratos names it.
        aal: The level that this step counts for.
        completed_at: When it was completed.
    """

    method: EnumText = None
    aal: EnumText = None
    completed_at: Timestamp | None = None


class Device(KratosModel):
    """A device that the session was used from."""

    id: str | None = None
    ip_address: str | None = Field(default=None, repr=False)
    user_agent: str | None = Field(default=None, repr=False)
    location: str | None = Field(default=None, repr=False)


class VerifiableAddress(KratosModel):
    """An address of the identity that can be verified.

    Attributes:
        value: The address itself.
        via: `email` or `sms`.
        verified: Whether the identity proved that the address is its own.
    """

    id: str | None = None
    value: str | None = Field(default=None, repr=False)
    via: EnumText = None
    verified: Annotated[bool | None, _Strict] = None
    status: EnumText = None
    verified_at: Timestamp | None = None
    created_at: Timestamp | None = None
    updated_at: Timestamp | None = None


class RecoveryAddress(KratosModel):
    """An address through which the identity can regain access."""

    id: str | None = None
    value: str | None = Field(default=None, repr=False)
    via: EnumText = None
    created_at: Timestamp | None = None
    updated_at: Timestamp | None = None


TraitsT = TypeVar("TraitsT", default=Mapping[str, Any])


class Identity(KratosModel, Generic[TraitsT]):
    """Who is signed in.

    `Identity[MyTraits]` reads the traits into a model of the application's, which must be frozen itself.

    Attributes:
        id: The identity's id, a UUID in Kratos' spelling.
        state: `active` or `inactive`, or None where Kratos left it out.
        traits: As the identity schema has them.
        metadata_public: What the operator keeps beside the identity; where roles usually are.
        organization_id: The organization the identity belongs to (Ory Network).
    """

    id: Annotated[str, Field(strict=True, min_length=1)]
    schema_id: str | None = None
    schema_url: str | None = Field(default=None, repr=False)
    state: EnumText = None
    state_changed_at: Timestamp | None = None
    traits: TraitsT = Field(default_factory=FrozenDict, repr=False, validate_default=True)
    verifiable_addresses: tuple[VerifiableAddress, ...] | None = Field(default=None, repr=False)
    recovery_addresses: tuple[RecoveryAddress, ...] | None = Field(default=None, repr=False)
    metadata_public: Any = Field(default=None, repr=False)
    organization_id: str | None = None
    created_at: Timestamp | None = None
    updated_at: Timestamp | None = None

    @field_validator("traits", mode="before")
    @classmethod
    def _read_null_as_no_traits(cls, value: Any) -> Any:
        return {} if value is None else value

    @field_validator("traits", "metadata_public", mode="after")
    @classmethod
    def _freeze_values(cls, value: Any) -> Any:
        if not isinstance(value, BaseModel):
            return freeze(value)
        if found := find_mutable(value, type(value).__name__):
            raise PydanticCustomError("mutable", "{found}, which can be changed", {"found": found})
        _share_field_names(value)
        return value


class Session(KratosModel, Generic[TraitsT]):
    """A session as Kratos' `/sessions/whoami` has it (OpenAPI v26.2.0, schema `session`).

    `Session[MyTraits]` reads the traits into a model of the application's, which must be frozen itself.

    Attributes:
        id: The session's id; safe to store, not a credential.
        active: What Kratos says; the guard lets nobody in without a JSON `true`.
        expires_at: The end of the session.
        authenticated_at: The last sign-in. A password alone can move it: see `second_factor_at`.
        authenticator_assurance_level: `aal1`, `aal2`, or any other string; None for what is no string.
        authentication_methods: Every completed step, oldest first.
        identity: Who it is.
        tokenized: The JWT, where whoami was asked with `tokenize_as`.
    """

    id: Annotated[str, Field(strict=True, min_length=1)]
    active: Annotated[bool, _Strict]
    expires_at: Timestamp
    authenticated_at: Timestamp | None = None
    authenticator_assurance_level: EnumText = None
    authentication_methods: tuple[AuthenticationMethod, ...] | None = None
    issued_at: Timestamp | None = None
    identity: Identity[TraitsT]
    devices: tuple[Device, ...] | None = Field(default=None, repr=False)
    tokenized: str | None = Field(default=None, repr=False)

    @property
    def log_id(self) -> str:
        """Eight hex digits that stand for this session in logs, the same in every process."""
        return blake2b(self.id.encode(), digest_size=4).hexdigest()

    def methods(self) -> Iterator[AuthenticationMethod]:
        """Yield the completed steps of the sign-in, oldest first; none where Kratos sent null."""
        return iter(self.authentication_methods or ())

    @property
    def second_factor_at(self) -> datetime | None:
        """When a step that counts for aal2 was last completed, or None.

        Kratos moves `authenticated_at` when only the password is given again, so the age of the second factor
        is its own `completed_at`.
        """
        times = [step.completed_at for step in self.methods() if step.aal == "aal2" and step.completed_at]
        return max(times, default=None)
