"""JSON Patch (RFC 6902) as Kratos applies it."""

import copy
import json
import re
from typing import Any, Final

from ory_guard.testing.server.response import ApiError

__all__ = ["apply_json_patch"]

_OPERATIONS: Final = frozenset({"add", "replace", "remove"})
_REASON: Final = "The JSON Patch cannot be applied."


def apply_json_patch(document: dict[str, Any], patch: bytes, denied: tuple[str, ...] = ()) -> dict[str, Any]:
    """Return a copy of the document with a patch applied.

    Only `add`, `replace` and `remove` are supported. `replace` adds a missing member with its parents.

    Args:
        document: The document.
        patch: The JSON text of the patch.
        denied: Paths that must not be changed.

    Raises:
        ApiError: If the patch is malformed, uses another operation, or changes a denied path.
    """
    changed = copy.deepcopy(document)
    try:
        operations = json.loads(patch)
    except (ValueError, RecursionError) as error:
        raise ApiError(400, reason=_REASON, message=f"the body is not JSON: {error}") from error
    if operations is None:
        return changed
    if not isinstance(operations, list) or not all(isinstance(operation, dict) for operation in operations):
        raise ApiError(400, reason=_REASON, message="the body is not a list of operations")
    for operation in operations:
        name, path = operation.get("op"), operation.get("path")
        if name not in _OPERATIONS or not isinstance(path, str) or not path.startswith("/"):
            raise ApiError(400, reason=_REASON, message=f"unsupported operation: {operation!r}")
        if path in denied:
            raise ApiError(400, reason=_REASON, message=f"patch includes denied path: {path}")
        if name != "remove" and "value" not in operation:
            raise ApiError(400, reason=_REASON, message=f"the operation has no value: {operation!r}")
        _apply(changed, str(name), path, operation.get("value"))
    return changed


def _apply(document: dict[str, Any], name: str, path: str, value: Any) -> None:
    *parents, last = (step.replace("~1", "/").replace("~0", "~") for step in path[1:].split("/"))
    target: Any = document
    for step in parents:
        target = _child(target, step)
    if isinstance(target, dict):
        if name == "remove" and last not in target:
            raise ApiError(400, reason=_REASON, message=f"the member {last} does not exist")
        if name == "remove":
            del target[last]
        else:
            target[last] = value
    elif isinstance(target, list):
        _apply_to_list(target, name, last, value)
    else:
        raise ApiError(400, reason=_REASON, message=f"the path {path} does not exist")


def _child(target: Any, step: str) -> Any:
    """Return a member of an object or list; a missing member of an object is created."""
    if isinstance(target, dict):
        if target.get(step) is None:
            target[step] = {}
        return target[step]
    is_index = isinstance(target, list) and 0 <= _index(step) < len(target)
    return target[_index(step)] if is_index else None


def _apply_to_list(target: list[Any], name: str, last: str, value: Any) -> None:
    index = len(target) if last == "-" else _index(last)
    if name == "add" and 0 <= index <= len(target):
        target.insert(index, value)
    elif 0 <= index < len(target):
        target[index : index + 1] = [] if name == "remove" else [value]
    else:
        raise ApiError(400, reason=_REASON, message=f"the list has no index {last}")


def _index(step: str) -> int:
    return int(step) if re.fullmatch("[0-9]{1,18}", step) else -1
