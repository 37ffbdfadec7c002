"""How far entries are paid, out of the lists of outstanding items (api.md section 7).

An entry that is in a list is open for as much as the list says. One that is not may be paid, or not shown yet: the
lists lag behind what was delivered. So it counts as paid when it was in the list before, or when it has been missing
for longer than a list may lag; until then its state is not known, and that is said. What was paid by card, iDEAL or
online is never in the list: Yuki has nothing to claim for it, and it counts as paid in the same way.

The lists are read once a day, as Yuki asks.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from typing import Any, Final, Self

from dagboek_schemas.documents import Direction, PaymentState, PaymentStatus
from dagboek_sdk.mapping import ZERO
from lxml.etree import _Element as Element

from dagboek_yuki.ledger import purchase, sale
from dagboek_yuki.reading import day, number, rows, text

OPERATIONS: Final[Mapping[Direction, str]] = {
    Direction.SALES: "OutstandingDebtorItems",
    Direction.PURCHASE: "OutstandingCreditorItems",
}
LAG: Final = timedelta(days=3)
"""Days after which what is in the books shows in the lists."""
SEEN: Final = "seen"


@dataclass(frozen=True, slots=True)
class Cursor:
    """When the lists were read, and which entries were in them, or are missing since when."""

    read: date | None = None
    entries: Mapping[str, str] = field(default_factory=dict)
    """By a short sum of the entry's id: `seen`, or the day of the first list without it."""

    def __str__(self) -> str:
        return json.dumps({"read": self.read and self.read.isoformat(), "entries": dict(self.entries)})

    @classmethod
    def parse(cls, written: str | None) -> Self:
        """The cursor as it was stored; the beginning where that cannot be read."""
        try:
            found: dict[str, Any] = json.loads(written or "{}")
            return cls(date.fromisoformat(found["read"]), found["entries"])
        except (ValueError, KeyError, TypeError):
            return cls()


def outstanding(result: Element, direction: Direction) -> dict[str, tuple[Decimal, Decimal]]:
    """What is open, and what it was of, by entry."""
    found = {}
    for item in rows(result, "Item"):
        on, open_amount = day(item, "Date"), number(item, "OpenAmount")
        if open_amount is None:
            continue
        if direction is Direction.SALES:
            entry = sale(text(item, "Reference"), on) if on else None
        else:
            entry = purchase(text(item, "DocumentID")) if text(item, "DocumentID") else None
        if entry is not None:
            found[str(entry)] = open_amount, number(item, "OriginalAmount") or open_amount
    return found


def statuses(
    asked: Sequence[str], lists: Mapping[str, tuple[Decimal, Decimal]], before: Cursor, today: date
) -> tuple[list[PaymentStatus], Cursor]:
    """The state of each entry that is asked for, and what is to be known the next time."""
    found: list[PaymentStatus] = []
    known: dict[str, str] = {}
    for entry in asked:
        key = _key(entry)
        if entry in lists:
            known[key] = SEEN
            found.append(_open(entry, *lists[entry]))
            continue
        since = before.entries.get(key, today.isoformat())
        if since == SEEN or today - date.fromisoformat(since) >= LAG:
            found.append(PaymentStatus(entry_id=entry, state=PaymentState.PAID, open_amount=ZERO))
        else:
            known[key] = since
            found.append(PaymentStatus(entry_id=entry, state=PaymentState.UNKNOWN))
    return found, Cursor(today, known)


def directions(asked: Iterable[str]) -> list[Direction]:
    """Which lists are needed."""
    return [one for one in Direction if any(entry.startswith(f"{one}/") for entry in asked)]


def _open(entry: str, open_amount: Decimal, original: Decimal) -> PaymentStatus:
    state = PaymentState.PARTIALLY_PAID if abs(open_amount) < abs(original) else PaymentState.NOT_PAID
    return PaymentStatus(entry_id=entry, state=state, open_amount=abs(open_amount))


def _key(entry: str) -> str:
    return hashlib.sha256(entry.encode()).hexdigest()[:12]
