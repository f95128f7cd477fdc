"""The bodies of admin requests, with the types that Kratos requires."""

from collections.abc import Mapping
from typing import Any, Final

from ory_guard.testing.server.request import FakeRequest, MalformedBodyError
from ory_guard.testing.server.response import ApiError
from ory_guard.testing.store.schema_errors import json_type

__all__ = ["IDENTITY_FIELDS", "check_fields", "read_json_body", "read_strict_body"]

IDENTITY_FIELDS: Final[Mapping[str, type]] = {
    "schema_id": str,
    "traits": object,
    "credentials": dict,
    "verifiable_addresses": list,
    "recovery_addresses": list,
    "metadata_public": object,
    "metadata_admin": object,
    "state": str,
    "organization_id": str,
    "external_id": str,
}
"""The fields of an identity and their types; all can be null."""


def read_json_body(request: FakeRequest, fields: Mapping[str, type]) -> dict[str, Any]:
    """Return a body that must have the content type `application/json`; unknown fields are ignored.

    Raises:
        ApiError: If it has another content type, or is malformed.
    """
    if request.content_type != "application/json":
        raise ApiError(400, reason=f"The content type {request.content_type!r} is not application/json.")
    try:
        body = request.json_object_or_null()
        check_fields(body, fields, allows_unknown=True)
    except MalformedBodyError as error:
        raise ApiError(400, reason=f"The body cannot be decoded: {error}.") from error
    return body


def read_strict_body(request: FakeRequest, fields: Mapping[str, type], *, code: int = 400) -> dict[str, Any]:
    """Return a body of any content type; unknown fields are errors.

    Raises:
        ApiError: If it is malformed.
    """
    try:
        body = request.json_object_or_null()
        check_fields(body, fields)
    except MalformedBodyError as error:
        raise ApiError(400, message=str(error), code=code) from error
    return body


def check_fields(body: Mapping[str, Any], fields: Mapping[str, type], *, allows_unknown: bool = False) -> None:
    """Check the names and types of fields.

    Raises:
        MalformedBodyError: If a field is unknown or has the wrong type.
    """
    for name, value in body.items():
        if name not in fields:
            if not allows_unknown:
                raise MalformedBodyError(f'json: unknown field "{name}"')
        elif value is not None and not isinstance(value, fields[name]):
            raise MalformedBodyError(f"json: cannot unmarshal {json_type(value)} into the field {name}")
