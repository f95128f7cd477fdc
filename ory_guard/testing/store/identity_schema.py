"""Identity schemas: JSON Schema with Ory's extension, and the form fields generated from it."""

import base64
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from jsonschema import Draft202012Validator

from ory_guard.testing.flows.ui_messages import message
from ory_guard.testing.flows.ui_nodes import Node, Ui, input_node
from ory_guard.testing.store.form_values import field_type, has_path, item_type, set_path
from ory_guard.testing.store.schema_errors import violations
from ory_guard.testing.store.schema_formats import FORMAT_CHECKER

__all__ = ["IdentitySchema", "Trait"]

_EXTENSION: Final = "ory.sh/kratos"
_IDENTIFIER_METHODS: Final = ("password", "code", "webauthn", "passkey")
_PASSKEY_NAME: Final = ("credentials", "passkey", "display_name")
_COMPLETED_TYPES: Final = frozenset({"email", "url", "tel"})
_INPUT_TYPES: Final = {
    "number": "number",
    "integer": "number",
    "boolean": "checkbox",
    "email": "email",
    "uri": "url",
    "date": "date",
    "date-time": "datetime-local",
    "tel": "tel",
}


@dataclass(frozen=True, slots=True)
class Trait:
    """A leaf of the traits. `path` is `("name", "first")` for `traits.name.first`."""

    path: tuple[str, ...]
    schema: Mapping[str, Any]
    required: bool

    @property
    def name(self) -> str:
        """The name of the form field."""
        return ".".join(("traits", *self.path))

    @property
    def title(self) -> str:
        """The label of the form field; empty if the schema has no title."""
        return str(self.schema.get("title", ""))

    @property
    def has_field(self) -> bool:
        """Whether forms have a field for it."""
        return field_type(self.schema) not in {None, "object"} and item_type(self.schema) not in {"object", "array"}

    def extension(self, *keys: str) -> Any:
        """Return the value at these keys of Ory's schema extension, or None."""
        value: Any = self.schema.get(_EXTENSION)
        for key in keys:
            value = value.get(key) if isinstance(value, Mapping) else None
        return value

    def is_identifier(self, method: str) -> bool:
        """Return whether the value is a login identifier of a method."""
        return bool(self.extension("credentials", method, "identifier"))

    def value_in(self, traits: Any) -> Any:
        """Return the value of this trait, or None."""
        for key in self.path:
            traits = traits.get(key) if isinstance(traits, Mapping) else None
        return traits

    def node(self, group: str, traits: Mapping[str, Any], *, hidden: bool = False) -> Node:
        """Build the form field, filled in from `traits`."""
        format_name = str(self.schema.get("format", ""))
        kind = _INPUT_TYPES.get(format_name) or _INPUT_TYPES.get(field_type(self.schema) or "", "text")
        value = self.value_in(traits)
        attributes = {} if value is None or isinstance(value, list | dict) else {"value": value}
        return input_node(
            group,
            self.name,
            "hidden" if hidden else kind,
            label=message(1070002, {"name": self.name, "title": self.title}) if self.title else None,
            required=self.required or None,
            pattern=self.schema.get("pattern"),
            autocomplete=kind if kind in _COMPLETED_TYPES else None,
            **attributes,
        )


class IdentitySchema:
    """An identity schema, as in `identity.schemas`.

    Args:
        schema_id: The id of the schema.
        document: The JSON Schema; traits are under `properties.traits`.
    """

    def __init__(self, schema_id: str, document: Mapping[str, Any]) -> None:
        self.id = schema_id
        self.document = document
        traits = document.get("properties", {}).get("traits", {})
        self.traits: tuple[Trait, ...] = tuple(_leaves((), traits))
        self.fields: tuple[Trait, ...] = tuple(trait for trait in self.traits if trait.has_field)
        self._objects = tuple(_objects((), traits))
        self._validator = Draft202012Validator(
            {"type": "object", "properties": {"traits": {"type": "object", **traits}}},
            format_checker=FORMAT_CHECKER,
        )

    @property
    def path(self) -> str:
        """The path at which Kratos serves the schema: its id in URL-safe Base64."""
        return f"/schemas/{base64.urlsafe_b64encode(self.id.encode()).decode().rstrip('=')}"

    def identifiers(self, traits: Mapping[str, Any]) -> list[str]:
        """Return the login identifiers in these traits, whichever method they are for."""
        values = (
            trait.value_in(traits)
            for trait in self.traits
            if any(trait.is_identifier(name) for name in _IDENTIFIER_METHODS)
        )
        return [str(value) for value in values if value]

    def account_name(self, traits: Mapping[str, Any]) -> str:
        """Return the account name shown by authenticator apps."""
        return next(iter(self._values_marked(traits, "credentials", "totp", "account_name")), "")

    def webauthn_identifier(self, traits: Mapping[str, Any]) -> str:
        """Return the identifier of security keys, or an empty string."""
        return next(iter(self._values_marked(traits, "credentials", "webauthn", "identifier")), "").lower()

    def passkey_name(self, traits: Mapping[str, Any]) -> str:
        """Return the name of the user for passkeys, or an empty string."""
        names = self._values_marked(traits, *_PASSKEY_NAME)
        return next(iter(names), "") or self.webauthn_identifier(traits)

    @property
    def passkey_name_field(self) -> str | None:
        """The form field with the name of the user for passkeys, or None. As in Kratos, its title finds it."""
        titles = [
            trait.schema["title"]
            for trait in self.traits
            if trait.schema.get("title") and (trait.is_identifier("webauthn") or trait.extension(*_PASSKEY_NAME))
        ]
        title = titles[0] if len(titles) == 1 else None
        properties = self.document.get("properties", {}).get("traits", {}).get("properties", {})
        return next((f"traits.{name}" for name, entry in properties.items() if entry.get("title") == title), None)

    def addresses(self, traits: Mapping[str, Any], purpose: str) -> list[tuple[str, str]]:
        """Return (value, via) of the addresses for `recovery` or `verification`."""
        addresses = ((trait.value_in(traits), trait.extension(purpose, "via")) for trait in self.traits)
        return [(str(value).lower(), str(via)) for value, via in addresses if value and via]

    def code_addresses(self, traits: Mapping[str, Any]) -> list[tuple[str, str]]:
        """Return (value, via) of the addresses that receive codes for login and registration."""
        values = (
            (trait.value_in(traits), trait.extension("credentials", "code", "via") or "email")
            for trait in self.traits
            if trait.is_identifier("code")
        )
        return [(str(value).strip().lower(), str(via)) for value, via in values if value]

    def trait_value(self, traits: Mapping[str, Any], path: str) -> Any:
        """Return the value at a dotted path in the traits, or None."""
        return next((trait.value_in(traits) for trait in self.traits if ".".join(trait.path) == path), None)

    def identifier_node(self, group: str, **attributes: Any) -> Node:
        """Build the field for the login identifier, with the title of the trait if there is only one."""
        marked = [trait for trait in self.traits if any(trait.is_identifier(name) for name in _IDENTIFIER_METHODS)]
        label = message(1070004)
        if len(marked) == 1:
            label = message(1070002, {"name": marked[0].name, "title": marked[0].title})
        return input_node(group, "identifier", "text", "", label, required=True, **attributes)

    @property
    def identifier_trait(self) -> Trait | None:
        """The trait that is the login identifier, or None."""
        return next((trait for trait in self.traits if trait.is_identifier("password")), None)

    @property
    def objects(self) -> tuple[tuple[str, ...], ...]:
        """The paths of the objects in the form fields, `traits` first."""
        return (("traits",), *(("traits", *path) for path in self._objects))

    def with_nested_objects(self, traits: Any) -> Any:
        """Return the traits with the empty objects that Kratos adds for nested groups.

        Raises:
            InvalidFieldError: If the traits are an array, or contain one in place of an object with groups.
        """
        document: dict[str, Any] = {"traits": traits}
        # As in Kratos, arrays of objects get an object, too, so that they are invalid if they are missing.
        arrays = [trait.path for trait in self.traits if item_type(trait.schema) in {"object", "array"}]
        for path in sorted({*self._objects, *arrays}):
            if not has_path(document, ("traits", *path)):
                set_path(document, ("traits", *path), {})
        return document["traits"]

    def validate(self, traits: Any, ui: Ui) -> bool:
        """Add an error to each invalid form field, and return whether the traits are valid."""
        found = list(violations(self._validator.iter_errors({"traits": traits})))
        for field, message_id, context in found:
            ui.add_error(message_id, context, at=field)
        return not found

    def _values_marked(self, traits: Mapping[str, Any], *keys: str) -> list[str]:
        values = (trait.value_in(traits) for trait in self.traits if trait.extension(*keys))
        return [str(value) for value in values if value]


def _leaves(path: tuple[str, ...], schema: Mapping[str, Any]) -> Iterator[Trait]:
    for name, inner in schema.get("properties", {}).items():
        if "properties" in inner:
            yield from _leaves((*path, name), inner)
        else:
            yield Trait((*path, name), inner, name in schema.get("required", ()))


def _objects(path: tuple[str, ...], schema: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    for name, inner in schema.get("properties", {}).items():
        if inner.get("type") == "object" or "properties" in inner:
            yield (*path, name)
            yield from _objects((*path, name), inner)
