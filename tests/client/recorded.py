"""The recordings of a real Kratos, as the client's tests read them."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_FOLDER = Path(__file__).parent.parent / "recordings"


@dataclass(frozen=True)
class Exchange:
    """One question to Kratos and its answer.

    Attributes:
        case: The recording's name, unique over all files.
        operation: The operationId in snake_case, or `-`.
        request: Its `method`, `path`, `query`, `headers` and `body`.
        response: Its `status`, `headers` (pairs) and `body`.
    """

    case: str
    operation: str
    request: dict[str, Any]
    response: dict[str, Any]


def exchanges() -> list[Exchange]:
    """Return every recorded exchange, in the order of the files' names."""
    lines = [line for file in sorted(_FOLDER.glob("*.jsonl")) for line in file.read_text().splitlines()]
    return [
        Exchange(found["case"], found["operation"], found["request"], found["response"])
        for found in map(json.loads, lines)
    ]


def answer_of(case: str) -> Any:
    """Return the answered body of one recording."""
    (found,) = [exchange for exchange in exchanges() if exchange.case == case]
    return found.response["body"]
