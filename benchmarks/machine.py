"""The environment of a run: machine, packages and commit."""

import platform
import subprocess
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from os import cpu_count
from pathlib import Path
from typing import Any, Final

__all__ = ["machine", "run_info"]

_PACKAGES: Final = (
    "starlette",
    "fastapi",
    "uvicorn",
    "uvloop",
    "httptools",
    "httpx2",
    "pydantic",
    "cachetools",
    "ory-client",
    "httpx",
    "aiohttp",
    "redis",
    "joserfc",
)


def machine() -> dict[str, Any]:
    """Return the interpreter, the processor and the versions of the packages."""
    return {
        "python": platform.python_version(),
        "processor": _processor(),
        "processors": cpu_count(),
        "packages": {name: installed for name in _PACKAGES if (installed := _version(name))},
    }


def run_info() -> dict[str, Any]:
    """Return the date and the current commit, or None without git or a repository."""
    return {"date": datetime.now(UTC).isoformat(timespec="seconds"), "commit": _commit()}


def _commit() -> str | None:
    command = ["git", "rev-parse", "HEAD"]
    try:
        done = subprocess.run(command, cwd=Path(__file__).parent, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip()


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text(encoding="utf-8").splitlines() if cpuinfo.exists() else []
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")
