"""Totals of a UBL document (BG-22) and its VAT breakdown, from the file's figures to the document's."""

from collections.abc import Iterator, Sequence
from decimal import Decimal

from dagboek_schemas.documents import Totals, VatSubtotal

from dagboek_ubl.amounts import ZERO, cents, has_fractions
from dagboek_ubl.check import Figures, check_bases, check_rates, check_totals, rounded_in_gross, settled
from dagboek_ubl.findings import Element, Findings, part
from dagboek_ubl.lines import Sum
from dagboek_ubl.vat import TaxTotals

_PATHS = {
    "BR-CO-10": "totals.lines",
    "BR-CO-11": "totals.allowances",
    "BR-CO-12": "totals.charges",
    "BR-CO-13": "totals.net",
    "BR-CO-14": "totals.vat",
    "BR-CO-15": "totals.gross",
    "BR-CO-16": "totals.payable",
}
"""Field of the document that breaks the rule; of the other rules it is the VAT breakdown."""


def read_figures(root: Element, lines: Sequence[Sum], rows: Sequence[Sum], taxes: TaxTotals, find: Findings) -> Figures:
    """All figures of the document, with the totals that it leaves out worked out."""
    total = part(root, "LegalMonetaryTotal")
    return settled(
        Figures(
            lines=[line.keyed for line in lines],
            allowances=[row.keyed for row in rows if row.allowance],
            charges=[row.keyed for row in rows if not row.allowance],
            rows=[row.row for row in taxes.rows],
            line_total=find.amount(total, "LineExtensionAmount"),
            allowance_total=find.amount(total, "AllowanceTotalAmount"),
            charge_total=find.amount(total, "ChargeTotalAmount"),
            net=find.amount(total, "TaxExclusiveAmount"),
            vat=taxes.vat,
            gross=find.amount(total, "TaxInclusiveAmount"),
            prepaid=find.amount(total, "PrepaidAmount") or ZERO,
            rounding=find.amount(total, "PayableRoundingAmount") or ZERO,
            payable=find.amount(total, "PayableAmount"),
        )
    )


def check_figures(figures: Figures, findings: Findings) -> None:
    """Adds an issue for every rule that the figures break. Bases by category are looked at when totals add up."""
    if not figures.lines or not findings.figures_known:
        return
    for rules in (check_totals, check_bases):
        if rules is check_bases and findings.blocked:
            return
        for broken in rules(figures):
            code = "U37" if broken.remark else "U11"
            facts = {"field": broken.field, "expected": broken.expected, "found": broken.found}
            findings.add(code, rule=broken.rule, path=_PATHS.get(broken.rule, "vat_breakdown"), **facts)
    for broken in check_rates(figures):
        facts = {"field": broken.field, "expected": broken.expected, "found": broken.found}
        findings.add("U41", rule=broken.rule, path="vat_breakdown", **facts)


def document_totals(figures: Figures, findings: Findings) -> Totals:
    """The totals, to the cent. The rounding stands apart, also where the file counts it in the total with VAT."""
    net, vat, gross = cents(figures.net or ZERO), cents(figures.vat or ZERO), cents(figures.gross or ZERO)
    if rounded_in_gross(figures):
        findings.add("U34", rule="BR-CO-15", path="totals.gross", found=str(gross))
        gross = net + vat
    return Totals(
        lines=cents(figures.line_total or ZERO),
        allowances=cents(figures.allowance_total or ZERO),
        charges=cents(figures.charge_total or ZERO),
        net=net,
        vat=vat,
        gross=gross,
        prepaid=cents(figures.prepaid),
        rounding=cents(figures.rounding),
        payable=cents(figures.payable or ZERO),
    )


def document_breakdown(taxes: TaxTotals) -> tuple[VatSubtotal, ...]:
    """The VAT breakdown, to the cent."""
    return tuple(
        VatSubtotal(
            category=row.vat.category,
            rate=row.vat.rate,
            taxable=cents(row.taxable),
            tax=cents(row.tax),
            exemption_code=row.exemption_code,
            exemption_reason=row.exemption_reason,
            vat_name=row.vat.name,
        )
        for row in taxes.rows
    )


def note_fractions(figures: Figures, findings: Findings) -> None:
    """Adds a remark when an amount had to be rounded to the cent."""
    for name, value in _named(figures):
        if has_fractions(value):
            findings.add("U31", rule="BR-DEC", field=name, found=format(value.normalize(), "f"))
            return


def _named(figures: Figures) -> Iterator[tuple[str, Decimal]]:
    for _, amount in figures.lines:
        yield "LineExtensionAmount", amount
    for _, amount in figures.allowances + figures.charges:
        yield "AllowanceCharge/Amount", amount
    for row in figures.rows:
        yield "TaxSubtotal/TaxAmount", row.tax
        yield "TaxSubtotal/TaxableAmount", row.taxable
    yield "TaxExclusiveAmount", figures.net or ZERO
    yield "TaxTotal/TaxAmount", figures.vat or ZERO
    yield "TaxInclusiveAmount", figures.gross or ZERO
    yield "PayableAmount", figures.payable or ZERO
