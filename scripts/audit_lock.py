"""Compare the locked dependencies with a database of known vulnerabilities.

    python scripts/audit_lock.py [requirements.lock]

All versions in the lock are checked, including those of other platforms and Python versions. The exit status is 1
if a version has a known vulnerability, and 2 if a version could not be checked: pip-audit alone exits with 0 if its
database knows no package.
"""

import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

LOCK = Path(__file__).parent.parent / "requirements.lock"
VULNERABLE = 1
NOT_CHECKED = 2

Audit = Callable[[list[str]], str]
"""Returns the JSON of pip-audit for a list of requirements with distinct names."""


def pinned_in(lock: str) -> list[tuple[str, str]]:
    """Return the name and version of each package in a lock, without its markers and hashes."""
    return re.findall(r"^([A-Za-z0-9._-]+)(?:\[[^]]*\])?==([^\s;\\]+)", lock, re.MULTILINE)


def rounds_of(pinned: Sequence[tuple[str, str]]) -> Iterator[list[str]]:
    """Yield lists of requirements that contain each name once, as pip-audit requires."""
    remaining = sorted(set(pinned))
    while remaining:
        chosen = dict(reversed(remaining))
        yield [f"{name}=={version}" for name, version in sorted(chosen.items())]
        remaining = [(name, version) for name, version in remaining if chosen[name] != version]


def run_pip_audit(requirements: list[str]) -> str:
    """Run pip-audit and return its JSON, which is empty if it failed."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "requirements.txt"
        file.write_text("\n".join(requirements), encoding="utf-8")
        command = [sys.executable, "-m", "pip_audit", "--vulnerability-service", "osv", "--progress-spinner", "off"]
        command += ["--no-deps", "--disable-pip", "--format", "json", "--requirement", str(file)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    if not done.stdout:
        print(done.stderr.strip().rpartition("\n")[2], file=sys.stderr)
    return done.stdout


def audit(lock: str, audit_round: Audit) -> tuple[list[str], list[str]]:
    """Return the vulnerable packages, and the packages that were not checked."""
    vulnerable, unchecked = [], []
    for requirements in rounds_of(pinned_in(lock)):
        output = audit_round(requirements)
        results: list[dict[str, Any]] = json.loads(output)["dependencies"] if output else []
        checked = {f"{one['name']}=={one['version']}": one["vulns"] for one in results if "vulns" in one}
        by_name = {normalized(requirement): vulns for requirement, vulns in checked.items()}
        for requirement in requirements:
            vulns = by_name.get(normalized(requirement))
            if vulns is None:
                unchecked.append(requirement)
            vulnerable += [
                f"{requirement}: {one['id']}, fixed in {', '.join(one['fix_versions']) or 'no version'}"
                for one in vulns or ()
            ]
    return vulnerable, unchecked


def normalized(requirement: str) -> str:
    """Return a requirement with the normalized name of its package (PEP 503)."""
    name, _, version = requirement.partition("==")
    return f"{re.sub(r'[-_.]+', '-', name).lower()}=={version}"


def report(lock: str, audit_round: Audit) -> int:
    """Print the result and return the exit status."""
    pinned = set(pinned_in(lock))
    vulnerable, unchecked = audit(lock, audit_round)
    print("\n".join(vulnerable))
    if unchecked or not pinned:
        print(
            f"{len(unchecked)} of {len(pinned)} packages were not checked: {', '.join(unchecked)}", file=sys.stderr
        )
        return NOT_CHECKED
    print(f"{len(pinned)} packages checked, {len(vulnerable)} vulnerabilities found")
    return VULNERABLE if vulnerable else 0


if __name__ == "__main__":
    path = Path(sys.argv[1]) if len(sys.argv) > 1 else LOCK
    sys.exit(report(path.read_text(encoding="utf-8"), run_pip_audit))
