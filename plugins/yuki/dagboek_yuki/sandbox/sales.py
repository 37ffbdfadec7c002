"""Sales invoices: the document that Sales.ProcessSalesInvoices takes, and what becomes of each invoice in it.

The whole document is checked first (`schema`), then its invoices go one by one, each whole or not at all with the
contact and the products that it makes. A sign above zero is an invoice, below zero a credit note.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any, Final

from lxml import etree

from . import archive, sample
from .administration import ZERO, Administration, Product, VatCode, cents
from .answers import import_response
from .booking import Line, Wrong, book, check_account, check_open
from .books import Change, Json, Turn
from .call import Call, Operation
from .contacts import ADDRESS, Contact, Contacts
from .entry import Entry
from .schema import BASE64, BOOLEAN, DATE, INTEGER, Item, Shape, decimal, one_of, read, text, truth

NAMESPACE: Final = "urn:xmlns:http://www.theyukicompany.com:salesinvoices"
RESPONSE: Final = "urn:xmlns:http://www.theyukicompany.com:salesinvoicesresponse"

_LONGEST_PRODUCT = 60
_VAT_NUMBER = re.compile(r"[A-Z]{2}[0-9A-Z+*]{2,13}\Z")


# --- the document -----------------------------------------------------------------------------------------------------


def contact_shape(*, newer: bool) -> Shape:
    """The contact of an invoice."""
    words = text()
    names = (
        "ContactCode FullName FirstName MiddleName LastName Gender CountryCode City Zipcode AddressLine_1 AddressLine_2"
        " EmailAddress Website CoCNumber VATNumber ContactType BankAccount"
    )
    kinds = {"ContactType": one_of("Company", "Person")}
    newest = "BIC PhoneHome MobileHome OIN GLN" if newer else "PhoneHome MobileHome"
    return Shape(*(Item(name, kinds.get(name, words)) for name in f"{names} {newest}".split()))


_PERSON = Shape(
    *(Item(name, text()) for name in ("FullName", "FirstName", "MiddleName", "LastName", "Gender", "EmailAddress"))
)

_PRODUCT = Shape(
    Item("Description", text(), needed=True),
    Item("Reference", text(40)),
    Item("Category", text()),
    Item("SalesPrice", decimal(14, 4)),
    Item("VATPercentage", decimal(14, 2)),
    Item("VATIncluded", BOOLEAN),
    Item("VATType", INTEGER),
    Item("VATDescription", text()),
    Item("GLAccountCode", text()),
    Item("Remarks", text()),
)

_LINE = Shape(
    Item("Description", text()),
    Item("Remarks", text()),
    Item("ProductQuantity", decimal(14, 4), needed=True),
    Item("LineAmount", decimal(12, 2)),
    Item("LineVATAmount", decimal(12, 2)),
    Item("Product", _PRODUCT, needed=True),
    Item("AccrualDate", DATE),
    Item("AccrualPeriods", INTEGER),
    Item("AccrualInterval", text()),
)

_PERIOD = Shape(Item("StartDate", DATE), Item("EndDate", DATE))


def _document(*, newer: bool) -> Shape:
    latest = (
        Item("SourceInvoiceReference", text(), many=True),
        Item("BuyerReference", text()),
        Item("InvoicePeriod", _PERIOD),
    )
    invoice = Shape(
        Item("Reference", text()),
        Item("Subject", text()),
        Item("PaymentMethod", text(60)),
        Item("PaymentID", text()),
        Item("PurchaseOrderNumber", text()),
        *(latest if newer else ()),
        Item("Process", BOOLEAN),
        Item("EmailToCustomer", BOOLEAN),
        Item("SentToPeppol", BOOLEAN),
        Item("Layout", text()),
        Item("Notes", text(500)),
        Item("Date", DATE, needed=True),
        Item("DueDate", DATE),
        Item("PriceList", text()),
        Item("Currency", text()),
        Item("ProjectID", text()),
        Item("ProjectCode", text()),
        Item("Remarks", text()),
        Item("DocumentFileName", text()),
        Item("DocumentBase64", BASE64),
        Item("Contact", contact_shape(newer=newer), needed=True),
        Item("ContactPerson", _PERSON),
        Item("InvoiceLines", Shape(Item("InvoiceLine", _LINE, needed=True, many=True)), needed=True),
    )
    return Shape(Item("SalesInvoice", invoice, needed=True, many=True))


_SHAPES = {newer: _document(newer=newer) for newer in (False, True)}


def process(call: Call) -> etree._Element | str:
    """ProcessSalesInvoices and ProcessRecognizedSalesInvoices; see `Rules` for what is not known of them."""
    administration = call.administration()
    document = read(call.params.get("xmlDoc"), "SalesInvoices", NAMESPACE, _SHAPES[call.books.rules.newer_elements])
    outcome = call.apply("sales_invoices", administration.id, {"invoices": document["SalesInvoice"]})
    return import_response("SalesInvoicesImportResponse", RESPONSE, administration.id, call, outcome)


# --- what becomes of it -----------------------------------------------------------------------------------------------


def sales_invoices(turn: Turn, body: Json) -> Json:
    """One by one; after so many wrong ones the rest is skipped. `{invoices: [...], skipped}`."""
    return one_by_one(turn, body["invoices"], _invoice)


def one_by_one(turn: Turn, invoices: list[Json], process_one: Any) -> Json:
    """What came of each invoice, and how many were skipped after too many wrong ones."""
    done: list[Json] = []
    wrong = 0
    for given in invoices:
        if wrong == turn.books.rules.stop_after:
            break
        try:
            done.append({"Succeeded": True, **process_one(turn, given)})
        except Wrong as why:
            wrong += 1
            failed = {"Reference": given.get("Reference", ""), "Subject": given.get("Subject", "")}
            done.append({"Succeeded": False, "Processed": False, "EmailSent": False, **failed, "Message": str(why)})
    return {"invoices": done, "skipped": len(invoices) - len(done)}


def check_refused(administration: Administration, given: Json) -> None:
    """Raises Wrong for an invoice that a test wants refused."""
    if (words := administration.refused.get(given.get("Reference", ""))) is not None:
        raise Wrong(words)


def _invoice(turn: Turn, given: Json) -> Json:
    """One invoice: everything is looked at before anything is changed. Raises Wrong."""
    administration, booked = turn.administration, truth(given.get("Process"))
    day = date.fromisoformat(given["Date"][:10])
    check_refused(administration, given)
    reference = _reference(turn, given, day, booked=booked)
    if given.get("DocumentBase64") and not booked:
        raise Wrong("When supplying a document process must be set to true")
    if booked:
        check_open(administration, day)
    method = given.get("PaymentMethod", "Unspecified")
    if method not in sample.SALES_METHODS:
        raise Wrong(f'PaymentMethod "{method}" is not valid')
    currency = _currency(administration, given)
    party = _party(turn, given["Contact"], booked=booked)
    lines = list(_lines(turn, given, day, party.country))
    _check_party(party, [line.line.code for line in lines], booked=booked)
    contact = party.settle(turn)
    for line in lines:
        line.settle(turn)
    subject = given.get("Subject") or f"Factuur {reference}"
    if booked:
        _book(turn, given, [one.line for one in lines], contact, reference=reference, subject=subject, method=method)
    else:
        total = sum((line.line.net + line.line.vat for line in lines), ZERO)
        administration.drafts.append(
            {"reference": reference, "contact": contact.id, "total": total, "currency": currency, "date": day}
        )
        reference = reference if turn.books.rules.draft_reference == "given" else ""
    sent = booked and truth(given.get("EmailToCustomer"))
    shown = {"Reference": reference, "Subject": subject, "Contact": contact.name, "Message": ""}
    return {"Processed": booked, "EmailSent": sent, **shown}


def _reference(turn: Turn, given: Json, day: date, *, booked: bool) -> str:
    """The number; Yuki gives one to an invoice that is processed without. Raises Wrong when it is taken."""
    rules, administration = turn.books.rules, turn.administration
    reference = str(given.get("Reference", ""))
    if reference and not reference.isdecimal() and rules.letters != "keep":
        if rules.letters == "refuse":
            raise Wrong(f"Reference {reference} is not a valid invoice number")
        reference = re.sub(r"\D", "", reference)
    if not booked:
        return reference
    if not reference:
        return _next_number(administration, day.year)
    taken = administration.numbered("sale", reference)
    if any(rules.duplicate_scope == "all" or one.day.year == day.year for one in taken):
        raise Wrong(rules.duplicate_text.format(reference=reference))
    return reference


def _next_number(administration: Administration, year: int) -> str:
    number = administration.last_number.get(year, 0) + 1
    while administration.numbered("sale", f"{year}{number:05}"):
        number += 1
    administration.last_number[year] = number
    return f"{year}{number:05}"


def _currency(administration: Administration, given: Json) -> str:
    currency = given.get("Currency", "EUR")
    if administration.rate(currency) is None:
        raise Wrong(f'Currency "{currency}" is not supported')
    if (named := given.get("PriceList")) is not None:
        listed = administration.price_lists.get(named)
        if listed is None:
            raise Wrong(f'The pricelist "{named}" does not exist')
        if listed != currency:
            raise Wrong(
                f'The pricelist\'s currency "{listed}" does not match with the invoice\'s currency "{currency}"'
            )
    return str(currency)


def _book(
    turn: Turn, given: Json, lines: list[Line], contact: Contact, *, reference: str, subject: str, method: str
) -> None:
    administration = turn.administration
    administration.deliveries += 1
    currency = given.get("Currency", "EUR")
    rate = administration.rate(currency)
    assert rate is not None
    entry = Entry(
        id=turn.guid(),
        kind="sale",
        day=date.fromisoformat(given["Date"][:10]),
        due=date.fromisoformat(given["DueDate"][:10]) if "DueDate" in given else None,
        reference=reference,
        subject=subject,
        contact=contact.id,
        currency=currency,
        rate=rate,
        total=ZERO,
        vat=[],
        postings=[],
        method=method,
        payment_id=given.get("PaymentID", ""),
        origin="api",
        delivered=administration.deliveries,
        booked=turn.at,
        modified=turn.at,
        user="webservice",
    )
    # What is paid by card or on line is owed by whoever handles such payments, not by the customer.
    at_once = sample.PAYMENT_METHODS[method][4]
    book(administration, entry, lines, administration.role("between" if at_once else "debtors"))
    _file(turn, given, entry, contact)


def _file(turn: Turn, given: Json, entry: Entry, contact: Contact) -> None:
    """The invoice in the archive: the page that came with it, else one that Yuki makes."""
    shelf = turn.books.domains[turn.administration.domain].archive
    shelf.add(
        archive.Document(
            id=entry.id,
            hid=shelf.next_hid(),
            administration=turn.administration.id,
            subject=entry.subject,
            day=entry.day.isoformat(),
            amount=f"{entry.total:.2f}",
            folder=archive.SALES,
            type=archive.SALES_INVOICE,
            file_name=given.get("DocumentFileName") or f"Invoice {entry.reference}.pdf",
            data=given.get("DocumentBase64", ""),
            contact=contact.name,
            creator=entry.user,
            created=turn.at,
            modified=turn.at,
            sale={name: value for name, value in given.items() if name != "DocumentBase64"}
            | {"Reference": entry.reference},
            delivered=entry.delivered,
        )
    )


# --- contacts ---------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Party:
    """The contact of an invoice, found or to be made, with what it will be."""

    contacts: Contacts
    found: Contact | None
    name: str
    code: str
    type: str
    fields: dict[str, str]
    """Those that change; of a new one all."""

    @property
    def country(self) -> str:
        """Its country, empty when there is none that is known."""
        given = self.fields.get("Country")
        if given is not None:
            return given.upper() if given.upper() in sample.COUNTRIES else ""
        return self.found.country if self.found else ""

    @property
    def vat_number(self) -> str:
        """Its VAT number, empty when there is none."""
        return self.fields.get("VATNumber") or (self.found.vat_number if self.found else "")

    def settle(self, turn: Turn) -> Contact:
        """Makes or changes it."""
        if self.found is None:
            self.found = Contact(
                id=turn.guid(),
                hid=self.contacts.next_hid(),
                type=self.type,
                name=self.name,
                code=self.code,
                fields=self.fields,
                created=turn.at,
                modified=turn.at,
                made_by=turn.administration.id,
            )
            self.contacts.add(self.found)
        else:
            self.contacts.change(self.found, at=turn.at, code=self.code, fields=self.fields)
        self.found.customer = True
        return self.found


_FIELDS = {
    "CountryCode": "Country",
    "City": "City",
    "Zipcode": "Postcode",
    "AddressLine_1": "AddressLine_1",
    "AddressLine_2": "AddressLine_2",
    "EmailAddress": "EmailInvoice",
    "Website": "Website",
    "CoCNumber": "CoCNumber",
    "VATNumber": "VATNumber",
    "BankAccount": "BankAccount",
    "FirstName": "FirstName",
    "MiddleName": "MiddleName",
    "LastName": "LastName",
    "Gender": "Gender",
    "PhoneHome": "PhoneHome",
    "MobileHome": "MobileHome",
}
"""Elements of an invoice's contact, and the fields of a contact that they fill."""


def _party(turn: Turn, given: Mapping[str, str], *, booked: bool) -> _Party:
    """By code (whose address is overwritten), else by name (blank fields are filled), else a new one. Raises Wrong."""
    contacts = turn.books.domains[turn.administration.domain].contacts
    code = given.get("ContactCode", "")
    name = given.get("FullName") or " ".join(
        given[part] for part in ("FirstName", "MiddleName", "LastName") if part in given
    )
    fields = {_FIELDS[key]: value for key, value in given.items() if key in _FIELDS}
    found = contacts.with_code(code) if code else None
    overwritten: tuple[str, ...] = ADDRESS
    if found is None:
        found, overwritten = _by_name(turn, contacts, code, name), ()
    if found is not None:
        kept = {key: one for key, one in fields.items() if key in overwritten or not found.fields.get(key)}
        return _Party(contacts, found, found.name, "" if found.code else code, found.type, kept)
    if not name:
        raise Wrong(f'Contact "{code}" does not exist and has no name')
    needed = ("AddressLine_1", "Postcode", "City") if turn.books.rules.address_needed == "full" else ()
    if lacking := [key for key in needed if not fields.get(key)]:
        raise Wrong(f'Contact "{name}" cannot be made without {", ".join(lacking)}')
    return _Party(contacts, None, name, code, given.get("ContactType", "Company"), fields)


def _by_name(turn: Turn, contacts: Contacts, code: str, name: str) -> Contact | None:
    rule = turn.books.rules.unknown_code if code else "name"
    found = contacts.with_name(name) if name and rule != "create" else None
    return None if found is not None and rule == "nameless" and found.code else found


def _check_party(party: _Party, codes: list[VatCode], *, booked: bool) -> None:
    """What an invoice wants to know of its customer. Raises Wrong."""
    inside = any(code.type in sample.INSIDE_EU for code in codes)
    if inside and not _VAT_NUMBER.match(re.sub(r"[ .-]", "", party.vat_number).upper()):
        raise Wrong(
            "The VAT number of the relation must be filled in for sales invoices with deliveries to countries within "
            "the EU"
        )
    if booked and not party.country:
        raise Wrong("HTML render is blank")


# --- lines and products -----------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Sold:
    """A line, and the product that it makes or touches."""

    line: Line
    key: str
    product: Product
    new: bool

    def settle(self, turn: Turn) -> None:
        """Makes or changes the product."""
        if self.new and self.key not in turn.administration.products:
            self.product.id = turn.guid()
        self.product.id = self.product.id or turn.administration.products[self.key].id
        turn.administration.products[self.key] = self.product


def _lines(turn: Turn, given: Json, day: date, country: str) -> Iterator[_Sold]:
    made: dict[str, Product] = {}
    for row in given["InvoiceLines"]["InvoiceLine"]:
        name = row["Product"]["Description"][:_LONGEST_PRODUCT]
        key = name.casefold()
        old = made.get(key) or turn.administration.products.get(key)
        product = _product(turn, row["Product"], name, old)
        if old is None or product is not old:
            made[key] = product
        check_account(turn.administration, product.account)
        if turn.administration.accounts[product.account].kind != "revenue":
            raise Wrong("Onjuiste artikelcategorie")
        yield _Sold(_line(turn, row, product, day, country), key, product, new=old is None)


def _product(turn: Turn, given: Mapping[str, str], name: str, old: Product | None) -> Product:
    """The product as it will be. One that is there keeps its account."""
    if old is not None and not turn.books.rules.product_update:
        return old
    account = given.get("GLAccountCode", "")
    if account not in turn.administration.accounts:
        account = old.account if old is not None else turn.administration.role("revenue")
    return Product(
        id=old.id if old else "",
        description=name,
        reference=given.get("Reference", ""),
        account=account,
        price=Decimal(given["SalesPrice"]) if "SalesPrice" in given else None,
        vat_percentage=Decimal(given["VATPercentage"]) if "VATPercentage" in given else None,
        vat_type=int(given["VATType"]) if "VATType" in given else None,
        vat_included=truth(given.get("VATIncluded")),
    )


def _line(turn: Turn, row: Json, product: Product, day: date, country: str) -> Line:
    """The line in money. Raises Wrong."""
    given = row["Product"]
    if all(name in given for name in ("SalesPrice", "VATPercentage", "VATType")):
        price, percentage = Decimal(given["SalesPrice"]), Decimal(given["VATPercentage"])
        kind, included = int(given["VATType"]), truth(given.get("VATIncluded"))
    elif product.price is not None and product.vat_percentage is not None and product.vat_type is not None:
        # They come from the price list, where the product has them.
        price, percentage = product.price, product.vat_percentage
        kind, included = product.vat_type, product.vat_included
    else:
        raise Wrong(f'Product "{product.description}" has no price, VAT percentage and VAT type in the price list')
    code = turn.administration.vat_code(kind, percentage, country, day, given.get("VATDescription", ""))
    if code is None or sample.TYPES.get(kind, sample.TYPES[0]).side != "sales":
        shown = f"{percentage.normalize():f}"
        raise Wrong(f'Sales tax code with percentage "{shown}" and type "{kind}" cannot be found')
    amount = _amount(turn, row, price)
    usual = cents(amount * percentage / ((100 + percentage) if included else 100))
    vat = _vat(turn, row, usual)
    words = row.get("Description") or product.description
    return Line(product.account, amount - vat if included else amount, vat, code, words)


def _amount(turn: Turn, row: Json, price: Decimal) -> Decimal:
    computed = cents(Decimal(row["ProductQuantity"]) * price)
    rule = turn.books.rules.line_amount
    if "LineAmount" not in row or rule == "computed":
        return computed
    given = cents(Decimal(row["LineAmount"]))
    if rule == "equal" and given != computed:
        raise Wrong(f"LineAmount {given} is not ProductQuantity times SalesPrice, {computed}")
    return given


def _vat(turn: Turn, row: Json, usual: Decimal) -> Decimal:
    if "LineVATAmount" not in row or turn.books.rules.line_vat == "computed":
        return usual
    given = cents(Decimal(row["LineVATAmount"]))
    if abs(given - usual) > Decimal(str(turn.books.rules.vat_tolerance)):
        raise Wrong(f"LineVATAmount {given} differs too much from the VAT of the line, {usual}")
    return given


# --- reading ----------------------------------------------------------------------------------------------------------


def items(call: Call) -> list[dict[str, str]]:
    """GetSalesItems: the products."""
    return [{"id": one.id, "description": one.description} for one in call.administration().products.values()]


def schema_path(call: Call) -> str:
    """SalesInvoiceSchemaPath: where the XSD is."""
    return f"{call.address}/schemas/SalesInvoices.xsd"


def document_xml(sale: Mapping[str, Any]) -> etree._Element:
    """A sales invoice as it came, in its namespace."""
    root = etree.Element(f"{{{NAMESPACE}}}SalesInvoice", nsmap={None: NAMESPACE})
    _fill(root, sale)
    return root


def _fill(element: etree._Element, values: Mapping[str, Any]) -> None:
    for name, value in values.items():
        for one in value if isinstance(value, list) else [value]:
            child = etree.SubElement(element, f"{{{NAMESPACE}}}{name}")
            if isinstance(one, Mapping):
                _fill(child, one)
            else:
                child.text = str(one)


OPERATIONS: dict[tuple[str, str], Operation] = {
    ("Sales", "ProcessSalesInvoices"): process,
    ("Sales", "ProcessRecognizedSalesInvoices"): process,
    ("Sales", "GetSalesItems"): items,
    ("Sales", "SalesInvoiceSchemaPath"): schema_path,
}
CHANGES: dict[str, Change] = {"sales_invoices": sales_invoices}
