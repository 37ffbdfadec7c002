"""Totals add up: EN 16931 BR-CO-10 to BR-CO-17, checked again since a document may come from any source.

As in the official rules sums are compared to the cent, and the VAT of a breakdown row may be off by less than one
unit of the currency (VAT rounded line by line is legal). Before EN 16931 the rounding amount was part of the total
with VAT; both ways are taken.
"""

from collections.abc import Iterator, Sequence
from decimal import ROUND_HALF_UP, Decimal
from typing import Final

from dagboek_schemas.documents import Document
from dagboek_schemas.issues import Issue
from dagboek_sdk.hooks import hookimpl

ZERO: Final = Decimal(0)
ONE: Final = Decimal(1)
_CENT: Final = Decimal("0.01")

Broken = tuple[str, str, Decimal, Decimal]
"""Rule, field, expected, found."""


@hookimpl
def dagboek_validate_document(document: Document) -> Sequence[Issue] | None:
    """R02 for each rule that is broken, with what was expected and found."""
    return [
        Issue(code="R02", rule=rule, field=field, facts={"expected": f"{_cents(expected):f}", "found": f"{found:f}"})
        for rule, field, expected, found in _broken(document)
    ]


def _broken(document: Document) -> Iterator[Broken]:
    totals = document.totals
    lines = sum([line.net for line in document.lines], ZERO)
    if lines != totals.lines and _differ(lines, totals.lines):
        yield "BR-CO-10", "totals.lines", lines, totals.lines
    yield from _allowances_and_charges(document)
    net = totals.lines - totals.allowances + totals.charges
    if net != totals.net and _differ(net, totals.net):
        yield "BR-CO-13", "totals.net", net, totals.net
    yield from _vat(document)
    yield from _gross_and_payable(document)


def _allowances_and_charges(document: Document) -> Iterator[Broken]:
    totals = document.totals
    allowances = charges = ZERO
    for row in document.allowances_charges:
        if row.charge:
            charges += row.amount
        else:
            allowances += row.amount
    if allowances != totals.allowances and _differ(allowances, totals.allowances):
        yield "BR-CO-11", "totals.allowances", allowances, totals.allowances
    if charges != totals.charges and _differ(charges, totals.charges):
        yield "BR-CO-12", "totals.charges", charges, totals.charges


def _vat(document: Document) -> Iterator[Broken]:
    rows = document.vat_breakdown
    if not rows:
        return  # older documents have none; the mapping compares VAT with the rates of the lines then
    vat = sum([row.tax for row in rows], ZERO)
    if vat != document.totals.vat and _differ(vat, document.totals.vat):
        yield "BR-CO-14", "totals.vat", vat, document.totals.vat
    for place, row in enumerate(rows):
        if row.rate is None:
            continue
        tax = row.taxable * row.rate / 100
        if tax != row.tax and (abs(_cents(tax) - row.tax) >= ONE or _opposite(tax, row.tax)):
            yield "BR-CO-17", f"vat_breakdown[{place}].tax", tax, row.tax


def _gross_and_payable(document: Document) -> Iterator[Broken]:
    totals = document.totals
    gross = totals.net + totals.vat
    due = totals.gross - totals.prepaid
    rounded_before = totals.rounding and not _differ(gross + totals.rounding, totals.gross)
    if rounded_before and not _differ(due, totals.payable):
        return
    if gross != totals.gross and _differ(gross, totals.gross):
        yield "BR-CO-15", "totals.gross", gross, totals.gross
    due += totals.rounding
    if due != totals.payable and _differ(due, totals.payable):
        yield "BR-CO-16", "totals.payable", due, totals.payable


def _differ(one: Decimal, other: Decimal) -> bool:
    return _cents(one) != _cents(other)


def _opposite(one: Decimal, other: Decimal) -> bool:
    return (one < 0 < other) or (other < 0 < one)


def _cents(amount: Decimal) -> Decimal:
    return amount.quantize(_CENT, ROUND_HALF_UP)
