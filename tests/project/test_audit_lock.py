"""The audit of the lock fails if a package is vulnerable, and if a package was not checked."""

import json
from typing import Any

import audit_lock
import pytest

LOCK = """\
anyio==4.1 \\
    --hash=sha256:00
numpy==1.0 ; python_full_version < '3.12' \\
    --hash=sha256:00
numpy==2.0 ; python_full_version >= '3.12' \\
    --hash=sha256:00
Redis[hiredis]==7.2
"""
FLAW = {"id": "PYSEC-1", "fix_versions": ["2.1"]}


def answer(requirements: list[str], flaws: dict[str, Any], skipped: frozenset[str]) -> str:
    """Return JSON as pip-audit writes it."""
    results = []
    for requirement in requirements:
        name, version = requirement.lower().split("==")
        if name in skipped:
            results.append({"name": name, "skip_reason": "not found"})
        else:
            results.append({"name": name, "version": version, "vulns": flaws.get(requirement, [])})
    return json.dumps({"dependencies": results, "fixes": []})


@pytest.mark.parametrize(
    ("lock", "flaws", "skipped", "failed", "status"),
    [
        pytest.param(LOCK, {}, (), False, 0, id="all checked"),
        pytest.param(LOCK, {"numpy==2.0": [FLAW]}, (), False, 1, id="one vulnerable"),
        pytest.param(LOCK, {}, ("redis",), False, 2, id="one not found"),
        pytest.param(LOCK, {"numpy==2.0": [FLAW]}, ("redis",), False, 2, id="one vulnerable, one not found"),
        pytest.param(LOCK, {}, (), True, 2, id="service unreachable"),
        pytest.param("", {}, (), False, 2, id="empty lock"),
    ],
)
def test_audit_reports_status(  # noqa: PLR0917 - the columns of the table
    lock: str,
    flaws: dict[str, Any],
    skipped: tuple[str, ...],
    failed: bool,
    status: int,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def audit_round(requirements: list[str]) -> str:
        return "" if failed else answer(requirements, flaws, frozenset(skipped))

    assert audit_lock.report(lock, audit_round) == status
    output = capsys.readouterr()
    assert ("numpy==2.0: PYSEC-1, fixed in 2.1" in output.out) == bool(flaws)
    assert ("not checked" in output.err) == (status == 2)


def test_audit_checks_each_version_in_the_lock_once() -> None:
    rounds = list(audit_lock.rounds_of(audit_lock.pinned_in(LOCK)))

    assert rounds == [["Redis==7.2", "anyio==4.1", "numpy==1.0"], ["numpy==2.0"]]
