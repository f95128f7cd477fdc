"""Kratos' sessions as immutable values, with Kratos' field names.

Parsing accepts changes that a newer Kratos may make: unknown keys are kept, unknown enum values stay strings, and
nulls are accepted. It is strict about `id`, `active` and times, because a wrong value there could grant access.
Numbers that JSON can't represent (NaN, infinities, integers larger than a double) are invalid. Every value is
immutable, because a cached session is shared between requests.
"""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from functools import lru_cache
from hashlib import blake2b
from typing import Annotated, Any, ClassVar, Final, Generic, Self

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


class _Rfc3339:
    """Accepts times in RFC 3339 format only; pydantic itself also accepts `"1700000000"`."""

    def __get_pydantic_core_schema__(self, _source: object, _handler: GetCoreSchemaHandler) -> CoreSchema:
        moment = core_schema.datetime_schema(tz_constraint="aware")
        text = core_schema.chain_schema([core_schema.str_schema(strict=True, pattern=_RFC3339), moment])
        instance = core_schema.datetime_schema(tz_constraint="aware", strict=True)
        return core_schema.json_or_python_schema(text, core_schema.union_schema([instance, text]))


class _TextOrNone:
    """Replaces any value but a string by None, which does not meet any requirement."""

    def __get_pydantic_core_schema__(self, _source: object, _handler: GetCoreSchemaHandler) -> CoreSchema:
        text = core_schema.nullable_schema(core_schema.str_schema(strict=True))
        return core_schema.with_default_schema(text, default=None, on_error="default")


Timestamp = Annotated[datetime, _Rfc3339()]
"""A time with a time zone, in RFC 3339 format."""

EnumText = Annotated[str | None, _TextOrNone()]
"""A value of one of Kratos' enums: a string, or None for any other value."""

_Strict = Field(strict=True)


class _FieldNames(set[str]):
    # Pydantic stores the names of its fields in each object. Most objects of a class have the same names, and
    # separate sets would be more than a third of the memory of a session.

    __slots__ = ()

    add = discard = remove = pop = clear = update = refuse_change
    difference_update = intersection_update = symmetric_difference_update = refuse_change
    __ior__ = __iand__ = __isub__ = __ixor__ = refuse_change

    def __copy__(self) -> set[str]:
        return set(self)

    def __reduce__(self) -> tuple[type[set[str]], tuple[list[str]]]:
        return set, (list(self),)


_shared_names: Final = lru_cache(maxsize=256)(_FieldNames)
_last_names: Final[dict[type[BaseModel], set[str]]] = {}
"""The names of the last object of each class: comparing them takes half the time of a search."""


_set_names: Final = BaseModel.__dict__["__pydantic_fields_set__"].__set__


class KratosModel(BaseModel):
    """Immutable value in a response of Kratos, with unknown keys; its `repr` contains no personal data."""

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True, extra="allow")

    @model_validator(mode="after")
    def _freeze(self) -> Self:
        if self.__pydantic_extra__:
            object.__setattr__(self, "__pydantic_extra__", freeze(self.__pydantic_extra__))
        names = _last_names.get(type(self))
        if names != self.__pydantic_fields_set__:
            names = _last_names[type(self)] = _shared_names(frozenset(self.__pydantic_fields_set__))
        _set_names(self, names)
        return self

    @property
    def model_fields_set(self) -> set[str]:
        """A copy of the names of the fields that were in the response."""
        return set(super().model_fields_set)

    def __repr_args__(self) -> Iterable[tuple[str | None, Any]]:
        for name, field in type(self).model_fields.items():
            if field.repr:
                yield name, getattr(self, name)


class AuthenticationMethod(KratosModel):
    """One completed step of a login.

    Attributes:
        method: Kratos' name of the method: `password`, `totp`, `oidc`, …
        aal: Assurance level that the step counts for.
        completed_at: Time of completion.
    """

    method: EnumText = None
    aal: EnumText = None
    completed_at: Timestamp | None = None


class Device(KratosModel):
    """A device on which the session was used."""

    id: str | None = None
    ip_address: str | None = Field(default=None, repr=False)
    user_agent: str | None = Field(default=None, repr=False)
    location: str | None = Field(default=None, repr=False)


class VerifiableAddress(KratosModel):
    """An address of the identity that can be verified.

    Attributes:
        value: The address.
        via: `email` or `sms`.
        verified: Whether the user has verified the address.
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
    """An address for account recovery."""

    id: str | None = None
    value: str | None = Field(default=None, repr=False)
    via: EnumText = None
    created_at: Timestamp | None = None
    updated_at: Timestamp | None = None


def _freeze_value(value: Any) -> Any:
    if not isinstance(value, BaseModel):
        return freeze(value)
    if found := find_mutable(value, type(value).__name__):
        raise PydanticCustomError("mutable", "{found}, which is mutable", {"found": found})
    return value


class _FrozenOrNone:
    """Freezes any value. No function is called for a null."""

    def __get_pydantic_core_schema__(self, _source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        frozen = core_schema.no_info_after_validator_function(_freeze_value, handler(Any))
        return core_schema.nullable_schema(frozen)


TraitsT = TypeVar("TraitsT", default=Mapping[str, Any])


class Identity(KratosModel, Generic[TraitsT]):
    """The user of a session.

    `Identity[MyTraits]` parses the traits into a model of the application, which must be frozen.

    Attributes:
        id: Identity ID, a UUID in Kratos' spelling.
        state: `active` or `inactive`, or None if it is missing.
        traits: Traits, as defined by the identity schema.
        metadata_public: Metadata that the operator sets, such as roles.
        organization_id: Organization of the identity (Ory Network).
    """

    id: Annotated[str, Field(strict=True, min_length=1)]
    schema_id: str | None = None
    schema_url: str | None = Field(default=None, repr=False)
    state: EnumText = None
    state_changed_at: Timestamp | None = None
    traits: TraitsT = Field(default_factory=FrozenDict, repr=False, validate_default=True)
    verifiable_addresses: tuple[VerifiableAddress, ...] | None = Field(default=None, repr=False, fail_fast=True)
    recovery_addresses: tuple[RecoveryAddress, ...] | None = Field(default=None, repr=False, fail_fast=True)
    metadata_public: Annotated[Any, _FrozenOrNone()] = Field(default=None, repr=False)
    organization_id: str | None = None
    created_at: Timestamp | None = None
    updated_at: Timestamp | None = None

    @field_validator("traits", mode="before")
    @classmethod
    def _replace_null(cls, value: Any) -> Any:
        return {} if value is None else value

    @field_validator("traits", mode="after")
    @classmethod
    def _freeze_traits(cls, value: Any) -> Any:
        return _freeze_value(value)


class Session(KratosModel, Generic[TraitsT]):
    """A session in a response of Kratos' `/sessions/whoami` (OpenAPI v26.2.0, schema `session`).

    `Session[MyTraits]` parses the traits into a model of the application, which must be frozen.

    Attributes:
        id: Session ID. It is not a credential, so it can be stored and logged.
        active: Whether the session is active; the guard rejects any other value than a JSON `true`.
        expires_at: End of the session.
        authenticated_at: Time of the last login. A password alone changes it; see `second_factor_at`.
        authenticator_assurance_level: `aal1`, `aal2` or any other string; None if the value is not a string.
        authentication_methods: Completed steps of the login, oldest first.
        identity: User of the session.
        tokenized: JWT, if whoami was called with `tokenize_as`.
    """

    id: Annotated[str, Field(strict=True, min_length=1)]
    active: Annotated[bool, _Strict]
    expires_at: Timestamp
    authenticated_at: Timestamp | None = None
    authenticator_assurance_level: EnumText = None
    authentication_methods: tuple[AuthenticationMethod, ...] | None = Field(default=None, fail_fast=True)
    issued_at: Timestamp | None = None
    identity: Identity[TraitsT]
    devices: tuple[Device, ...] | None = Field(default=None, repr=False, fail_fast=True)
    tokenized: str | None = Field(default=None, repr=False)

    @property
    def log_id(self) -> str:
        """Eight hex digits that identify the session in logs, equal in every process."""
        return blake2b(self.id.encode(), digest_size=4).hexdigest()

    def methods(self) -> Iterator[AuthenticationMethod]:
        """Yield the completed steps of the login, oldest first."""
        return iter(self.authentication_methods or ())

    @property
    def second_factor_at(self) -> datetime | None:
        """Time at which a step for aal2 was last completed, or None.

        `authenticated_at` also changes if the user enters only the password again, so it is not the age of the
        second factor.
        """
        times = [step.completed_at for step in self.methods() if step.aal == "aal2" and step.completed_at]
        return max(times, default=None)
