"""Lines, discounts and charges of a UBL document (BG-25, BG-20, BG-21), as they are before rounding."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from dagboek_schemas.documents import AllowanceCharge, Line
from lxml import etree

from dagboek_ubl.amounts import ZERO, cents, has_fractions, spread, ten_decimals
from dagboek_ubl.check import Category
from dagboek_ubl.findings import Element, Findings, attribute, leaf, part, parts, text
from dagboek_ubl.vat import TaxTotals, Vat, derived_rows, fill_in, read_vat

_PRICE_SLACK = Decimal("0.02")
_LARGEST_PRICE = Decimal(10) ** 14


@dataclass(slots=True)
class Sum:
    """A line, or a discount or charge on the document (those have no id)."""

    element: Element
    amount: Decimal
    vat: Vat | None
    id: str = ""
    allowance: bool = False
    quantity: Decimal | None = None
    unit: str | None = None
    price: Decimal | None = None

    @property
    def keyed(self) -> tuple[Category | None, Decimal]:
        """What the checks compare."""
        return (self.vat.key if self.vat else None), self.amount

    @property
    def place(self) -> str:
        """Where it stands, in the words of UBL."""
        return _place(self.element, self.id)


def _place(element: Element, number: str) -> str:
    return f"{etree.QName(element).localname} {number}".strip()


def read_lines(root: Element, findings: Findings) -> list[Sum]:
    """The lines; one that is taxed in two parts makes two, `7` and `7/2`."""
    elements = parts(root, "InvoiceLine") + parts(root, "CreditNoteLine")
    return [
        line
        for number, element in enumerate(elements, 1)
        for line in _line(element, text(element, "ID") or str(number), findings)
    ]


def _line(element: Element, number: str, findings: Findings) -> list[Sum]:
    net = findings.amount(element, "LineExtensionAmount")
    if net is None:
        net = findings.missing_amount(f"{_place(element, number)}/LineExtensionAmount (BT-131)", "BR-24", "lines")
    taxed = _taxed_parts(element, net, findings)
    if len(taxed) > 1:
        line, *others = [Sum(element, taxable, vat, number) for taxable, vat in taxed]
        for place, other in enumerate(others, 2):
            other.id = f"{number}/{place}"
    else:
        vat = _item_vat(element, findings) or (taxed[0][1] if taxed else None)
        line, others = Sum(element, net, vat, number), []
    line.quantity, line.unit = _quantity(element, findings)
    line.price = _price(part(element, "Price"), findings)
    _check_price(line, net, findings)
    return [line, *others]


def _item_vat(element: Element, findings: Findings) -> Vat | None:
    item = part(element, "Item")
    categories = [] if item is None else parts(item, "ClassifiedTaxCategory")
    return next((vat for one in categories if (vat := read_vat(one, findings))), None)


def _taxed_parts(element: Element, net: Decimal, findings: Findings) -> list[tuple[Decimal, Vat]]:
    """The line's own tax rows (UBL.BE, UBL 2.0); several where a cash discount is taxed apart from the rest."""
    found = []
    for total in parts(element, "TaxTotal"):
        for row in parts(total, "TaxSubtotal"):
            if vat := read_vat(part(row, "TaxCategory"), findings):
                taxable = findings.amount(row, "TaxableAmount")
                found.append((net if taxable is None else taxable, vat))
    return found if len(found) == 1 or sum((base for base, _ in found), ZERO) == net else []


def _quantity(element: Element, findings: Findings) -> tuple[Decimal | None, str | None]:
    name = "InvoicedQuantity" if leaf(element, "InvoicedQuantity") is not None else "CreditedQuantity"
    return findings.number(element, name), attribute(leaf(element, name), "unitCode")


def _price(element: Element | None, findings: Findings) -> Decimal | None:
    """Price of one unit; the document may state that of a hundred."""
    price, base = findings.amount(element, "PriceAmount"), findings.number(element, "BaseQuantity")
    if price is None or not base:
        return price
    each = ten_decimals(price / base)
    return each if abs(each) < _LARGEST_PRICE else None


def _check_price(line: Sum, net: Decimal, findings: Findings) -> None:
    """Quantity times price against the line (PEPPOL-EN16931-R120): a remark, and one is enough."""
    if line.quantity is None or line.price is None or not findings.figures_known:
        return
    expected = line.quantity * line.price
    for row in parts(line.element, "AllowanceCharge"):
        amount = findings.amount(row, "Amount") or ZERO
        expected += -amount if _is_allowance(row, findings) else amount
    if abs(expected - net) > _PRICE_SLACK:
        facts = {"field": f"{line.place}/LineExtensionAmount (BT-131)", "expected": str(cents(expected))}
        findings.once("U36", rule="PEPPOL-EN16931-R120", path="lines", found=str(net), **facts)


def read_allowances_charges(root: Element, findings: Findings) -> list[Sum]:
    """Discounts and charges on the document."""
    found = []
    for element in parts(root, "AllowanceCharge"):
        amount = findings.amount(element, "Amount")
        if amount is None:
            name = "AllowanceCharge/Amount (BT-92, BT-99)"
            amount = findings.missing_amount(name, "BR-31", "allowances_charges")
        vat = read_vat(part(element, "TaxCategory"), findings)
        found.append(Sum(element, amount, vat, allowance=_is_allowance(element, findings)))
    return found


def _is_allowance(element: Element, findings: Findings) -> bool:
    written = (text(element, "ChargeIndicator") or "").lower()
    if written not in ("true", "false", "1", "0"):
        findings.figures_known = False
        findings.unreadable("ChargeIndicator", written, "true")
    return written in ("false", "0")


def assign_vat(sums: Sequence[Sum], taxes: TaxTotals, findings: Findings) -> None:
    """Gives every line its VAT where the file leaves no choice, and the document a breakdown where it has none.

    A document that shows no VAT anywhere is outside its scope (O) for all that can be told.
    """
    for one, vat in zip(sums, fill_in([one.vat for one in sums], taxes.rows), strict=True):
        one.vat = vat
    without = [one for one in sums if one.vat is None]
    if not findings.figures_known or not sums:
        return
    if taxes.rows:
        if without:
            findings.add("U18", rule="BR-CO-04", path="lines", field=without[0].place)
        return
    if not taxes.vat:
        for one in without:
            one.vat = Vat("O", None)
    derived = derived_rows([(one.vat, -one.amount if one.allowance else one.amount) for one in sums if one.vat])
    total = sum((row.tax for row in derived), ZERO)
    if taxes.vat is not None and cents(taxes.vat) != total:
        findings.missing("TaxSubtotal (BG-23)", "BR-CO-18", "vat_breakdown")
        return
    taxes.rows = derived
    findings.add("U32", rule="BR-CO-18", path="vat_breakdown", found=str(total))


def document_lines(lines: Sequence[Sum], *, ledger_accounts: bool) -> tuple[Line, ...]:
    """The lines of the document, to the cent; `ledger_accounts`: BT-133 is the account of the line."""
    nets = [line.amount for line in lines]
    if any(map(has_fractions, nets)):
        nets = spread(nets)
    return tuple(
        _document_line(line, cents(net), ledger_accounts=ledger_accounts) for line, net in zip(lines, nets, strict=True)
    )


def _document_line(line: Sum, net: Decimal, *, ledger_accounts: bool) -> Line:
    item, vat = part(line.element, "Item"), line.vat or Vat(None, None)
    return Line(
        id=line.id,
        name=text(item, "Name"),
        description=text(item, "Description"),
        quantity=line.quantity,
        unit=line.unit,
        price=line.price,
        net=net,
        vat_category=vat.category,
        vat_rate=vat.rate,
        vat_name=vat.name,
        account=text(line.element, "AccountingCost") if ledger_accounts else None,
    )


def document_allowances_charges(rows: Sequence[Sum]) -> tuple[AllowanceCharge, ...]:
    """Discounts and charges of the document, to the cent."""
    return tuple(_allowance_charge(row, row.vat or Vat(None, None)) for row in rows)


def _allowance_charge(row: Sum, vat: Vat) -> AllowanceCharge:
    return AllowanceCharge(
        charge=not row.allowance,
        amount=cents(row.amount),
        vat_category=vat.category,
        vat_rate=vat.rate,
        reason=text(row.element, "AllowanceChargeReason"),
        reason_code=text(row.element, "AllowanceChargeReasonCode"),
    )
