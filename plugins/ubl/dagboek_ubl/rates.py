"""The exchange rate that a UBL document states, if any."""

from decimal import Decimal, DivisionByZero, InvalidOperation

from dagboek_ubl.amounts import ten_decimals
from dagboek_ubl.findings import Element, Findings, part, text


def read_rate(
    root: Element, currency: str | None, tax_currency: str | None, findings: Findings
) -> tuple[Decimal | None, str | None]:
    """Units of the second currency for one of the document's; that currency is BT-6 where the document has it."""
    for name in ("TaxExchangeRate", "PaymentExchangeRate", "PricingExchangeRate"):
        found = part(root, name)
        source, target = text(found, "SourceCurrencyCode"), text(found, "TargetCurrencyCode")
        if found is None or source is None or target is None or source == target:
            continue
        value = findings.number(found, "CalculationRate")
        if value is None or value <= 0 or currency not in (source, target):
            continue
        other = target if source == currency else source
        if other != (tax_currency or other) or (name == "PricingExchangeRate" and source != currency):
            continue  # of a third currency: that of the prices
        if text(
            found,
            "MathematicOperatorCode",
        ) in ("Divide", "divide", "/"):
            value = 1 / value
        return ten_decimals(value if source == currency else 1 / value), other
    return None, None


def implied_rate(vat: Decimal | None, in_tax_currency: Decimal | None) -> Decimal | None:
    """The rate that VAT in both currencies (BT-110, BT-111) amounts to."""
    if vat is None or in_tax_currency is None:
        return None
    try:
        rate = in_tax_currency / vat
    except (DivisionByZero, InvalidOperation):
        return None
    return ten_decimals(rate) if rate > 0 else None
