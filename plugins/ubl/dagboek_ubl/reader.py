"""Reads a UBL invoice or credit note into the canonical document (UBL 2.0 to 2.4, EN 16931 and its national forms).

The document is read as its seller sees it; who the entity is, is decided afterwards.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path

from dagboek_schemas.documents import AllowanceCharge, Direction, Document, Kind, Line, Party, Totals, VatSubtotal
from dagboek_schemas.issues import Issue
from lxml import etree

from dagboek_ubl import issues, xml
from dagboek_ubl.amounts import ZERO, cents, has_fractions, spread, ten_decimals
from dagboek_ubl.attachments import read_attachments
from dagboek_ubl.check import Broken, Figures, check_bases, check_totals, rounded_in_gross, settled
from dagboek_ubl.findings import Element, Findings, attribute, leaf, part, parts, text, texts
from dagboek_ubl.parties import read_party
from dagboek_ubl.payment import read_payment
from dagboek_ubl.rates import implied_rate, read_rate
from dagboek_ubl.vat import BreakdownRow, TaxTotals, Vat, derived_rows, fill_in, read_tax_totals, read_vat

_ROOTS = {
    "{urn:oasis:names:specification:ubl:schema:xsd:Invoice-2}Invoice": Kind.INVOICE,
    "{urn:oasis:names:specification:ubl:schema:xsd:CreditNote-2}CreditNote": Kind.CREDIT_NOTE,
}
_ENVELOPE = "StandardBusinessDocument"
_CREDIT_CODES = {"81", "83", "261", "262", "296", "308", "381", "396", "420", "458", "503", "532"}
"""UNCL1001: credit notes of one sort or another."""
_PRO_FORMA = "325"
_REFERENCES = ("InvoiceDocumentReference", "CreditNoteDocumentReference", "SelfBilledInvoiceDocumentReference")
_CURRENCY = re.compile(r"[A-Z]{3}")


@dataclass(frozen=True, slots=True)
class ReadResult:
    """One file, read: the document as its seller sees it, or why there is none. `issues` may be remarks alone."""

    file: str
    document: Document | None = None
    seller: Party | None = None
    buyer: Party | None = None
    issues: tuple[Issue, ...] = ()


def read_file(
    path: Path, origin: str | None = None, max_bytes: int = xml.MAX_BYTES, *, ledger_accounts: bool = False
) -> ReadResult:
    """Reads the file at `path`; `origin` is what it is called in issues and attachments. Never raises."""
    file = origin or path.name
    try:
        return read_root(xml.parse(xml.read_bytes(path, max_bytes)), file, ledger_accounts=ledger_accounts)
    except xml.Refused as refused:
        found = issues.issue(refused.code, file, **refused.facts)
    except OSError as error:
        found = issues.issue("U01", file, reason=error.strerror or type(error).__name__)
    except Exception as error:  # a hostile file must not stop the others, whatever it has found in us
        found = issues.issue("U19", file, found=type(error).__name__)
    return ReadResult(file, issues=(found,))


def read_root(root: Element, file: str, *, ledger_accounts: bool = False) -> ReadResult:
    """Reads a parsed file."""
    root = unwrapped(root)
    kind = _ROOTS.get(str(root.tag))
    if kind is None:
        name = etree.QName(root)
        found = f"{name.localname} ({name.namespace or 'no namespace'})"[:200]
        return ReadResult(file, issues=(issues.issue("U07", file, found=found),))
    return _Reading(root, kind, Findings(file), ledger_accounts).result()


def unwrapped(root: Element) -> Element:
    """The document within the envelope that access points of Peppol use, if it is in one."""
    if etree.QName(root).localname != _ENVELOPE:
        return root
    return next((child for child in root if child.tag in _ROOTS), root)


@dataclass(slots=True)
class _Sum:
    """A line, or a discount or charge on the document, before rounding."""

    element: Element
    amount: Decimal
    vat: Vat | None
    id: str = ""


class _Reading:
    """One document while it is read."""

    def __init__(self, root: Element, kind: Kind, findings: Findings, ledger_accounts: bool) -> None:
        self.root = root
        self.findings = findings
        self.ledger_accounts = ledger_accounts
        self.type_code = text(root, "InvoiceTypeCode") or text(root, "CreditNoteTypeCode")
        self.kind = Kind.CREDIT_NOTE if self.type_code in _CREDIT_CODES else kind

    def result(self) -> ReadResult:
        root, findings = self.root, self.findings
        number, day, currency = text(root, "ID"), findings.day(root, "IssueDate", required=True), self._currency()
        seller = read_party(part(root, "AccountingSupplierParty"))
        buyer = read_party(part(root, "AccountingCustomerParty"))
        tax_currency = (text(root, "TaxCurrencyCode") or "").upper()
        taxes = read_tax_totals(root, currency, tax_currency if _CURRENCY.fullmatch(tax_currency) else None, findings)
        lines, rows = self._lines(), self._allowances_charges()
        self._assign_vat(lines, rows, taxes)
        figures = self._figures(lines, rows, taxes)
        self._required(number, day, currency, seller, buyer, lines, figures)
        self._check(figures, lines)
        document = None
        if not findings.blocked and number and day and currency and seller and buyer:
            document = self._document(number, day, currency, seller, buyer, lines, rows, taxes, figures)
        return ReadResult(findings.file, document, seller, buyer, tuple(findings.issues))

    def _currency(self) -> str | None:
        written = (text(self.root, "DocumentCurrencyCode") or "").upper()
        self.findings.currency = written if _CURRENCY.fullmatch(written) else None
        return self.findings.currency

    def _required(
        self,
        number: str | None,
        day: date | None,
        currency: str | None,
        seller: Party | None,
        buyer: Party | None,
        lines: list[_Sum],
        figures: Figures,
    ) -> None:
        unreadable = {issue.facts.get("field") for issue in self.findings.issues if issue.code == "U10"}
        for value, name, rule, path in (
            (number, "ID (BT-1)", "BR-02", "number"),
            (day, "IssueDate (BT-2)", "BR-03", "issue_date"),
            (currency, "DocumentCurrencyCode (BT-5)", "BR-05", "currency"),
            (seller, "AccountingSupplierParty, name (BT-27)", "BR-06", "seller"),
            (buyer, "AccountingCustomerParty, name (BT-44)", "BR-07", "buyer"),
            (lines or None, "InvoiceLine or CreditNoteLine (BG-25)", "BR-16", "lines"),
            (figures.payable, "PayableAmount (BT-115)", "BR-15", "totals.payable"),
        ):
            if value is None and name.partition(" ")[0] not in unreadable:
                self.findings.missing(name, rule, path)

    # Lines, discounts and charges

    def _lines(self) -> list[_Sum]:
        lines = []
        for name in ("InvoiceLine", "CreditNoteLine"):
            for number, element in enumerate(parts(self.root, name), 1):
                lines += self._line(element, text(element, "ID") or str(number))
        return lines

    def _line(self, element: Element, number: str) -> list[_Sum]:
        findings = self.findings
        net = findings.amount(element, "LineExtensionAmount")
        if net is None:
            findings.missing(f"LineExtensionAmount (BT-131), line {number}", "BR-24", "lines")
            net = ZERO
        vat = next(
            (found for one in parts_of(element, "Item", "ClassifiedTaxCategory") if (found := read_vat(one, findings))),
            None,
        )
        split = self._split(element, net)
        if len(split) > 1:
            return [
                _Sum(element, taxable, own, number if not place else f"{number}/{place + 1}")
                for place, (taxable, own) in enumerate(split)
            ]
        if vat is None and split:
            vat = split[0][1]
        return [_Sum(element, net, vat, number)]

    def _split(self, element: Element, net: Decimal) -> list[tuple[Decimal, Vat]]:
        """The line's own tax rows (UBL.BE, UBL 2.0): a line with cash discount is taxed in two parts."""
        found = []
        for total in parts(element, "TaxTotal"):
            for row in parts(total, "TaxSubtotal"):
                vat = read_vat(part(row, "TaxCategory"), self.findings)
                if vat:
                    taxable = self.findings.amount(row, "TaxableAmount")
                    found.append((net if taxable is None else taxable, vat))
        return found if len(found) == 1 or sum((base for base, _ in found), ZERO) == net else []

    def _allowances_charges(self) -> list[_Sum]:
        found = []
        for element in parts(self.root, "AllowanceCharge"):
            amount = self.findings.amount(element, "Amount")
            if amount is None:
                self.findings.missing("AllowanceCharge/Amount (BT-92, BT-99)", "BR-31", "allowances_charges")
                amount = ZERO
            vat = read_vat(part(element, "TaxCategory"), self.findings)
            found.append(_Sum(element, amount, vat))
        return found

    def _assign_vat(self, lines: list[_Sum], rows: list[_Sum], taxes: TaxTotals) -> None:
        """Gives every line its VAT, and the document a breakdown where it has none."""
        sums = lines + rows
        for one, vat in zip(sums, fill_in([one.vat for one in sums], taxes.rows), strict=True):
            one.vat = vat
        without = [one for one in sums if one.vat is None]
        if taxes.rows:
            if without:
                where = f"line {without[0].id}" if without[0].id else "AllowanceCharge"
                self.findings.add("U18", rule="BR-CO-04", path="lines", field=where)
            return
        if without and not taxes.vat:
            for one in without:
                one.vat = Vat("O", None)
        elif without:
            self.findings.missing("TaxSubtotal (BG-23)", "BR-CO-18", "vat_breakdown")
            return
        signed = [(one.vat, -one.amount if _is_allowance(one) else one.amount) for one in sums if one.vat]
        derived = derived_rows(signed)
        total = sum((row.tax for row in derived), ZERO)
        if taxes.vat is not None and cents(taxes.vat) != total:
            self.findings.missing("TaxSubtotal (BG-23)", "BR-CO-18", "vat_breakdown")
            return
        if sums:
            taxes.rows = derived
            self.findings.add("U32", rule="BR-CO-18", path="vat_breakdown", found=str(total))

    # Figures

    def _figures(self, lines: list[_Sum], rows: list[_Sum], taxes: TaxTotals) -> Figures:
        total, findings = part(self.root, "LegalMonetaryTotal"), self.findings
        return settled(
            Figures(
                lines=[_keyed(line) for line in lines],
                allowances=[_keyed(row) for row in rows if _is_allowance(row)],
                charges=[_keyed(row) for row in rows if not _is_allowance(row)],
                rows=[row.row for row in taxes.rows],
                line_total=findings.amount(total, "LineExtensionAmount"),
                allowance_total=findings.amount(total, "AllowanceTotalAmount"),
                charge_total=findings.amount(total, "ChargeTotalAmount"),
                net=findings.amount(total, "TaxExclusiveAmount"),
                vat=taxes.vat,
                gross=findings.amount(total, "TaxInclusiveAmount"),
                prepaid=findings.amount(total, "PrepaidAmount") or ZERO,
                rounding=findings.amount(total, "PayableRoundingAmount") or ZERO,
                payable=findings.amount(total, "PayableAmount"),
            )
        )

    def _check(self, figures: Figures, lines: list[_Sum]) -> None:
        findings = self.findings
        if lines:
            self._add_broken(check_totals(figures))
        if not findings.blocked:
            self._add_broken(check_bases(figures))
        if findings.blocked:
            return
        total = figures.gross if figures.payable is None else min(figures.gross or ZERO, figures.payable)
        if self.kind is Kind.CREDIT_NOTE and total is not None and total < 0:
            findings.add("U17", path="totals.gross", found=str(total))
        if self.type_code == _PRO_FORMA:
            findings.add("U35", path="type_code", found=self.type_code)

    def _add_broken(self, rules: Iterable[Broken]) -> None:
        for broken in rules:
            code = "U37" if broken.remark else "U11"
            facts = {"field": broken.field, "expected": broken.expected, "found": broken.found}
            self.findings.add(code, rule=broken.rule, **facts)

    # The document

    def _document(
        self,
        number: str,
        day: date,
        currency: str,
        seller: Party,
        buyer: Party,
        lines: list[_Sum],
        rows: list[_Sum],
        taxes: TaxTotals,
        figures: Figures,
    ) -> Document:
        root, findings = self.root, self.findings
        rate, rate_currency = read_rate(root, currency, taxes.tax_currency, findings)
        if rate is None and taxes.tax_currency not in (None, currency):
            rate = implied_rate(taxes.vat, taxes.in_tax_currency)
        self._note_fractions(lines, rows, taxes, figures)
        return Document(
            kind=self.kind,
            direction=Direction.SALES,
            number=number,
            issue_date=day,
            due_date=self._due_date(),
            tax_point_date=findings.day(root, "TaxPointDate"),
            delivery_date=findings.day(root, "Delivery", "ActualDeliveryDate"),
            type_code=self.type_code,
            currency=currency,
            exchange_rate=rate,
            tax_currency=taxes.tax_currency or rate_currency,
            vat_in_tax_currency=None if taxes.in_tax_currency is None else cents(taxes.in_tax_currency),
            buyer_reference=text(root, "BuyerReference"),
            order_reference=text(root, "OrderReference", "ID"),
            preceding_invoices=self._preceding(),
            note="\n".join(texts(root, "Note")) or None,
            seller=seller,
            buyer=buyer,
            lines=self._document_lines(lines),
            allowances_charges=tuple(_allowance_charge(row) for row in rows),
            vat_breakdown=tuple(_subtotal(row) for row in taxes.rows),
            totals=self._totals(figures),
            payment=read_payment(root, findings),
            attachments=read_attachments(root, findings.file, findings),
        )

    def _note_fractions(self, lines: list[_Sum], rows: list[_Sum], taxes: TaxTotals, figures: Figures) -> None:
        named = [
            *(("LineExtensionAmount", line.amount) for line in lines),
            *(("AllowanceCharge/Amount", row.amount) for row in rows),
            *(("TaxSubtotal/TaxAmount", row.tax) for row in taxes.rows),
            *(("TaxSubtotal/TaxableAmount", row.taxable) for row in taxes.rows),
            ("TaxExclusiveAmount", figures.net or ZERO),
            ("TaxTotal/TaxAmount", figures.vat or ZERO),
            ("TaxInclusiveAmount", figures.gross or ZERO),
            ("PayableAmount", figures.payable or ZERO),
        ]
        for name, value in named:
            if has_fractions(value):
                self.findings.add("U31", rule="BR-DEC", field=name, found=format(value.normalize(), "f"))
                return

    def _document_lines(self, lines: list[_Sum]) -> tuple[Line, ...]:
        nets = [line.amount for line in lines]
        if any(map(has_fractions, nets)):
            nets = spread(nets)
        result: list[Line] = []
        for line, net in zip(lines, nets, strict=True):
            first = not result or lines[len(result) - 1].element is not line.element
            result.append(self._document_line(line, cents(net), first))
        return tuple(result)

    def _document_line(self, line: _Sum, net: Decimal, first: bool) -> Line:
        element = line.element
        item, price = part(element, "Item"), part(element, "Price")
        quantity = unit = unit_price = None
        if first:
            name = "InvoicedQuantity" if leaf(element, "InvoicedQuantity") is not None else "CreditedQuantity"
            quantity = self.findings.number(element, name)
            unit = attribute(leaf(element, name), "unitCode")
            unit_price = self.findings.amount(price, "PriceAmount")
            base = self.findings.number(price, "BaseQuantity")
            if unit_price is not None and base:
                unit_price = ten_decimals(unit_price / base)
        account = text(element, "AccountingCost") if self.ledger_accounts else None
        vat = line.vat or Vat(None, None)
        return Line(
            id=line.id,
            name=text(item, "Name"),
            description=text(item, "Description"),
            quantity=quantity,
            unit=unit,
            price=unit_price,
            net=net,
            vat_category=vat.category,
            vat_rate=vat.rate,
            vat_name=vat.name,
            account=account,
        )

    def _totals(self, figures: Figures) -> Totals:
        net, vat, rounding = (cents(value or ZERO) for value in (figures.net, figures.vat, figures.rounding))
        gross = cents(figures.gross or ZERO)
        if rounded_in_gross(figures):
            self.findings.add("U34", rule="BR-CO-15", path="totals.gross", found=str(gross))
            gross = net + vat
        return Totals(
            lines=cents(figures.line_total or ZERO),
            allowances=cents(figures.allowance_total or ZERO),
            charges=cents(figures.charge_total or ZERO),
            net=net,
            vat=vat,
            gross=gross,
            prepaid=cents(figures.prepaid),
            rounding=rounding,
            payable=cents(figures.payable or ZERO),
        )

    def _due_date(self) -> date | None:
        """BT-9; a credit note has it with its means of payment."""
        due = self.findings.day(self.root, "DueDate")
        for means in parts(self.root, "PaymentMeans"):
            due = due or self.findings.day(means, "PaymentDueDate")
        return due

    def _preceding(self) -> tuple[str, ...]:
        found = []
        for reference in parts(self.root, "BillingReference"):
            for name in (
                "InvoiceDocumentReference",
                "CreditNoteDocumentReference",
                "SelfBilledInvoiceDocumentReference",
            ):
                found.append(text(reference, name, "ID"))
        return tuple(filter(None, found))


def parts_of(element: Element, *path: str) -> list[Element]:
    """All aggregates at `path`; only the last step may repeat."""
    parent = part(element, *path[:-1])
    return [] if parent is None else parts(parent, path[-1])


def _is_allowance(one: _Sum) -> bool:
    return not one.id and text(one.element, "ChargeIndicator") in ("false", "0")


def _keyed(one: _Sum) -> tuple[tuple[str | None, Decimal] | None, Decimal]:
    return (one.vat.key if one.vat else None), one.amount


def _allowance_charge(row: _Sum) -> AllowanceCharge:
    vat = row.vat or Vat(None, None)
    return AllowanceCharge(
        charge=not _is_allowance(row),
        amount=cents(row.amount),
        vat_category=vat.category,
        vat_rate=vat.rate,
        reason=text(row.element, "AllowanceChargeReason"),
        reason_code=text(row.element, "AllowanceChargeReasonCode"),
    )


def _subtotal(row: BreakdownRow) -> VatSubtotal:
    return VatSubtotal(
        category=row.vat.category,
        rate=row.vat.rate,
        taxable=cents(row.taxable),
        tax=cents(row.tax),
        exemption_code=row.exemption_code,
        exemption_reason=row.exemption_reason,
        vat_name=row.vat.name,
    )
