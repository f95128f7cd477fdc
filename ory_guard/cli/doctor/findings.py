"""The findings of checks: results that are ok, that may be intended, or that have to be fixed."""

from dataclasses import dataclass
from typing import Literal

__all__ = ["Finding", "Level", "notice", "ok", "problem", "skipped"]

Level = Literal["ok", "notice", "problem", "skipped"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One result of a check.

    Attributes:
        level: `ok`, `notice` for a setting that may be intended, `problem` for one that does not work, or `skipped`
            if the check could not be performed.
        message: The result.
        fix: How to fix it; for `skipped`, the input that the check needs.
        check: The name of the check.
    """

    level: Level
    message: str
    fix: str = ""
    check: str = ""


def ok(message: str) -> Finding:
    """Return a finding without a problem."""
    return Finding("ok", message)


def notice(message: str, fix: str = "") -> Finding:
    """Return a finding that may be intended."""
    return Finding("notice", message, fix)


def problem(message: str, fix: str) -> Finding:
    """Return a finding that has to be fixed."""
    return Finding("problem", message, fix)


def skipped(message: str, fix: str = "") -> Finding:
    """Return the finding of a check that could not be performed."""
    return Finding("skipped", message, fix)
