"""The decoding of submitted fields, which Kratos does the same way for forms and JSON."""

from collections.abc import Iterable
from typing import Any, Final

from ory_guard.testing.flows.fake_flow import FakeFlow, InvalidFlowError
from ory_guard.testing.flows.unexpected_error import unexpected_error
from ory_guard.testing.server.request import FakeRequest, MalformedBodyError
from ory_guard.testing.store.form_values import (
    LEFT_OUT,
    InvalidFieldError,
    InvalidJsonError,
    parse_value,
    plain_text,
    raw_json,
    set_path,
)
from ory_guard.testing.store.identity_schema import IdentitySchema

__all__ = ["decode_fields", "submitted_fields"]

_BOOLEANS: Final = frozenset(
    {
        "totp_unlink",
        "lookup_secret_regenerate",
        "lookup_secret_reveal",
        "lookup_secret_confirm",
        "lookup_secret_disable",
    }
)
_BOOLEAN: Final = {"type": "boolean"}


def submitted_fields(request: FakeRequest, flow: FakeFlow, schema: IdentitySchema | None) -> dict[str, Any]:
    """Return the decoded fields of a submission.

    Raises:
        InvalidFlowError: If the body is malformed, or a form has a field with malformed JSON.
        ApiError: If a field of a JSON body is malformed.
    """
    try:
        return decode_fields(request.submitted(), schema)
    except MalformedBodyError as error:
        raise _malformed(flow, str(error)) from error
    except InvalidFieldError as error:
        if request.content_type != "application/json" and isinstance(error, InvalidJsonError):
            raise _malformed(flow, str(error)) from error
        raise unexpected_error(request, flow, str(error)) from error


def _malformed(flow: FakeFlow, problem: str) -> InvalidFlowError:
    flow.ui.add_error(4000001, {"reason": f"The form data is invalid: {problem}."})
    return InvalidFlowError(flow)


def decode_fields(submitted: Iterable[tuple[str, Any]], schema: IdentitySchema | None) -> dict[str, Any]:
    """Return the fields with the types that Kratos gives them.

    Empty fields are left out. Text fields hold text, whatever was sent. Fields such as `traits.email` become part
    of `traits`, unless the schema does not have them. Objects are read from JSON text.

    Args:
        submitted: The names and values of the body in order.
        schema: The identity schema; None for forms without traits.

    Raises:
        InvalidFieldError: If a field that must be an object is text that is not JSON, or traits are an array.
    """
    texts: dict[str, list[str]] = {}
    for name, value in submitted:
        texts.setdefault(name, []).append(plain_text(value))
    fields: dict[str, Any] = {}
    if text := next(iter(texts.pop("transient_payload", [])), ""):
        fields["transient_payload"] = raw_json(text)
    if schema is not None:
        fields["traits"] = _traits(texts, schema)
    for name, values in texts.items():
        if name in _BOOLEANS:
            fields |= {name: parse_value(values, _BOOLEAN, required=False) is True}
        elif values[0]:
            fields[name] = values[0]
    return fields


def _traits(texts: dict[str, list[str]], schema: IdentitySchema) -> Any:
    """Take the traits out of the fields, and return them with the objects that Kratos adds."""
    fields: dict[str, Any] = {"traits": {}}
    for path in schema.objects:
        if text := next(iter(texts.pop(".".join(path), [])), ""):
            set_path(fields, path, raw_json(text))
    for trait in schema.traits:
        if trait.name in texts:
            value = parse_value(texts.pop(trait.name), trait.schema, required=trait.required)
            if value is not LEFT_OUT:
                set_path(fields, ("traits", *trait.path), value)
    return schema.with_nested_objects(fields["traits"])
