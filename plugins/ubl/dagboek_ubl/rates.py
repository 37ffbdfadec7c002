"""The exchange rate that a UBL document states, if any."""

from decimal import Decimal

from dagboek_ubl.amounts import ten_decimals
from dagboek_ubl.findings import Element, Findings, currency_code, part, text
from dagboek_ubl.vat import TaxTotals

_LARGEST = Decimal(10) ** 12


def read_rate(root: Element, currency: str, taxes: TaxTotals, findings: Findings) -> tuple[Decimal | None, str | None]:
    """Units of the accounting currency for one of the document's, and that currency: BT-6, if the document has it.

    VAT in both currencies (BT-110, BT-111) is no rate: what it amounts to is off by cents on the other figures.
    """
    for name in ("TaxExchangeRate", "PaymentExchangeRate", "PricingExchangeRate"):
        found = part(root, name)
        source, target = (currency_code(text(found, f"{end}CurrencyCode")) for end in ("Source", "Target"))
        if found is None or source is None or target is None or source == target or currency not in (source, target):
            continue
        other = target if source == currency else source
        if other != (taxes.tax_currency or other) or (name == "PricingExchangeRate" and source != currency):
            continue  # of a third currency, such as that of the prices
        value = findings.number(found, "CalculationRate")
        if not value or value < 0:
            continue
        divided = (text(found, "MathematicOperatorCode") or "").lower() in ("divide", "/")
        # Turned round once for the operator and once for the direction, so twice is not at all.
        return _usable(value if divided == (source != currency) else 1 / value), other
    return None, taxes.tax_currency


def _usable(rate: Decimal) -> Decimal | None:
    return ten_decimals(rate) if 0 < ten_decimals(rate) < _LARGEST else None
