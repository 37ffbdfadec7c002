"""VAT of a UBL document: categories, the breakdown (BG-23), and what older files leave out."""

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from dagboek_ubl.amounts import ZERO, cents
from dagboek_ubl.check import Row
from dagboek_ubl.findings import Element, Findings, attribute, currency_code, leaf, part, parts, text

CATEGORIES = ("S", "Z", "E", "AE", "K", "G", "O", "L", "M", "B")
_POSITIVE = {"AA": "S", "H": "S"}
"""Lower and higher rate, in UNCL5305 as UBL 2.0 used it; EN 16931 knows one code for every positive rate."""

_VAT_WORDS = re.compile(r"(?i)\b(VAT|BTW|TVA|MWST|UST|IVA|MOMS|MVA)\b")
_LETTERS = re.compile(r"[A-Za-z]")
_RATE_STEP = Decimal("0.001")


@dataclass(slots=True)
class Vat:
    """Category, rate and UBL.BE name of a line, an allowance or a row of the breakdown."""

    category: str | None
    rate: Decimal | None
    name: str | None = None

    @property
    def key(self) -> tuple[str | None, Decimal]:
        """What lines and breakdown are compared by; no rate counts as 0."""
        return self.category, self.rate or ZERO


@dataclass(slots=True)
class BreakdownRow:
    """A row of the breakdown (BG-23), unrounded."""

    vat: Vat
    taxable: Decimal
    tax: Decimal
    exemption_code: str | None = None
    exemption_reason: str | None = None

    @property
    def row(self) -> Row:
        """The row as the checks take it."""
        return Row(self.vat.category, self.vat.rate, self.taxable, self.tax)


@dataclass(slots=True)
class TaxTotals:
    """VAT of the document (BT-110), in the accounting currency (BT-111), and its breakdown."""

    vat: Decimal | None
    in_tax_currency: Decimal | None
    tax_currency: str | None
    rows: list[BreakdownRow]


def is_vat(scheme: Element | None) -> bool:
    """Whether a TaxScheme is VAT. One that says nothing is taken for it; so is a number, which names no tax."""
    words = " ".join(filter(None, (text(scheme, "ID"), text(scheme, "Name"), text(scheme, "TaxTypeCode"))))
    return not _LETTERS.search(words) or bool(_VAT_WORDS.search(words))


def read_vat(element: Element | None, findings: Findings) -> Vat | None:
    """A tax category; None when there is none, or it is of another tax."""
    if element is None or not is_vat(part(element, "TaxScheme")):
        return None
    code, rate = text(element, "ID"), _percent(element, findings)
    if code is None and rate is None:
        return None
    if code is None:
        code = "S" if rate else None
    elif code not in CATEGORIES:
        code = _known(code, rate, findings)
    return Vat(code, rate, text(element, "Name"))


def _percent(element: Element, findings: Findings) -> Decimal | None:
    rate = findings.number(element, "Percent")
    if rate is None:
        return None
    if not 0 <= rate <= 100 or rate != (exact := rate.quantize(_RATE_STEP)):
        findings.unreadable("Percent", format(rate, "f"), "21")
        return None
    return exact if rate.as_tuple().exponent < exact.as_tuple().exponent else rate  # type: ignore[operator]


def _known(code: str, rate: Decimal | None, findings: Findings) -> str:
    if rate and code in _POSITIVE:
        return _POSITIVE[code]
    known = ", ".join(CATEGORIES)
    findings.once("U13", rule="BR-CL-17", field="TaxCategory/ID (BT-118)", found=code[:20], expected=known)
    return code


def read_tax_totals(root: Element, currency: str | None, tax_currency: str | None, findings: Findings) -> TaxTotals:
    """The TaxTotals of the document. One without rows beside one that has some is BT-111."""
    found = parts(root, "TaxTotal")
    with_rows = [total for total in found if part(total, "TaxSubtotal") is not None]
    main = [total for total in with_rows if _unit(total) in (None, currency)] or with_rows or found[:1]
    chosen = set(map(id, main))
    result = TaxTotals(None, None, tax_currency, [])
    for total in found:
        if id(total) not in chosen:
            result.tax_currency = tax_currency or _unit(total) or currency
            result.in_tax_currency = findings.amount(total, "TaxAmount", result.tax_currency)
            continue
        vat = findings.amount(total, "TaxAmount")
        if vat is not None:
            result.vat = (result.vat or ZERO) + vat
        result.rows += _rows(total, findings)
    return result


def _unit(total: Element) -> str | None:
    return currency_code(attribute(leaf(total, "TaxAmount"), "currencyID"))


def _rows(total: Element, findings: Findings) -> list[BreakdownRow]:
    rows = []
    for subtotal in parts(total, "TaxSubtotal"):
        tax = findings.amount(subtotal, "TaxAmount") or ZERO
        taxable = findings.amount(subtotal, "TaxableAmount") or ZERO
        category = part(subtotal, "TaxCategory")
        if category is not None and not is_vat(part(category, "TaxScheme")):
            if tax:
                name = text(category, "TaxScheme", "ID") or text(category, "TaxScheme", "Name") or ""
                findings.figures_known = False
                findings.add("U16", field=name[:40], found=str(tax))
            continue
        vat = read_vat(category, findings) or Vat(None, None)
        if vat.rate is None:
            vat.rate = _percent(subtotal, findings)  # where UBL 2.0 had it
        if vat.category is None and vat.rate:
            vat.category = "S"
        if vat.category is None and (taxable or tax):
            findings.missing("TaxSubtotal/TaxCategory/ID (BT-118)", "BR-47", "vat_breakdown")
        code, reason = text(category, "TaxExemptionReasonCode"), text(category, "TaxExemptionReason")
        rows.append(BreakdownRow(vat, taxable, tax, code, reason))
    return rows


def fill_in(vats: Sequence[Vat | None], rows: Sequence[BreakdownRow]) -> list[Vat | None]:
    """What lines leave out, from the breakdown where it leaves no choice: its only row, or a category's only rate.

    A standard rate of 0 % is no rate (BR-S-05 to 07); old SI-UBL wrote it on charges.
    """
    of_category: dict[str | None, list[Vat]] = defaultdict(list)
    for row in rows:
        of_category[row.vat.category].append(row.vat)
    result: list[Vat | None] = []
    for vat in vats:
        same = of_category[vat.category] if vat else []
        if vat is None and len(rows) == 1:
            result.append(rows[0].vat)
        elif vat and len(same) == 1 and (vat.rate is None or (vat.category == "S" and not vat.rate)):
            result.append(Vat(vat.category, same[0].rate, vat.name))
        else:
            result.append(vat)
    return result


def derived_rows(parts_: Sequence[tuple[Vat, Decimal]]) -> list[BreakdownRow]:
    """The breakdown that lines, charges and (negative) allowances amount to."""
    taxable: dict[tuple[str | None, Decimal, str | None], Decimal] = defaultdict(Decimal)
    vats = {}
    for vat, amount in parts_:
        key = (*vat.key, vat.name)
        taxable[key] += amount
        vats[key] = vat
    return [BreakdownRow(vats[key], base, cents(base * key[1] / 100)) for key, base in taxable.items()]
