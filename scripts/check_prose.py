"""Count phrases that plain technical English avoids, and fail above a budget per 10,000 words.

`python scripts/check_prose.py` checks every group below; `python scripts/check_prose.py PATH …` lists the phrases
found in some files. The style guide in docs/contributing.md says how to write instead.
"""

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

GROUPS: Final = {
    "source": ["ory_guard"],
    "tests": ["tests", "benchmarks", "scripts"],
    "example": ["example_app"],
    "docs": ["docs", "README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md"],
}
BUDGET: Final = 20
"""Phrases per 10,000 words."""

_VERBS: Final = (
    "gets|asked|asks|comes|sends|has|wants|is|was|may|can|must|signs|waits|revokes|already|still|passes|needs|"
    "reaches|reads|lacks|knows|makes|else|does|did|tries|opens|follows"
)
_NOUNS: Final = "is|was|comes|goes|came|are|were|has|have|it|they|can|a|an|the|one|every"
_PLACES: Final = "there|it|that|Kratos|one|they|the|nothing|no|a|some|an|its|he|she|both|asked|given|several|known"
_LET: Final = "no|nothing|nobody|those|other|an|the|only|it|every|a|somebody"

PATTERNS: Final = {
    "who as a bare subject": rf"\b(?:[Ww]ho|[Ww]hoever)\s+(?:{_VERBS})\b",
    "nobody, somebody": r"\b(?:[Nn]obody|[Ee]verybody|[Ss]omebody|[Aa]nybody)\b",
    "what as a noun": rf"\b[Ww]hat (?:{_NOUNS})\b",
    "is no, is none": r"\b(?:is|are|was) (?:no|none)\b(?! longer)",
    "tell, told": r"\b(?:[Tt]ells?|told|telling)\b",
    "let as a command": rf'(?:^|["\s])Let (?:{_LET})\b',
    "where for if": rf"\bwhere (?:{_PLACES})\b",
    "anew": r"\banew\b",
    "stands, lies": r"\b(?:stands?|lies?|stood|lay)\b",
}

_DOCUMENTED: Final = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
_COMMENT: Final = re.compile(r"(?:^|\s)#\s+(?!noqa|type:|pragma)(.*)")


def prose_of(path: Path) -> str:
    """Return the docstrings and comments of a Python file, or the whole of a Markdown file."""
    source = path.read_text(encoding="utf-8")
    if path.suffix == ".md":
        return source
    documented = (node for node in ast.walk(ast.parse(source)) if isinstance(node, _DOCUMENTED))
    docstrings = [ast.get_docstring(node) or "" for node in documented]
    comments = [match[1] for line in source.splitlines() if (match := _COMMENT.search(line))]
    return "\n".join(docstrings + comments)


def files_below(roots: list[str]) -> Iterator[Path]:
    """Yield the Python and Markdown files below these files and folders."""
    for root in map(Path, roots):
        if root.is_file():
            yield root
        else:
            yield from sorted([*root.rglob("*.py"), *root.rglob("*.md")])


def phrases_in(text: str) -> list[tuple[str, str]]:
    """Return the name of the pattern and the words around each phrase found."""
    found = []
    for name, pattern in PATTERNS.items():
        for match in re.finditer(pattern, text, re.MULTILINE):
            around = text[max(match.start() - 40, 0) : match.end() + 40]
            found.append((name, " ".join(around.split())))
    return found


def check_group(name: str, roots: list[str]) -> bool:
    """Print the rate of one group, and return whether it is within the budget."""
    text = "\n".join(prose_of(path) for path in files_below(roots))
    words = len(re.findall(r"[A-Za-z']+", text)) or 1
    rate = len(phrases_in(text)) * 10_000 / words
    print(f"prose: {name}: {rate:.0f} per 10,000 words (at most {BUDGET})")
    return rate <= BUDGET


def main(arguments: list[str]) -> int:
    """List the phrases in the given files, or check all groups; return the exit code."""
    if arguments:
        for path in files_below(arguments):
            for name, around in phrases_in(prose_of(path)):
                print(f"{path}: {name}: …{around}…")
        return 0
    within_budget = [check_group(name, roots) for name, roots in GROUPS.items()]
    return 0 if all(within_budget) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
