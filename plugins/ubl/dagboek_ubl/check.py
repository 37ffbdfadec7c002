"""Arithmetic of EN 16931: BR-CO-10 to BR-CO-17 and the VAT breakdown (BR-S-08 and its like).

Totals are compared to the cent. A category's VAT may differ by less than one unit of the currency from base
times rate, as in the official rules: VAT rounded line by line is legal.
"""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal

from dagboek_ubl.amounts import ZERO, cents

ONE = Decimal(1)
Category = tuple[str | None, Decimal]
"""VAT category and rate; no rate counts as 0."""

_BASE_RULES = {
    "S": "BR-S-08",
    "Z": "BR-Z-08",
    "E": "BR-E-08",
    "AE": "BR-AE-08",
    "K": "BR-IC-08",
    "G": "BR-G-08",
    "O": "BR-O-08",
    "L": "BR-AF-08",
    "M": "BR-AG-08",
    "B": "BR-B-02",
}


_TAX_RULES = {
    "Z": "BR-Z-09",
    "E": "BR-E-09",
    "AE": "BR-AE-09",
    "K": "BR-IC-09",
    "G": "BR-G-09",
    "O": "BR-O-09",
}
"""Categories without VAT."""


@dataclass(slots=True)
class Row:
    """A row of the VAT breakdown as the file has it."""

    category: str | None
    rate: Decimal | None
    taxable: Decimal
    tax: Decimal


@dataclass(slots=True)
class Figures:
    """The figures of a document, unrounded; None where the file has none."""

    lines: list[tuple[Category | None, Decimal]] = field(default_factory=list)
    allowances: list[tuple[Category | None, Decimal]] = field(default_factory=list)
    charges: list[tuple[Category | None, Decimal]] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)
    line_total: Decimal | None = None
    allowance_total: Decimal | None = None
    charge_total: Decimal | None = None
    net: Decimal | None = None
    vat: Decimal | None = None
    gross: Decimal | None = None
    prepaid: Decimal = ZERO
    rounding: Decimal = ZERO
    payable: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Broken:
    """A rule that the figures break."""

    rule: str
    field: str
    expected: str
    found: str
    remark: bool = False
    """Worth telling, but no reason not to book."""


def settled(figures: Figures) -> Figures:
    """`figures` with the totals that the file leaves out worked out from the others."""
    lines = _sum(figures.lines) if figures.line_total is None else figures.line_total
    allowances = figures.allowance_total or ZERO
    charges = figures.charge_total or ZERO
    net = lines - allowances + charges if figures.net is None else figures.net
    vat = sum((row.tax for row in figures.rows), ZERO) if figures.vat is None else figures.vat
    return Figures(
        figures.lines,
        figures.allowances,
        figures.charges,
        figures.rows,
        lines,
        allowances,
        charges,
        net,
        vat,
        net + vat if figures.gross is None else figures.gross,
        figures.prepaid,
        figures.rounding,
        figures.payable,
    )


def rounded_in_gross(figures: Figures) -> bool:
    """Whether the total with VAT includes the rounding, as it did before EN 16931. Takes settled figures."""
    if not figures.rounding or figures.payable is None:
        return False
    net, vat, gross = _known(figures.net), _known(figures.vat), _known(figures.gross)
    return cents(net + vat + figures.rounding) == cents(gross) and cents(gross - figures.prepaid) == cents(
        figures.payable
    )


def check_totals(figures: Figures) -> Iterator[Broken]:
    """The rules about totals, and VAT per row of the breakdown, that settled `figures` break."""
    yield from _totals(figures)
    yield from _vat_per_row(figures.rows)


def _totals(figures: Figures) -> Iterator[Broken]:
    lines, net, vat, gross = map(_known, (figures.line_total, figures.net, figures.vat, figures.gross))
    allowances, charges = _known(figures.allowance_total), _known(figures.charge_total)
    legacy = rounded_in_gross(figures)
    compared = [
        ("BR-CO-10", "LineExtensionAmount (BT-106)", _sum(figures.lines), lines),
        ("BR-CO-11", "AllowanceTotalAmount (BT-107)", _sum(figures.allowances), allowances),
        ("BR-CO-12", "ChargeTotalAmount (BT-108)", _sum(figures.charges), charges),
        ("BR-CO-13", "TaxExclusiveAmount (BT-109)", lines - allowances + charges, net),
    ]
    if figures.rows:
        taxes = sum((cents(row.tax) for row in figures.rows), ZERO)
        compared.append(("BR-CO-14", "TaxTotal/TaxAmount (BT-110)", taxes, vat))
    if not legacy:
        compared.append(("BR-CO-15", "TaxInclusiveAmount (BT-112)", net + vat, gross))
        if figures.payable is not None:
            due = gross - figures.prepaid + figures.rounding
            compared.append(("BR-CO-16", "PayableAmount (BT-115)", due, figures.payable))
    for rule, name, expected, found in compared:
        if cents(expected) != cents(found):
            yield Broken(rule, name, str(cents(expected)), _figure(found))


def _vat_per_row(rows: list[Row]) -> Iterator[Broken]:
    for row in rows:
        if row.rate is None:
            continue
        expected = cents(row.taxable * row.rate / 100)
        if abs(expected - cents(row.tax)) >= ONE or (row.rate and _sign(row.taxable) * _sign(row.tax) < 0):
            name = f"TaxSubtotal/TaxAmount (BT-117) {row.category or ''} {row.rate}%"
            yield Broken("BR-CO-17", name, str(expected), _figure(row.tax))


def check_bases(figures: Figures) -> Iterator[Broken]:
    """Categories whose base in the breakdown is not that of the lines. Tells something only if totals add up."""
    parts = figures.lines + figures.charges + [(key, -amount) for key, amount in figures.allowances]
    if not figures.rows or any(key is None for key, _ in parts):
        return
    from_parts: dict[Category, Decimal] = defaultdict(Decimal)
    from_rows: dict[Category, Decimal] = defaultdict(Decimal)
    for key, amount in parts:
        if key is not None:
            from_parts[key] += amount
    for row in figures.rows:
        from_rows[row.category, row.rate or ZERO] += row.taxable
    for key in {**from_parts, **from_rows}:
        expected, found = cents(from_parts.get(key, ZERO)), from_rows.get(key, ZERO)
        if expected != cents(found):
            name = f"TaxSubtotal/TaxableAmount (BT-116) {key[0] or ''} {key[1]}%"
            remark = abs(expected - found) < ONE
            yield Broken(_BASE_RULES.get(key[0] or "", "BR-CO-18"), name, str(expected), _figure(found), remark)


def check_rates(figures: Figures) -> Iterator[Broken]:
    """VAT where its category has none, and a standard rate that is none."""
    for row in figures.rows:
        if row.tax and row.category in _TAX_RULES:
            name = f"TaxSubtotal/TaxAmount (BT-117) {row.category} {row.rate or 0}%"
            yield Broken(_TAX_RULES[row.category], name, "0.00", _figure(row.tax), remark=True)
        if row.category == "S" and row.taxable and not row.rate:
            rule = "BR-48" if row.rate is None else "BR-S-05"
            yield Broken(rule, "TaxSubtotal/Percent (BT-119) S", "> 0", str(row.rate or 0), remark=True)


def _sum(parts: list[tuple[Category | None, Decimal]]) -> Decimal:
    return sum((amount for _, amount in parts), ZERO)


def _known(value: Decimal | None) -> Decimal:
    return ZERO if value is None else value


def _sign(value: Decimal) -> int:
    return (value > 0) - (value < 0)


def _figure(value: Decimal) -> str:
    """As the file has it, with two decimals at least."""
    return str(cents(value)) if cents(value) == value else format(value.normalize(), "f")
