"""Reading the ledger: transactions of an account, one by one, and the feed of those that changed or went."""

from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from lxml import etree

from . import archive
from .administration import Administration
from .answers import add
from .call import Call, Fault, Operation
from .contacts import Contact
from .entry import Entry, Posting

Row = dict[str, Any]
Found = tuple[Posting, Entry]

_TYPES: Final = {"sale": archive.SALES_INVOICE, "purchase": archive.PURCHASE_INVOICE, "journal": archive.JOURNAL}
_FOLDERS: Final = {"sale": archive.SALES, "purchase": archive.PURCHASES, "payment": 3, "journal": 8}


def transaction_details(call: Call) -> list[Row]:
    """GetTransactionDetails: flat rows of an account between two days, both included."""
    administration = call.administration()
    return [
        _flat(call, administration, *one)
        for one in _between(call, administration, "GLAccountCode", "StartDate", "EndDate")
    ]


def transactions(call: Call) -> list[Row]:
    """GetTransactions: the same, nested, with the groups of fields that are asked for, in pages."""
    administration = call.administration()
    groups = {name.strip().lower() for name in call.text("dataGroups").split(",")}
    found = _between(call, administration, "glAccountCode", "startDate", "endDate")
    wanted = [one for one in found if _matches(one[0], call.params.get("searchValues") or [])]
    return [_nested(call, administration, *one, groups=groups) for one in page(call, wanted)]


def page(call: Call, rows: list[Any]) -> list[Any]:
    """The part of a list that `numberOfRecords` and `startRecord` ask for; 0 records: all from there on."""
    first, number = call.params.get("startRecord") or 0, call.params.get("numberOfRecords") or 0
    skip = max(first - call.books.rules.first_record, 0)
    return rows[skip : skip + number] if number > 0 else rows[skip:]


def account_transactions(call: Call) -> etree._Element:
    """GLAccountTransactions and its sisters."""
    administration = call.administration()
    root = etree.Element("GLAccountTransactions")
    for posting, entry in _between(call, administration, "GLAccountCode", "StartDate", "EndDate"):
        contact = _contact(call, administration, entry)
        row = etree.SubElement(root, "GLAccountTransaction", ID=posting.id)
        values = {
            "Date": entry.day.isoformat(),
            "Description": posting.description,
            "Amount": f"{posting.amount:.2f}",
            "Contact": contact.name if contact else "",
            "ContactID": contact.id if contact else "",
            "Project": "",
            "GLAccountCode": posting.account,
        }
        add(row, values)
        row.find("Project").set("Code", "")  # type: ignore[union-attr]
    return root


def transaction_document(call: Call) -> Row:
    """GetTransactionDocument: the file behind a transaction."""
    administration = call.administration()
    _, entry = _posting(administration, call.text("transactionID"))
    document = call.books.domains[administration.domain].archive.documents.get(entry.id)
    if document is None:
        raise Fault(f"Transaction {call.text('transactionID')} has no document", "Client")
    return {"fileName": document.file_name, "filedata": document.bytes}


def transaction_detail(call: Call) -> Row:
    """ChangeDigest.GetTransactionDetail: one transaction."""
    administration = call.administration()
    row = _flat(call, administration, *_posting(administration, call.text("transactionID")))
    row["contactZipCode"] = row["contactZipcode"]
    return row


def updated_and_deleted(call: Call) -> list[Row]:
    """GetUpdatedAndDeletedTransactions: what was changed after it was booked, or deleted, between two moments."""
    administration = call.administration()
    start, end = call.params["startDate"], until(call.params["endDate"])
    touched = [(entry.modified, entry, False) for entry in administration.entries.values() if entry.revision > 1]
    touched += [(at, entry, True) for at, entry in administration.deleted]
    touched.sort(key=lambda one: one[0])
    rows = [
        _digest(call, administration, posting, entry, deleted=deleted)
        for at, entry, deleted in touched
        if start <= call.books.local(at) < end
        for posting in entry.postings
    ]
    return page(call, rows)


def until(end: datetime) -> datetime:
    """The end of a range; a day without a time is meant whole, and no date means for ever."""
    if end.year in (1, 9999):
        return datetime.max  # noqa: DTZ901 - times on the wire have no zone
    return end + timedelta(days=1) if end.time() == datetime.min.time() else end


def _between(call: Call, administration: Administration, account: str, start: str, end: str) -> list[Found]:
    code = call.text(account).strip()
    if not code and call.books.rules.blank_account != "all":
        return []
    last: datetime = call.params[end]
    return list(administration.postings(code, call.params[start].date(), date.max if last.year == 1 else last.date()))


def _matches(posting: Posting, wishes: list[Row]) -> bool:
    for wish in wishes:
        amount = Decimal(wish.get("SearchValue") or 0)
        least = wish.get("SearchOption") == "AmountGreaterThanEqual"
        if (posting.amount < amount) if least else (posting.amount > amount):
            return False
    return True


def _posting(administration: Administration, id: str) -> Found:
    for entry in administration.entries.values():
        for posting in entry.postings:
            if posting.id == id.lower():
                return posting, entry
    raise Fault(f"Transaction {id} does not exist", "Client")


def _contact(call: Call, administration: Administration, entry: Entry) -> Contact | None:
    return call.books.domains[administration.domain].contacts.by_id.get(entry.contact or "")


def _type(entry: Entry) -> str:
    """What Yuki calls it; the reference tells of such texts with the key of the resource in front."""
    kind = _TYPES.get(entry.kind)
    return f"TRM{archive.TYPES[kind][2]}" if kind else "TRMBank statement"


def _folder(entry: Entry) -> tuple[int, str, str]:
    number = _FOLDERS[entry.kind]
    name = archive.FOLDERS[number][2].split(" ", maxsplit=1)[0]
    return number, f"TRM{name}", f"TRM{name}_1"


def _flat(call: Call, administration: Administration, posting: Posting, entry: Entry) -> Row:
    contact = _contact(call, administration, entry)
    fields = contact.fields if contact else {}
    _, folder, tab = _folder(entry)
    return {
        "id": posting.id,
        "hID": str(posting.hid),
        "transactionDate": entry.day,
        "description": posting.description,
        "transactionAmount": posting.amount,
        "transactionAmountForeignCurrency": posting.document_amount if entry.currency != "EUR" else Decimal(0),
        "currencyRate": entry.rate,
        "currency": entry.currency,
        "taxCodeDescription": posting.vat.description(call.language) if posting.vat else "",
        "fullName": contact.name if contact else "",
        "CoCNumber": fields.get("CoCNumber", ""),
        "VATNumber": fields.get("VATNumber", ""),
        "contactHID": contact.hid if contact else 0,
        "contactCode": contact.code if contact else "",
        "contactCountry": fields.get("Country", ""),
        "contactZipcode": fields.get("Postcode", ""),
        "project": "",
        "projectCode": "",
        "glAccountCode": posting.account,
        "documentID": entry.id,
        "documentReference": entry.reference,
        "documentType": _type(entry),
        "documentFolder": folder,
        "documentFolderTab": tab,
        "contactID": contact.id if contact else "",
        "periodId": f"{entry.day:%Y-%m}",
        "company": administration.name,
        "mutationUser": entry.user,
    }


def _nested(call: Call, administration: Administration, posting: Posting, entry: Entry, *, groups: set[str]) -> Row:
    contact = _contact(call, administration, entry)
    row: Row = {
        "id": posting.id,
        "hID": str(posting.hid),
        "transactionDate": entry.day,
        "description": posting.description,
        "amount": posting.amount,
        "glAccountCode": posting.account,
        "contact": _nested_contact(contact) if contact else None,
        "vat": _nested_vat(call, posting),
    }
    if entry.currency != "EUR":
        row["foreignCurrency"] = {
            "amountFC": posting.document_amount,
            "rate": entry.rate,
            "currency": entry.currency,
        }
    if "document" in groups:
        row["document"] = _nested_document(call, administration, entry)
    if "documentprocessed" in groups:
        row["documentProcessed"] = {"processedDate": call.books.local(entry.booked), "processedBy": entry.user}
    if "documentmatching" in groups:
        paid = entry.payments[-1] if entry.payments else None
        row["documentMatched"] = (
            {"matchDate": call.books.local(paid.at), "matchedBy": "bank"} if paid else {"matchDate": None}
        )
    return row


def _nested_contact(contact: Contact) -> Row:
    return {
        "id": contact.id,
        "HID": contact.hid,
        "fullName": contact.name,
        "zipCode": contact.fields.get("Postcode", ""),
        "country": contact.fields.get("Country", ""),
        "contactCode": contact.code,
        "CoCNumber": contact.fields.get("CoCNumber", ""),
        "VATNumber": contact.vat_number,
    }


def _nested_vat(call: Call, posting: Posting) -> Row | None:
    if posting.vat is None:
        return None
    return {
        "codeType": posting.vat.type,
        "codeDescription": posting.vat.description(call.language),
        "codePercentage": posting.vat.percentage,
    }


def _nested_document(call: Call, administration: Administration, entry: Entry) -> Row:
    number, folder, tab = _folder(entry)
    document = call.books.domains[administration.domain].archive.documents.get(entry.id)
    return {
        "id": entry.id,
        "HID": document.hid if document else 0,
        "reference": entry.reference,
        "type": str(_TYPES.get(entry.kind, 0)),
        "typeDescription": _type(entry),
        "folderId": number,
        "folder": folder,
        "folderTabId": archive.TAB_OF.get(number),
        "folderTab": tab,
        "created": call.books.local(document.created if document else entry.booked),
        "modified": call.books.local(document.modified if document else entry.modified),
        "uploadMethod": "Webservice" if entry.origin in ("api", "upload") else "Manual",
    }


def _digest(call: Call, administration: Administration, posting: Posting, entry: Entry, *, deleted: bool) -> Row:
    row = _flat(call, administration, posting, entry)
    return row | {
        "created": call.books.local(entry.booked),
        "updated": call.books.local(entry.modified),
        "deleted": deleted,
    }


OPERATIONS: dict[tuple[str, str], Operation] = {
    ("AccountingInfo", "GetTransactionDetails"): transaction_details,
    ("AccountingInfo", "GetTransactions"): transactions,
    ("AccountingInfo", "GetTransactionDocument"): transaction_document,
    ("Accounting", "GLAccountTransactions"): account_transactions,
    ("Accounting", "GLAccountTransactionsAndContact"): account_transactions,
    ("Accounting", "GLAccountTransactionsFiscal"): account_transactions,
    ("ChangeDigest", "GetUpdatedAndDeletedTransactions"): updated_and_deleted,
    ("ChangeDigest", "GetTransactionDetail"): transaction_detail,
}
