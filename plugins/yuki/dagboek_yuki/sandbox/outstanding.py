"""What customers still owe and what is still owed to suppliers, as it was `Rules.outstanding_lag` seconds ago.

Sales that were paid by card, iDEAL or in another way at once are owed by whoever handles such payments and never show.
Amounts are above zero for an invoice on both sides, below zero for a credit note.
"""

from collections.abc import Callable, Iterable
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Final

from lxml import etree

from . import archive, sample
from .administration import Administration
from .answers import add
from .call import Call, Operation
from .contacts import Contact
from .entry import Entry

_KEYS: Final[dict[str, Callable[[tuple[Entry, Decimal, Contact | None]], Any]]] = {
    "Contact": lambda one: (one[2].name.casefold() if one[2] else "", one[0].day),
    "Amount": lambda one: one[1],
    "Date": lambda one: one[0].day,
}


def _listing(
    side: str,
    *,
    dates: bool = False,
    outstanding: bool = False,
    language: bool = False,
    payment_reference: bool = False,
) -> Operation:
    """An operation that lists open items: those dated between two days, those that were open on a day."""

    def listing(call: Call) -> etree._Element:
        administration = call.administration()
        start = call.params["startDate"].date() if dates else date.min
        end = _last(call.params["endDate"]) if dates else date.max
        on = _last(call.params["dateOutstanding"]) if outstanding else date.max
        kind = "sale" if side == "Debtor" else "purchase"
        entries = [each for each in administration.entries.values() if each.kind == kind and start <= each.day <= end]
        root = etree.Element(f"Outstanding{side}Items")
        for row in _sorted(call, _open(call, administration, entries, on)):
            _item(call, root, *row, language=language, payment_reference=payment_reference)
        return root

    return listing


def _last(day: datetime) -> date:
    return date.max if day.year == 1 else day.date()


def check_item_admin(call: Call) -> etree._Element:
    """CheckOutstandingItemAdmin: what is open of a reference; nothing: it is paid, unknown or not booked yet."""
    return _check(call, [call.administration()])


def check_item(call: Call) -> etree._Element:
    """CheckOutstandingItem: the same in all administrations of the domain."""
    assert call.session is not None
    return _check(call, call.books.visible(call.session))


def _check(call: Call, administrations: Iterable[Administration]) -> etree._Element:
    reference = call.text("Reference")
    root = etree.Element("OutstandingItems")
    for administration in administrations:
        entries = [*administration.numbered("sale", reference), *administration.numbered("purchase", reference)]
        for row in _open(call, administration, entries, date.max):
            _item(call, root, *row, document=False)
    return root


def _open(
    call: Call, administration: Administration, entries: Iterable[Entry], on: date
) -> list[tuple[Entry, Decimal, Contact | None]]:
    seen = call.at - float(call.books.rules.outstanding_lag)
    between = administration.role("between")
    contacts = call.books.domains[administration.domain].contacts.by_id
    found = []
    for entry in entries:
        gross = entry.gross
        if entry.booked > seen or entry.day > on or gross is None or gross.account == between:
            continue
        paid = sum((one.amount for one in entry.payments if one.at <= seen and one.day <= on), Decimal(0))
        if left := entry.total - paid:
            found.append((entry, left, contacts.get(entry.contact or "")))
    return found


def _sorted(
    call: Call, rows: list[tuple[Entry, Decimal, Contact | None]]
) -> list[tuple[Entry, Decimal, Contact | None]]:
    order = str(call.params.get("sortOrder") or "DateAsc")
    down = order.endswith("Desc")
    key = _KEYS[order.removesuffix("Desc" if down else "Asc")]
    return sorted(rows, key=key, reverse=down)


def _item(
    call: Call,
    root: etree._Element,
    entry: Entry,
    left: Decimal,
    contact: Contact | None,
    *,
    document: bool = True,
    language: bool = False,
    payment_reference: bool = False,
) -> None:
    fields = contact.fields if contact else {}
    kind = archive.SALES_INVOICE if entry.kind == "sale" else archive.PURCHASE_INVOICE
    row = etree.SubElement(root, "Item", ID=entry.id)
    method = sample.PAYMENT_METHODS[entry.method]
    values: dict[str, Any] = {
        "Date": entry.day.isoformat(),
        "Description": entry.subject,
        "Contact": contact.name if contact else "",
        "ContactID": contact.id if contact else "",
        "OpenAmount": f"{left:.2f}",
        "OriginalAmount": f"{entry.total:.2f}",
        "Type": archive.named(archive.TYPES[kind], call.language),
        "Reference": entry.reference,
    }
    if payment_reference:
        values["PaymentReference"] = entry.payment_id
    values["DueDate"] = (entry.due or entry.day).isoformat()
    if document:
        values["DocumentID"] = entry.id
    values |= {
        "PaymentMethod": method[1 + ("nl", "fr", "en").index(call.language[:2])],
        "ContactCode": contact.code if contact else "",
        **{name: fields.get(key, "") for name, key in _FIELDS.items()},
    }
    if language:
        values["LayoutLanguage"] = call.language
    add(row, values)
    row.find("Type").set("ID", str(kind))  # type: ignore[union-attr]


_FIELDS: Final = {
    "CoCNumber": "CoCNumber",
    "VATNumber": "VATNumber",
    "AddressLine_1": "AddressLine_1",
    "AddressLine_2": "AddressLine_2",
    "Postcode": "Postcode",
    "City": "City",
    "MailAddressLine_1": "MailAddressLine_1",
    "MailAddressLine_2": "MailAddressLine_2",
    "MailPostcode": "MailPostcode",
    "MailCity": "MailCity",
    "Country": "Country",
    "RecipientEmail": "EmailInvoice",
    "PhoneHome": "PhoneHome",
    "PhoneWork": "PhoneWork",
    "EmailHome": "EMailHome",
    "EmailWork": "EMailWork",
}

OPERATIONS: dict[tuple[str, str], Operation] = {
    ("Accounting", "OutstandingDebtorItems"): _listing("Debtor"),
    ("Accounting", "OutstandingDebtorItemsWithLanguage"): _listing("Debtor", language=True),
    ("Accounting", "OutstandingDebtorItemsByDate"): _listing("Debtor", dates=True),
    ("Accounting", "OutstandingDebtorItemsByDateOutstanding"): _listing("Debtor", outstanding=True),
    ("Accounting", "OutstandingDebtorWithPaymentReference"): _listing("Debtor", dates=True, payment_reference=True),
    ("Accounting", "OutstandingCreditorItems"): _listing("Creditor"),
    ("Accounting", "OutstandingCreditorItemsByDate"): _listing("Creditor", dates=True),
    ("Accounting", "OutstandingCreditorItemsByDateOutstanding"): _listing("Creditor", outstanding=True),
    ("Accounting", "OutstandingCreditorWithPaymentReference"): _listing("Creditor", dates=True, payment_reference=True),
    ("Accounting", "CheckOutstandingItem"): check_item,
    ("Accounting", "CheckOutstandingItemAdmin"): check_item_admin,
}
