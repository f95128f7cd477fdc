"""A demo bank: validates transfers and stores them in memory."""

import re
from collections import OrderedDict, deque
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Final

__all__ = ["Ledger", "Transfer", "parse_transfer"]

_AMOUNT: Final = re.compile(r"[0-9]{1,6}(?:[.,][0-9]{1,2})?")
_MAX_AMOUNT: Final = Decimal(10_000)
_MAX_IDENTITIES: Final = 1_000
_MAX_TRANSFERS: Final = 5


@dataclass(frozen=True)
class Transfer:
    """A transfer; `amount` is in euros."""

    recipient: str
    amount: Decimal
    note: str
    made_at: datetime


class Ledger:
    """The latest transfers of each identity, in memory."""

    def __init__(self) -> None:
        self._by_identity: OrderedDict[str, deque[Transfer]] = OrderedDict()

    def add(self, identity_id: str, transfer: Transfer) -> None:
        """Store a transfer."""
        transfers = self._by_identity.pop(identity_id, None) or deque(maxlen=_MAX_TRANSFERS)
        transfers.appendleft(transfer)
        self._by_identity[identity_id] = transfers
        while len(self._by_identity) > _MAX_IDENTITIES:
            self._by_identity.popitem(last=False)

    def latest(self, identity_id: str) -> list[Transfer]:
        """Return the latest transfers of an identity, newest first."""
        return list(self._by_identity.get(identity_id, ()))


def parse_transfer(fields: Mapping[str, object]) -> tuple[Transfer | None, dict[str, str]]:
    """Return the transfer in a form, or None and an error message for each invalid field."""
    recipient, amount, note = (_text(fields.get(name)) for name in ("recipient", "amount", "note"))
    errors: dict[str, str] = {}
    if not recipient:
        errors["recipient"] = "Enter a recipient."
    elif len(recipient) > 80:
        errors["recipient"] = "The recipient must have at most 80 characters."
    euros = _parse_euros(amount)
    if euros is None:
        errors["amount"] = "Enter an amount in euros, for example 12.50."
    elif not 0 < euros <= _MAX_AMOUNT:
        errors["amount"] = "The amount must be greater than 0 and at most 10000."
    if len(note) > 140:
        errors["note"] = "The note must have at most 140 characters."
    if errors or euros is None:
        return None, errors
    return Transfer(recipient, euros, note, datetime.now(UTC)), {}


def _text(value: object) -> str:
    return value.strip() if isinstance(value, str) else ""


def _parse_euros(text: str) -> Decimal | None:
    return Decimal(text.replace(",", ".")) if _AMOUNT.fullmatch(text) else None
