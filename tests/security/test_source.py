"""What the source must not do, wherever it is done."""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import ory_guard

_PACKAGE: Final = Path(ory_guard.__file__).parent
_CLIENTS: Final = frozenset({"AsyncClient", "Client", "Cookies", "get", "post", "request", "stream"})


def _uses(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "httpx2":
            yield node.attr
        elif isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "httpx2":
            yield from (name.name for name in node.names)


def test_no_client_of_the_http_library_is_made() -> None:
    """Only its transport: a client has a cookie jar, and one user's cookie would go out with another's question."""
    used = {path: set(_uses(ast.parse(path.read_text()))) for path in _PACKAGE.rglob("*.py")}

    assert any("AsyncHTTPTransport" in names for names in used.values())
    assert {path.name: names & _CLIENTS for path, names in used.items() if names & _CLIENTS} == {}
