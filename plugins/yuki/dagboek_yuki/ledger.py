"""What stands in Yuki's ledger: the rows of debtors and creditors, by which documents are found again.

Yuki gives no invoice back; its transactions bear the number and the id of the document that they came of, whether it
is paid or not (`TransactionInfo`, api.md section 3). A sale that was sent is known by its number, as the answer to it
has no id; a purchase by the id of its document in the archive.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Final, Self

from dagboek_schemas.documents import Direction
from dagboek_sdk.attempt import Booked, Candidate
from dagboek_sdk.mapping import ZERO, cents
from lxml.etree import _Element as Element

from dagboek_yuki.reading import day, number, rows, text
from dagboek_yuki.settings import YukiSettings

SERVICE, OPERATION = "AccountingInfo", "GetTransactionDetails"
COMMERCIAL: Final = 0
"""financialMode."""

_ACCOUNTS: Final = {"nl": ("13000", "16000"), "be": ("400000", "440000")}
"""Debtors and creditors of Yuki's own charts."""
_BANK: Final = ("bank", "banque")
"""In what documents that are payments are called, in the languages that a session may have, or by a raw key."""


def account(settings: YukiSettings, direction: Direction) -> str:
    """The account of debtors or creditors."""
    debtors, creditors = _ACCOUNTS[settings.site]
    if direction is Direction.SALES:
        return settings.debtors_account or debtors
    return settings.creditors_account or creditors


@dataclass(frozen=True, slots=True)
class EntryId:
    """Which entry. A sale by its year and number, as Yuki takes a number once; a purchase by its document."""

    direction: Direction
    year: int
    key: str

    def __str__(self) -> str:
        if self.direction is Direction.SALES:
            return f"{self.direction}/{self.year}/{self.key}"
        return f"{self.direction}/{self.key}"

    @classmethod
    def parse(cls, written: str) -> Self:
        """The parts of `sales/2025/2025-0001` or `purchase/6f6d...`. ValueError for anything else."""
        direction, _, rest = written.partition("/")
        if Direction(direction) is Direction.PURCHASE:
            return cls(Direction.PURCHASE, 0, rest)
        year, _, key = rest.partition("/")
        return cls(Direction.SALES, int(year), key)


def sale(reference: str, on: date) -> EntryId:
    """The entry of a sale."""
    return EntryId(Direction.SALES, on.year, plain(reference))


def purchase(document: str) -> EntryId:
    """The entry of a purchase."""
    return EntryId(Direction.PURCHASE, 0, document.lower())


def plain(reference: str) -> str:
    """A number as it is compared."""
    return " ".join(reference.split())


def digits(reference: str) -> str:
    """A number as it is kept where letters and signs cannot be (Y09)."""
    return "".join(one for one in reference if one in "0123456789")


@dataclass(frozen=True, slots=True)
class Entry:
    """A document on the account of debtors or creditors, with what it does there."""

    document: str
    direction: Direction
    reference: str
    day: date
    amount: Decimal
    currency: str | None
    contact: str
    """Code of the contact, else `id:` and its id."""
    description: str

    @property
    def id(self) -> EntryId:
        """Which entry it is."""
        return sale(self.reference, self.day) if self.direction is Direction.SALES else purchase(self.document)

    def candidate(self) -> Candidate:
        """The entry as core compares it."""
        return Candidate(
            entry_id=str(self.id),
            number=self.reference or None,
            reference=self.reference or None,
            party_id=self.contact or None,
            day=self.day,
            gross=self.amount,
            currency=self.currency,
            texts=(self.description,) if self.description else (),
        )

    def booked(self) -> Booked:
        """The entry as what became of something that was accepted."""
        return Booked(str(self.id), self.reference or None, details={"document": self.document})


def entries(result: Element, direction: Direction) -> list[Entry]:
    """Documents with what they come to on the account; no payments, which are documents of the bank."""
    documents: dict[tuple[str, str], list[Element]] = {}
    for row in rows(result, "TransactionInfo"):
        document, told = text(row, "documentID").lower(), f"{text(row, 'documentFolder')} {text(row, 'documentType')}"
        if document and day(row, "transactionDate") and not any(one in told.casefold() for one in _BANK):
            documents.setdefault((document, _contact(row)), []).append(row)
    return [_entry(direction, *key, found) for key, found in documents.items()]


def contact_of(code: str, contact: str) -> str:
    """A contact's id as a party's: its code, else `id:` and its id, as codes are often left empty."""
    return code or (f"id:{contact.lower()}" if contact else "")


def _contact(row: Element) -> str:
    return contact_of(text(row, "contactCode"), text(row, "contactID"))


def _entry(direction: Direction, document: str, contact: str, found: Iterable[Element]) -> Entry:
    lines = list(found)
    first = lines[0]
    on = day(first, "transactionDate")
    assert on is not None
    amount = sum((_amount(row) for row in lines), ZERO)
    return Entry(
        document=document,
        direction=direction,
        reference=plain(text(first, "documentReference")),
        day=on,
        amount=cents(amount if direction is Direction.SALES else -amount) + 0,
        currency=text(first, "currency") or None,
        contact=contact,
        description=text(first, "description"),
    )


def _amount(row: Element) -> Decimal:
    """In the currency of the document; debit is positive (api.md section 5)."""
    own, foreign = number(row, "transactionAmount") or ZERO, number(row, "transactionAmountForeignCurrency")
    if not foreign or (number(row, "currencyRate") or 1) == 1:
        return own
    return abs(foreign) if own >= 0 else -abs(foreign)
