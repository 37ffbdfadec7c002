"""From the lines of a document to an entry whose postings balance, and back out again."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING

from .administration import ZERO, Administration, VatCode, cents
from .entry import Entry, Payment, Posting, Vat

if TYPE_CHECKING:
    from .books import Turn


class Wrong(Exception):
    """A document that cannot be booked; the text is the tool's own."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a document, in its currency and with its sign."""

    account: str
    net: Decimal
    vat: Decimal
    code: VatCode
    description: str
    reverse: bool = False
    """The buyer owes the VAT."""


def check_open(administration: Administration, day: date) -> None:
    """Raises Wrong in a period that is closed."""
    closed = administration.closed_before
    if closed is not None and day < closed:
        raise Wrong(
            f"Could not create or modify transactions before {closed:%d-%m-%Y} for administration {administration.name}"
        )


def check_account(administration: Administration, code: str) -> None:
    """Raises Wrong for a ledger account that cannot be booked on."""
    account = administration.accounts.get(code)
    if account is None:
        raise Wrong(f"GLAccount {code} does not exist")
    if not account.enabled:
        raise Wrong("Cannot book this transaction line because the GLAccount is disabled")


def book(
    administration: Administration, entry: Entry, lines: Sequence[Line], gross: str, rounding: Decimal = ZERO
) -> None:
    """Gives an entry its VAT, total and postings, `gross` on the other party's account, and keeps it.

    `rounding` is what the document's total has beside its lines and their VAT. Everything was checked before.
    """
    vats: dict[VatCode, Vat] = {}
    for line in lines:
        vat = vats.setdefault(line.code, Vat(line.code, ZERO, ZERO, line.reverse))
        vat.base += line.net
        vat.amount += line.vat
    entry.vat = list(vats.values())
    charged = sum((vat.amount for vat in entry.vat if not vat.reverse), ZERO)
    entry.total = sum((line.net for line in lines), ZERO) + charged + rounding
    entry.postings = _postings(administration, entry, lines, gross, rounding)
    administration.keep(entry)


def _postings(
    administration: Administration, entry: Entry, lines: Sequence[Line], gross: str, rounding: Decimal
) -> list[Posting]:
    ledger = _Ledger(administration, entry)
    own = -entry.sign  # a sale's lines are credits
    due, claim = administration.role("vat_due"), administration.role("vat_claim")
    for line in lines:
        ledger.post(line.account, own * line.net, "net", line.description, line.code)
    for vat in entry.vat:
        if not vat.amount:
            continue
        if vat.reverse:
            ledger.post(claim, vat.amount, "reverse", entry.subject, vat.code)
            ledger.post(due, -vat.amount, "reverse", entry.subject, vat.code)
        else:
            ledger.post(due if entry.kind == "sale" else claim, own * vat.amount, "vat", entry.subject, vat.code)
    if rounding:
        ledger.post(administration.role("rounding"), own * rounding, "rounding", entry.subject)
    ledger.balance(gross, entry.sign * entry.total)
    return ledger.rows


class _Ledger:
    """The postings of one entry, as they come."""

    def __init__(self, administration: Administration, entry: Entry) -> None:
        self.rows: list[Posting] = []
        self._administration = administration
        self._entry = entry
        self._own = entry.rate == 1

    def post(self, account: str, amount: Decimal, role: str, words: str, vat: VatCode | None = None) -> None:
        euros = amount if self._own else cents(amount * self._entry.rate)
        self._add(account, euros, amount, role, words, vat)

    def balance(self, account: str, amount: Decimal) -> None:
        """The other party's posting comes first, and takes what rounding to euros left."""
        euros = -sum((row.amount for row in self.rows), ZERO)
        self._add(account, euros, amount, "gross", self._entry.subject, None)
        self.rows.insert(0, self.rows.pop())

    def _add(self, account: str, euros: Decimal, amount: Decimal, role: str, words: str, vat: VatCode | None) -> None:
        id = posting_id(self._entry.id, len(self.rows) + 1)
        self.rows.append(Posting(id, self._administration.hid(), account, euros, amount, words, role, vat))


def posting_id(entry: str, place: int) -> str:
    """A GUID that follows from that of the entry, so that reading needs no chance."""
    return f"{entry[:24]}{(int(entry[24:], 16) + place) % 16**12:012x}"


def take_out(turn: "Turn", administration: Administration, entry: Entry) -> None:
    """Somebody deletes an entry; raises Wrong where its period is closed or it is paid."""
    check_open(administration, entry.day)
    if entry.payments:
        raise Wrong(f"{entry.reference} is paid: take back the payment first")
    administration.drop(entry)
    entry.modified = turn.at
    administration.deleted.append((turn.at, entry))


def pay(turn: "Turn", administration: Administration, entry: Entry, amount: Decimal, day: date) -> Entry:
    """Money of the other party, on the bank: the bank's entry. Raises Wrong."""
    check_open(administration, day)
    gross = entry.gross
    assert gross is not None
    paid = _bank_entry(turn, administration, entry, day)
    ledger = _Ledger(administration, paid)
    ledger.post(gross.account, -entry.sign * amount, "party", paid.subject)
    ledger.balance(administration.role("bank"), entry.sign * amount)
    ledger.rows[0].role = "bank"
    paid.postings = ledger.rows
    administration.keep(paid)
    entry.payments.append(Payment(turn.at, day, amount, paid.id))
    return paid


def unpay(turn: "Turn", administration: Administration, entry: Entry) -> None:
    """The payments of an entry are taken back; raises Wrong where a period is closed."""
    for payment in entry.payments:
        check_open(administration, payment.day)
    for payment in entry.payments:
        paid = administration.entries[payment.entry]
        administration.drop(paid)
        administration.deleted.append((turn.at, paid))
    entry.payments.clear()


def _bank_entry(turn: "Turn", administration: Administration, entry: Entry, day: date) -> Entry:
    return replace(
        entry,
        id=turn.guid(),
        kind="payment",
        day=day,
        due=None,
        reference="",
        subject=f"Betaling {entry.reference}",
        total=ZERO,
        vat=[],
        postings=[],
        payments=[],
        origin="hand",
        delivered=0,
        booked=turn.at,
        modified=turn.at,
        user="bank",
        revision=1,
    )
