"""JSON Patch (RFC 6902) as far as identities need it: add, replace and remove, and test."""

import copy
import json
from typing import Any, Final

from ory_guard.testing.answers import ApiError

__all__ = ["patched"]

_OPERATIONS: Final = frozenset({"add", "replace", "remove", "test"})


def patched(document: dict[str, Any], patch: bytes) -> dict[str, Any]:
    """Return a copy of the document with a patch applied.

    Raises:
        ApiError: The patch can't be read or doesn't fit the document.
    """
    changed = copy.deepcopy(document)
    try:
        operations = json.loads(patch)
    except ValueError as error:
        raise ApiError(400, reason="The body is not JSON.") from error
    if not isinstance(operations, list):
        raise ApiError(400, reason="The body must be a JSON Patch: a list of operations.")
    for operation in operations:
        try:
            _apply(changed, operation)
        except (KeyError, TypeError, AttributeError) as error:
            raise ApiError(400, reason=f"This operation doesn't fit the identity: {operation!r}.") from error
    return changed


def _apply(document: dict[str, Any], operation: dict[str, Any]) -> None:
    name, path = operation["op"], operation["path"]
    if name not in _OPERATIONS:
        raise KeyError(name)
    *parents, last = (step.replace("~1", "/").replace("~0", "~") for step in path.lstrip("/").split("/"))
    place: dict[str, Any] = document
    for step in parents:
        place = place[step]
    if place is document and last not in document:
        raise KeyError(last)
    if name == "test":
        if place[last] != operation["value"]:
            raise KeyError(last)
    elif name == "remove" and place is not document:
        del place[last]
    elif name == "replace" and last not in place:
        raise KeyError(last)
    else:
        place[last] = None if name == "remove" else operation["value"]
