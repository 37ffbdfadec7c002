"""salesentry and purchaseentry: entries with their lines, as they are made, changed and undone.

**Order.** All that is wrong with an entry is said at once: relation, journal, period, currency, payment condition, then
each line. What is left out comes from the relation, then from the company.

**Amounts.** Lines are without VAT (see `amounts`), the total is with it, and a credit note is negative. The journal
lines balance: the third party's is the sum of all others. Foreign currency: each line times the rate, rounded to the
cent.

**Numbers.** `YYJJNNNN`: year, journal, the next of the journal in that year.
"""

import re
from datetime import date
from decimal import Decimal

from . import bodies, sample, terms
from .amounts import Vat, in_own, vat_of
from .books import Turn
from .edm import ZERO, Json, Row, as_time, cents
from .journal_lines import postings_of
from .refusal import Message, Problems, malformed, rejected, sentence
from .relations import note_deleted
from .resources import Resource
from .sides import Side

_GUID = re.compile(r"^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$")
_OPEN = 20
_FREE_AFTER_PAYMENT = {"Description", "YourRef", "Document", "PaymentReference", "OrderNumber", "ExternalLinkReference"}


def create(turn: Turn, side: Side, resource: Resource, lines_resource: Resource, body: Json) -> Row:
    """A new entry with its lines."""
    rules = turn.books.rules
    values = bodies.read(resource, body, new=True, rules=rules)
    given = [bodies.read(lines_resource, each, new=True, rules=rules) for each in bodies.rows(body, side.lines) or []]
    entry, lines = _build(turn, side, values, given, None)
    _check_twice(turn, side, entry)
    entry["EntryNumber"] = _number(turn, entry, values.get("EntryNumber"))
    entry["EntryID"] = turn.books.guid()
    entry["Status"] = _OPEN
    account = turn.division.tables["accounts"][entry[side.party]]
    entry["InvoiceNumber"] = values.get("InvoiceNumber") or entry["EntryNumber"]
    entry["OrderNumber"] = values.get("OrderNumber") or entry["EntryNumber"] % 10_000
    entry["PaymentReference"] = values.get("PaymentReference") or f"{account['Code'].strip()}/{entry['EntryNumber']}"
    entry.update(origin="api" if turn.user else "hand", booked=turn.at, revision=1)
    turn.division.tables[side.table][entry["EntryID"]] = turn.stamp(entry, new=True)
    entry["order"] = entry["Timestamp"]
    _keep_lines(turn, side, entry, lines)
    terms.make(turn, side, entry)
    return entry


def update(turn: Turn, side: Side, resource: Resource, entry: Row, body: Json) -> None:
    """Changes the head of an entry; lines go through their own resource."""
    if bodies.rows(body, side.lines):
        raise malformed("Binding to new entities is not supported for this operation.")
    values = bodies.read(resource, body, new=False, rules=turn.books.rules)
    if terms.is_paid(turn.division, entry) and values.keys() - _FREE_AFTER_PAYMENT:
        raise rejected(sentence("processed"))
    values = {name: value for name, value in values.items() if name not in ("EntryNumber", "Type")}
    head = {name: entry.get(name) for name in resource.for_new} | values
    for name in ("DueDate", "ReportingYear", "ReportingPeriod", "VATAmountFC"):
        # They follow from others, unless they are given.
        head[name] = values.get(name, head[name] if not values.keys() & {"EntryDate", "PaymentCondition"} else None)
    head["VATAmountFC"] = values.get("VATAmountFC")
    _rebuild(turn, side, entry, head, _lines_as_given(turn, entry))


def delete(turn: Turn, side: Side, entry: Row) -> None:
    """Undoes an entry; its number stays used up, unless it was the last."""
    _check_free(turn, entry)
    division = turn.division
    for key in entry["line_ids"]:
        del division.tables[side.line_table][key]
        note_deleted(turn, 1, key)
    terms.remove(turn, entry)
    del division.tables[side.table][entry["EntryID"]]
    place = entry["Journal"], entry["ReportingYear"]
    division.numbers.discard((*place, entry["EntryNumber"]))
    if entry["EntryNumber"] == _start(entry) + division.last_numbers[place]:
        division.last_numbers[place] -= 1


def add_line(turn: Turn, side: Side, resource: Resource, body: Json) -> Row:
    """A line for an entry that is there, named by `EntryID`."""
    values = bodies.read(resource, body, new=True, rules=turn.books.rules)
    entry = turn.division.tables[side.table].get(values.get("EntryID"))
    if entry is None:
        problems = Problems()
        problems.add("reference" if values.get("EntryID") else "mandatory", "entry_number")
        problems.check()
        raise AssertionError
    _check_free(turn, entry)
    _rebuild(turn, side, entry, _head(entry), [*_lines_as_given(turn, entry), values])
    return turn.division.tables[side.line_table][entry["line_ids"][-1]]


def update_line(turn: Turn, side: Side, resource: Resource, line: Row, body: Json) -> None:
    """Changes a line."""
    entry = turn.division.tables[side.table][line["EntryID"]]
    _check_free(turn, entry)
    values = bodies.read(resource, body, new=False, rules=turn.books.rules)
    values.pop("EntryID", None)
    if values.keys() & {"AmountFC", "VATCode"} and "VATAmountFC" not in values:
        values["VATAmountFC"] = None  # worked out anew
    lines = [each | values if each["ID"] == line["ID"] else each for each in _lines_as_given(turn, entry)]
    _rebuild(turn, side, entry, _head(entry), lines)


def delete_line(turn: Turn, side: Side, line: Row) -> None:
    """Removes a line; without lines an entry is no more."""
    entry = turn.division.tables[side.table][line["EntryID"]]
    if len(entry["line_ids"]) == 1:
        delete(turn, side, entry)
        return
    _check_free(turn, entry)
    _rebuild(
        turn, side, entry, _head(entry), [each for each in _lines_as_given(turn, entry) if each["ID"] != line["ID"]]
    )
    note_deleted(turn, 1, line["ID"])


# --- checks ----------------------------------------------------------------------------------------------------------


def _build(turn: Turn, side: Side, head: Row, lines: list[Row], current: Row | None) -> tuple[Row, list[Row]]:
    """The entry with everything that follows from what was given, and its lines; raises Refused."""
    division, problems = turn.division, Problems()
    entry = {name: value for name, value in head.items() if value is not None}
    day = (entry.get("EntryDate") or as_time(turn.today)).date()
    entry["EntryDate"] = as_time(day)
    account = _party(turn, side, entry, day, problems)
    journal = _journal(turn, side, entry, problems)
    _period(turn, entry, journal, day, problems)
    _currency(turn, entry, journal, problems)
    _condition(turn, side, entry, account, day, problems)
    if entry.get("Document") and entry["Document"] not in division.tables["documents"]:
        problems.add("reference", "document")
    if not lines:
        problems.add("mandatory", "lines")
    made = [_line(turn, side, entry, line, place, day, problems) for place, line in enumerate(lines, 1)]
    problems.check()
    _sums(turn, side, entry, [line for line in made if line is not None], head.get("VATAmountFC"))
    return entry, [line for line in made if line is not None]


def _party(turn: Turn, side: Side, entry: Row, day: date, problems: Problems) -> Row | None:
    key = entry.get(side.party)
    if key is None:
        problems.add("mandatory", "customer" if side.party == "Customer" else "relation")
        return None
    account = turn.division.tables["accounts"].get(key)
    if account is None:
        problems.add("reference", side.label)
        return None
    usable = account.get("Status") == "C" if side.party == "Customer" else account.get("IsSupplier")
    if not usable:
        problems.add("invalid", f"{side.label}_type")
    if account.get("Blocked"):
        problems.add("blocked", side.label, account["Code"].strip())
    ended = account.get("EndDate")
    if ended is not None and ended.date() < day:
        problems.add("invalid", side.label)
    return account


def _journal(turn: Turn, side: Side, entry: Row, problems: Problems) -> Row | None:
    code = entry.get("Journal")
    if not code:
        problems.add("mandatory", "journal")
        return None
    journal = turn.division.by_code("journals", code)
    if journal is None:
        problems.add("reference", "journals" if _GUID.match(code) else "journal")
        return None
    if journal["Type"] != side.journal_type:
        problems.add("invalid", "journal_type")
    if journal["IsBlocked"]:
        problems.add("blocked", "journal", journal["Code"])
    entry["Journal"] = journal["Code"]
    return journal


def _period(turn: Turn, entry: Row, journal: Row | None, day: date, problems: Problems) -> None:
    division = turn.division
    year, number = entry.get("ReportingYear"), entry.get("ReportingPeriod")
    own = division.period_of(day)
    if year is None and number is None:
        found = own
    else:
        found = division.period(year or day.year, number or (own["FinPeriod"] if own else 0))
    if found is None:
        problems.add("unknown", "financial_year")
        return
    entry["ReportingYear"], entry["ReportingPeriod"] = found["FinYear"], found["FinPeriod"]
    if division.is_closed(journal["Code"] if journal else "", found["FinYear"], found["FinPeriod"]):
        problems.say(sentence("period_closed", year=found["FinYear"], period=found["FinPeriod"]))


def _currency(turn: Turn, entry: Row, journal: Row | None, problems: Problems) -> None:
    own = turn.division.currency
    currency = entry.get("Currency") or (journal["Currency"] if journal else own)
    known = turn.division.tables["currencies"].get(str(currency).strip())
    if known is None:
        problems.add("reference", "currency")
        return
    entry["Currency"] = known["Code"]
    if journal and not journal["AllowVariableCurrency"] and known["Code"] != journal["Currency"]:
        problems.add("not_allowed", "currency")
    usual = Decimal(1) if known["Code"] == own else known["rate"]
    rate = entry.get("Rate") or usual
    if rate <= 0 or (known["Code"] == own and rate != 1):
        problems.add("invalid", "exchange_rate")
    elif journal and not journal["AllowVariableExchangeRate"] and rate != usual:
        problems.add("not_allowed", "exchange_rate")
    entry["Rate"] = rate


def _condition(turn: Turn, side: Side, entry: Row, account: Row | None, day: date, problems: Problems) -> None:
    code = (
        entry.get("PaymentCondition")
        or (account.get(side.condition) if account else None)
        or turn.division.defaults[f"{side.name}_condition"]
    )
    if code is None:
        problems.add("mandatory", "payment_condition")
        return
    condition = turn.division.by_code("payment_conditions", code)
    if condition is None:
        problems.add("reference", "payment_condition")
        return
    entry["PaymentCondition"] = condition["Code"]
    if entry.get("DueDate") is None:
        entry["DueDate"] = as_time(terms.due(day, condition))


def _line(turn: Turn, side: Side, entry: Row, given: Row, place: int, day: date, problems: Problems) -> Row | None:
    division = turn.division
    line = {name: value for name, value in given.items() if value is not None}
    if line.get("AmountFC") is None:
        problems.add("mandatory", "line_amount")
        return None
    account = _gl_account(turn, line, problems)
    if account is None:
        return None
    _costs(turn, line, account, day, problems)
    code = _vat_code(turn, side, line, account, problems)
    vat = vat_of(division, line, code, day, problems, turn.books.rules.vat_tolerance)
    return line | _worked_out(entry, line, vat, place)


def _worked_out(entry: Row, line: Row, vat: Vat, place: int) -> Row:
    rate = entry.get("Rate") or Decimal(1)
    amount = cents(line["AmountFC"])
    return {
        "LineNumber": place,
        "AmountFC": amount,
        "AmountDC": in_own(amount, rate),
        "VATCode": vat.code["Code"] if vat.code else None,
        "VATPercentage": vat.percentage,
        "VATBaseAmountFC": vat.base,
        "VATBaseAmountDC": in_own(vat.base, rate),
        "VATAmountFC": vat.amount,
        "VATAmountDC": in_own(vat.amount, rate),
        "charged": vat.charged,
        "given_vat": line.get("VATAmountFC"),
        "Description": line.get("Description") or entry.get("Description"),
    }


def _gl_account(turn: Turn, line: Row, problems: Problems) -> Row | None:
    key = line.get("GLAccount")
    if key is None:
        problems.add("mandatory", "gl_account")
        return None
    account = turn.division.tables["gl_accounts"].get(key)
    if account is None:
        problems.add("reference", "gl_account")
        return None
    if account["Type"] in sample.NOT_ON_LINES:
        problems.add("invalid", "gl_account_type")
    if account["IsBlocked"]:
        problems.add("blocked", "gl_account", f"{account['Code']} {account['Description']}")
    return account


def _costs(turn: Turn, line: Row, account: Row, day: date, problems: Problems) -> None:
    """Cost centre and unit: 0 optional, 1 mandatory, 2 not allowed, by the ledger account."""
    for name, table, use, label in (
        ("CostCenter", "cost_centres", "UseCostcenter", "cost_centre"),
        ("CostUnit", "cost_units", "UseCostunit", "cost_unit"),
    ):
        code = line.get(name)
        if not code:
            if account[use] == 1:
                problems.add("mandatory", label)
            continue
        found = turn.division.by_code(table, code)
        if account[use] == 2:
            problems.add("not_allowed", label)
        elif found is None or (found["EndDate"] is not None and found["EndDate"].date() < day):
            problems.add("reference", label)
        else:
            line[name] = found["Code"]


def _vat_code(turn: Turn, side: Side, line: Row, account: Row, problems: Problems) -> Row | None:
    wished = line.get("VATCode") or account.get("VATCode")
    if not wished:
        return None
    code = turn.division.by_code("vat_codes", wished)
    if code is None:
        problems.add("reference", "vat_code")
        return None
    if code["IsBlocked"]:
        problems.add("blocked", "vat_code", code["Code"].strip())
    if code["VATTransactionType"] not in ("B", side.vat_side):
        problems.add("not_allowed", "vat_code")
    return code


def _sums(turn: Turn, side: Side, entry: Row, lines: list[Row], given_vat: Decimal | None) -> None:
    rate = entry["Rate"]
    vat = sum((ZERO if line["charged"] else line["VATAmountFC"] for line in lines), ZERO)
    base = sum((line["VATBaseAmountFC"] for line in lines), ZERO)
    entry["difference"] = ZERO
    if given_vat is not None and cents(given_vat) != vat:
        entry["difference"] = cents(given_vat) - vat
        _check_difference(turn, side, entry)
    entry["VATAmountFC"] = vat + entry["difference"]
    entry["AmountFC"] = base + entry["VATAmountFC"]
    wished = entry.get("Type") if turn.books.rules.type_posted else None
    if wished is not None and wished not in (side.invoice_type, side.credit_type):
        raise rejected(Message("invalid", "type"))
    credit = wished == side.credit_type or (wished is None and entry["AmountFC"] < 0)
    entry["Type"] = side.credit_type if credit else side.invoice_type
    entry["warnings"] = []
    if credit and entry["AmountFC"] > 0:
        if turn.books.rules.positive_credit == "refuse":
            raise rejected(sentence("credit_sign"))
        entry["warnings"] = ["a credit note with a positive total"]
    account = turn.division.tables["accounts"][entry[side.party]]
    entry["postings"] = postings_of(turn.division, side, entry, lines, account)
    own = [each for each in entry["postings"] if each.party is not None]
    entry["AmountDC"] = sum((each.amount for each in own), ZERO) * side.direction
    entry["VATAmountDC"] = in_own(entry["VATAmountFC"], rate)


def _check_difference(turn: Turn, side: Side, entry: Row) -> None:
    if turn.division.defaults.get("differences"):
        return
    raise rejected(
        sentence(
            "not_balanced",
            year=entry["ReportingYear"],
            period=entry["ReportingPeriod"],
            type="Verkoopboeking" if side.name == "sales" else "Inkoopboeking",
            currency=entry["Currency"],
            difference=f"{entry['difference']:.2f}".replace(".", ","),
        )
    )


def _check_twice(turn: Turn, side: Side, entry: Row) -> None:
    """Purchases: relation, reference, date and amount all equal."""
    if side.name == "sales" and not turn.books.rules.sales_duplicates:
        return
    for other in turn.division.rows(side.table):
        if (
            other[side.party] == entry[side.party]
            and (other.get("YourRef") or "") == (entry.get("YourRef") or "")
            and other["EntryDate"] == entry["EntryDate"]
            and other["AmountFC"] == entry["AmountFC"]
        ):
            raise rejected(Message("exists", "your_ref", str(entry.get("YourRef") or "")))


def _check_free(turn: Turn, entry: Row) -> None:
    if terms.is_paid(turn.division, entry):
        raise rejected(sentence("processed"))
    year, period = entry["ReportingYear"], entry["ReportingPeriod"]
    if turn.division.is_closed(entry["Journal"], year, period):
        raise rejected(sentence("period_closed", year=year, period=period))


# --- keeping ---------------------------------------------------------------------------------------------------------


def _number(turn: Turn, entry: Row, wished: int | None) -> int:
    division, place = turn.division, (entry["Journal"], entry["ReportingYear"])
    start = _start(entry)
    number = start + division.last_numbers[place] + 1
    while (*place, number) in division.numbers:
        number += 1
    if wished:
        if wished >= number and (*place, wished) not in division.numbers:
            number = wished
        elif turn.books.rules.wished_number == "refuse":
            raise rejected(Message("in_use", "entry_number", str(wished)))
    if start < number < start + 10_000:
        division.last_numbers[place] = number - start
    division.numbers.add((*place, number))
    return number


def _start(entry: Row) -> int:
    """What the numbers of a journal and a year begin after: `YYJJ0000`."""
    digits = re.sub(r"\D", "", entry["Journal"])[:2].rjust(2, "0")
    return int(f"{entry['ReportingYear'] % 100:02}{digits}0000")


def _keep_lines(turn: Turn, side: Side, entry: Row, lines: list[Row]) -> None:
    table = turn.division.tables[side.line_table]
    entry["line_ids"] = []
    for line in lines:
        new = "ID" not in line
        if new:
            line["ID"] = turn.books.guid()
        line["EntryID"], line["Type"] = entry["EntryID"], entry["Type"]
        table[line["ID"]] = turn.stamp(line, new=new)
        entry["line_ids"].append(line["ID"])


def _rebuild(turn: Turn, side: Side, entry: Row, head: Row, lines: list[Row]) -> None:
    kept = {name: entry[name] for name in entry if name not in head}
    made, built = _build(turn, side, head, lines, entry)
    place = entry["Journal"], entry["ReportingYear"]
    moved = (made["Journal"], made["ReportingYear"]) != place
    if moved:
        turn.division.numbers.discard((*place, entry["EntryNumber"]))
    party, old = entry[side.party], entry["line_ids"]
    number = _number(turn, made, None) if moved else entry["EntryNumber"]
    entry.clear()
    entry.update(kept | made)
    entry["EntryNumber"], entry["revision"] = number, kept["revision"] + 1
    _keep_lines(turn, side, entry, built)
    for key in old:
        if key not in entry["line_ids"]:
            del turn.division.tables[side.line_table][key]
    turn.stamp(entry)
    terms.follow(turn, side, entry, anew=entry[side.party] != party)


def _head(entry: Row) -> Row:
    """What was given for the head, to build the entry again with other lines."""
    return {name: value for name, value in entry.items() if name[0].isupper() and name not in ("VATAmountFC", "Type")}


def _lines_as_given(turn: Turn, entry: Row) -> list[Row]:
    """The lines with the VAT that was given, not the one that was worked out."""
    table = "sales_lines" if entry["Type"] in (20, 21) else "purchase_lines"
    found = []
    for key in entry["line_ids"]:
        line = dict(turn.division.tables[table][key])
        line["VATAmountFC"] = line["given_vat"]
        line["VATPercentage"] = None
        found.append(line)
    return found
