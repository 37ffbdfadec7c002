"""A dossier: book years with their journals and accounts, VAT codes, relations, and what is booked in it."""

import calendar
from bisect import bisect_left, bisect_right
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from . import sample
from .relations import Relations

if TYPE_CHECKING:
    from .balancing import Balancings
    from .booking import Booking

Names = Mapping[str, str]
BookingKey = tuple[int, str, int]
"""Bookyear id, journal key, document number."""

LETTER_TYPES = {"A": 1, "V": 2, "F": 3, "D": 4, "L": 7}


@dataclass(frozen=True, slots=True)
class Account:
    """A ledger account; a heading takes no bookings."""

    number: int
    names: Names
    heading: bool = False
    vat_recovery: Decimal = Decimal(100)
    purchase_vat: str | None = None
    sales_vat: str | None = None
    cost_centre: int = 0
    """0 none required, 1 mandatory, 2 optional."""


@dataclass(frozen=True, slots=True)
class VatCode:
    """`type` 1 buy, 2 sell, 3 buy credit note, 4 sell credit note; `reverse`: the buyer works out the VAT."""

    code: str
    description: str
    type: int
    percentage: Decimal
    reverse: bool = False
    default_account: int | None = None


@dataclass(slots=True)
class CostCentre:
    """A cost centre."""

    id: int
    names: Names
    closed: bool = False


@dataclass(frozen=True, slots=True)
class Period:
    """A period of a book year: year and index, such as 202504."""

    number: int
    start: date
    end: date


@dataclass(slots=True)
class Journal:
    """A journal of one book year; its key is a letter and a number, such as V1."""

    key: str
    names: Names
    last: int = 0
    closed: bool = False
    in_use: bool = False
    protected_period: int = 0
    closed_period: int = 0
    insertion_type: int = 1
    currency: str = "EUR"
    account: int = sample.BANK

    @property
    def letter(self) -> str:
        """A purchases, V sales, F financial, D sundry, L delivery notes."""
        return self.key[0]

    @property
    def sequence(self) -> int:
        """The number after the letter."""
        return int(self.key[1:])


@dataclass(slots=True)
class Bookyear:
    """A book year with journals and accounts of its own."""

    id: int
    description: str
    start: date
    end: date
    period_type: str
    periods: dict[int, Period]
    journals: dict[str, Journal]
    accounts: Mapping[int, Account]
    """Shared between years until one is changed: replace it, never write into it."""
    closed: bool = False

    def period_of(self, day: date) -> Period | None:
        """The period a day lies in."""
        return next((period for period in self.periods.values() if period.start <= day <= period.end), None)


class ChangeLog:
    """What changed when, for the calls with a `modifiedTimeStamp`."""

    def __init__(self) -> None:
        self._times: list[float] = []
        self._keys: list[Hashable] = []

    def add(self, at: float, key: Hashable) -> None:
        """Notes a change; `at` never goes back."""
        self._times.append(at)
        self._keys.append(key)

    def between(self, since: float, until: float | None = None) -> list[Any]:
        """The keys changed at or after `since` (and not after `until`), each once, latest change last."""
        start = bisect_left(self._times, since)
        end = len(self._times) if until is None else bisect_right(self._times, until)
        latest = dict.fromkeys(reversed(self._keys[start:end]))
        return list(reversed(latest))


@dataclass(slots=True)
class Dossier:
    """One set of books."""

    id: int
    name: str
    vat_number: str
    language: str
    currencies: tuple[str, ...]
    vat_codes: dict[str, VatCode]
    cost_centres: dict[int, CostCentre]
    chart: Mapping[int, Account]
    journal_rows: tuple[sample.Row, ...]
    period_type: str
    balancings: "Balancings"
    disabled: bool = False
    hide_key: bool = False
    """Listed without its key, as disabled dossiers were seen to be."""
    open_items_carried: bool = True
    """False: the open items of earlier book years are not in the reports of a newer one yet."""
    bookyears: dict[int, Bookyear] = field(default_factory=dict)
    relations: Relations = field(default_factory=Relations)
    bookings: dict[BookingKey, "Booking"] = field(default_factory=dict)
    booking_changes: ChangeLog = field(default_factory=ChangeLog)
    deleted_bookings: ChangeLog = field(default_factory=ChangeLog)
    account_changes: ChangeLog = field(default_factory=ChangeLog)
    journal_changes: ChangeLog = field(default_factory=ChangeLog)

    def bookyear_of(self, day: date) -> Bookyear | None:
        """The book year a day lies in."""
        return next((year for year in self.bookyears.values() if year.start <= day <= year.end), None)

    def add_bookyear(self, start: date, end: date, *, at: float, journals: bool = True) -> Bookyear:
        """A new book year with the dossier's chart and (if wanted) its journals; ids follow time."""
        bookyear = Bookyear(
            id=max(self.bookyears, default=0) + 1,
            description=str(start.year) if start.year == end.year else f"{start.year}-{end.year}",
            start=start,
            end=end,
            period_type=self.period_type,
            periods={period.number: period for period in periods(start, end, self.period_type)},
            journals={},
            accounts=self.chart,
        )
        self.bookyears[bookyear.id] = bookyear
        for row in self.journal_rows if journals else ():
            self.add_journal(bookyear, journal_from_row(row), at=at)
        return bookyear

    def add_journal(self, bookyear: Bookyear, journal: Journal, *, at: float) -> None:
        """Adds a journal to one book year."""
        bookyear.journals[journal.key] = journal
        self.journal_changes.add(at, (bookyear.id, journal.key))

    def set_account(self, bookyear: Bookyear, account: Account, *, at: float) -> bool:
        """Adds or replaces an account in one book year; True when it is new."""
        new = account.number not in bookyear.accounts
        bookyear.accounts = {**bookyear.accounts, account.number: account}
        self.account_changes.add(at, (bookyear.id, account.number))
        return new

    def remove_account(self, bookyear: Bookyear, number: int, *, at: float) -> None:
        """Takes an account out of one book year."""
        bookyear.accounts = {key: value for key, value in bookyear.accounts.items() if key != number}
        self.account_changes.add(at, (bookyear.id, number))


def periods(start: date, end: date, period_type: str) -> list[Period]:
    """The periods of a book year: "MONTH", "QUARTER" or "YEAR"."""
    months = {"MONTH": 1, "QUARTER": 3, "YEAR": 1200}[period_type]
    found: list[Period] = []
    first = start
    while first <= end:
        last = min(_end_of_month(first, months - 1), end)
        found.append(Period(start.year * 100 + len(found) + 1, first, last))
        first = last + timedelta(days=1)
    return found


def _end_of_month(day: date, months_later: int) -> date:
    month = day.month - 1 + months_later
    year = min(day.year + month // 12, 9999)
    month = month % 12 + 1
    return date(year, month, calendar.monthrange(year, month)[1])


def names_from(row: Mapping[str, Any]) -> Names:
    """The texts of a row of sample data, by language."""
    return {language: str(row[language]) for language in ("nl", "fr", "en", "de") if row.get(language)}


def account_from_row(row: Mapping[str, Any]) -> Account:
    """An account from a row `{account, nl, fr, en, de, heading, vat_recovery, purchase, sales, cost_centre}`."""
    return Account(
        number=int(row["account"]),
        names=names_from(row),
        heading=bool(row.get("heading", False)),
        vat_recovery=Decimal(str(row.get("vat_recovery", 100))),
        purchase_vat=row.get("purchase"),
        sales_vat=row.get("sales"),
        cost_centre=int(row.get("cost_centre", 0)),
    )


def vat_code_from_row(row: Mapping[str, Any]) -> VatCode:
    """A VAT code from a row `{code, description, type, basePercentage, reverse, defaultSellBookingAccountNr}`."""
    return VatCode(
        code=str(row["code"]),
        description=str(row.get("description", "")),
        type=int(row["type"]),
        percentage=Decimal(str(row["basePercentage"])),
        reverse=bool(row.get("reverse", False)),
        default_account=row.get("defaultSellBookingAccountNr"),
    )


def journal_from_row(row: Mapping[str, Any]) -> Journal:
    """A journal from a row `{key, nl, fr, en, de, insertion_type, currency, account, last}`."""
    key = str(row["key"])
    if key[:1] not in LETTER_TYPES or not key[1:].isdigit():
        raise ValueError(f"{key!r} is no journal key: a letter of A, V, F, D, L and a number is wanted")
    return Journal(
        key=key,
        names=names_from(row) or {"nl": key},
        last=int(row.get("last", 0)),
        insertion_type=int(row.get("insertion_type", 1)),
        currency=str(row.get("currency", "EUR")),
        account=int(row.get("account", sample.BANK)),
    )


# Most dossiers have the sample lists; they are made once and shared.
_SAMPLE_CHART: Mapping[int, Account] = {int(row["account"]): account_from_row(row) for row in sample.CHART}
_SAMPLE_VAT_CODES = {str(row["code"]): vat_code_from_row(row) for row in sample.VAT_CODES}


def chart_from(rows: Iterable[Mapping[str, Any]] | None) -> Mapping[int, Account]:
    """A chart from rows, or the sample one; the accounts that the sandbox posts to are always in it."""
    if rows is None:
        return _SAMPLE_CHART
    chart = {int(row["account"]): account_from_row(row) for row in rows}
    for number in (sample.RECEIVABLE, sample.PAYABLE, sample.VAT_TO_RECOVER, sample.VAT_DUE, sample.BANK):
        chart.setdefault(number, _SAMPLE_CHART[number])
    return dict(sorted(chart.items()))


def vat_codes_from(rows: Iterable[Mapping[str, Any]] | None) -> dict[str, VatCode]:
    """VAT codes from rows, or the sample ones."""
    if rows is None:
        return dict(_SAMPLE_VAT_CODES)
    return {str(row["code"]): vat_code_from_row(row) for row in rows}


def cost_centres_from(rows: Iterable[Mapping[str, Any]]) -> dict[int, CostCentre]:
    """Cost centres from rows `{id, nl, fr, en, de, closed}`."""
    return {int(row["id"]): CostCentre(int(row["id"]), names_from(row), bool(row.get("closed", False))) for row in rows}


def with_names(account: Account, names: Names) -> Account:
    """The account with other texts added."""
    return replace(account, names={**account.names, **names})


def calendar_years(years: Sequence[int]) -> list[tuple[date, date]]:
    """First and last day of each calendar year from `years[0]` up to and including `years[1]`."""
    return [(date(year, 1, 1), date(year, 12, 31)) for year in range(years[0], years[1] + 1)]
