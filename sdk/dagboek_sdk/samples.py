"""Sample documents that add up, for the tests of plugins. All names and numbers are invented."""

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from typing import Any

from dagboek_schemas.documents import (
    Address,
    AllowanceCharge,
    Direction,
    Document,
    Kind,
    Line,
    Party,
    Payment,
    Totals,
    VatSubtotal,
)

from dagboek_sdk.mapping import ZERO, cents

OURS = Party(
    name="Bakkerij Voorbeeld BV",
    vat_number="BE0123456749",
    address=Address(street="Molenstraat 1", city="Gent", postal_code="9000", country="BE"),
)
"""The company whose books are kept."""

THEIRS = Party(
    name="Klant & Zonen NV",
    vat_number="BE0999999922",
    email="boekhouding@example.com",
    language="nl",
    address=Address(street="Dorpsplein 2", city="Aalst", postal_code="9300", country="BE"),
)
"""The customer of a sale, the supplier of a purchase."""


def line(
    net: Decimal | str,
    rate: Decimal | str | None = "21",
    category: str | None = "S",
    *,
    id: str = "1",
    **more: Any,
) -> Line:
    """A line of `net` without VAT."""
    vat_rate = None if rate is None else Decimal(rate)
    return Line(id=id, name=f"Item {id}", net=Decimal(net), vat_category=category, vat_rate=vat_rate, **more)


def allowance(amount: Decimal | str, rate: Decimal | str = "21", category: str = "S", **more: Any) -> AllowanceCharge:
    """A discount on the document as a whole."""
    return AllowanceCharge(charge=False, amount=Decimal(amount), vat_category=category, vat_rate=Decimal(rate), **more)


def charge(amount: Decimal | str, rate: Decimal | str = "21", category: str = "S", **more: Any) -> AllowanceCharge:
    """A charge on the document as a whole."""
    return AllowanceCharge(charge=True, amount=Decimal(amount), vat_category=category, vat_rate=Decimal(rate), **more)


def document(
    *lines: Line,
    kind: Kind = Kind.INVOICE,
    direction: Direction = Direction.SALES,
    number: str = "2025/0001",
    issue_date: date = date(2025, 2, 3),
    rows: Sequence[AllowanceCharge] = (),
    prepaid: Decimal | str = "0",
    rounding: Decimal | str = "0",
    other: Party = THEIRS,
    currency: str = "EUR",
    payment: Payment = Payment(),  # noqa: B008 (frozen)
    **more: Any,
) -> Document:
    """A document whose breakdown and totals follow from its lines: VAT per category and rate, in whole cents."""
    bases: dict[tuple[str | None, Decimal | None], Decimal] = {}
    for one in lines:
        bases[one.vat_category, one.vat_rate] = bases.get((one.vat_category, one.vat_rate), ZERO) + one.net
    for row in rows:
        key = row.vat_category, row.vat_rate
        bases[key] = bases.get(key, ZERO) + (row.amount if row.charge else -row.amount)
    breakdown = tuple(
        VatSubtotal(
            category=category,
            rate=rate,
            taxable=cents(base),
            tax=cents(base * rate / 100) if rate and category == "S" else ZERO,
        )
        for (category, rate), base in bases.items()
    )
    net = sum((row.taxable for row in breakdown), ZERO)
    vat = sum((row.tax for row in breakdown), ZERO)
    prepaid, rounding = Decimal(prepaid), Decimal(rounding)
    totals = Totals(
        lines=sum((one.net for one in lines), ZERO),
        allowances=sum((row.amount for row in rows if not row.charge), ZERO),
        charges=sum((row.amount for row in rows if row.charge), ZERO),
        net=net,
        vat=vat,
        gross=net + vat,
        prepaid=prepaid,
        rounding=rounding,
        payable=net + vat - prepaid + rounding,
    )
    seller, buyer = (OURS, other) if direction is Direction.SALES else (other, OURS)
    return Document(
        kind=kind,
        direction=direction,
        number=number,
        issue_date=issue_date,
        currency=currency,
        seller=seller,
        buyer=buyer,
        lines=lines,
        allowances_charges=tuple(rows),
        vat_breakdown=breakdown,
        totals=totals,
        payment=payment,
        **more,
    )
