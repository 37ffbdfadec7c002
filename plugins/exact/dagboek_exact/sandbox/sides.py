"""Sales and purchases: what differs between the two, in names and numbers."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Side:
    """Names of fields, types of entries and journals of one side."""

    name: str
    table: str
    line_table: str
    lines: str
    """The collection of lines, and the resource of a line."""
    party: str
    condition: str
    """The field of a relation that has its payment condition."""
    fixed_account: str
    """The field of a relation that has its own receivable or payable account."""
    journal_type: int
    invoice_type: int
    credit_type: int
    vat_side: str
    direction: int
    """Of the third party's journal line for a positive total: 1 debit, -1 credit."""
    default_account: str
    line_type: int
    """Of a payment term: 20 a receipt, 22 a payment."""
    approval: int | None

    @property
    def label(self) -> str:
        """Of the third party, in messages."""
        return self.party.lower()


SALES = Side(
    name="sales",
    table="sales",
    line_table="sales_lines",
    lines="SalesEntryLines",
    party="Customer",
    condition="PaymentConditionSales",
    fixed_account="GLAR",
    journal_type=20,
    invoice_type=20,
    credit_type=21,
    vat_side="S",
    direction=1,
    default_account="receivable",
    line_type=20,
    approval=None,
)
PURCHASES = Side(
    name="purchase",
    table="purchases",
    line_table="purchase_lines",
    lines="PurchaseEntryLines",
    party="Supplier",
    condition="PaymentConditionPurchase",
    fixed_account="GLAP",
    journal_type=22,
    invoice_type=30,
    credit_type=31,
    vat_side="P",
    direction=-1,
    default_account="payable",
    line_type=22,
    approval=1,
)


def side_of(entry_type: int) -> Side:
    """The side of an entry by its type."""
    return SALES if entry_type in (20, 21) else PURCHASES
