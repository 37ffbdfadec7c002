"""Entries as Exact gives them back, their ids, and what core compares of them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Self

from dagboek_schemas.documents import Direction
from dagboek_sdk.attempt import Booked, Candidate
from dagboek_sdk.mapping import cents

from dagboek_exact.lists import amount, day, text
from dagboek_exact.mapping import SIDES

CREDIT_NOTES = (21, 31)
_FIELDS = "EntryID,EntryNumber,Type,Journal,EntryDate,AmountFC,Currency,YourRef,Description,PaymentReference"
SELECT = {direction: f"{_FIELDS},{side.party},{side.party}Name" for direction, side in SIDES.items()}
OF = {side.resource: direction for direction, side in SIDES.items()}


@dataclass(frozen=True, slots=True)
class EntryId:
    """Which entry: sales and purchases are resources of their own."""

    direction: Direction
    guid: str

    def __str__(self) -> str:
        return f"{self.direction}/{self.guid}"

    @classmethod
    def parse(cls, written: str) -> Self:
        """The parts of `sales/6f6d...`. ValueError for anything else."""
        direction, guid = written.split("/")
        return cls(Direction(direction), guid)


def candidate(row: Mapping[str, Any], direction: Direction) -> Candidate | None:
    """An entry as core compares it; None for a row that is none."""
    if not row.get("EntryID"):
        return None
    number = row.get("EntryNumber")
    texts = tuple(text(row[key]) for key in ("Description", "PaymentReference") if row.get(key))
    party = row.get(SIDES[direction].party)
    return Candidate(
        entry_id=str(EntryId(direction, str(row["EntryID"]))),
        number=None if number is None else str(number),
        reference=text(row.get("YourRef")) or None,
        journal=text(row.get("Journal")) or None,
        party_id=str(party) if party else None,
        day=day(row.get("EntryDate")),
        gross=_effect(row),
        currency=text(row.get("Currency")) or None,
        name=text(row.get(f"{SIDES[direction].party}Name")) or None,
        texts=texts,
    )


def candidates(rows: Iterable[Mapping[str, Any]], direction: Direction) -> list[Candidate]:
    """All rows that are entries."""
    return [found for row in rows if (found := candidate(row, direction))]


def booked(row: Mapping[str, Any], direction: Direction) -> Booked:
    """What was written, out of the answer. ValueError where it names no entry."""
    if not row.get("EntryID"):
        raise ValueError("an answer without the entry's id")
    number = row.get("EntryNumber")
    kept = {key: row.get(key) for key in ("Journal", "ReportingYear", "ReportingPeriod") if row.get(key) is not None}
    return Booked(str(EntryId(direction, str(row["EntryID"]))), None if number is None else str(number), details=kept)


def _effect(row: Mapping[str, Any]) -> Decimal | None:
    """Effect on the other party's balance. Signs of what is read are not certain: the type of the entry is."""
    total = amount(row.get("AmountFC"))
    if total is None:
        return None
    return -abs(cents(total)) if row.get("Type") in CREDIT_NOTES else abs(cents(total))
