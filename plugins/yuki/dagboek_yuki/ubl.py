"""A document as UBL (EN 16931, as Peppol BIS Billing 3.0 writes it), for tools that read documents and book them later.

Always written from the canonical document, whatever the source had: what was planned and shown is what is uploaded, and
a source that has data alone serves as well as one that has files. The amounts are the document's own.
"""

from base64 import b64encode
from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from typing import Final

from dagboek_schemas.documents import AllowanceCharge, Document, Kind, Line, Party, VatSubtotal
from dagboek_sdk.attempt import AttachedFile
from dagboek_sdk.mapping import CENT, ZERO, cents, spread
from lxml import etree
from lxml.etree import _Element as Element

from dagboek_yuki.soap import cleaned

CAC: Final = "urn:oasis:names:specification:ubl:schema:xsd:CommonAggregateComponents-2"
CBC: Final = "urn:oasis:names:specification:ubl:schema:xsd:CommonBasicComponents-2"
_ROOT: Final = "urn:oasis:names:specification:ubl:schema:xsd:{0}-2"
_CUSTOMIZATION: Final = "urn:cen.eu:en16931:2017#compliant#urn:fdc:peppol.eu:2017:poacc:billing:3.0"
_PROFILE: Final = "urn:fdc:peppol.eu:2017:poacc:billing:01:1.0"
_PIECE: Final = "C62"
"""Unit "one", for lines that name none."""


def written(document: Document) -> str:
    """The document without its files."""
    name = "CreditNote" if document.kind is Kind.CREDIT_NOTE else "Invoice"
    space = _ROOT.format(name)
    root = etree.Element(f"{{{space}}}{name}", nsmap={None: space, "cac": CAC, "cbc": CBC})
    _head(root, document)
    _party(_part(root, "AccountingSupplierParty"), document.seller)
    _party(_part(root, "AccountingCustomerParty"), document.buyer)
    if document.delivery_date:
        _text(_part(root, "Delivery"), "ActualDeliveryDate", _day(document.delivery_date))
    _payment(root, document)
    for row in document.allowances_charges:
        _allowance(root, row, document.currency)
    _totals(root, document)
    for line in document.lines:
        _line(root, line, document)
    return etree.tostring(root, encoding="unicode")


def with_files(document: str, files: Sequence[AttachedFile]) -> bytes:
    """The document with files embedded, before the parties, where UBL has them."""
    root = etree.fromstring(document.encode(), etree.XMLParser(resolve_entities=False, no_network=True))
    place = next(at for at, child in enumerate(root) if child.tag == f"{{{CAC}}}AccountingSupplierParty")
    for number, file in enumerate(files):
        reference = etree.Element(f"{{{CAC}}}AdditionalDocumentReference")
        _text(reference, "ID", str(number + 1))
        binary = etree.SubElement(_part(reference, "Attachment"), f"{{{CBC}}}EmbeddedDocumentBinaryObject")
        binary.set("mimeCode", cleaned(file.media_type))
        binary.set("filename", cleaned(file.file_name))
        binary.text = b64encode(file.content).decode("ascii")
        root.insert(place + number, reference)
    return etree.tostring(root, xml_declaration=True, encoding="UTF-8")


def _head(root: Element, document: Document) -> None:
    credit = document.kind is Kind.CREDIT_NOTE
    _text(root, "CustomizationID", _CUSTOMIZATION)
    _text(root, "ProfileID", _PROFILE)
    _text(root, "ID", document.number)
    _text(root, "IssueDate", document.issue_date.isoformat())
    if not credit:
        _text(root, "DueDate", _day(document.due_date))
        _text(root, "InvoiceTypeCode", "380")
        _text(root, "Note", document.note)
        _text(root, "TaxPointDate", _day(document.tax_point_date))
    else:
        _text(root, "TaxPointDate", _day(document.tax_point_date))
        _text(root, "CreditNoteTypeCode", "381")
        _text(root, "Note", document.note)
    _text(root, "DocumentCurrencyCode", document.currency)
    if document.tax_currency and document.vat_in_tax_currency is not None:
        _text(root, "TaxCurrencyCode", document.tax_currency)
    _text(root, "BuyerReference", document.buyer_reference)
    if document.order_reference:
        _text(_part(root, "OrderReference"), "ID", document.order_reference)
    for number in document.preceding_invoices:
        _text(_part(_part(root, "BillingReference"), "InvoiceDocumentReference"), "ID", number)


def _party(parent: Element, party: Party) -> None:
    root, address = _part(parent, "Party"), party.address
    if party.endpoint:
        _text(root, "EndpointID", party.endpoint, schemeID=party.endpoint_scheme)
    _text(_part(root, "PartyName"), "Name", party.trade_name or party.name)
    place = _part(root, "PostalAddress")
    _text(place, "StreetName", address.street)
    _text(place, "AdditionalStreetName", address.additional_street)
    _text(place, "CityName", address.city)
    _text(place, "PostalZone", address.postal_code)
    if address.country:
        _text(_part(place, "Country"), "IdentificationCode", address.country)
    if party.vat_number:
        scheme = _part(root, "PartyTaxScheme")
        _text(scheme, "CompanyID", party.vat_number)
        _text(_part(scheme, "TaxScheme"), "ID", "VAT")
    legal = _part(root, "PartyLegalEntity")
    _text(legal, "RegistrationName", party.name)
    _text(legal, "CompanyID", party.company_number, schemeID=party.company_number_scheme)
    if party.contact or party.phone or party.email:
        contact = _part(root, "Contact")
        _text(contact, "Name", party.contact)
        _text(contact, "Telephone", party.phone)
        _text(contact, "ElectronicMail", party.email)


def _payment(root: Element, document: Document) -> None:
    payment, credit = document.payment, document.kind is Kind.CREDIT_NOTE
    due = document.due_date if credit else None
    reference = payment.structured_communication or payment.reference
    if payment.means_code or payment.accounts or reference or due:
        means = _part(root, "PaymentMeans")
        _text(means, "PaymentMeansCode", payment.means_code or "30")
        _text(means, "PaymentDueDate", _day(due))
        _text(means, "PaymentID", reference)
        if payment.accounts:
            _text(_part(means, "PayeeFinancialAccount"), "ID", payment.accounts[0])
    if payment.terms:
        _text(_part(root, "PaymentTerms"), "Note", payment.terms)


def _allowance(root: Element, row: AllowanceCharge, currency: str) -> None:
    part = _part(root, "AllowanceCharge")
    _text(part, "ChargeIndicator", "true" if row.charge else "false")
    _text(part, "AllowanceChargeReasonCode", row.reason_code)
    _text(part, "AllowanceChargeReason", row.reason)
    _amount(part, "Amount", row.amount, currency)
    if row.vat_category or row.vat_rate is not None:
        _category(part, "TaxCategory", row.vat_category, row.vat_rate)


def _totals(root: Element, document: Document) -> None:
    totals, currency = document.totals, document.currency
    tax = _part(root, "TaxTotal")
    _amount(tax, "TaxAmount", totals.vat, currency)
    for row in document.vat_breakdown or _breakdown(document):
        part = _part(tax, "TaxSubtotal")
        _amount(part, "TaxableAmount", row.taxable, currency)
        _amount(part, "TaxAmount", row.tax, currency)
        _category(part, "TaxCategory", row.category, row.rate, row.exemption_code, row.exemption_reason)
    if document.tax_currency and document.vat_in_tax_currency is not None:
        _amount(_part(root, "TaxTotal"), "TaxAmount", document.vat_in_tax_currency, document.tax_currency)
    part = _part(root, "LegalMonetaryTotal")
    _amount(part, "LineExtensionAmount", totals.lines, currency)
    _amount(part, "TaxExclusiveAmount", totals.net, currency)
    _amount(part, "TaxInclusiveAmount", _gross(document), currency)
    for name, amount in (
        ("AllowanceTotalAmount", totals.allowances),
        ("ChargeTotalAmount", totals.charges),
        ("PrepaidAmount", totals.prepaid),
        ("PayableRoundingAmount", totals.rounding),
    ):
        if amount:
            _amount(part, name, amount, currency)
    _amount(part, "PayableAmount", totals.payable, currency)


def _gross(document: Document) -> Decimal:
    """The total with VAT. Before EN 16931 it held the rounding already."""
    totals = document.totals
    owed = totals.payable + totals.prepaid
    held = totals.rounding and abs(totals.gross - owed) <= CENT < abs(totals.gross + totals.rounding - owed)
    return totals.gross - totals.rounding if held else totals.gross


def _breakdown(document: Document) -> list[VatSubtotal]:
    """VAT by category and rate, of a document that has none: readers book by it."""
    bases: dict[tuple[str | None, Decimal], Decimal] = {}
    for line in document.lines:
        key = line.vat_category, line.vat_rate or ZERO
        bases[key] = bases.get(key, ZERO) + line.net
    for row in document.allowances_charges:
        key = row.vat_category, row.vat_rate or ZERO
        bases[key] = bases.get(key, ZERO) + (row.amount if row.charge else -row.amount)
    taxes = spread([base * rate / 100 for (_, rate), base in bases.items()], document.totals.vat)
    nets = spread(list(bases.values()), document.totals.net)
    return [
        VatSubtotal(category=category, rate=rate, taxable=net, tax=tax)
        for (category, rate), net, tax in zip(bases, nets, taxes, strict=True)
    ]


def _line(root: Element, line: Line, document: Document) -> None:
    credit, currency = document.kind is Kind.CREDIT_NOTE, document.currency
    part = _part(root, "CreditNoteLine" if credit else "InvoiceLine")
    quantity, price = _quantity(line)
    _text(part, "ID", line.id)
    _text(part, "CreditedQuantity" if credit else "InvoicedQuantity", f"{quantity:f}", unitCode=line.unit or _PIECE)
    _amount(part, "LineExtensionAmount", line.net, currency)
    item = _part(part, "Item")
    _text(item, "Description", line.description)
    _text(item, "Name", line.name or line.description or line.id)
    if line.vat_category or line.vat_rate is not None:
        _category(item, "ClassifiedTaxCategory", line.vat_category, line.vat_rate)
    _amount(_part(part, "Price"), "PriceAmount", price, currency)


def _quantity(line: Line) -> tuple[Decimal, Decimal]:
    """Quantity and price that make the line's amount; those of the line where they do, else one piece of it.

    A price is never negative, and bears what the line's own discounts and charges have made of it.
    """
    quantity, price = line.quantity, line.price
    if quantity and price is not None and price >= 0 and cents(quantity * price) == cents(line.net):
        return quantity, price
    return Decimal(-1 if line.net < 0 else 1), abs(line.net)


def _category(
    parent: Element,
    name: str,
    category: str | None,
    rate: Decimal | None,
    exemption_code: str | None = None,
    exemption_reason: str | None = None,
) -> None:
    if category is None:
        category = "S" if rate else "Z"
    part = _part(parent, name)
    _text(part, "ID", category)
    if category != "O":
        _text(part, "Percent", f"{rate or ZERO:f}")
    _text(part, "TaxExemptionReasonCode", exemption_code)
    _text(part, "TaxExemptionReason", exemption_reason)
    _text(_part(part, "TaxScheme"), "ID", "VAT")


def _day(day: date | None) -> str | None:
    return day.isoformat() if day else None


def _part(parent: Element, name: str) -> Element:
    return etree.SubElement(parent, f"{{{CAC}}}{name}")


def _text(parent: Element, name: str, value: str | None, **attributes: str | None) -> None:
    if not value:
        return
    child = etree.SubElement(parent, f"{{{CBC}}}{name}")
    child.text = cleaned(value)
    for key, given in attributes.items():
        if given:
            child.set(key, cleaned(given))


def _amount(parent: Element, name: str, amount: Decimal, currency: str) -> None:
    _text(parent, name, f"{amount:f}", currencyID=currency)
