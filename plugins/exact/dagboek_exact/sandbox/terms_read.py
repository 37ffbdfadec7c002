"""Payment terms as they are read: open items, receivables, payments, and both at once in the order of change."""

from collections.abc import Iterable, Iterator
from decimal import Decimal

from .division import Division
from .edm import ZERO, Row
from .resources import View
from .sides import PURCHASES, SALES, Side
from .terms import OPEN


def open_list(view: View, side: Side) -> Iterable[Row]:
    """What is open: a settled item is not in it any more."""
    sign = view.books.rules.payables_sign if side is PURCHASES else 1
    for term, entry in _terms(view.division, side):
        if term["Status"] != OPEN:
            continue
        account = view.division.tables["accounts"][entry[side.party]]
        yield {
            "HID": term["HID"],
            "AccountId": account["ID"],
            "AccountCode": account["Code"],
            "AccountName": account["Name"],
            "Amount": term["AmountFC"] * sign,
            "AmountInTransit": ZERO,
            "ApprovalStatus": side.approval,
            "CurrencyCode": entry["Currency"],
            "Description": term["Description"],
            "DueDate": term["DueDate"],
            "EntryNumber": entry["EntryNumber"],
            "InvoiceDate": entry["EntryDate"],
            "InvoiceNumber": entry["EntryNumber"],
            "JournalCode": entry["Journal"],
            "JournalDescription": _journal(view.division, entry),
            "YourRef": entry.get("YourRef"),
        }


def of_side(view: View, side: Side) -> Iterable[Row]:
    """One row for each term, settled or not."""
    for term, entry in _terms(view.division, side):
        yield _row(view.division, side, term, entry)


def all_terms(view: View) -> Iterable[Row]:
    """Receipts and payments in the order of their versions."""
    found = [*of_side(view, SALES), *of_side(view, PURCHASES)]
    return sorted(found, key=lambda row: int(row["Timestamp"]))


def _terms(division: Division, side: Side) -> Iterator[tuple[Row, Row]]:
    for term in division.rows("terms"):
        if term["LineType"] == side.line_type:
            yield term, division.tables[side.table][term["TransactionEntryID"]]


def _journal(division: Division, entry: Row) -> str | None:
    journal = division.by_code("journals", entry["Journal"])
    return journal["Description"] if journal else None


def _row(division: Division, side: Side, term: Row, entry: Row) -> Row:
    """A receivable has a negative amount and its transaction a positive one, as was seen."""
    account = division.tables["accounts"][entry[side.party]]
    own = next(each for each in entry["postings"] if each.party is not None)
    gl_account = division.tables["gl_accounts"].get(own.account, {})
    direction = -side.direction
    ended = term["EndDate"]
    return {
        **term,
        "AmountFC": term["AmountFC"] * direction,
        "AmountDC": term["AmountDC"] * direction,
        "AmountDiscountDC": ZERO,
        "AmountDiscountFC": ZERO,
        "Account": account["ID"],
        "AccountCode": account["Code"],
        "AccountName": account["Name"],
        "AccountCountry": account.get("Country"),
        "ApprovalStatus": side.approval,
        "Currency": entry["Currency"],
        "EndPeriod": ended.month if ended else None,
        "EndYear": ended.year if ended else None,
        "EntryDate": ended,
        "EntryNumber": entry["EntryNumber"],
        "GLAccount": own.account,
        "GLAccountCode": gl_account.get("Code"),
        "GLAccountDescription": gl_account.get("Description"),
        "InvoiceDate": entry["EntryDate"],
        "InvoiceNumber": entry["InvoiceNumber"],
        "IsBatchBooking": 0,
        "Journal": entry["Journal"],
        "JournalDescription": _journal(division, entry),
        "OrderNumber": entry["OrderNumber"],
        "PaymentCondition": entry["PaymentCondition"],
        "PaymentDays": (term["DueDate"] - entry["EntryDate"]).days,
        "PaymentReference": entry["PaymentReference"],
        "RateFC": entry["Rate"],
        "Source": 1,
        "TransactionAmountDC": entry["AmountDC"],
        "TransactionAmountFC": entry["AmountFC"],
        "TransactionDueDate": entry["DueDate"],
        "TransactionID": entry["line_ids"][0],
        "TransactionIsReversal": False,
        "TransactionReportingPeriod": entry["ReportingPeriod"],
        "TransactionReportingYear": entry["ReportingYear"],
        "TransactionStatus": entry["Status"],
        "TransactionType": entry["Type"],
        "YourRef": entry.get("YourRef"),
        "paid": Decimal(0) if term["Status"] == OPEN else abs(term["AmountFC"]),
    }
