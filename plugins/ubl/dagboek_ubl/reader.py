"""Reads a UBL invoice or credit note into the canonical document (UBL 2.0 to 2.4, EN 16931 and its national forms).

The document is read as its seller sees it; who the entity is, is decided afterwards.
"""

import re
from collections import Counter
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from dagboek_schemas.documents import Direction, Document, Kind, Party
from dagboek_schemas.issues import Issue
from lxml import etree

from dagboek_ubl import issues, xml
from dagboek_ubl.amounts import ZERO, cents
from dagboek_ubl.attachments import read_attachments
from dagboek_ubl.check import Figures
from dagboek_ubl.findings import CAC, CBC, Element, Findings, currency_code, part, parts, text, texts
from dagboek_ubl.lines import (
    Sum,
    assign_vat,
    document_allowances_charges,
    document_lines,
    read_allowances_charges,
    read_lines,
)
from dagboek_ubl.parties import read_party
from dagboek_ubl.payment import read_payment
from dagboek_ubl.rates import read_rate
from dagboek_ubl.totals import check_figures, document_breakdown, document_totals, note_fractions, read_figures
from dagboek_ubl.vat import TaxTotals, read_tax_totals

_ROOTS = {
    "{urn:oasis:names:specification:ubl:schema:xsd:Invoice-2}Invoice": Kind.INVOICE,
    "{urn:oasis:names:specification:ubl:schema:xsd:CreditNote-2}CreditNote": Kind.CREDIT_NOTE,
}
_ENVELOPE = "StandardBusinessDocument"
_CREDIT_CODES = {"81", "83", "261", "262", "296", "308", "381", "396", "420", "458", "502", "503", "532"}
"""UNCL1001: credit notes of one sort or another."""
_PRO_FORMA = "325"
_REFERENCES = ("InvoiceDocumentReference", "CreditNoteDocumentReference", "SelfBilledInvoiceDocumentReference")
_CODE = re.compile(r"\d{2,3}", re.ASCII)
_SINGLE = {
    **{
        CBC + name: name
        for name in ("ID", "IssueDate", "DocumentCurrencyCode", "InvoiceTypeCode", "CreditNoteTypeCode")
    },
    **{CAC + name: name for name in ("AccountingSupplierParty", "AccountingCustomerParty", "LegalMonetaryTotal")},
}
"""What a document has once. Programs do not agree on which one of two they read."""


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
        data = xml.read_bytes(path, max_bytes)
    except xml.Refused as refused:
        return ReadResult(file, issues=(issues.issue(refused.code, file, **refused.facts),))
    except OSError as error:
        return ReadResult(file, issues=(issues.issue("U01", file, reason=error.strerror or type(error).__name__),))
    return read_bytes(data, file, ledger_accounts=ledger_accounts)


def read_bytes(data: bytes, file: str, *, ledger_accounts: bool = False) -> ReadResult:
    """Reads what stands in a file; `file` is what it is called. Never raises."""
    try:
        return read_root(xml.parse(data), file, ledger_accounts=ledger_accounts)
    except xml.Refused as refused:
        found = issues.issue(refused.code, file, **refused.facts)
    except Exception as error:  # a hostile file must not stop the others, whatever it has found in us
        found = issues.issue("U19", file, found=type(error).__name__)
    return ReadResult(file, issues=(found,))


def read_root(root: Element, file: str, *, ledger_accounts: bool = False) -> ReadResult:
    """Reads a parsed file."""
    root = unwrapped(root)
    kind = _ROOTS.get(str(root.tag))
    if kind is None:
        name = etree.QName(root)
        found = f"{name.localname} ({name.namespace})" if name.namespace else name.localname
        return ReadResult(file, issues=(issues.issue("U07", file, found=found[:200]),))
    return _Reading(root, kind, Findings(file), ledger_accounts).result()


def unwrapped(root: Element) -> Element:
    """The document within the envelope that access points of Peppol use, if it is in one."""
    if etree.QName(root).localname != _ENVELOPE:
        return root
    return next((child for child in root if child.tag in _ROOTS), root)


class _Reading:
    """One document while it is read."""

    def __init__(self, root: Element, kind: Kind, findings: Findings, ledger_accounts: bool) -> None:
        self.root = root
        self.findings = findings
        self.ledger_accounts = ledger_accounts
        self.type_code = text(root, "InvoiceTypeCode") or text(root, "CreditNoteTypeCode")
        self.kind = Kind.CREDIT_NOTE if self.type_code in _CREDIT_CODES else kind
        self.number = text(root, "ID")
        self.day = findings.day(root, "IssueDate", required=True)
        self.currency = findings.currency = self._currency()
        self.seller = read_party(part(root, "AccountingSupplierParty"))
        self.buyer = read_party(part(root, "AccountingCustomerParty"))

    def result(self) -> ReadResult:
        root, findings = self.root, self.findings
        tax_currency = currency_code(text(root, "TaxCurrencyCode"))
        taxes = read_tax_totals(root, self.currency, tax_currency, findings)
        lines, rows = read_lines(root, findings), read_allowances_charges(root, findings)
        assign_vat(lines + rows, taxes, findings)
        figures = read_figures(root, lines, rows, taxes, findings)
        self._check(figures)
        document = None if findings.blocked else self._document(lines, rows, taxes, figures)
        if findings.blocked:  # by what only the document asks for, such as a rate
            document = None
        return ReadResult(findings.file, document, self.seller, self.buyer, tuple(findings.issues))

    def _currency(self) -> str | None:
        written = text(self.root, "DocumentCurrencyCode")
        code = currency_code(written)
        if written and code is None:
            self.findings.unreadable("DocumentCurrencyCode", written, "EUR", "BR-CL-04")
        return code

    def _check(self, figures: Figures) -> None:
        findings = self.findings
        for value, name, rule, path in (
            (self.number, "ID (BT-1)", "BR-02", "number"),
            (self.day, "IssueDate (BT-2)", "BR-03", "issue_date"),
            (self.currency, "DocumentCurrencyCode (BT-5)", "BR-05", "currency"),
            (self.seller, "AccountingSupplierParty, name (BT-27)", "BR-06", "seller"),
            (self.buyer, "AccountingCustomerParty, name (BT-44)", "BR-07", "buyer"),
            (figures.lines or None, "InvoiceLine, CreditNoteLine (BG-25)", "BR-16", "lines"),
            (figures.payable, "PayableAmount (BT-115)", "BR-15", "totals.payable"),
        ):
            if value is None:
                findings.missing(name, rule, path)
        for tag, times in Counter(child.tag for child in self.root).items():
            if times > 1 and tag in _SINGLE:
                findings.add("U21", field=_SINGLE[tag], found=str(times))
        check_figures(figures, findings)
        gross = figures.gross or ZERO
        if self.kind is Kind.CREDIT_NOTE and gross < 0 and not findings.blocked:
            findings.add("U17", path="totals.gross", found=str(gross))
        if self.type_code == _PRO_FORMA:
            findings.add("U35", path="type_code", found=self.type_code)
        self._check_type_code()

    def _check_type_code(self) -> None:
        """A type that is none, or a credit note of another type. An Invoice of type 381 is plain: older files do so."""
        name, code = etree.QName(self.root).localname, self.type_code
        if code and (not _CODE.fullmatch(code) or (name == "CreditNote" and code not in _CREDIT_CODES)):
            read_as = "CreditNote" if self.kind is Kind.CREDIT_NOTE else "Invoice"
            self.findings.add("U40", rule="BR-CL-01", path="type_code", field=name, found=code[:40], expected=read_as)

    def _document(self, lines: list[Sum], rows: list[Sum], taxes: TaxTotals, figures: Figures) -> Document | None:
        root, findings = self.root, self.findings
        if not (self.number and self.day and self.currency and self.seller and self.buyer):
            return None
        rate, tax_currency = read_rate(root, self.currency, taxes, findings)
        note_fractions(figures, findings)
        return Document(
            kind=self.kind,
            direction=Direction.SALES,
            number=self.number,
            issue_date=self.day,
            due_date=self._due_date(),
            tax_point_date=findings.day(root, "TaxPointDate"),
            delivery_date=findings.day(root, "Delivery", "ActualDeliveryDate"),
            type_code=self.type_code,
            currency=self.currency,
            exchange_rate=rate,
            tax_currency=tax_currency,
            vat_in_tax_currency=None if taxes.in_tax_currency is None else cents(taxes.in_tax_currency),
            buyer_reference=text(root, "BuyerReference"),
            order_reference=text(root, "OrderReference", "ID"),
            preceding_invoices=self._preceding(),
            note="\n".join(texts(root, "Note")) or None,
            seller=self.seller,
            buyer=self.buyer,
            lines=document_lines(lines, ledger_accounts=self.ledger_accounts),
            allowances_charges=document_allowances_charges(rows),
            vat_breakdown=document_breakdown(taxes),
            totals=document_totals(figures, findings),
            payment=read_payment(root, findings),
            attachments=read_attachments(root, findings.file, findings),
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
            found += [text(reference, name, "ID") for name in _REFERENCES]
        return tuple(filter(None, found))
