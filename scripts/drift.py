"""Print the differences between the pinned OpenAPI document of Kratos and a newer one.

    python scripts/drift.py path/to/api.json

Only the `frontend` operations and their schemas are compared. The exit status is 1 if there are differences, and 2
if the document is not readable.
"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

PINNED = Path(__file__).parent.parent / "tests" / "spec" / "openapi-frontend-v26.2.0.json"

Document = dict[str, Any]


def operations(document: Document) -> Iterator[tuple[str, str, Document]]:
    """Yield method, path and description of each operation of the frontend API."""
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            if "frontend" in operation.get("tags", ()):
                yield method.upper(), path, operation


def facts(document: Document) -> set[str]:
    """Return the facts of a document about the frontend API, one per line."""
    lines: set[str] = set()
    for method, path, operation in operations(document):
        name = operation["operationId"]
        lines.add(f"operation {name}: {method} {path}")
        for parameter in operation.get("parameters", ()):
            need = " (required)" if parameter.get("required") else ""
            lines.add(f"parameter {name}: {parameter['in']} {parameter['name']}{need}")
    for name, schema in _schemas(document).items():
        lines.update(_facts_of_schema(name, schema))
    return lines


def _facts_of_schema(name: str, schema: Document) -> Iterator[str]:
    yield f"schema {name}"
    for field, description in schema.get("properties", {}).items():
        need = " (required)" if field in schema.get("required", ()) else ""
        yield f"field {name}.{field}{need}"
        yield from (f"value {name}.{field}: {value}" for value in description.get("enum", ()))
    for key, reference in schema.get("discriminator", {}).get("mapping", {}).items():
        yield f"member {name}: {key} is {reference.rpartition('/')[2]}"


def _schemas(document: Document) -> dict[str, Document]:
    """Return the schemas that the frontend operations refer to, directly or through others."""
    every = document.get("components", {}).get("schemas", {})
    found: dict[str, Document] = {}
    waiting = [name for _, _, operation in operations(document) for name in _references(operation)]
    while waiting:
        name = waiting.pop()
        if name not in found and name in every:
            found[name] = every[name]
            waiting += _references(every[name])
    return found


def _references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        reference = value.get("$ref")
        if isinstance(reference, str):
            yield reference.rpartition("/")[2]
        for item in value.values():
            yield from _references(item)
    elif isinstance(value, list):
        for item in value:
            yield from _references(item)


def main(newer: Path) -> int:
    """Print added facts with `+` and removed ones with `-`, and return the exit status."""
    pinned = facts(json.loads(PINNED.read_text()))
    try:
        found = facts(json.loads(newer.read_text()))
    except OSError as error:
        return _unreadable(newer, error.strerror)
    except (ValueError, LookupError, TypeError, AttributeError):
        return _unreadable(newer, "it is not an OpenAPI document in JSON")
    lines = [f"+ {fact}" for fact in found - pinned] + [f"- {fact}" for fact in pinned - found]
    for line in sorted(lines, key=lambda line: (line[2:], line)):
        print(line)
    return 1 if lines else 0


def _unreadable(path: Path, why: str | None) -> int:
    message = f"{path} is not readable: {why}. Use the api.json of Kratos' repository."
    print(message, file=sys.stderr)
    return 2


if __name__ == "__main__":
    if len(sys.argv) != 2 or sys.argv[1].startswith("-"):
        sys.exit(__doc__)
    sys.exit(main(Path(sys.argv[1])))
