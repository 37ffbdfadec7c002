"""Settings of a connection that are the same for every tool (product.md sections 1.3 and 4)."""

from datetime import date
from decimal import Decimal
from typing import Annotated

from dagboek_schemas.documents import Currency, Direction, Kind
from pydantic import BaseModel, ConfigDict, Field

Rate = Annotated[Decimal, Field(ge=0, le=100, max_digits=6, decimal_places=3)]


class VatKey(BaseModel):
    """What a VAT-code mapping is looked up by: a rate alone does not decide (ubl-and-vat.md section 4.5).

    `region` is the other party's: `BE`, `NL`, ... for the administration's own country, `EU`, `NON_EU`; None
    matches any. `vat_name` is the UBL.BE name, such as `46/GO`. More precise rows win over less precise ones.
    """

    model_config = ConfigDict(frozen=True)

    category: str = Field("S", description="UNCL5305: S, Z, E, AE, K, G, O, L, M")
    rate: Rate = Decimal(0)
    region: str | None = None
    vat_name: str | None = None
    credit_note: bool | None = Field(None, description="None: for both")


class VatCode(BaseModel):
    """A row of the VAT-code map: from what the document says to the tool's code."""

    model_config = ConfigDict(frozen=True)

    key: VatKey
    code: str
    reverse_rate: Rate | None = Field(
        None, description="rate that the receiver owes on a document without VAT; None where none is due"
    )


class LedgerRule(BaseModel):
    """Ledger account for lines that bear none: by VAT rate and category, or the default when both are None."""

    model_config = ConfigDict(frozen=True)

    account: str
    rate: Rate | None = None
    category: str | None = None


class Side(BaseModel):
    """Settings of one side: sales or purchases."""

    invoice_journal: str | None = None
    credit_note_journal: str | None = None
    vat_codes: tuple[VatCode, ...] = ()
    ledger_accounts: tuple[LedgerRule, ...] = ()
    discount_account: str | None = Field(None, description="for allowances on the document as a whole")
    charge_account: str | None = Field(None, description="for charges on the document as a whole")
    rounding_account: str | None = None
    prepaid_account: str | None = None

    def journal(self, kind: Kind) -> str | None:
        """The journal for documents of `kind`."""
        return self.invoice_journal if kind is Kind.INVOICE else self.credit_note_journal


class PaymentTerm(BaseModel):
    """A payment term of the source and the tool's code for it."""

    model_config = ConfigDict(frozen=True)

    days: int
    end_of_month: bool = False
    code: str


class ConnectionSettings(BaseModel):
    """Settings of a connection, whatever the tool."""

    start_date: date | None = Field(None, description="documents dated before it are not booked")
    currency: Currency = Field("EUR", description="currency that the administration's books are kept in")
    country: str = Field("BE", description="country of the administration")
    sales: Side = Side()
    purchases: Side = Side()
    payment_terms: tuple[PaymentTerm, ...] = ()
    exchange_rates: dict[str, Decimal] = Field(
        default_factory=dict, description="units of `currency` for one unit of each foreign currency"
    )
    default_payment_days: int = 30
    automatic: bool = Field(False, description="synchronise every night")
    check_vat_numbers: bool = Field(True, description="refuse numbers whose format or check digit is wrong")

    def side(self, direction: Direction) -> Side:
        """Settings for documents of `direction`."""
        return self.sales if direction is Direction.SALES else self.purchases
