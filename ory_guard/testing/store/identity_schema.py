"""Traits: what a JSON Schema with Ory's extension says about them, and the form fields they make."""

import base64
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from jsonschema import Draft202012Validator

from ory_guard.testing.flows.ui_messages import message
from ory_guard.testing.flows.ui_nodes import Node, Ui, input_node

__all__ = ["IdentitySchema", "Trait"]

_EXTENSION: Final = "ory.sh/kratos"
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
    """One leaf of the traits: `path` is `("name", "first")` for `traits.name.first`."""

    path: tuple[str, ...]
    schema: Mapping[str, Any]
    required: bool

    @property
    def name(self) -> str:
        """The name of its form field."""
        return ".".join(("traits", *self.path))

    @property
    def title(self) -> str:
        """What a person reads; the field's own name where the schema has no title."""
        return str(self.schema.get("title", self.path[-1]))

    def extension(self, *keys: str) -> Any:
        """Return what Ory's extension says under these keys, or None."""
        found: Any = self.schema.get(_EXTENSION)
        for key in keys:
            found = found.get(key) if isinstance(found, Mapping) else None
        return found

    def value_in(self, traits: Any) -> Any:
        """Return this trait's value, or None."""
        for key in self.path:
            traits = traits.get(key) if isinstance(traits, Mapping) else None
        return traits

    def node(self, group: str, traits: Mapping[str, Any], *, hidden: bool = False) -> Node:
        """Build its form field, filled in from `traits`."""
        kind = _INPUT_TYPES.get(self.schema.get("format", ""), "")
        kind = kind or _INPUT_TYPES.get(self.schema.get("type", ""), "text")
        value = self.value_in(traits)
        given = {} if value is None else {"value": value}
        return input_node(
            group,
            self.name,
            "hidden" if hidden else kind,
            label=message(1070002, {"name": self.name, "title": self.title}),
            required=self.required or None,
            autocomplete="email" if kind == "email" else None,
            **given,
        )


class IdentitySchema:
    """
    A schema of traits, as `identity.schemas` has it.

    Args:
        number: The schema's id.
        document: The JSON Schema; traits are under `properties.traits`.
    """

    def __init__(self, number: str, document: Mapping[str, Any]) -> None:
        self.id = number
        self.document = document
        traits = document.get("properties", {}).get("traits", {})
        self.traits: tuple[Trait, ...] = tuple(_leaves((), traits))
        self._objects = tuple(_objects((), traits))
        self._validator = Draft202012Validator(
            {"type": "object", "properties": {"traits": traits}},
            format_checker=Draft202012Validator.FORMAT_CHECKER,
        )

    @property
    def path(self) -> str:
        """Where Kratos serves it: the id in URL-safe Base64."""
        return f"/schemas/{base64.urlsafe_b64encode(self.id.encode()).decode().rstrip('=')}"

    def identifiers(self, traits: Mapping[str, Any]) -> list[str]:
        """Return what an identity with these traits signs in with."""
        return self._marked(traits, "credentials", "password", "identifier")

    def account_name(self, traits: Mapping[str, Any]) -> str:
        """Return the name under which an authenticator app lists the account."""
        return next(iter(self._marked(traits, "credentials", "totp", "account_name")), "")

    def addresses(self, traits: Mapping[str, Any], purpose: str) -> list[tuple[str, str]]:
        """Return (value, via) of the addresses for `recovery` or `verification`."""
        found = ((trait.value_in(traits), trait.extension(purpose, "via")) for trait in self.traits)
        return [(str(value).lower(), str(via)) for value, via in found if value and via]

    @property
    def identifier_trait(self) -> Trait | None:
        """The trait that labels the login form's identifier."""
        marked = (one for one in self.traits if one.extension("credentials", "password", "identifier"))
        return next(marked, None)

    def filled(self, traits: Mapping[str, Any]) -> dict[str, Any]:
        """Return traits with the empty objects that Kratos adds for nested groups."""
        whole: dict[str, Any] = {**traits}
        for path in self._objects:
            place = whole
            for key in path:
                inner = place.setdefault(key, {})
                if not isinstance(inner, Mapping):
                    break
                place[key] = place = {**inner}
        return whole

    def converted(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        """Return traits whose form text became what the schema asks for (numbers, booleans)."""
        traits: dict[str, Any] = {**fields}
        for trait in self.traits:
            text = trait.value_in(traits)
            if isinstance(text, str):
                _put(traits, trait.path, _converted(text, trait.schema.get("type")))
        return traits

    def check(self, traits: Any, ui: Ui) -> bool:
        """Put what is wrong with the traits at their form fields; tell whether nothing is."""
        complaints: dict[str, tuple[int, dict[str, str]]] = {}
        for problem in self._validator.iter_errors({"traits": traits}):
            where = ".".join(str(step) for step in problem.path)
            if problem.validator == "required" and isinstance(problem.validator_value, list):
                missing = (name for name in problem.validator_value if name not in problem.instance)
                complaints |= {f"{where}.{name}": (4000002, {"property": name}) for name in missing}
            else:
                complaints.setdefault(where, (4000001, {"reason": problem.message}))
        for where, (number, context) in complaints.items():
            ui.complain(number, context, at=where if ui.find(where) else None)
        return not complaints

    def _marked(self, traits: Mapping[str, Any], *keys: str) -> list[str]:
        found = (trait.value_in(traits) for trait in self.traits if trait.extension(*keys))
        return [str(value) for value in found if value]


def _leaves(path: tuple[str, ...], schema: Mapping[str, Any]) -> Iterator[Trait]:
    for name, inner in schema.get("properties", {}).items():
        if "properties" in inner:
            yield from _leaves((*path, name), inner)
        else:
            yield Trait((*path, name), inner, name in schema.get("required", ()))


def _objects(path: tuple[str, ...], schema: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    for name, inner in schema.get("properties", {}).items():
        if "properties" in inner:
            yield (*path, name)
            yield from _objects((*path, name), inner)


def _converted(text: str, kind: object) -> Any:
    if kind == "boolean":
        return {"true": True, "on": True, "1": True, "false": False, "": False}.get(text.lower(), text)
    if kind in {"number", "integer"}:
        try:
            return int(text) if kind == "integer" else float(text)
        except ValueError:
            return text
    return text


def _put(traits: dict[str, Any], path: tuple[str, ...], value: Any) -> None:
    place = traits
    for key in path[:-1]:
        place[key] = place = {**place[key]}
    place[path[-1]] = value
