"""An invoice to vary in tests. All in it is made up; the numbers have right check digits."""

from datetime import date
from decimal import Decimal

import pytest
from dagboek_schemas.documents import (
    Address,
    AllowanceCharge,
    Attachment,
    Direction,
    Document,
    Kind,
    Line,
    Party,
    Payment,
    Totals,
    VatSubtotal,
)


@pytest.fixture(scope="session")
def invoice() -> Document:
    """A sale of two lines, a discount, two VAT rates and an attachment: every field of rev1 is filled."""
    return Document(
        kind=Kind.INVOICE,
        direction=Direction.SALES,
        number="2026-0007",
        issue_date=date(2026, 2, 3),
        due_date=date(2026, 3, 5),
        tax_point_date=date(2026, 1, 31),
        currency="EUR",
        exchange_rate=Decimal("1.00"),
        order_reference="PO 88",
        seller=Party(name="Bakkerij Zuid", vat_number="BE 0123.456.749"),
        buyer=Party(
            name="Café Ångström",
            vat_number="BE0987654394",
            company_number="0987.654.394",
            company_number_scheme="0208",
            address=Address(street="Kaai 1", additional_street="bus 2", city="Gent", postal_code="9000", country="BE"),
            email="in@cafe.example",
            phone="+32 9 000 00 00",
            language="nl",
        ),
        lines=(
            Line(
                id="1",
                name="Bread",
                description="Large, cut",
                quantity=Decimal("10"),
                unit="C62",
                price=Decimal("5.00"),
                net=Decimal("50.00"),
                vat_category="S",
                vat_rate=Decimal("6"),
                vat_name="6",
                account="700000",
                cost_centre="SHOP",
                cost_unit="B1",
            ),
            Line(id="2", name="Basket", net=Decimal("60.00"), vat_category="S", vat_rate=Decimal("21")),
        ),
        allowances_charges=(
            AllowanceCharge(
                charge=False,
                amount=Decimal("10.00"),
                vat_category="S",
                vat_rate=Decimal("21"),
                reason="Regular customer",
                account="708000",
            ),
        ),
        vat_breakdown=(
            VatSubtotal(category="S", rate=Decimal("6"), taxable=Decimal("50.00"), tax=Decimal("3.00")),
            VatSubtotal(
                category="S",
                rate=Decimal("21"),
                taxable=Decimal("50.00"),
                tax=Decimal("10.50"),
                exemption_code="VATEX-X",
                vat_name="21",
            ),
        ),
        totals=Totals(
            lines=Decimal("110.00"),
            allowances=Decimal("10.00"),
            net=Decimal("100.00"),
            vat=Decimal("13.50"),
            gross=Decimal("113.50"),
            prepaid=Decimal("13.00"),
            rounding=Decimal("0.50"),
            payable=Decimal("101.00"),
        ),
        payment=Payment(reference="your order", structured_communication="+++090/9337/55493+++"),
        attachments=(Attachment(ref="1", file_name="invoice.pdf", media_type="application/pdf", size=12),),
    )
