"""What is booked: an entry and its postings, which balance."""

from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal

from .administration import VatCode


@dataclass(slots=True)
class Posting:
    """One row of the ledger. Amounts are above zero for a debit."""

    id: str
    hid: int
    account: str
    amount: Decimal
    """In euros."""
    document_amount: Decimal
    """In the currency of the entry."""
    description: str
    role: str
    """gross (the other party), net, vat, reverse (VAT that the buyer owes), rounding, bank."""
    vat: VatCode | None = None


@dataclass(slots=True)
class Vat:
    """VAT of one code in an entry, in its currency and with its sign."""

    code: VatCode
    base: Decimal
    amount: Decimal
    reverse: bool = False
    """The buyer owes it: it is not in the total."""


@dataclass(slots=True)
class Payment:
    """Money that came or went."""

    at: float
    day: date
    amount: Decimal
    """With the sign of the total of what was paid."""
    entry: str
    """The bank's entry."""


@dataclass(slots=True)
class Entry:
    """A booked document. Amounts are in its currency, negative for a credit note."""

    id: str
    """Of its document in the archive."""
    kind: str
    """sale, purchase, payment or journal."""
    day: date
    due: date | None
    reference: str
    subject: str
    contact: str | None
    """The other party's id."""
    currency: str
    rate: Decimal
    """Euros for one unit."""
    total: Decimal
    vat: list[Vat]
    postings: list[Posting]
    method: str
    """How it is paid, see `sample.PAYMENT_METHODS`."""
    payment_id: str
    origin: str
    """How it came: api, upload or hand."""
    delivered: int
    booked: float
    modified: float
    user: str
    payments: list[Payment] = field(default_factory=list)
    revision: int = 1

    @property
    def sign(self) -> int:
        """1 where the other party's posting is a debit for an amount above zero."""
        return -1 if self.kind == "purchase" else 1

    @property
    def gross(self) -> Posting | None:
        """The posting on the other party's account."""
        return next((one for one in self.postings if one.role == "gross"), None)

    def open_amount(self, until: float) -> Decimal:
        """What is not paid of it yet, by what was booked until a moment."""
        return self.total - sum((one.amount for one in self.payments if one.at <= until), Decimal(0))
