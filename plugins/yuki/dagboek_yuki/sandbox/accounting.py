"""Sums of the ledger, and general journal documents."""

from datetime import date
from decimal import Decimal
from typing import Any, Final

from lxml import etree

from . import archive
from .administration import ZERO, Administration
from .answers import add
from .booking import Wrong, check_account, check_open, posting_id
from .books import Change, Json, Turn
from .call import Call, Fault, Operation
from .entry import Entry, Posting
from .schema import DATE, Item, Shape, decimal, one_of, read, text

NAMESPACE: Final = "urn:xmlns:http://www.theyukicompany.com:journal"
_TYPES: Final = ("GeneralJournal", "EndOfYearCorrection", "FiscalCorrection")

_ROW: Final = Shape(
    Item("ContactName", text()),
    Item("ContactCode", text()),
    Item("EntryDate", DATE, needed=True),
    Item("GLAccount", text(), needed=True),
    Item("Amount", decimal(14, 2), needed=True),
    Item("Description", text(256)),
)
_JOURNAL: Final = Shape(
    Item("AdministrationID", text()),
    Item("AdministrationCoCNumber", text()),
    Item("DocumentSubject", text(), needed=True),
    Item("JournalType", one_of(*_TYPES), needed=True),
    Item("ProjectID", text()),
    Item("ProjectCode", text()),
    Item("JournalEntry", _ROW, needed=True, many=True),
)


def balances(call: Call) -> etree._Element:
    """GLAccountBalance and its sisters: the whole chart on a day."""
    administration, day = call.administration(), call.params["transactionDate"].date()
    sums = dict.fromkeys(administration.accounts, ZERO)
    for posting, _ in administration.postings("", date.min, day if day.year > 1 else date.max):
        sums[posting.account] = sums.get(posting.account, ZERO) + posting.amount
    root = etree.Element("GLAccountBalance")
    for code, account in administration.accounts.items():
        row = etree.SubElement(root, "GLAccount", Code=code, BalanceType="B" if account.balance else "W")
        add(row, {"Description": account.name(call.language), "Amount": f"{sums[code]:.2f}"})
    return root


def net_revenue(call: Call) -> Decimal:
    """NetRevenue: what stands on the revenue accounts of a time."""
    administration = call.administration()
    start, end = call.params["StartDate"].date(), call.params["EndDate"].date()
    return -sum(
        (
            posting.amount
            for posting, _ in administration.postings("", start, end)
            if administration.accounts[posting.account].kind == "revenue"
        ),
        ZERO,
    )


# --- the general journal ----------------------------------------------------------------------------------------------


def process_journal(call: Call) -> str:
    """ProcessJournal: the id of the document; what is wrong is a fault."""
    administration = call.administration()
    document = read(call.params.get("xmlDoc"), "Journal", NAMESPACE, _JOURNAL)
    return str(call.apply("journal", administration.id, document))


def journal(turn: Turn, body: Json) -> str:
    """One entry for each day of the document. Raises Fault."""
    administration = turn.administration
    days: dict[date, list[Any]] = {}
    for row in body["JournalEntry"]:
        days.setdefault(date.fromisoformat(row["EntryDate"][:10]), []).append(row)
    try:
        for day, rows in days.items():
            _check(administration, body, day, rows)
    except Wrong as why:
        raise Fault(str(why)) from None
    id = turn.guid()
    for place, (day, rows) in enumerate(days.items()):
        _book(turn, body["DocumentSubject"], id if place == 0 else turn.guid(), day, rows)
    shelf = turn.books.domains[administration.domain].archive
    first = administration.entries[id]
    shelf.add(
        archive.Document(
            id=id,
            hid=shelf.next_hid(),
            administration=administration.id,
            subject=first.subject,
            day=first.day.isoformat(),
            amount="",
            folder=8,
            type=archive.JOURNAL,
            file_name="Journal.xml",
            data="",
            contact="",
            creator="webservice",
            created=turn.at,
            modified=turn.at,
        )
    )
    return id


def _check(administration: Administration, body: Json, day: date, rows: list[Json]) -> None:
    check_open(administration, day)
    for row in rows:
        check_account(administration, row["GLAccount"])
    left = sum((Decimal(row["Amount"]) for row in rows), ZERO)
    if left:
        raise Wrong(f"The journal is not in balance on {day:%d-%m-%Y}: {left}")
    if body["JournalType"] != _TYPES[0] and (day.month, day.day) != (12, 31):
        raise Wrong(f"{body['JournalType']} is allowed on the last day of the fiscal year only")


def _book(turn: Turn, subject: str, id: str, day: date, rows: list[Json]) -> None:
    administration = turn.administration
    entry = Entry(
        id=id,
        kind="journal",
        day=day,
        due=None,
        reference="",
        subject=subject,
        contact=None,
        currency="EUR",
        rate=Decimal(1),
        total=ZERO,
        vat=[],
        postings=[],
        method="Unspecified",
        payment_id="",
        origin="api",
        delivered=0,
        booked=turn.at,
        modified=turn.at,
        user="webservice",
    )
    for place, row in enumerate(rows, 1):
        amount = Decimal(row["Amount"])
        words = row.get("Description") or subject
        entry.postings.append(
            Posting(posting_id(id, place), administration.hid(), row["GLAccount"], amount, amount, words, "journal")
        )
    administration.keep(entry)


def workflow(call: Call) -> etree._Element:
    """Backoffice.GetWorkflow: documents that somebody has still to look at."""
    administration = call.administration()
    root = etree.Element("Workflow")
    for one in call.books.domains[administration.domain].archive.documents.values():
        if one.administration == administration.id and one.waits:
            add(etree.SubElement(root, "Document", ID=one.id), {"Subject": one.subject})
    return root


def questions(call: Call) -> etree._Element:
    """Backoffice.GetOutstandingQuestions: what somebody left, with the reason."""
    administration = call.administration()
    root = etree.Element("OutstandingQuestions")
    for one in call.books.domains[administration.domain].archive.documents.values():
        if one.administration == administration.id and one.left:
            add(etree.SubElement(root, "Question", ID=one.id), {"Subject": one.subject, "Question": one.left})
    return root


OPERATIONS: dict[tuple[str, str], Operation] = {
    ("Accounting", "GLAccountBalance"): balances,
    ("Accounting", "GLAccountBalanceFiscal"): balances,
    ("Accounting", "GLAccountBalanceYearEnd"): balances,
    ("Accounting", "NetRevenue"): net_revenue,
    ("Accounting", "NetRevenueFiscal"): net_revenue,
    ("Accounting", "ProcessJournal"): process_journal,
    ("Backoffice", "GetWorkflow"): workflow,
    ("Backoffice", "GetOutstandingQuestions"): questions,
}
CHANGES: dict[str, Change] = {"journal": journal}
