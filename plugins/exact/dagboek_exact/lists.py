"""Exact's reference data as look-up lists, and those lists as tables that the mapping can ask (api.md section 5).

Details are plain JSON: core stores them.

    journals         code 70, kind sales | purchase | others, details {type, currency, variable_currency,
                     variable_rate, closed [[year, period], ...]}
    vat_codes        code 21, kind sales | purchase | None for both, rate, details {type, charged, to_pay, to_claim}
    ledger_accounts  code 700000, kind None for those that a line may have, details {id, type, cost_centre, cost_unit,
                     vat_code}; the last three as Exact has them: 0 optional, 1 mandatory, 2 none
    book_years       code 2026, details {start, end, periods [[number, start, end], ...]}
    payment_terms    code 30, details {days, end_of_months, method, discount}
    cost_centres, cost_units, currencies, document_types   code

VAT codes of type *inclusive* are listed as not active: amounts are sent without VAT.
"""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from dagboek_sdk.accounting import Lists, Row

Json = Mapping[str, Any]

SALES_JOURNAL, PURCHASE_JOURNAL = 20, 22
JOURNAL_KINDS = {
    10: "cash",
    12: "bank",
    16: "payment_service",
    SALES_JOURNAL: "sales",
    21: "sales_return",
    PURCHASE_JOURNAL: "purchase",
    23: "purchase_return",
    90: "general",
}

RECEIVABLE, PAYABLE = 20, 22
OF_NO_LINE = {RECEIVABLE: "receivable", PAYABLE: "payable", 24: "vat"}
"""Types of ledger accounts that Exact refuses on a line."""

OPTIONAL, MANDATORY, NONE = 0, 1, 2
"""Use of cost centres and cost units on an account."""

INCLUSIVE, EXCLUSIVE = "I", "E"
CLOSED = 1

_DATE = "/Date("


def day(value: object) -> date | None:
    """A date of an answer: `/Date(ms)/`, which is midnight UTC of that date, or ISO 8601 as some resources have it."""
    if not isinstance(value, str) or not value:
        return None
    if value.startswith(_DATE):
        milliseconds = int(value[len(_DATE) : value.index(")")].split("+")[0])
        return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=milliseconds)).date()
    return date.fromisoformat(value[:10])


def amount(value: object) -> Decimal | None:
    """An amount of an answer, without what a binary number adds: cents and four more places are kept."""
    if value is None or value == "":
        return None
    return Decimal(str(value)).quantize(Decimal("0.000001")).normalize() + 0


def journal_rows(journals: Iterable[Json], statuses: Iterable[Json]) -> tuple[Row, ...]:
    """Journals, with the periods that are closed for each."""
    closed: dict[str, list[list[int]]] = defaultdict(list)
    for one in statuses:
        if int(one.get("Status") or 0) == CLOSED:
            closed[text(one["Journal"])].append([int(one["Year"]), int(one["Period"])])
    rows = []
    for one in journals:
        code, kind = text(one["Code"]), int(one.get("Type") or 0)
        details = {
            "type": kind,
            "currency": text(one.get("Currency")) or None,
            "variable_currency": bool(one.get("AllowVariableCurrency")),
            "variable_rate": bool(one.get("AllowVariableExchangeRate")),
            "closed": sorted(closed.get(code, ())),
        }
        active = not one.get("IsBlocked")
        rows.append(Row(code, text(one.get("Description")) or code, JOURNAL_KINDS.get(kind), active, details=details))
    return tuple(sorted(rows, key=lambda row: row.code))


def vat_code_rows(codes: Iterable[Json]) -> tuple[Row, ...]:
    """VAT codes without their padding; percentages are fractions in Exact."""
    kinds = {"S": "sales", "P": "purchase"}
    rows = []
    for one in codes:
        code, share = text(one["Code"]), amount(one.get("Percentage"))
        details = {
            "type": text(one.get("Type")) or EXCLUSIVE,
            "charged": bool(one.get("Charged")),
            "to_pay": text(one.get("GLToPayCode")) or None,
            "to_claim": text(one.get("GLToClaimCode")) or None,
            "blocked": bool(one.get("IsBlocked")),
        }
        rows.append(
            Row(
                code,
                text(one.get("Description")) or code,
                kind=kinds.get(text(one.get("VATTransactionType"))),
                active=not details["blocked"] and details["type"] != INCLUSIVE,
                rate=None if share is None else (share * 100).normalize() + 0,
                details=details,
            )
        )
    return tuple(sorted(rows, key=lambda row: row.code))


def account_rows(accounts: Iterable[Json]) -> tuple[Row, ...]:
    """Ledger accounts in the order of their codes; a kind stands for those that no line may have."""
    rows = []
    for one in accounts:
        code, kind = text(one["Code"]), int(one.get("Type") or 0)
        details = {
            "id": str(one["ID"]),
            "type": kind,
            "cost_centre": int(one.get("UseCostcenter") or 0),
            "cost_unit": int(one.get("UseCostunit") or 0),
            "vat_code": text(one.get("VATCode")) or None,
        }
        active = not one.get("IsBlocked")
        rows.append(Row(code, text(one.get("Description")) or code, OF_NO_LINE.get(kind), active, details=details))
    return tuple(sorted(rows, key=lambda row: row.code))


def book_year_rows(periods: Iterable[Json]) -> tuple[Row, ...]:
    """Financial years out of their periods, newest first."""
    years: dict[int, list[tuple[int, str, str]]] = defaultdict(list)
    for one in periods:
        start, end = day(one["StartDate"]), day(one["EndDate"])
        if start and end:
            years[int(one["FinYear"])].append((int(one["FinPeriod"]), start.isoformat(), end.isoformat()))
    rows = []
    for year, found in sorted(years.items(), reverse=True):
        found.sort()
        first, last = min(one[1] for one in found), max(one[2] for one in found)
        details = {"start": first, "end": last, "periods": [list(one) for one in found]}
        rows.append(Row(str(year), f"{first} - {last}", details=details))
    return tuple(rows)


def payment_term_rows(conditions: Iterable[Json]) -> tuple[Row, ...]:
    """Payment conditions; terms with a discount for paying early are not proposed, as no document fits them."""
    rows = []
    for one in conditions:
        code = text(one["Code"])
        discount = any(amount(one.get(name)) for name in ("DiscountPercentage", "DiscountPaymentDays"))
        details = {
            "days": int(one.get("PaymentDays") or 0),
            "end_of_months": int(one.get("PaymentEndOfMonths") or 0),
            "method": text(one.get("PaymentMethod")) or "B",
            "discount": discount,
        }
        rows.append(Row(code, text(one.get("Description")) or code, details=details))
    return tuple(sorted(rows, key=lambda row: row.code))


def plain_rows(things: Iterable[Json], active: str | None = None, code: str = "Code") -> tuple[Row, ...]:
    """Rows of what has no more than a code and a description; `active` names the field that tells whether it is."""
    rows = (
        Row(
            text(one[code]),
            text(one.get("Description")) or text(one[code]),
            active=active is None or bool(one.get(active, True)),
        )
        for one in things
    )
    return tuple(sorted(rows, key=lambda row: row.code))


def text(value: object) -> str:
    """A code or word without the blanks that Exact pads it with."""
    return "" if value is None else str(value).strip()


@dataclass(frozen=True, slots=True)
class Period:
    """A period of the period-date table."""

    year: int
    number: int
    start: date
    end: date


@dataclass(frozen=True, slots=True)
class Journal:
    """A journal as the mapping looks at it."""

    code: str
    name: str
    type: int
    active: bool
    currency: str | None
    variable_currency: bool
    variable_rate: bool
    closed: frozenset[tuple[int, int]]


@dataclass(frozen=True, slots=True)
class Account:
    """A ledger account."""

    code: str
    name: str
    id: str
    type: int
    active: bool
    cost_centre: int
    cost_unit: int
    vat_code: str | None


@dataclass(frozen=True, slots=True)
class VatCode:
    """A VAT code."""

    code: str
    name: str
    kind: str | None
    type: str
    rate: Decimal | None
    charged: bool
    blocked: bool
    to_pay: str
    to_claim: str


@dataclass(frozen=True, slots=True)
class Term:
    """A payment condition."""

    code: str
    days: int
    end_of_months: int
    method: str
    discount: bool


@dataclass(slots=True)
class Tables:
    """The lists of an administration, ready to be asked. An empty one stands for not known, not for nothing."""

    periods: tuple[Period, ...] = ()
    journals: dict[str, Journal] = field(default_factory=dict)
    accounts: dict[str, Account] = field(default_factory=dict)
    vat_codes: dict[str, VatCode] = field(default_factory=dict)
    terms: tuple[Term, ...] = ()
    cost_centres: dict[str, bool] = field(default_factory=dict)
    """Whether it is active, by code."""
    cost_units: dict[str, bool] = field(default_factory=dict)
    currencies: frozenset[str] = frozenset()
    receivable: str = ""
    """Code of an account of that type, for previews: which one Exact takes depends on the relation."""
    payable: str = ""
    _starts: tuple[date, ...] = ()

    def period(self, of: date) -> Period | None:
        """The period that a date falls in."""
        place = bisect_right(self._starts, of) - 1
        found = self.periods[place] if place >= 0 else None
        return found if found and of <= found.end else None


def tables(lists: Lists) -> Tables:
    """`lists` as stored: rows as `Row`, their details as JSON gives them back."""
    periods = sorted(
        (
            Period(int(row.code), number, date.fromisoformat(start), date.fromisoformat(end))
            for row in lists.get("book_years", ())
            for number, start, end in row.details["periods"]
        ),
        key=lambda one: one.start,
    )
    accounts = {row.code: _account(row) for row in lists.get("ledger_accounts", ())}
    first = {one.type: one.code for one in reversed(list(accounts.values()))}
    return Tables(
        periods=tuple(periods),
        journals={row.code: _journal(row) for row in lists.get("journals", ())},
        accounts=accounts,
        vat_codes={row.code: _vat_code(row) for row in lists.get("vat_codes", ())},
        terms=tuple(_term(row) for row in lists.get("payment_terms", ())),
        cost_centres={row.code: row.active for row in lists.get("cost_centres", ())},
        cost_units={row.code: row.active for row in lists.get("cost_units", ())},
        currencies=frozenset(row.code for row in lists.get("currencies", ())),
        receivable=first.get(RECEIVABLE, ""),
        payable=first.get(PAYABLE, ""),
        _starts=tuple(one.start for one in periods),
    )


def _journal(row: Row) -> Journal:
    details = row.details
    closed = frozenset((year, period) for year, period in details["closed"])
    return Journal(
        row.code,
        row.name,
        details["type"],
        row.active,
        details["currency"],
        details["variable_currency"],
        details["variable_rate"],
        closed,
    )


def _account(row: Row) -> Account:
    details = row.details
    return Account(
        row.code,
        row.name,
        details["id"],
        details["type"],
        row.active,
        details["cost_centre"],
        details["cost_unit"],
        details["vat_code"],
    )


def _vat_code(row: Row) -> VatCode:
    details = row.details
    return VatCode(
        row.code,
        row.name,
        row.kind,
        details["type"],
        row.rate,
        details["charged"],
        details["blocked"],
        details["to_pay"] or "",
        details["to_claim"] or "",
    )


def _term(row: Row) -> Term:
    details = row.details
    return Term(row.code, details["days"], details["end_of_months"], details["method"], details["discount"])
