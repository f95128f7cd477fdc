"""An identity after a JSON Patch, whose JSON document Kratos decodes again."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from ory_guard.testing.api.json_bodies import IDENTITY_FIELDS, check_fields
from ory_guard.testing.server.request import MalformedBodyError
from ory_guard.testing.server.response import ApiError
from ory_guard.testing.server.uuids import parse_uuid
from ory_guard.testing.store.schema_formats import FORMAT_CHECKER

__all__ = ["PatchedIdentity", "read_patched_identity"]

_CHANGEABLE: Final = ("schema_id", "traits", "state", "metadata_public", "metadata_admin", "external_id")
_TIMES: Final = ("created_at", "updated_at", "state_changed_at")


@dataclass(frozen=True, slots=True)
class PatchedIdentity:
    """The parts of a patched document that change an identity; all others are ignored.

    Attributes:
        fields: The fields that replace those of the identity.
        organization_id: The organization.
        verified: The addresses that are verified.
    """

    fields: dict[str, Any]
    organization_id: str | None
    verified: set[str]


def read_patched_identity(before: Mapping[str, Any], after: Mapping[str, Any]) -> PatchedIdentity:
    """Return the changes of a patched document.

    Args:
        before: The document before the patch.
        after: The document after it.

    Raises:
        ApiError: If a field has the wrong type, or the state is missing.
    """
    try:
        check_fields(after, IDENTITY_FIELDS, allows_unknown=True)
        for name in _TIMES:
            if after.get(name) != before.get(name):
                _require_time(name, after.get(name))
        organization_id = parse_uuid(after["organization_id"]) if after.get("organization_id") else None
    except ValueError as error:
        raise ApiError(400, reason="The JSON Patch cannot be applied.", message=str(error)) from error
    if not after.get("state"):
        raise ApiError(400, reason="state must be active or inactive.")
    addresses = after.get("verifiable_addresses") or ()
    verified = {str(entry.get("value")) for entry in addresses if isinstance(entry, dict) and entry.get("verified")}
    fields = {name: after.get(name) for name in _CHANGEABLE}
    return PatchedIdentity(fields, organization_id, verified)


def _require_time(name: str, value: object) -> None:
    if not isinstance(value, str) or not FORMAT_CHECKER.conforms(value, "date-time"):
        raise MalformedBodyError(f"the field {name} is not a time")
