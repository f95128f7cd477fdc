"""A demo bank: what a transfer has to look like, and those that were made."""

import re
from collections import OrderedDict, deque
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Final

__all__ = ["Ledger", "Transfer", "read_transfer"]

_AMOUNT: Final = re.compile(r"[0-9]{1,6}(?:[.,][0-9]{1,2})?")
_MOST: Final = Decimal(10_000)
_PEOPLE: Final = 1_000
_KEPT: Final = 5


@dataclass(frozen=True)
class Transfer:
    """Money that went somewhere; `amount` is in euros."""

    recipient: str
    amount: Decimal
    note: str
    made_at: datetime


class Ledger:
    """The last few transfers of each identity, in memory."""

    def __init__(self) -> None:
        self._made: OrderedDict[str, deque[Transfer]] = OrderedDict()

    def add(self, identity_id: str, transfer: Transfer) -> None:
        """Take down a transfer."""
        made = self._made.pop(identity_id, None) or deque(maxlen=_KEPT)
        made.appendleft(transfer)
        self._made[identity_id] = made
        while len(self._made) > _PEOPLE:
            self._made.popitem(last=False)

    def of(self, identity_id: str) -> list[Transfer]:
        """Return the last transfers of an identity, the newest first."""
        return list(self._made.get(identity_id, ()))


def read_transfer(fields: Mapping[str, object]) -> tuple[Transfer | None, dict[str, str]]:
    """Return the transfer that a form describes, or None and what is wrong with each field."""
    recipient, amount, note = (_text(fields.get(name)) for name in ("recipient", "amount", "note"))
    errors: dict[str, str] = {}
    if not recipient:
        errors["recipient"] = "Say who gets the money."
    elif len(recipient) > 80:
        errors["recipient"] = "A name has at most 80 characters."
    value = _euros(amount)
    if value is None:
        errors["amount"] = "Give an amount in euros, such as 12.50."
    elif not 0 < value <= _MOST:
        errors["amount"] = "The amount has to be above 0 and at most 10000."
    if len(note) > 140:
        errors["note"] = "A note has at most 140 characters."
    if errors or value is None:
        return None, errors
    return Transfer(recipient, value, note, datetime.now(UTC)), {}


def _text(value: object) -> str:
    return value.strip() if isinstance(value, str) else ""


def _euros(text: str) -> Decimal | None:
    return Decimal(text.replace(",", ".")) if _AMOUNT.fullmatch(text) else None
