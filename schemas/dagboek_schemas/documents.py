"""Canonical documents, in the terms of EN 16931 (BT and BG numbers are those of the standard).

Amounts are `Decimal` in the document's currency and carry the sign that the document shows: a credit note of
121.00 has a total of 121.00, and its effect on the books is negative.
"""

from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema

Amount = Annotated[
    Decimal,
    Field(allow_inf_nan=False, max_digits=24, decimal_places=10),
    WithJsonSchema({"type": "string", "pattern": r"^-?\d+(\.\d+)?(E[+-]?\d+)?$"}, mode="serialization"),
]
"""A decimal, exact; a text in JSON."""
Currency = Annotated[str, Field(pattern=r"^[A-Z]{3}$")]
Country = Annotated[str, Field(pattern=r"^[A-Z]{2}$")]


class Direction(StrEnum):
    """Seen from the entity whose books are kept."""

    SALES = "sales"
    PURCHASE = "purchase"


class Kind(StrEnum):
    """What sort of document it is."""

    INVOICE = "invoice"
    CREDIT_NOTE = "credit_note"


class Approval(StrEnum):
    """Review state of a purchase document (product.md section 1.10)."""

    NOT_REQUIRED = "not_required"
    PENDING = "pending"
    APPROVED = "approved"
    REFUSED = "refused"


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Address(_Part):
    """Postal address (BG-5, BG-8)."""

    street: str | None = None
    additional_street: str | None = None
    city: str | None = None
    postal_code: str | None = None
    country: Country | None = None


class Party(_Part):
    """Seller or buyer (BG-4, BG-7), and what an accounting tool calls a customer or a supplier."""

    name: str
    trade_name: str | None = None
    vat_number: str | None = Field(None, description="BT-31 or BT-48, as the document shows it")
    company_number: str | None = Field(None, description="BT-30 or BT-47")
    company_number_scheme: str | None = Field(None, description="ISO 6523 code, such as 0208 for KBO")
    endpoint: str | None = Field(None, description="BT-34 or BT-49, electronic address")
    endpoint_scheme: str | None = None
    address: Address = Address()
    email: str | None = None
    phone: str | None = None
    contact: str | None = None
    language: str | None = Field(None, description="ISO 639-1, the language to write to them in")
    source_id: str | None = Field(None, description="the source's own id of this party")


class AllowanceCharge(_Part):
    """A discount or a charge on the document as a whole (BG-20, BG-21)."""

    charge: bool
    amount: Amount = Field(description="without VAT, not negative as a rule")
    vat_category: str | None = None
    vat_rate: Amount | None = None
    reason: str | None = None
    reason_code: str | None = None
    account: str | None = Field(None, description="ledger account chosen in the source")


class Line(_Part):
    """An invoice line (BG-25)."""

    id: str
    name: str | None = None
    description: str | None = None
    quantity: Amount | None = None
    unit: str | None = None
    price: Amount | None = None
    net: Amount = Field(description="BT-131, without VAT, after the line's own discounts and charges")
    vat_category: str | None = Field(None, description="BT-151, UNCL5305")
    vat_rate: Amount | None = Field(None, description="BT-152, per cent")
    vat_name: str | None = Field(None, description="name of the tax in UBL.BE, such as 46/GO")
    account: str | None = Field(None, description="ledger account chosen in the source; BT-133 of a sale")
    cost_centre: str | None = None
    cost_unit: str | None = None


class VatSubtotal(_Part):
    """One row of the VAT breakdown (BG-23)."""

    category: str | None
    rate: Amount | None = None
    taxable: Amount = Field(description="BT-116")
    tax: Amount = Field(description="BT-117")
    exemption_code: str | None = Field(None, description="BT-121, VATEX")
    exemption_reason: str | None = None
    vat_name: str | None = None


class Totals(_Part):
    """Document totals (BG-22)."""

    lines: Amount = Field(description="BT-106, sum of the lines")
    allowances: Amount = Decimal(0)
    charges: Amount = Decimal(0)
    net: Amount = Field(description="BT-109, without VAT")
    vat: Amount = Field(description="BT-110")
    gross: Amount = Field(description="BT-112, with VAT")
    prepaid: Amount = Decimal(0)
    rounding: Amount = Decimal(0)
    payable: Amount = Field(description="BT-115")


class Payment(_Part):
    """How it is to be paid (BG-16)."""

    means_code: str | None = None
    reference: str | None = Field(None, description="BT-83, free text")
    structured_communication: str | None = Field(None, description="Belgian, twelve digits, check verified")
    accounts: tuple[str, ...] = ()
    terms: str | None = None


class Attachment(_Part):
    """A file that belongs to the document, by reference: its bytes stay with the source."""

    ref: str = Field(description="what the source's `attachment(ref)` takes")
    file_name: str
    media_type: str
    size: int | None = Field(None, description="bytes")


class DocumentBody(_Part):
    """What an invoice or credit note says."""

    kind: Kind
    number: str = Field(description="BT-1")
    issue_date: date = Field(description="BT-2")
    due_date: date | None = None
    tax_point_date: date | None = None
    delivery_date: date | None = None
    type_code: str | None = None
    currency: Currency
    exchange_rate: Amount | None = Field(
        None,
        description="units of the accounting currency for one unit of `currency`, when the document says",
    )
    tax_currency: Currency | None = None
    vat_in_tax_currency: Amount | None = Field(None, description="BT-111")
    buyer_reference: str | None = None
    order_reference: str | None = None
    preceding_invoices: tuple[str, ...] = ()
    note: str | None = None
    seller: Party
    buyer: Party
    lines: tuple[Line, ...]
    allowances_charges: tuple[AllowanceCharge, ...] = ()
    vat_breakdown: tuple[VatSubtotal, ...] = ()
    totals: Totals
    payment: Payment = Payment()
    approval: Approval = Approval.NOT_REQUIRED
    source_url: str | None = Field(None, description="where a person can look at it")


class Document(DocumentBody):
    """An invoice or credit note, whichever side issued it."""

    direction: Direction
    attachments: tuple[Attachment, ...] = ()

    @property
    def other_party(self) -> Party:
        """The customer of a sale, the supplier of a purchase."""
        return self.buyer if self.direction is Direction.SALES else self.seller


class LedgerAccount(_Part):
    """A ledger account of an administration, as pulled from the tool."""

    code: str
    name: str
    active: bool = True
    kind: str | None = None
    book_year: str | None = None


class PaymentState(StrEnum):
    """How far an entry is paid."""

    NOT_PAID = "not_paid"
    PARTIALLY_PAID = "partially_paid"
    PAID = "paid"
    UNKNOWN = "unknown"


class PaymentStatus(_Part):
    """Payment state of an entry in the tool."""

    entry_id: str
    state: PaymentState
    open_amount: Amount | None = None
    currency: Currency | None = None
