"""One set of books: an administration of a domain, with its chart, VAT codes, products and what is booked."""

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from . import sample

if TYPE_CHECKING:
    from .books import Turn
    from .entry import Entry, Posting

ZERO = Decimal(0)
CENT = Decimal("0.01")


@dataclass(slots=True)
class Account:
    """A ledger account. `kind` is one of `sample.KINDS`."""

    code: str
    kind: str
    nl: str
    fr: str
    en: str
    enabled: bool = True
    deductible: Decimal = Decimal(100)
    """Per cent of the VAT on it."""

    @property
    def balance(self) -> bool:
        """Whether it stands on the balance sheet."""
        return sample.KINDS[self.kind][2]

    def name(self, language: str) -> str:
        """What it is called in a language."""
        return in_language(self, language)


@dataclass(frozen=True, slots=True)
class VatCode:
    """A VAT code; it has no name of its own, but is known by its type, percentage, country and when it holds."""

    type: int
    percentage: Decimal
    country: str
    start: date | None = None
    end: date | None = None
    words: str = ""
    """A description that differs from its type's."""

    def description(self, language: str) -> str:
        """As lists show it."""
        if self.words:
            return self.words
        where = f" {self.country}" if self.type in sample.PER_COUNTRY else ""
        return f"{self.type_description(language)}{where} {self.percentage.normalize():f}%"

    def type_description(self, language: str) -> str:
        """What the type is called."""
        kind = sample.TYPES.get(self.type)
        return in_language(kind, language) if kind else f"Type {self.type}"

    def holds(self, day: date) -> bool:
        """Whether it can be used on a day."""
        return (self.start is None or self.start <= day) and (self.end is None or day <= self.end)

    def __str__(self) -> str:
        """Short, for those who look into the books: 1/21, 40/25/SE."""
        rate = f"{self.type}/{self.percentage.normalize():f}"
        return f"{rate}/{self.country}" if self.type in sample.PER_COUNTRY else rate


@dataclass(slots=True)
class Product:
    """What invoice lines sell."""

    id: str
    description: str
    reference: str
    account: str
    price: Decimal | None
    vat_percentage: Decimal | None
    vat_type: int | None
    vat_included: bool


@dataclass(slots=True)
class Administration:
    """The books of one company."""

    id: str
    name: str
    domain: str
    country: str
    vat_number: str = ""
    coc_number: str = ""
    address_line: str = "Grote Markt 1"
    postcode: str = ""
    city: str = ""
    start_date: date = date(2012, 1, 1)
    customer_code: str = ""
    """The accountant's own code."""
    active: bool = True

    accounts: dict[str, Account] = field(default_factory=dict)
    roles: dict[str, str] = field(default_factory=dict)
    """Which account is used for what, see `sample.ROLES`."""
    vat_codes: list[VatCode] = field(default_factory=list)
    rates: dict[str, Decimal] = field(default_factory=dict)
    """Euros for one unit of a currency."""
    price_lists: dict[str, str] = field(default_factory=dict)
    """Their currencies, by name."""
    closed_before: date | None = None
    """Nothing can be booked or changed before this day."""
    products: dict[str, Product] = field(default_factory=dict)
    """By their descriptions in small letters."""
    entries: dict[str, "Entry"] = field(default_factory=dict)
    """What is booked, by id, in the order of booking."""
    numbers: dict[tuple[str, str], list["Entry"]] = field(default_factory=dict)
    """Documents by kind (sale, purchase) and reference."""
    drafts: list[dict[str, Any]] = field(default_factory=list)
    """Sales invoices that wait to be sent from Yuki."""
    deleted: list[tuple[float, "Entry"]] = field(default_factory=list)
    """What was booked once, and when it was taken out."""
    refused: dict[str, str] = field(default_factory=dict)
    """References of invoices that a test wants refused, with the words."""
    deliveries: int = 0
    """How many documents were delivered; they are listed in this order, whenever they were booked."""
    last_hid: int = 0
    last_number: dict[int, int] = field(default_factory=dict)
    """The last number that Yuki itself gave to an invoice, by year."""
    _days: dict[str, list[tuple[date, int, "Posting", "Entry"]]] = field(default_factory=dict)
    """Postings of each account by day and number."""

    def role(self, name: str) -> str:
        """The account that is used for something."""
        return self.roles[name]

    def hid(self) -> int:
        """The next of the numbers that people see."""
        self.last_hid += 1
        return self.last_hid

    def rate(self, currency: str) -> Decimal | None:
        """Euros for one unit of a currency; None when it is not known."""
        return self.rates.get(currency)

    def vat_code(self, kind: int, percentage: Decimal, country: str, day: date, words: str = "") -> VatCode | None:
        """The code with this type and percentage that holds on a day (and, for some types, in a country)."""
        found = [
            one
            for one in self.vat_codes
            if one.type == kind
            and one.percentage == percentage
            and one.holds(day)
            and (kind not in sample.PER_COUNTRY or one.country == country)
        ]
        if words and len(found) > 1:
            found = [one for one in found if words in (one.words, *(one.description(it) for it in ("nl", "fr", "en")))]
        return found[0] if found else None

    def numbered(self, kind: str, reference: str) -> list["Entry"]:
        """The sales or purchases with a reference."""
        return self.numbers.get((kind, reference), [])

    def keep(self, entry: "Entry") -> None:
        """Notes an entry in all indexes."""
        self.entries[entry.id] = entry
        if entry.reference:
            self.numbers.setdefault((entry.kind, entry.reference), []).append(entry)
        for posting in entry.postings:
            rows = self._days.setdefault(posting.account, [])
            row = entry.day, posting.hid, posting, entry
            if not rows or rows[-1][:2] < row[:2]:
                rows.append(row)
            else:
                insort(rows, row, key=lambda one: one[:2])

    def drop(self, entry: "Entry") -> None:
        """Takes an entry out of all indexes."""
        del self.entries[entry.id]
        if entry.reference:
            self.numbers[entry.kind, entry.reference].remove(entry)
        for account in {posting.account for posting in entry.postings}:
            self._days[account] = [row for row in self._days[account] if row[3] is not entry]

    def postings(self, account: str, start: date, end: date) -> Iterator[tuple["Posting", "Entry"]]:
        """Of an account between two days, both included; of all accounts when none is named."""
        if account:
            rows = self._days.get(account, [])
            first = bisect_left(rows, start, key=lambda row: row[0])
            last = bisect_right(rows, end, key=lambda row: row[0])
            return ((row[2], row[3]) for row in rows[first:last])
        found = [row for rows in self._days.values() for row in rows if start <= row[0] <= end]
        found.sort(key=lambda row: row[:2])
        return ((row[2], row[3]) for row in found)


def in_language(named: Any, language: str) -> str:
    """The name of something that has one in each language."""
    return str(getattr(named, language[:2] if language[:2] in ("nl", "fr", "en") else "nl"))


def begin_administration(turn: "Turn", options: dict[str, Any]) -> Administration:
    """An administration with its lists, from the options of a `dossiers` call.

    `accounts`, `vat_codes`, `currencies` (euros by code), `price_lists` (currencies by name), `roles` add to the sample
    data; with `bare` there is none. Raises ValueError or KeyError.
    """
    country = str(options["country"])
    if country not in sample.CHARTS:
        raise ValueError(f"country is one of {', '.join(sample.CHARTS)}")
    made = Administration(
        id=str(options["id"]),
        name=str(options.get("name") or "Voorbeeld BV"),
        domain=str(options["domain"]),
        country=country,
        vat_number=str(options.get("vat_number") or ""),
        coc_number=str(options.get("coc_number") or ""),
        customer_code=str(options.get("customer_code") or ""),
        roles={**sample.ROLES[country], **options.get("roles", {})},
        rates={
            **sample.CURRENCIES,
            **{name: Decimal(str(rate)) for name, rate in options.get("currencies", {}).items()},
        },
        price_lists={"Standaard": "EUR", **options.get("price_lists", {})},
        closed_before=date.fromisoformat(options["closed_before"]) if options.get("closed_before") else None,
    )
    bare = bool(options.get("bare"))
    for row in (*(() if bare else sample.CHARTS[country]), *options.get("accounts", ())):
        set_account(made, row)
    for row in (*(() if bare else sample.vat_codes(country)), *options.get("vat_codes", ())):
        add_vat_code(made, row)
    return made


def set_account(administration: Administration, row: dict[str, Any]) -> Account:
    """A ledger account from a row `{code, kind, name (or nl, fr, en), enabled, deductible}`, or changes of one."""
    code = str(row["code"])
    old = administration.accounts.get(code)
    kind = str(row.get("kind") or (old.kind if old else "costs"))
    if kind not in sample.KINDS:
        raise ValueError(f"kind is one of {', '.join(sample.KINDS)}")
    nl, fr, en = (str(row.get(it) or row.get("name") or getattr(old, it, code)) for it in ("nl", "fr", "en"))
    made = Account(
        code,
        kind,
        nl,
        fr,
        en,
        enabled=bool(row.get("enabled", old.enabled if old else True)),
        deductible=Decimal(str(row.get("deductible", old.deductible if old else 100))),
    )
    administration.accounts[code] = made
    if old is None and any(one > another for one, another in pairwise(administration.accounts)):
        administration.accounts = dict(sorted(administration.accounts.items()))
    return made


def add_vat_code(administration: Administration, row: dict[str, Any]) -> VatCode:
    """A VAT code from a row `{type, percentage, country, start, end, description}`."""
    made = VatCode(
        type=int(row["type"]),
        percentage=Decimal(str(row["percentage"])),
        country=str(row.get("country") or administration.country),
        start=date.fromisoformat(row["start"]) if row.get("start") else None,
        end=date.fromisoformat(row["end"]) if row.get("end") else None,
        words=str(row.get("description") or ""),
    )
    administration.vat_codes.append(made)
    return made


def cents(amount: Decimal) -> Decimal:
    """Rounded as amounts are: half a cent away from zero."""
    return amount.quantize(CENT, ROUND_HALF_UP)
