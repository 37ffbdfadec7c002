"""Octopus' reference data as look-up lists, and those lists as tables that the mapping can ask.

A journal or an account is one row, whatever the number of book years; what differs by book year stands in
`details["book_years"][ID]`, so that a choice made last year is found, or missed, in the year of the document.
Details are plain JSON: core stores them.

    book_years       code ID, details start, end (ISO dates), closed, periods [[number, start, end]],
                     accounts_complete, journals_read (whether what is missing is really missing)
    journals         code V1, kind sales | purchase | sales_invoicing | financial | divers | delivery,
                     details book_years {ID: {name, closed, protected_period, closed_period, insertion_type}}
    ledger_accounts  code 700000, details book_years {ID: {cost_centre_type 0 none 1 mandatory 2 optional}}
    vat_codes        code 21, kind purchase | sales | purchase_credit_note | sales_credit_note, rate
    cost_centres     code ID
    currencies       code EUR

The last number of a journal is no part of them: it changes with every booking, and a list that changes has everything
that was refused tried again. `last_number` asks for it.
"""

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any

from dagboek_sdk.accounting import Lists, Row

Json = Mapping[str, Any]

JOURNAL_KINDS = {"A": "purchase", "V": "sales", "F": "financial", "D": "divers", "L": "delivery"}
VAT_KINDS = {1: "purchase", 2: "sales", 3: "purchase_credit_note", 4: "sales_credit_note"}

FOR_BOOKINGS = 1
"""Insertion type of a sales journal that takes bookings; the others take invoices or delivery notes."""

COST_CENTRE_MANDATORY = 1


def book_year_rows(
    years: Iterable[Json], accounts_complete: frozenset[str], journals_read: frozenset[str] | None = None
) -> tuple[Row, ...]:
    """Newest first, so that set-up shows what is in use at the top. Journals: None stands for all years."""
    rows = []
    for year in sorted(years, key=lambda one: str(one["startDate"]), reverse=True):
        code = str(year["bookyearKey"]["id"])
        periods = [[int(one["bookyearPeriod"]), one["startDate"], one["endDate"]] for one in year.get("periods") or ()]
        details = {
            "start": year["startDate"],
            "end": year["endDate"],
            "closed": bool(year.get("closed")),
            "periods": periods,
            "accounts_complete": code in accounts_complete,
            "journals_read": journals_read is None or code in journals_read,
        }
        name = year.get("bookyearDescription") or f"{year['startDate']} - {year['endDate']}"
        rows.append(Row(code, name, active=not details["closed"], details=details))
    return tuple(rows)


def journal_rows(by_year: Mapping[str, Sequence[Json]]) -> tuple[Row, ...]:
    """`by_year`: journals by book year, newest first; name and kind are those of the newest year."""
    found: dict[str, dict[str, Json]] = {}
    for year, journals in by_year.items():
        for journal in journals:
            found.setdefault(str(journal["journalKey"]), {})[year] = {
                "name": journal.get("name") or "",
                "closed": bool(journal.get("closed")),
                "protected_period": int(journal.get("protectedPeriod") or 0),
                "closed_period": int(journal.get("closedPeriod") or 0),
                "insertion_type": journal.get("insertionType"),
            }
    rows = []
    for key, years in sorted(found.items()):
        newest = next(iter(years.values()))
        kind = JOURNAL_KINDS.get(key[:1])
        if kind == "sales" and newest["insertion_type"] not in (None, FOR_BOOKINGS):
            kind = "sales_invoicing"
        active = not all(one["closed"] for one in years.values())
        rows.append(Row(key, newest["name"] or key, kind=kind, active=active, details={"book_years": years}))
    return tuple(rows)


def account_rows(accounts: Iterable[Json]) -> tuple[Row, ...]:
    """Accounts of all book years that were read, in the order of their numbers."""
    names: dict[int, str] = {}
    years: dict[int, dict[str, Json]] = {}
    for account in accounts:
        key = account["accountKey"]
        number, year = int(key["id"]), str(key["bookyearKey"]["id"])
        names.setdefault(number, description(account))
        years.setdefault(number, {})[year] = {"cost_centre_type": int(account.get("costCentreType") or 0)}
    return tuple(Row(str(one), names[one] or str(one), details={"book_years": years[one]}) for one in sorted(names))


def vat_code_rows(codes: Iterable[Json]) -> tuple[Row, ...]:
    """One row per code and kind."""
    rows = []
    for code in codes:
        rate = code.get("basePercentage")
        rows.append(
            Row(
                str(code["code"]),
                code.get("description") or str(code["code"]),
                kind=VAT_KINDS.get(code.get("type") or 0),
                rate=None if rate is None else Decimal(str(rate)),
            )
        )
    return tuple(rows)


def cost_centre_rows(centres: Iterable[Json]) -> tuple[Row, ...]:
    """All cost centres; closed ones are not active."""
    return tuple(
        Row(str(one["costCentreKey"]["id"]), description(one), active=not one.get("closed")) for one in centres
    )


def currency_rows(codes: Iterable[object]) -> tuple[Row, ...]:
    """The currencies that the dossier knows."""
    return tuple(Row(str(code), str(code)) for code in codes)


def description(thing: Json) -> str:
    """The first description that is filled: Dutch, French, English, German."""
    texts = thing.get("description") or {}
    if isinstance(texts, str):
        return texts
    return next(
        (texts[f"description_{one}"] for one in ("NL", "FR", "EN", "DE") if texts.get(f"description_{one}")), ""
    )


@dataclass(frozen=True, slots=True)
class Period:
    """A period of a book year; its number is Octopus' own and is never computed."""

    number: int
    start: date
    end: date


@dataclass(frozen=True, slots=True)
class BookYear:
    """A book year with what the mapping must know of it."""

    id: str
    name: str
    start: date
    end: date
    closed: bool
    periods: tuple[Period, ...]
    accounts_complete: bool
    journals_read: bool

    def period(self, day: date) -> Period | None:
        """The period that `day` falls in."""
        return next((one for one in self.periods if one.start <= day <= one.end), None)


@dataclass(frozen=True, slots=True)
class Journal:
    """A journal in one book year."""

    key: str
    name: str
    closed: bool
    closed_up_to: int
    """The highest period that is protected or closed; 0 for none."""
    insertion_type: int | None


@dataclass(slots=True)
class Tables:
    """The lists of an administration, ready to be asked."""

    years: tuple[BookYear, ...] = ()
    journals: dict[tuple[str, str], Journal] = field(default_factory=dict)
    """By book year and journal."""
    accounts: dict[tuple[str, str], int] = field(default_factory=dict)
    """Cost centre type by book year and account."""
    vat_codes: dict[str, frozenset[str | None]] = field(default_factory=dict)
    """Kinds by code."""
    cost_centres: dict[str, bool] = field(default_factory=dict)
    """Whether it is active, by code."""
    currencies: frozenset[str] = frozenset()
    _starts: tuple[date, ...] = ()

    def year(self, day: date) -> BookYear | None:
        """The book year that `day` falls in."""
        place = bisect_right(self._starts, day) - 1
        found = self.years[place] if place >= 0 else None
        return found if found and day <= found.end else None


def tables(lists: Lists) -> Tables:
    """`lists` as stored: rows as `Row`, their details as JSON gives them back."""
    years = sorted((_book_year(row) for row in lists.get("book_years", ())), key=lambda one: one.start)
    made = Tables(years=tuple(years), _starts=tuple(one.start for one in years))
    for row in lists.get("journals", ()):
        for year, details in row.details.get("book_years", {}).items():
            made.journals[year, row.code] = Journal(
                key=row.code,
                name=details.get("name") or row.name,
                closed=details["closed"],
                closed_up_to=max(details["protected_period"], details["closed_period"]),
                insertion_type=details["insertion_type"],
            )
    for row in lists.get("ledger_accounts", ()):
        for year, details in row.details.get("book_years", {}).items():
            made.accounts[year, row.code] = details["cost_centre_type"]
    kinds: dict[str, set[str | None]] = {}
    for row in lists.get("vat_codes", ()):
        kinds.setdefault(row.code, set()).add(row.kind)
    made.vat_codes = {code: frozenset(found) for code, found in kinds.items()}
    made.cost_centres = {row.code: row.active for row in lists.get("cost_centres", ())}
    made.currencies = frozenset(row.code for row in lists.get("currencies", ()))
    return made


def _book_year(row: Row) -> BookYear:
    details = row.details
    return BookYear(
        id=row.code,
        name=row.name,
        start=date.fromisoformat(details["start"]),
        end=date.fromisoformat(details["end"]),
        closed=details["closed"],
        periods=tuple(
            Period(number, date.fromisoformat(start), date.fromisoformat(end))
            for number, start, end in details["periods"]
        ),
        accounts_complete=details.get("accounts_complete", False),
        journals_read=details.get("journals_read", True),
    )
