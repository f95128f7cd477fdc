"""The catalogue of bad inputs: its ids are stable, and each of them names a test."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

# C: header credentials, K: cookies, P: paths, R: return addresses, U: answers of Kratos, J: tokens, W: websockets,
# S: sequences. A line that came to nothing left a gap.
CATALOGUE: Final = """
    C01-C12 C14-C27 C29 K01 K03-K08 K11-K15 K17 K18 P01 P03-P15 P17-P19 R01-R18 R20-R24
    U01-U05 U07-U22 U24-U32 U34 U35 U37 U38 J01-J12 J14-J18 W01-W07 S02-S07 S09-S14
"""
_ID: Final = re.compile(r"(?<![A-Za-z0-9])([CKPRUJWS][0-9]{2})(?![A-Za-z0-9])", re.IGNORECASE)


def _ids() -> Iterator[str]:
    for part in CATALOGUE.split():
        first, _, last = part.partition("-")
        for number in range(int(first[1:]), int((last or first)[1:]) + 1):
            yield f"{first[0]}{number:02}"


def test_every_bad_input_has_a_test_of_its_name() -> None:
    """Whoever takes one away sees it here."""
    tests = [path.read_text() for path in Path(__file__).parent.glob("*.py") if path != Path(__file__)]
    named = {found.upper() for text in tests for found in _ID.findall(text)}

    assert [one for one in _ids() if one not in named] == []
