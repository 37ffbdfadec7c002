"""How the books are looked into: entries with postings, the ledger, contacts, the archive. Amounts are Decimal."""

from typing import TYPE_CHECKING, Any

from dagboek_sdk.sandbox.requests import utc_text
from dagboek_sdk.sandbox.trial_balance import trial_balance

from .administration import ZERO, Administration
from .entry import Entry, Posting

if TYPE_CHECKING:
    from .books import Books

_JOURNALS = {"sale": "V", "purchase": "I", "payment": "B", "journal": "M"}
"""Yuki has no journals; sales, purchases, bank and general postings are told apart in this way."""
_DOCUMENTS = ("V", "I")


def entries(
    books: "Books", administration: Administration, journal: str | None = None, bookyear: int | None = None
) -> list[dict[str, Any]]:
    """Documents that are booked, in the order in which they were delivered; other entries when their journal is asked
    for (B bank, M general)."""
    wanted = _DOCUMENTS if journal is None else (journal,)
    found = [
        one
        for one in administration.entries.values()
        if _JOURNALS[one.kind] in wanted and bookyear in (None, one.day.year)
    ]
    found.sort(key=lambda one: (one.delivered, one.booked))
    return [_entry(books, administration, one) for one in found]


def _entry(books: "Books", administration: Administration, entry: Entry) -> dict[str, Any]:
    """One entry, in the shape that all sandboxes have; `comment` is the number that the document has itself, which is
    its `number` here as well. There are no series of numbers, so `first` is None.

    `total`, `net`, `vat` and `vat_total` are in the currency of the entry (a credit note is negative); `vat` has a row
    for each VAT code; VAT that the buyer owes is not in the total and stands apart as `reverse_vat`. `lines` are the
    postings: `debit` and `credit` in euros, `document_debit` and `document_credit` in the entry's currency.
    """
    return {
        "id": entry.id,
        "dossier": administration.id,
        "bookyear": entry.day.year,
        "journal": _JOURNALS[entry.kind],
        "number": entry.reference,
        "first": None,
        "period": entry.day.month,
        "type": entry.kind,
        "date": entry.day,
        "expiry": entry.due,
        "relation": _relation(books, administration, entry),
        "comment": entry.reference,
        "reference": entry.payment_id,
        "order_reference": entry.subject,
        "payment_condition": entry.method,
        "currency": entry.currency,
        "rate": entry.rate,
        "total": entry.total,
        "net": sum((one.base for one in entry.vat), ZERO),
        "vat": [
            {
                "code": str(one.code),
                "percentage": one.code.percentage,
                "base": one.base,
                "vat": ZERO if one.reverse else one.amount,
                "reverse_vat": one.amount if one.reverse else ZERO,
            }
            for one in entry.vat
        ],
        "vat_total": sum((one.amount for one in entry.vat if not one.reverse), ZERO),
        "lines": [_posting(place, one, entry) for place, one in enumerate(entry.postings, 1)],
        "balanced": not sum((one.amount for one in entry.postings), ZERO),
        "attachments": _files(books, administration, entry),
        "warnings": [],
        "origin": entry.origin,
        "booked": utc_text(entry.booked),
        "modified": utc_text(entry.modified),
        "revision": entry.revision,
        "open": entry.open_amount(books.clock.now()) if entry.kind in ("sale", "purchase") else ZERO,
    }


def _relation(books: "Books", administration: Administration, entry: Entry) -> dict[str, Any] | None:
    contact = books.domains[administration.domain].contacts.by_id.get(entry.contact or "")
    if contact is None:
        return None
    return {
        "id": contact.id,
        "external_id": contact.code,
        "name": contact.name,
        "vat_number": contact.vat_number or None,
    }


def _posting(place: int, posting: Posting, entry: Entry) -> dict[str, Any]:
    return {
        "line": place,
        "account": posting.account,
        "role": posting.role,
        "debit": max(posting.amount, ZERO),
        "credit": max(-posting.amount, ZERO),
        "document_debit": max(posting.document_amount, ZERO),
        "document_credit": max(-posting.document_amount, ZERO),
        "relation": entry.contact if posting.role in ("gross", "party") else None,
        "vat_code": str(posting.vat) if posting.vat else None,
        "cost_centre": None,
        "cost_unit": None,
    }


def _files(books: "Books", administration: Administration, entry: Entry) -> list[dict[str, Any]]:
    document = books.domains[administration.domain].archive.documents.get(entry.id)
    if document is None or not document.data:
        return []
    first = {"name": document.file_name, "size": document.size}
    return [first, *({"name": name, "size": len(data) * 3 // 4} for name, data in document.attached)]


def ledger(administration: Administration, bookyear: int | None = None) -> dict[str, Any]:
    """Debit, credit and balance (debit - credit) of each account that was posted on, and of all together."""
    postings = (
        (posting.account, administration.accounts[posting.account].nl, posting.amount)
        for entry in administration.entries.values()
        if bookyear in (None, entry.day.year)
        for posting in entry.postings
    )
    return trial_balance(administration.id, bookyear, postings)


def bookings(administration: Administration) -> int:
    """How many documents are booked."""
    return sum(one.kind in ("sale", "purchase") for one in administration.entries.values())


def relations(books: "Books", administration: Administration) -> list[dict[str, Any]]:
    """The contacts that the documents of an administration made."""
    return [
        {
            "id": one.id,
            "code": one.code,
            "name": one.name,
            "type": one.type,
            "customer": one.customer,
            "supplier": one.supplier,
            "active": one.active,
            **one.fields,
        }
        for one in books.domains[administration.domain].contacts.made_by(administration.id)
    ]


def documents(books: "Books", administration: Administration) -> list[dict[str, Any]]:
    """The archive: each document with its files, its entry if it is booked, and why it is not if somebody left it."""
    return [
        {
            "id": one.id,
            "subject": one.subject,
            "folder": one.folder,
            "type": one.type,
            "files": [{"name": one.file_name, "size": one.size if one.data else 0}]
            + [{"name": name, "size": len(data) * 3 // 4} for name, data in one.attached],
            "hints": {name: value for name, value in one.hints.items() if name != "purchase"},
            "entry": one.id if one.id in administration.entries else None,
            "waits": one.waits,
            "left": one.left,
        }
        for one in books.domains[administration.domain].archive.documents.values()
        if one.administration == administration.id
    ]
