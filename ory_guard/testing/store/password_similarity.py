"""The similarity of a new password to an identifier, as Kratos measures it."""

from itertools import pairwise
from typing import Final

__all__ = ["is_similar"]

MIN_DISTANCE: Final = 5
MAX_COMMON_PART: Final = 0.5


def is_similar(password: str, identifier: str) -> bool:
    """Return whether a password resembles an identifier, ignoring case.

    It does if its Levenshtein distance is below 5, or more than half of it is a part of the identifier.
    """
    if not identifier:
        return False
    password, identifier = password.lower(), identifier.lower()
    common = _longest_common_part(identifier.encode(errors="replace"), password.encode(errors="replace"))
    share = common / len(password.encode(errors="replace"))
    return share > MAX_COMMON_PART or _distance(identifier, password) < MIN_DISTANCE


def _longest_common_part(left: bytes, right: bytes) -> int:
    longest = 0
    previous = [0] * (len(right) + 1)
    for byte in left:
        current = [0]
        current += [before + 1 if byte == other else 0 for before, other in zip(previous, right, strict=False)]
        longest = max(longest, *current)
        previous = current
    return longest


def _distance(left: str, right: str) -> int:
    """Return the Levenshtein distance."""
    previous = list(range(len(right) + 1))
    for row, character in enumerate(left, start=1):
        current = [row]
        for (diagonal, above), other in zip(pairwise(previous), right, strict=True):
            current.append(min(current[-1] + 1, above + 1, diagonal + (character != other)))
        previous = current
    return previous[-1]
