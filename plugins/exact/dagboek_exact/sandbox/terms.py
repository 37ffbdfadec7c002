"""Payment terms: what a customer owes and what is owed to a supplier, and how a payment settles it.

One term for each entry. A payment of less than is open splits it: the part that was paid is matched (status 50) and the
rest is a new term with an identity of its own, as is a term after the entry went to another relation.
"""

import calendar
from datetime import date, timedelta
from decimal import Decimal
from uuid import UUID

from .books import Turn
from .division import Division
from .edm import ZERO, Row, as_time, cents
from .journal_lines import Posting
from .relations import note_deleted
from .sides import Side

OPEN, MATCHED = 20, 50
_PAYMENT_TERMS = 10


def due(day: date, condition: Row) -> date:
    """17/01 with 2 month ends is 31/03, and with 15 days more 15/04."""
    ends = int(condition.get("PaymentEndOfMonths") or 0)
    if ends:
        month = day.month - 1 + ends
        year, month = day.year + month // 12, month % 12 + 1
        day = date(year, month, calendar.monthrange(year, month)[1])
    return day + timedelta(days=int(condition.get("PaymentDays") or 0))


def of_entry(division: Division, entry: Row) -> list[Row]:
    """The terms of an entry, the paid ones first."""
    found = [row for row in division.rows("terms") if row["TransactionEntryID"] == entry["EntryID"]]
    return sorted(found, key=lambda row: -int(row["Status"]))


def is_paid(division: Division, entry: Row) -> bool:
    """Whether something of an entry was paid."""
    return any(row["Status"] != OPEN for row in of_entry(division, entry))


def make(turn: Turn, side: Side, entry: Row) -> Row:
    """The term of a new entry."""
    return _keep(turn, side, entry, entry["AmountFC"], entry["AmountDC"])


def follow(turn: Turn, side: Side, entry: Row, *, anew: bool) -> None:
    """After a change of the entry; `anew`: another relation, so a term of another identity."""
    found = of_entry(turn.division, entry)
    if found and found[0]["Status"] == OPEN:
        if anew:
            remove(turn, entry)
            entry["PaymentReference"] = f"{entry['PaymentReference']}-{entry['revision']}"
            make(turn, side, entry)
        else:
            found[0].update(AmountFC=entry["AmountFC"], AmountDC=entry["AmountDC"], DueDate=entry["DueDate"])
    for row in of_entry(turn.division, entry):
        turn.stamp(row)


def remove(turn: Turn, entry: Row) -> None:
    """Of an entry that is no more."""
    for row in of_entry(turn.division, entry):
        del turn.division.tables["terms"][row["ID"]]
        note_deleted(turn, _PAYMENT_TERMS, row["ID"])


def pay(turn: Turn, side: Side, entry: Row, amount: Decimal | None, day: date, bank: Row) -> Decimal:
    """A payment in the currency of the entry, None: all that is open; what is left open. Raises ValueError."""
    term = next((row for row in of_entry(turn.division, entry) if row["Status"] == OPEN), None)
    if term is None:
        raise ValueError("nothing is open on this entry")
    sign = -1 if term["AmountFC"] < 0 else 1
    most = abs(term["AmountFC"])
    paid = most if amount is None else cents(amount)
    if not 0 < paid <= most:
        raise ValueError(f"amount {paid} is not within what is open, {most}")
    left = cents((most - paid) * sign)
    if left:
        left_own = cents(term["AmountDC"] * left / term["AmountFC"])
        _keep(turn, side, entry, left, left_own)
        term["AmountFC"] -= left
        term["AmountDC"] -= left_own
    booked = _bank_entry(turn, side, entry, term, day, bank)
    term.update(
        Status=MATCHED, IsFullyPaid=True, LastPaymentDate=as_time(day), EndDate=as_time(day), paid_by=booked["EntryID"]
    )
    turn.stamp(term)
    turn.stamp(entry)
    return abs(left)


def unpay(turn: Turn, entry: Row) -> None:
    """Undoes the matching of an entry with its payments, which stay in the bank's journal."""
    for row in of_entry(turn.division, entry):
        if row["Status"] != OPEN:
            row.update(Status=OPEN, IsFullyPaid=False, LastPaymentDate=None, EndDate=None, paid_by=None)
            turn.stamp(row)


def _keep(turn: Turn, side: Side, entry: Row, amount: Decimal, own: Decimal) -> Row:
    row = {
        "ID": turn.books.guid(),
        "HID": turn.division.hid(),
        "EntryID": turn.books.guid(),
        "TransactionEntryID": entry["EntryID"],
        "LineType": side.line_type,
        "AmountFC": amount,
        "AmountDC": own,
        "DueDate": entry["DueDate"],
        "Status": OPEN,
        "IsFullyPaid": False,
        "LastPaymentDate": None,
        "EndDate": None,
        "PaymentMethod": "B",
        "Description": entry.get("Description"),
    }
    turn.division.tables["terms"][row["ID"]] = turn.stamp(row, new=True)
    return row


def _bank_entry(turn: Turn, side: Side, entry: Row, term: Row, day: date, bank: Row) -> Row:
    """An entry in a bank journal: the bank against the third party."""
    division = turn.division
    period = division.period_of(day)
    year = period["FinYear"] if period else day.year
    division.last_numbers[bank["Code"], year] += 1
    own = next(each for each in entry["postings"] if each.party is not None)
    document, amount = term["AmountFC"] * side.direction, term["AmountDC"] * side.direction
    made = {
        "EntryID": turn.books.guid(),
        "Journal": bank["Code"],
        "ReportingYear": year,
        "ReportingPeriod": period["FinPeriod"] if period else day.month,
        "EntryNumber": int(f"{year % 100:02}{bank['Code'][:2]}0000") + division.last_numbers[bank["Code"], year],
        "EntryDate": as_time(day),
        "Description": f"Betaling {entry.get('YourRef') or entry['EntryNumber']}",
        "YourRef": None,
        "Currency": entry["Currency"],
        "Rate": entry["Rate"],
        "AmountFC": document,
        "AmountDC": amount,
        "postings": [
            Posting(1, UUID(str(bank["GLAccount"])), amount, document),
            Posting(1, own.account, -amount, -document, own.party),
        ],
        "warnings": [],
        "origin": "hand",
        "booked": turn.at,
        "revision": 1,
    }
    division.tables["money"][made["EntryID"]] = turn.stamp(made, new=True)
    made["order"] = made["Timestamp"]
    return made


def open_amount(division: Division, entry: Row) -> Decimal:
    """What is open of an entry, in its currency."""
    return sum((row["AmountFC"] for row in of_entry(division, entry) if row["Status"] == OPEN), ZERO)
