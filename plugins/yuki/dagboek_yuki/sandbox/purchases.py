"""Purchase invoices: the document that Purchase.ProcessPurchaseInvoices takes, and how one is booked.

The facts about it are thin: the elements and their order are those that Yuki's page names, those of a line are one
client's (see the reference, section 5).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Final
from uuid import NAMESPACE_OID, uuid5

from lxml import etree

from . import archive, sample, ubl
from .administration import ZERO, Administration, VatCode, cents
from .answers import import_response
from .booking import Line, Wrong, book, check_account, check_open
from .books import Change, Json, Turn
from .call import Call, Fault, Operation
from .contacts import Contact, Contacts
from .entry import Entry
from .sales import check_refused, contact_shape, one_by_one
from .schema import BASE64, BOOLEAN, DATE, INTEGER, Item, Shape, decimal, read, text, truth

if TYPE_CHECKING:
    from .books import Books

NAMESPACE: Final = "urn:xmlns:http://www.theyukicompany.com:purchaseinvoices"
RESPONSE: Final = "urn:xmlns:http://www.theyukicompany.com:purchaseinvoicesresponse"

_LINE = Shape(
    Item("Description", text()),
    Item("LineAmount", decimal(12, 2), needed=True),
    Item("LineVATType", INTEGER, needed=True),
    Item("LineVATPercentage", decimal(14, 2), needed=True),
    Item("GLAccountCode", text()),
    Item("VATDeductibilityPercentage", decimal(14, 2)),
)
_INVOICE = Shape(
    Item("Process", BOOLEAN),
    Item("Reference", text()),
    Item("Date", DATE, needed=True),
    Item("DueDate", DATE),
    Item("InvoiceAmount", decimal(12, 2), needed=True),
    Item("InvoiceVATAmount", decimal(12, 2), needed=True),
    Item("Currency", text()),
    Item("PaymentMethod", text(60)),
    Item("Remarks", text()),
    Item("DocumentFileName", text()),
    Item("DocumentBase64", BASE64),
    Item("Contact", contact_shape(newer=False), needed=True),
    Item("InvoiceLines", Shape(Item("InvoiceLine", _LINE, needed=True, many=True))),
)
_DOCUMENT = Shape(Item("PurchaseInvoice", _INVOICE, needed=True, many=True))

_TOLERANCE = Decimal("0.05")
_MOST_ROUNDING = Decimal(1)
_METHODS: Final = frozenset({"Unspecified", "ElectronicTransfer", "DirectCollection"})
"""Ways to pay a purchase; nobody says which there are beside the first."""


@dataclass(slots=True)
class Purchase:
    """A purchase invoice, from wherever it came, with everything an entry needs. Signs are the document's."""

    number: str
    day: date
    due: date | None
    currency: str
    supplier: str
    fields: dict[str, str]
    lines: list[Line]
    code: str = ""
    rounding: Decimal = ZERO
    payment_id: str = ""
    method: str = "Unspecified"
    file: "archive.Document | None" = field(default=None)


def process(call: Call) -> etree._Element | str:
    """ProcessPurchaseInvoices; wants a session of an app that Yuki knows (AuthenticateClient)."""
    administration = call.administration()
    if call.session is None or not call.session.known_app:
        raise Fault("The Purchase service needs a client id and secret: use AuthenticateClient", "Client")
    document = read(call.params.get("xmlDoc"), "PurchaseInvoices", NAMESPACE, _DOCUMENT)
    body = {"invoices": document["PurchaseInvoice"], "exact": truth(call.text("disableAutoCorrect").lower())}
    outcome = call.apply("purchase_invoices", administration.id, body)
    for one in outcome["invoices"]:
        one.pop("EmailSent", None)
    return import_response("PurchaseInvoicesImportResponse", RESPONSE, administration.id, call, outcome)


def purchase_invoices(turn: Turn, body: Json) -> Json:
    """One by one; after so many wrong ones the rest is skipped. `{invoices: [...], skipped}`."""
    return one_by_one(turn, body["invoices"], lambda turn, given: _invoice(turn, given, exact=body["exact"]))


def _invoice(turn: Turn, given: Json, *, exact: bool) -> Json:
    administration, booked = turn.administration, truth(given.get("Process"))
    check_refused(administration, given)
    if booked and not given.get("Reference"):
        raise Wrong("Reference is mandatory when process is true")
    purchase = from_document(administration, given, exact=exact)
    if booked:
        check(turn.books, administration, purchase)
    document = _document(turn, given, purchase)
    if booked:
        settle(turn.books, administration, document, purchase, turn.at, "api")
    else:
        document.hints["purchase"] = {**given, "exact": exact}
        shelf = turn.books.domains[administration.domain].archive
        shelf.wait(document, turn.at + float(turn.books.rules.booking_lag))
    shown = {"Reference": purchase.number, "Subject": document.subject, "Contact": purchase.supplier, "Message": ""}
    return {"Processed": booked, **shown}


def _document(turn: Turn, given: Json, purchase: Purchase) -> archive.Document:
    administration = turn.administration
    shelf = turn.books.domains[administration.domain].archive
    administration.deliveries += 1
    made = archive.Document(
        id=turn.guid(),
        hid=shelf.next_hid(),
        administration=administration.id,
        subject=f"{purchase.supplier} {purchase.number}".strip(),
        day=purchase.day.isoformat(),
        amount=str(given["InvoiceAmount"]),
        folder=archive.PURCHASES,
        type=archive.PURCHASE_INVOICE,
        file_name=given.get("DocumentFileName") or f"{purchase.number or 'Invoice'}.pdf",
        data=given.get("DocumentBase64", ""),
        contact=purchase.supplier,
        creator="webservice",
        created=turn.at,
        modified=turn.at,
        hints={"remarks": given.get("Remarks", "")},
        delivered=administration.deliveries,
    )
    shelf.add(made)
    return made


# --- from a document to a purchase ------------------------------------------------------------------------------------


def from_document(administration: Administration, given: Json, *, exact: bool) -> Purchase:
    """What ProcessPurchaseInvoices says of one invoice. Raises Wrong."""
    day = date.fromisoformat(given["Date"][:10])
    rows = given.get("InvoiceLines", {}).get("InvoiceLine", [])
    total, vat = Decimal(given["InvoiceAmount"]), Decimal(given["InvoiceVATAmount"])
    lines = _balanced([_line(administration, row, day) for row in rows], total, vat, exact=exact)
    contact = given["Contact"]
    name = contact.get("FullName") or " ".join(contact[key] for key in ("FirstName", "LastName") if key in contact)
    fields = {
        "Country": contact.get("CountryCode"),
        "Postcode": contact.get("Zipcode"),
        "EMailWork": contact.get("EmailAddress"),
        **{key: contact.get(key) for key in ("City", "AddressLine_1", "AddressLine_2", "VATNumber", "CoCNumber")},
    }
    method = given.get("PaymentMethod", "Unspecified")
    if method not in _METHODS:
        raise Wrong(f'PaymentMethod "{method}" is not valid')
    return Purchase(
        number=given.get("Reference", ""),
        day=day,
        due=date.fromisoformat(given["DueDate"][:10]) if "DueDate" in given else None,
        currency=given.get("Currency", "EUR"),
        supplier=name,
        fields={key: value for key, value in fields.items() if value},
        code=contact.get("ContactCode", ""),
        lines=lines,
        method=method,
    )


def _line(administration: Administration, row: Mapping[str, str], day: date) -> Line:
    percentage, kind = Decimal(row["LineVATPercentage"]), int(row["LineVATType"])
    code = administration.vat_code(kind, percentage, administration.country, day)
    if code is None or sample.TYPES.get(kind, sample.TYPES[0]).side != "purchases":
        shown = f"{percentage.normalize():f}"
        raise Wrong(f'Purchase tax code with percentage "{shown}" and type "{kind}" cannot be found')
    net = Decimal(row["LineAmount"])
    account = row.get("GLAccountCode") or administration.role("costs")
    words = row.get("Description", "")
    return Line(account, net, cents(net * percentage / 100), code, words, reverse=kind in sample.REVERSED)


def _balanced(lines: list[Line], total: Decimal, vat: Decimal, *, exact: bool) -> list[Line]:
    """The lines as the invoice's own amounts want them: small differences of VAT go to the largest line."""
    if not lines:
        return []
    charged = [line for line in lines if not line.reverse]
    off = vat - sum((line.vat for line in charged), ZERO)
    if off and (exact or abs(off) > _TOLERANCE or not charged):
        raise Wrong(f"InvoiceVATAmount {vat} does not match with the lines")
    if sum((line.net for line in lines), ZERO) + vat != total:
        raise Wrong(f"InvoiceAmount {total} does not match with the lines")
    if off:
        largest = max(charged, key=lambda line: abs(line.net))
        place = lines.index(largest)
        lines[place] = Line(largest.account, largest.net, largest.vat + off, largest.code, largest.description)
    return lines


def from_ubl(administration: Administration, paper: ubl.Paper, account: str) -> Purchase:
    """What somebody reads off a UBL document. Raises Wrong where they cannot make an entry of it."""
    rounding = paper.difference
    if abs(rounding) > _MOST_ROUNDING:
        raise Wrong(f"The amounts of {paper.number} do not add up: {rounding} is left")
    lines = [_share(administration, paper, share, account) for share in paper.shares]
    return Purchase(
        number=paper.number,
        day=paper.day,
        due=paper.due,
        currency=paper.currency,
        supplier=paper.supplier.name,
        fields=dict(paper.supplier.fields),
        lines=lines,
        rounding=rounding,
        payment_id=paper.payment_id,
    )


_RATED: Final = (5, 9, 15)
_CATEGORIES: Final = {"Z": 10, "E": 16, "O": 16, "K": 11, "G": 13}


def _share(administration: Administration, paper: ubl.Paper, share: ubl.Share, account: str) -> Line:
    abroad = paper.supplier.fields.get("Country", administration.country).upper() != administration.country
    kind = (12 if abroad else 14) if share.category == "AE" else _CATEGORIES.get(share.category, 5)
    if share.vat or share.rate:
        code = _rated(administration, share.rate, paper.day) or VatCode(5, share.rate, administration.country)
        return Line(account, share.base, share.vat, code, paper.number)
    codes = [one for one in administration.vat_codes if one.type == kind and one.holds(paper.day)]
    code = codes[0] if codes else VatCode(kind, ZERO, administration.country)
    reverse = kind in sample.REVERSED
    vat = cents(share.base * code.percentage / 100) if reverse else ZERO
    return Line(account, share.base, vat, code, paper.number, reverse=reverse)


def _rated(administration: Administration, rate: Decimal, day: date) -> VatCode | None:
    for kind in _RATED:
        found = administration.vat_code(kind, rate, administration.country, day)
        if found is not None:
            return found
    return None


# --- from a purchase to an entry --------------------------------------------------------------------------------------


def check(books: "Books", administration: Administration, purchase: Purchase) -> None:
    """Raises Wrong where it cannot be booked."""
    check_open(administration, purchase.day)
    if administration.rate(purchase.currency) is None:
        raise Wrong(f'Currency "{purchase.currency}" is not supported')
    if not purchase.lines:
        raise Wrong("InvoiceLines are mandatory when process is true")
    for line in purchase.lines:
        check_account(administration, line.account)
    if not purchase.supplier and not purchase.code:
        raise Wrong("The contact has no name")
    if books.rules.purchase_duplicates == "refuse" and _twice(books, administration, purchase):
        raise Wrong(books.rules.duplicate_text.format(reference=purchase.number))


def _twice(books: "Books", administration: Administration, purchase: Purchase) -> bool:
    contact = _found(books.domains[administration.domain].contacts, purchase)
    return contact is not None and any(
        one.contact == contact.id for one in administration.numbered("purchase", purchase.number)
    )


def settle(
    books: "Books",
    administration: Administration,
    document: archive.Document,
    purchase: Purchase,
    at: float,
    origin: str,
) -> Entry:
    """Books what was checked; the entry has the document's id. Its ids follow from it alone, see `uploads`."""
    contact = _contact(books, administration, document, purchase, at)
    rate = administration.rate(purchase.currency)
    assert rate is not None
    entry = Entry(
        id=document.id,
        kind="purchase",
        day=purchase.day,
        due=purchase.due,
        reference=purchase.number,
        subject=f"{contact.name} {purchase.number}",
        contact=contact.id,
        currency=purchase.currency,
        rate=rate,
        total=ZERO,
        vat=[],
        postings=[],
        method=purchase.method,
        payment_id=purchase.payment_id,
        origin=origin,
        delivered=document.delivered,
        booked=at,
        modified=at,
        user="webservice" if origin == "api" else "backoffice",
    )
    book(administration, entry, purchase.lines, administration.role("creditors"), purchase.rounding)
    document.folder, document.type = archive.PURCHASES, archive.PURCHASE_INVOICE
    document.subject, document.contact = entry.subject, contact.name
    document.day, document.amount = entry.day.isoformat(), f"{entry.total:.2f}"
    document.modified = at
    return entry


def _contact(
    books: "Books", administration: Administration, document: archive.Document, purchase: Purchase, at: float
) -> Contact:
    contacts = books.domains[administration.domain].contacts
    found = _found(contacts, purchase)
    if found is None:
        found = Contact(
            id=str(uuid5(NAMESPACE_OID, f"{document.id} contact")),
            hid=contacts.next_hid(),
            type="Company",
            name=purchase.supplier or purchase.code,
            code=purchase.code,
            fields=dict(purchase.fields),
            created=at,
            modified=at,
            made_by=administration.id,
        )
        contacts.add(found)
    else:
        blank = {key: value for key, value in purchase.fields.items() if not found.fields.get(key)}
        contacts.change(found, at=at, fields=blank)
    found.supplier = True
    return found


def _found(contacts: Contacts, purchase: Purchase) -> Contact | None:
    """By code; else by VAT number, as somebody who reads it would; else by name."""
    if purchase.code and (found := contacts.with_code(purchase.code)) is not None:
        return found
    if (number := purchase.fields.get("VATNumber")) and (found := contacts.with_vat_number(number)) is not None:
        return found
    return contacts.with_name(purchase.supplier) if purchase.supplier else None


def schema_path(call: Call) -> str:
    """PurchaseInvoiceSchemaPath: where the XSD is."""
    return f"{call.address}/schemas/PurchaseInvoices.xsd"


OPERATIONS: dict[tuple[str, str], Operation] = {
    ("Purchase", "ProcessPurchaseInvoices"): process,
    ("Purchase", "PurchaseInvoiceSchemaPath"): schema_path,
}
CHANGES: dict[str, Change] = {"purchase_invoices": purchase_invoices}
