"""From documents and parties to what Exact stores. Pure: settings and lists come with the context.

Signs (api.md section 5): what lowers what the other party owes is written with negative amounts; Exact tells by them
that it is a credit note, the type of an entry is read-only. Lines are without VAT, each with the VAT that the document
itself has for it, so that Exact's VAT line is the sum of what its base lines say.
What the lists tell beforehand is said beforehand, each with its own issue, since Exact blocks an app after ten errors.
"""

import calendar
import hashlib
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from dagboek_schemas.documents import Direction, Document, Kind, Party
from dagboek_schemas.identity import normal_number, normal_vat
from dagboek_schemas.issues import Issue, Severity
from dagboek_schemas.statuses import Component
from dagboek_sdk import mapping
from dagboek_sdk.accounting import MappingContext
from dagboek_sdk.attempt import Booking, JournalLine
from dagboek_sdk.errors import Refused
from dagboek_sdk.mapping import Part, Split, cents
from dagboek_sdk.settings import ConnectionSettings

from dagboek_exact.lists import (
    EXCLUSIVE,
    INCLUSIVE,
    MANDATORY,
    NONE,
    OF_NO_LINE,
    PURCHASE_JOURNAL,
    SALES_JOURNAL,
    Journal,
    Period,
    Tables,
    Term,
)
from dagboek_exact.settings import ExactSettings

Say = Callable[..., None]

REFERENCE_LIMIT = 30
TEXT_LIMIT = 60
"""Characters of `YourRef` and of descriptions that are sent. Exact's reference does not tell what it keeps."""

CODE_WIDTH = 18
"""Relation codes are numbers, padded on the left with blanks to this width; filters must carry them."""

DIRECT_DEBIT = frozenset(("49", "59"))
CASH = "10"
"""Payment means (UNCL4461)."""

_VAT_NUMBERS = {
    "BE": re.compile(r"BE[01]\d{9}"),
    "NL": re.compile(r"NL\d{9}B\d{2}"),
    "FR": re.compile(r"FR[0-9A-Z]{2}\d{9}"),
    "IT": re.compile(r"IT\d{11}"),
    "ES": re.compile(r"ES(?!\d{9}$)[0-9A-Z]\d{7}[0-9A-Z]"),
    "CH": re.compile(r"CHE-\d{3}\.\d{3}\.\d{3} (TVA|MWST|IVA)"),
}
"""Forms that Exact checks, by the number's own country (product.md section 4.1)."""

_EMAIL = re.compile(r"[^\s@,;<>]+@[^\s@,;<>.]+(\.[^\s@,;<>.]+)+")


@dataclass(frozen=True, slots=True)
class Side:
    """What differs between sales and purchases on the wire."""

    resource: str
    party: str
    lines: str
    journal_type: int
    kind: str


SIDES = {
    Direction.SALES: Side("salesentry/SalesEntries", "Customer", "SalesEntryLines", SALES_JOURNAL, "sales"),
    Direction.PURCHASE: Side(
        "purchaseentry/PurchaseEntries", "Supplier", "PurchaseEntryLines", PURCHASE_JOURNAL, "purchase"
    ),
}


def map_document(document: Document, context: MappingContext, tables: Tables, exact: ExactSettings) -> Booking:
    """The body of a POST of an entry but for the relation. Refused with all that is wrong."""
    issues: list[Issue] = []
    settings, side = context.settings, SIDES[document.direction]
    split = mapping.tried(lambda: mapping.split(document, settings), issues)
    rate = mapping.tried(lambda: mapping.exchange_rate(document, settings), issues)
    chosen = mapping.tried(lambda: mapping.journal(document, settings), issues)
    period = _period(document, tables, issues)
    journal = _journal(document, chosen, side, period, settings, tables, issues) if chosen else None
    if split:
        _check_parts(split, side, tables, issues)
    if tables.currencies and document.currency not in tables.currencies:
        issues.append(Issue(code="X39", facts={"currency": document.currency}, field="currency"))
    if issues or split is None or rate is None or chosen is None:
        raise Refused(issues)
    return _booking(document, context, exact, tables, split, rate, chosen, journal)


def map_party(party: Party, component: Component, context: MappingContext) -> Booking:
    """The body of a POST or PUT of a relation but for its code. What is not known is left out, so that it stays.

    So is what Exact would refuse and a booking does not need: an address that is no e-mail address, and a VAT number in
    a form that Exact does not take, where the connection lets such numbers pass at all. That is told.
    """
    address = party.address
    remarks: list[Issue] = []
    payload: dict[str, Any] = {
        "Name": party.name,
        **({"Status": "C"} if component is Component.CUSTOMERS else {"IsSupplier": True}),
        "VATNumber": _taken("X03", "vat_number", exact_vat_number(party), _is_vat_number, party, remarks),
        "ChamberOfCommerce": normal_number(party.company_number or ""),
        "AddressLine1": address.street,
        "AddressLine2": address.additional_street,
        "Postcode": address.postal_code,
        "City": address.city,
        "Country": mapping.country_of(party),
        "Email": _taken("X08", "email", (party.email or "").strip(), _is_email, party, remarks),
        "Phone": party.phone,
    }
    filled = {key: value for key, value in payload.items() if value not in (None, "")}
    return Booking(payload={"account": filled}, reference=party.name, remarks=tuple(remarks))


def _taken(
    code: str, field: str, value: str, good: Callable[[str], bool], party: Party, remarks: list[Issue]
) -> str | None:
    """The value, or None with a remark where Exact would not take it."""
    if not value or good(value):
        return value
    facts = {"name": party.name, field: value}
    remarks.append(Issue(code=code, severity=Severity.INFORMATION, facts=facts, field=field))
    return None


def _is_email(value: str) -> bool:
    return bool(_EMAIL.fullmatch(value))


def _is_vat_number(value: str) -> bool:
    form = _VAT_NUMBERS.get(value[:2])
    return form is None or bool(form.fullmatch(value))


def exact_vat_number(party: Party) -> str:
    """The number with its country and without punctuation."""
    number = normal_vat(party.vat_number or "", mapping.country_of(party))
    if number.startswith("CHE") and len(number) > 12:  # Exact wants Swiss ones as people write them (product.md 4.1)
        digits = number[3:12]
        return f"CHE-{digits[:3]}.{digits[3:6]}.{digits[6:]} {number[12:]}"
    return number


def padded(code: int | str) -> str:
    """A relation code as Exact stores it."""
    return str(code).strip().rjust(CODE_WIDTH)


def mark(document: Document) -> str:
    """What goes into `YourRef`, and by which an entry is recognised: the document's number and nothing else.

    A person who types a document puts the number there too, and Exact's own check for doubles looks at it. One that is
    too long keeps its beginning and gets a sum of all of it, so that two of them stay two.
    """
    number = document.number.strip()
    if len(number) <= REFERENCE_LIMIT:
        return number
    return f"{number[: REFERENCE_LIMIT - 9]}~{hashlib.sha256(number.encode()).hexdigest()[:8]}"


def payment_reference(document: Document) -> str:
    """The structured communication as digits, else the free reference."""
    return (document.payment.structured_communication or document.payment.reference or "")[:REFERENCE_LIMIT]


def payment_condition(
    document: Document, settings: ConnectionSettings, exact: ExactSettings, tables: Tables
) -> str | None:
    """Code of the condition with the document's own due date, else the default one: never an issue.

    Credit notes always take the default, and so do terms with a discount (product.md section 4.4).
    """
    if document.due_date is None or mapping.is_credit(document):
        return exact.default_payment_condition
    issued, due = document.issue_date, document.due_date
    for row in settings.payment_terms:
        start = end_of_month(issued) if row.end_of_month else issued
        if start + timedelta(days=row.days) == due:
            return row.code
    means = document.payment.means_code
    method = "I" if means in DIRECT_DEBIT else "K" if means == CASH else "B"
    fitting = [one for one in tables.terms if _fits(one, method, issued, due)]
    best = min(fitting, key=lambda one: (one.end_of_months, one.days, one.code), default=None)
    return best.code if best else exact.default_payment_condition


def due_date(issued: date, days: int, end_of_months: int) -> date:
    """The due date of Exact's term: by its reference, for 17 January and 2 it is 31 March, with 15 days 15 April."""
    start = end_of_month(issued, end_of_months) if end_of_months else issued
    return start + timedelta(days=days)


def end_of_month(of: date, later: int = 0) -> date:
    """The last day of the month that is `later` months after that of a date."""
    year, month = divmod(of.year * 12 + of.month - 1 + later, 12)
    return date(year, month + 1, calendar.monthrange(year, month + 1)[1])


def _fits(term: Term, method: str, issued: date, due: date) -> bool:
    return not term.discount and term.method == method and due_date(issued, term.days, term.end_of_months) == due


def _period(document: Document, tables: Tables, issues: list[Issue]) -> Period | None:
    found = tables.period(document.issue_date)
    if found is None and tables.periods:
        facts = {"date": document.issue_date.isoformat()}
        issues.append(Issue(code="X20", facts=facts, field="issue_date"))
    return found


def _journal(
    document: Document,
    chosen: str,
    side: Side,
    period: Period | None,
    settings: ConnectionSettings,
    tables: Tables,
    issues: list[Issue],
) -> Journal | None:
    """The journal, where the lists tell of it; what keeps the document out of it is an issue."""
    journal = tables.journals.get(chosen)
    if journal is None:
        if tables.journals:
            issues.append(Issue(code="X30", facts={"journal": chosen}))
        return None
    facts = {"journal": f"{journal.code} {journal.name}".strip(), "date": document.issue_date.isoformat()}
    if journal.type != side.journal_type:
        issues.append(Issue(code="X29", facts={**facts, "wanted": side.kind}))
    if not journal.active:
        issues.append(Issue(code="X31", facts=facts))
    if period and (period.year, period.number) in journal.closed:
        closed = {**facts, "period": f"{period.year} - {period.number}"}
        issues.append(Issue(code="X21", facts=closed, field="issue_date"))
    if document.currency != (journal.currency or settings.currency) and not journal.variable_currency:
        issues.append(Issue(code="X38", facts={**facts, "currency": document.currency}, field="currency"))
    return journal


def _check_parts(split: Split, side: Side, tables: Tables, issues: list[Issue]) -> None:
    """Accounts, VAT codes, cost centres and cost units; each thing is named once."""
    seen: set[tuple[str, str]] = set()

    def say(code: str, part: Part, name: str, **facts: str) -> None:
        if (code, name) not in seen:
            seen.add((code, name))
            issues.append(Issue(code=code, field=part.field, facts=facts))

    for part in split.parts:
        _check_account(part, tables, say)
        if part.vat and tables.vat_codes:
            _check_vat_code(part, side, tables, say)
        if part.base * part.vat_amount < 0:
            say("X34", part, part.field, vat_code=part.vat.code if part.vat else "", vat=f"{part.vat_amount:f}")
        if part.cost_centre:
            _check_centre("X36", part, part.cost_centre, tables.cost_centres, say)
        if part.cost_unit:
            _check_centre("X37", part, part.cost_unit, tables.cost_units, say)


def _check_account(part: Part, tables: Tables, say: Say) -> None:
    account = tables.accounts.get(part.account)
    if account is None:
        say("X04", part, part.account, account=part.account)
        return
    named = f"{account.code} {account.name}".strip()
    if account.type in OF_NO_LINE:
        say("X25", part, part.account, account=named)
    if not account.active:
        say("X26", part, part.account, account=named)
    if part.vat is None and account.vat_code:  # Exact would take the account's own, and add VAT
        say("X43", part, part.account, account=named, vat_code=account.vat_code)
    for use, given, code in (
        (account.cost_centre, part.cost_centre, "X35"),
        (account.cost_unit, part.cost_unit, "X45"),
    ):
        if (use == MANDATORY and not given) or (use == NONE and given):
            rule = "mandatory" if use == MANDATORY else "not_allowed"
            say(code, part, f"{part.account} {rule}", account=named, rule=rule)


def _check_vat_code(part: Part, side: Side, tables: Tables, say: Say) -> None:
    assert part.vat is not None
    code = part.vat.code
    known = tables.vat_codes.get(code)
    if known is None:
        say("X05", part, code, vat_code=code)
        return
    named = f"{known.code} {known.name}".strip()
    if known.type == INCLUSIVE:
        say("X33", part, code, vat_code=named)
    elif known.blocked or known.kind not in (None, side.kind):
        say("X32", part, code, vat_code=named)
    elif part.vat_amount and not _takes_vat(known.type, known.charged, known.rate):
        say("X34", part, code, vat_code=named, vat=f"{part.vat_amount:f}")


def _takes_vat(kind: str, charged: bool, rate: Decimal | None) -> bool:
    """Whether the other party's VAT can be booked with a code: not where none is due, nor where we owe it ourselves."""
    return kind == EXCLUSIVE and not charged and bool(rate)


def _check_centre(code: str, part: Part, centre: str, known: Mapping[str, bool], say: Say) -> None:
    if known and not known.get(centre):
        say(code, part, centre, centre=centre)


def _booking(
    document: Document,
    context: MappingContext,
    exact: ExactSettings,
    tables: Tables,
    split: Split,
    rate: Decimal,
    chosen: str,
    journal: Journal | None,
) -> Booking:
    side, reference = SIDES[document.direction], mark(document)
    sign = -1 if document.kind is Kind.CREDIT_NOTE else 1
    entry: dict[str, Any] = {
        "Journal": chosen,
        "EntryDate": document.issue_date.isoformat(),
        "DueDate": _due(document),
        "Currency": document.currency,
        "PaymentCondition": payment_condition(document, context.settings, exact, tables),
        "PaymentReference": payment_reference(document),
        "YourRef": reference,
        "Description": _text(document),
        side.lines: [_line(part, sign, tables) for part in split.parts],
    }
    if rate != 1 and journal and journal.variable_rate:  # else Exact takes that of its own table
        entry["Rate"] = f"{rate:f}"
    filled = {key: value for key, value in entry.items() if value not in (None, "")}
    return Booking(
        payload={"resource": side.resource, "party": side.party, "entry": filled},
        lines=_journal_lines(document, split, sign, tables),
        journal=chosen,
        reference=reference,
        day=document.issue_date,
        gross=split.effect,
        currency=document.currency,
    )


def _due(document: Document) -> str | None:
    """The document's own due date; Exact computes that of a credit note, and of one that names none."""
    due = document.due_date
    if due is None or due < document.issue_date or mapping.is_credit(document):
        return None
    return due.isoformat()


def _text(document: Document) -> str:
    """The number in full, then the other party, for whoever reads the journal."""
    return f"{document.number} {document.other_party.name}"[:TEXT_LIMIT].strip()


def _line(part: Part, sign: int, tables: Tables) -> dict[str, Any]:
    code = tables.vat_codes.get(part.vat.code) if part.vat else None
    line: dict[str, Any] = {
        "GLAccount": tables.accounts[part.account].id,
        "AmountFC": _signed(part.base, sign),
        "Description": part.text[:TEXT_LIMIT],
        "CostCenter": part.cost_centre,
        "CostUnit": part.cost_unit,
    }
    if part.vat:
        line["VATCode"] = part.vat.code
        if code is None or _takes_vat(code.type, code.charged, code.rate):
            line["VATAmountFC"] = _signed(part.vat_amount, sign)
    return {key: value for key, value in line.items() if value not in (None, "")}


def _signed(amount: Decimal, sign: int) -> str:
    """As text, which Exact takes for a number: a JSON number would go through binary on the way."""
    return f"{-amount if sign < 0 and amount else amount:f}"


def _journal_lines(document: Document, split: Split, sign: int, tables: Tables) -> tuple[JournalLine, ...]:
    """The entry as it will stand: the other party, the parts, their VAT, and VAT that the receiver owes itself."""
    sales = document.direction is Direction.SALES
    owed, side = split.effect, sign * (-1 if sales else 1)
    party = tables.receivable if sales else tables.payable
    lines = [JournalLine.of(party, owed if sales else -owed, text=document.other_party.name, because="the other party")]
    for part in split.parts:
        code = part.vat.code if part.vat else None
        known = tables.vat_codes.get(code or "")
        to_pay, to_claim = (known.to_pay, known.to_claim) if known else ("", "")
        lines.append(JournalLine.of(part.account, side * part.base, code, part.text, part.because))
        if part.vat_amount:
            lines.append(JournalLine.of(to_pay if sales else to_claim, side * part.vat_amount, code, because="VAT"))
        if not sales and known and known.charged and known.rate:
            due = cents(part.base * known.rate / 100) * side
            lines.append(JournalLine.of(to_claim, due, code, because="VAT that the receiver owes"))
            lines.append(JournalLine.of(to_pay, -due, code, because="VAT that the receiver owes"))
    return tuple(lines)


def facts(payload: Mapping[str, Any], codes: Mapping[str, str]) -> dict[str, str]:
    """What a booking consists of, for an issue of Exact's own that does not say which part it means.

    `codes`: ledger accounts by their id.
    """
    entry = payload["entry"]
    lines = next((value for value in entry.values() if isinstance(value, list)), [])
    return {
        "number": str(entry["YourRef"]),
        "journal": str(entry["Journal"]),
        "date": str(entry["EntryDate"]),
        "currency": str(entry["Currency"]),
        "condition": str(entry.get("PaymentCondition", "")),
        "account": _named(codes.get(line["GLAccount"], line["GLAccount"]) for line in lines),
        "vat_code": _named(line["VATCode"] for line in lines if "VATCode" in line),
        "centre": _named(line[key] for line in lines for key in ("CostCenter", "CostUnit") if key in line),
    }


def _named(values: Iterable[object]) -> str:
    return ", ".join(dict.fromkeys(str(value) for value in values))
