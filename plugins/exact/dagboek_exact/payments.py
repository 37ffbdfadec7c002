"""How far entries are paid, out of receivables and payables (api.md section 5).

A row is a payment term: open, selected, processed, or matched with what was paid. An entry counts as paid when it has
rows and none of them is open; one without rows cannot be told.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Any, Self

from dagboek_schemas.documents import Direction, PaymentState, PaymentStatus
from dagboek_sdk.mapping import CENT, ZERO

from dagboek_exact.entries import EntryId
from dagboek_exact.lists import amount, text

FEED = "sync/Cashflow/PaymentTerms"
"""Terms that changed since, by row version."""
FEED_SELECT = "Timestamp,TransactionEntryID"
RESOURCES = {Direction.SALES: "cashflow/Receivables", Direction.PURCHASE: "cashflow/Payments"}
_SELECT = "ID,TransactionEntryID,Status,AmountFC,TransactionAmountFC,Currency"
SELECTS = {Direction.SALES: f"{_SELECT},IsFullyPaid", Direction.PURCHASE: _SELECT}

MATCHED = 50

ALL_AFTER = timedelta(days=7)
"""Since all open entries were asked for."""


@dataclass(frozen=True, slots=True)
class Cursor:
    """How far the feed was read, and when all open entries were asked for."""

    version: int = 1
    """A row version of Exact's; the first is 1."""
    all_read: date | None = None

    def __str__(self) -> str:
        return f"{self.version} {self.all_read or ''}".strip()

    @classmethod
    def parse(cls, written: str | None) -> Self:
        """The cursor as it was stored; the beginning where that cannot be read."""
        version, _, day = (written or "").partition(" ")
        try:
            return cls(int(version), date.fromisoformat(day) if day else None)
        except ValueError:
            return cls()


def statuses(rows: Iterable[Mapping[str, Any]], direction: Direction) -> list[PaymentStatus]:
    """A status for each entry that has terms among `rows`, which are all of its terms."""
    terms: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for row in rows:
        if row.get("TransactionEntryID"):
            terms[str(row["TransactionEntryID"])].append(row)
    return [_status(EntryId(direction, guid), found) for guid, found in terms.items()]


def _status(entry: EntryId, terms: list[Mapping[str, Any]]) -> PaymentStatus:
    open_terms = [one for one in terms if int(one.get("Status") or 0) < MATCHED and not one.get("IsFullyPaid")]
    rest = sum((abs(_money(one, "AmountFC")) for one in open_terms), ZERO)
    total = max((abs(_money(one, "TransactionAmountFC")) for one in terms), default=ZERO)
    currency = text(terms[0].get("Currency")) or None
    if rest < CENT:
        return PaymentStatus(entry_id=str(entry), state=PaymentState.PAID, open_amount=ZERO, currency=currency)
    partial = len(open_terms) < len(terms) or rest + CENT / 2 < total
    state = PaymentState.PARTIALLY_PAID if partial else PaymentState.NOT_PAID
    return PaymentStatus(entry_id=str(entry), state=state, open_amount=rest, currency=currency)


def _money(row: Mapping[str, Any], name: str) -> Decimal:
    return (amount(row.get(name)) or ZERO).quantize(CENT)
