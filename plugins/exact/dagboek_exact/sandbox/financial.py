"""Rows that are worked out when they are looked at: who is asking, divisions, the state of journals."""

from collections.abc import Iterable
from datetime import date
from decimal import Decimal
from typing import Any

from .division import Division
from .edm import ZONE, Row, as_time, server_time
from .resources import View

GL_TYPES = {
    10: "Cash",
    12: "Bank",
    20: "Accounts receivable",
    22: "Accounts payable",
    24: "VAT",
    26: "Prepaid expenses",
    30: "Fixed assets",
    55: "Long term debt",
    90: "General",
    110: "Revenue",
    111: "Cost of goods",
    120: "Other costs",
    121: "Sales, general administrative expenses",
    125: "Employee costs",
    160: "Interest income",
}
_JOURNAL_TYPES = {10: "Cash", 12: "Bank", 20: "Sales", 22: "Purchase", 90: "General journal"}
_LEGISLATIONS = {"NL": 1, "BE": 2}
_CULTURES = {"nl": "nl-NL", "fr": "fr-BE", "en": "en-GB"}


def today(view: View) -> date:
    """The server's day."""
    return server_time(view.at).date()


def me(view: View) -> Iterable[Row]:
    """One row: who the token is of. The current division is whatever was chosen last in the browser."""
    user, division = view.user, view.division
    offset = server_time(view.at).replace(tzinfo=ZONE).utcoffset()
    first, _, last = user.full_name.rpartition(" ")
    return [
        {
            "UserID": user.id,
            "UserName": user.name,
            "FullName": user.full_name,
            "FirstName": first or None,
            "LastName": last,
            "Email": user.email,
            "Language": user.language.upper(),
            "LanguageCode": _CULTURES.get(user.language, "nl-NL"),
            "CurrentDivision": division.code,
            "AccountingDivision": division.code,
            "DivisionCustomer": division.own_account,
            "DivisionCustomerCode": "1".rjust(18),
            "DivisionCustomerName": division.name,
            "DivisionCustomerVatNumber": division.vat_number,
            "Gender": "O",
            "IsClientUser": False,
            "Legislation": _LEGISLATIONS[division.country],
            "ServerTime": server_time(view.at).isoformat(),
            "ServerUtcOffset": Decimal(offset.total_seconds() if offset else 0),
        }
    ]


def divisions(view: View) -> Iterable[Row]:
    """The active ones that the user may see."""
    return [row for row in all_divisions(view) if row["Status"] == 1]


def all_divisions(view: View) -> Iterable[Row]:
    """All that the user may see."""
    allowed = view.user.divisions
    return [_division(each, view) for each in view.books.divisions.values() if allowed is None or each.code in allowed]


def _division(division: Division, view: View) -> dict[str, Any]:
    return {
        "Code": division.code,
        "Hid": division.code % 100_000,
        "Description": division.name,
        "Country": division.country.ljust(3),
        "Currency": division.currency,
        "VATNumber": division.vat_number,
        "Legislation": str(_LEGISLATIONS[division.country]),
        "Status": division.status,
        "BlockingStatus": division.blocking,
        "Current": division.code == view.division.code,
        "Customer": division.own_account,
        "CustomerCode": "1".rjust(18),
        "CustomerName": division.name,
        "IsMainDivision": False,
        "IsDossierDivision": False,
        "IsPracticeDivision": False,
        "StartDate": as_time(date(2010, 1, 1)),
    }


def journal_statuses(view: View) -> Iterable[Row]:
    """Whether each journal is open in each period."""
    division = view.division
    for journal in division.rows("journals"):
        for period in division.rows("periods"):
            year, number = period["FinYear"], period["FinPeriod"]
            closed = division.is_closed(journal["Code"], year, number)
            yield {
                "Journal": journal["Code"],
                "JournalDescription": journal["Description"],
                "JournalType": journal["Type"],
                "JournalTypeDescription": _JOURNAL_TYPES.get(journal["Type"]),
                "Year": year,
                "Period": number,
                "Status": int(closed),
                "StatusDescription": "Closed" if closed else "Open",
            }


def entry_of_document(division: Division, row: Row) -> Any:
    """The entry that a document belongs to."""
    for table in ("sales", "purchases"):
        for entry in division.rows(table):
            if entry.get("Document") == row["ID"]:
                return entry["EntryID"]
    return row.get("FinancialTransactionEntryID")
