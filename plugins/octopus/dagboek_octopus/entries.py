"""Bookings as Octopus gives them back, their ids, and whether one is what an attempt meant."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any, Self

from dagboek_sdk.attempt import Candidate


@dataclass(frozen=True, slots=True)
class EntryId:
    """Where a booking stands: the same number comes back in each journal and book year."""

    book_year: str
    journal: str
    number: int

    def __str__(self) -> str:
        return f"{self.book_year}/{self.journal}/{self.number}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """The parts of `7/V1/43`. ValueError for anything else."""
        book_year, journal, number = text.split("/")
        return cls(book_year, journal, int(number))

    @classmethod
    def of(cls, key: Mapping[str, Any]) -> Self | None:
        """The id in a booking, an open item or a balancing key; None where it is not whole."""
        try:
            return cls(str(key["bookyearKey"]["id"]), str(key["journalKey"]), int(key["documentSequenceNr"]))
        except (KeyError, TypeError, ValueError):
            return None


def candidate(booking: Mapping[str, Any]) -> Candidate | None:
    """A booking as core compares it; None for a row that is no booking. The total is signed as Octopus has it."""
    entry = EntryId.of(booking)
    if entry is None:
        return None
    relation = booking.get("relationIdentificationServiceData") or {}
    party = (relation.get("relationKey") or {}).get("id")
    texts = tuple(str(booking[key]) for key in ("comment", "reference", "orderReference") if booking.get(key))
    return Candidate(
        entry_id=str(entry),
        number=str(entry.number),
        reference=booking.get("comment") or None,
        journal=entry.journal,
        party_id=str(party) if party else None,
        day=_day(booking.get("documentDate")),
        gross=amount(booking.get("amount")),
        currency=booking.get("currencyCode"),
        texts=texts,
    )


def candidates(bookings: Iterable[Mapping[str, Any]] | None) -> list[Candidate]:
    """All rows that are bookings."""
    return [found for booking in bookings or () if (found := candidate(booking))]


_TOLD = (
    "documentDate",
    "expiryDate",
    "comment",
    "reference",
    "orderReference",
    "currencyCode",
    "bookyearPeriodeNr",
    "paymentMethod",
)


def same_content(payload: Mapping[str, Any], booking: Mapping[str, Any]) -> bool:
    """Whether a booking says what `payload` says: how an uncertain update is settled.

    Fields that Octopus leaves out when they are empty, and what it adds of its own, do not count.
    """
    if any((payload.get(key) or "") != (booking.get(key) or "") for key in _TOLD):
        return False
    if any(amount(payload[key]) != amount(booking.get(key)) for key in ("amount", "exchangeRate")):
        return False
    return _lines(payload) == _lines(booking)


def amount(value: object) -> Decimal | None:
    """An amount of an answer, exact: numbers with a fraction are decimals already."""
    return None if value is None else Decimal(str(value))


def _lines(booking: Mapping[str, Any]) -> list[tuple[object, ...]]:
    rows = []
    for line in booking.get("bookingLines") or ():
        centre = (line.get("costCentreKey") or {}).get("id")
        base, vat = amount(line.get("baseAmount")) or 0, amount(line.get("vatAmount")) or 0
        text = line.get("comment") or ""
        rows.append((int(line.get("accountKey") or 0), base, line.get("vatCodeKey") or "", vat, centre or 0, text))
    return sorted(rows)


def _day(value: str | None) -> date | None:
    return date.fromisoformat(value[:10]) if value else None
