"""Rules about the source that no single module can enforce."""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import ory_guard

_PACKAGE: Final = Path(ory_guard.__file__).parent
_CLIENTS: Final = frozenset({"AsyncClient", "Client", "Cookies", "get", "post", "request", "stream"})


def _names_used(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "httpx2":
            yield node.attr
        elif isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "httpx2":
            yield from (name.name for name in node.names)


def test_package_uses_no_client_of_the_http_library() -> None:
    """A client has a cookie jar, so the cookie of one user would be sent with the request of another."""
    used = {path: set(_names_used(ast.parse(path.read_text()))) for path in _PACKAGE.rglob("*.py")}

    assert any("AsyncHTTPTransport" in names for names in used.values())
    assert {path.name: names & _CLIENTS for path, names in used.items() if names & _CLIENTS} == {}
