"""From documents and parties to what Octopus stores. Pure: settings and lists come with the context.

Signs (api.md section 4.3): the total of a document that lowers what the other party owes is negative, and the lines
that make it up are positive, or negative where the connection's `credit_note_style` says so.
What the lists tell beforehand is said beforehand, each with its own issue; Octopus' own refusals come on top.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from dagboek_schemas.documents import Direction, Document, Kind, Party
from dagboek_schemas.identity import normal_number
from dagboek_schemas.issues import Issue, Severity
from dagboek_schemas.statuses import Component
from dagboek_sdk import mapping
from dagboek_sdk.accounting import MappingContext
from dagboek_sdk.attempt import Booking, JournalLine
from dagboek_sdk.errors import Refused
from dagboek_sdk.mapping import Part, Split, cents
from dagboek_sdk.settings import ConnectionSettings

from dagboek_octopus.lists import COST_CENTRE_MANDATORY, FOR_BOOKINGS, BookYear, Journal, Period, Tables
from dagboek_octopus.settings import CreditNoteStyle, OctopusSettings, RateStyle

JOURNAL_LETTERS = {Direction.SALES: "V", Direction.PURCHASE: "A"}
SIDES = {Direction.SALES: "sales", Direction.PURCHASE: "purchase"}

PAYMENT_METHODS = {
    "10": 2,
    "30": 1,
    "31": 1,
    "42": 1,
    "48": 3,
    "49": 4,
    "54": 3,
    "55": 8,
    "57": 1,
    "58": 1,
    "59": 4,
    "68": 5,
}
"""Payment means (UNCL4461) → Octopus' number: 1 transfer, 2 cash, 3 credit card, 4 direct debit, 5 online, 8 debit."""

LANGUAGES = {"nl": 0, "fr": 1, "en": 2, "de": 3}
TEXT_LIMIT = 200
"""Characters of free text that are sent; Octopus does not say how much it keeps."""


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a document is booked."""

    year: BookYear
    period: Period
    journal: str


def map_document(document: Document, context: MappingContext, tables: Tables, octopus: OctopusSettings) -> Booking:
    """The body of POST /buysellbookings but for the number and the relation. Refused with all that is wrong."""
    issues: list[Issue] = []
    settings = context.settings
    split = mapping.tried(lambda: mapping.split(document, settings, credit=_lowers(document)), issues)
    rate = mapping.tried(lambda: mapping.exchange_rate(document, settings), issues)
    year = tables.year(document.issue_date)
    place = _place(document, settings, year, tables, issues)
    if split:
        _check_parts(document, split, year if year and not year.closed else None, tables, issues)
    if tables.currencies and document.currency not in tables.currencies:
        issues.append(Issue(code="O17", facts={"currency": document.currency}, field="currency"))
    if issues or split is None or rate is None or place is None:
        raise Refused(issues)
    return _booking(document, context, octopus, split, rate, place)


def map_party(party: Party, component: Component, context: MappingContext) -> Booking:
    """The body of PUT /relations but for its keys. What is not known is left out, so that a merge keeps it.

    So is a VAT type that is not known: a person may have chosen one on the card.
    """
    vat_type, known = vat_type_of(party, context.settings.country)
    address = party.address
    payload: dict[str, Any] = {
        "name": party.name,
        "client" if component is Component.CUSTOMERS else "supplier": True,
        "currencyCode": context.settings.currency,
        "active": True,
        "vatType": vat_type or None,
        "vatNr": octopus_vat_number(party.vat_number, address.country),
        "streetAndNr": ", ".join(one for one in (address.street, address.additional_street) if one),
        "postalCode": address.postal_code,
        "city": address.city,
        "country": mapping.country_of(party),
        "email": party.email,
        "telephone": party.phone,
        "contactPerson": party.contact,
        "factLanguage": LANGUAGES.get((party.language or "").lower()[:2]),
    }
    if party.endpoint and party.endpoint_scheme:
        payload["participantId"] = f"{party.endpoint_scheme}:{party.endpoint}"
    filled = {key: value for key, value in payload.items() if value not in (None, "")}
    remark = Issue(code="O06", severity=Severity.INFORMATION, facts={"name": party.name})
    return Booking(payload=filled, reference=party.name, remarks=() if known else (remark,))


def vat_type_of(party: Party, own_country: str) -> tuple[int, bool]:
    """Octopus' VAT type, and whether it is known: 1, 7 and 10 at home, 4 and 8 in the EU, 6 and 9 outside it."""
    region = mapping.region_of(party, own_country)
    liable, company = bool(party.vat_number), bool(party.company_number)
    if region is None:
        return 0, False
    if region == own_country:
        return (1 if liable else 10 if company else 7), True
    if region == "EU":
        return (4 if liable else 8), True
    return (6 if liable or company else 9), True


def octopus_vat_number(number: str | None, country: str | None) -> str | None:
    """Belgian numbers as Octopus shows them, `BE0123.456.749`; others without blanks and dots."""
    if not number:
        return None
    plain = normal_number(number)
    if plain.isdecimal() and len(plain) == 10 and country == "BE":
        plain = "BE" + plain
    if plain.startswith("BE") and len(plain) == 12:
        return f"{plain[:6]}.{plain[6:9]}.{plain[9:]}"
    return plain


def payment_reference(document: Document) -> str:
    """The structured communication with its pluses and slashes, else the free reference."""
    digits = document.payment.structured_communication
    if digits and len(digits) == 12 and digits.isdecimal():
        return f"+++{digits[:3]}/{digits[3:7]}/{digits[7:]}+++"
    return (digits or document.payment.reference or "")[:TEXT_LIMIT]


def mark(document: Document) -> str:
    """What goes into the entry's comment, and by which it is recognised: the document's number and nothing else.

    A person who types a document, and other connectors, put the number there too, so those are recognised as well.
    """
    return document.number[:TEXT_LIMIT]


def _place(
    document: Document, settings: ConnectionSettings, year: BookYear | None, tables: Tables, issues: list[Issue]
) -> _Place | None:
    """Book year, period and journal of the document's date. Journals exist per book year."""
    day = document.issue_date
    chosen = mapping.tried(lambda: mapping.journal(document, settings), issues)
    if year is None:
        issues.append(Issue(code="O10", facts={"date": day.isoformat()}, field="issue_date"))
        return None
    period = year.period(day)
    if year.closed:
        issues.append(_closed(day, year.name, str(period.number) if period else "", chosen or ""))
        return None
    if period is None:
        facts = {"date": day.isoformat(), "book_year": year.name, "code": ""}
        issues.append(Issue(code="O13", facts=facts, field="issue_date"))
    if chosen is None:
        return None
    journal = tables.journals.get((year.id, chosen))
    if journal:
        _check_journal(document, journal, year, period, issues)
    elif year.journals_read:
        issues.append(_no_journal(chosen, year, settings, tables))
    return _Place(year, period, chosen) if period else None


def _no_journal(chosen: str, year: BookYear, settings: ConnectionSettings, tables: Tables) -> Issue:
    """Missing in this book year alone; or in all, as new ones are at first; or so are all: another dossier's."""
    known = {key for _, key in tables.journals}
    ours = {side.journal(kind) for side in (settings.sales, settings.purchases) for kind in Kind}
    code = "O11" if chosen in known or not known else "O03" if known & ours else "O05"
    return Issue(code=code, facts={"journal": chosen, "book_year": year.name, "code": ""})


def _check_journal(
    document: Document, journal: Journal, year: BookYear, period: Period | None, issues: list[Issue]
) -> None:
    facts = {"journal": f"{journal.key} {journal.name}".strip(), "book_year": year.name, "code": ""}
    if not journal.key.startswith(JOURNAL_LETTERS[document.direction]):
        issues.append(Issue(code="O24", facts=facts))
    elif journal.key.startswith("V") and journal.insertion_type not in (None, FOR_BOOKINGS):
        issues.append(Issue(code="O02", facts=facts))
    if journal.closed:
        issues.append(Issue(code="O12", facts=facts))
    if period and period.number <= journal.closed_up_to:
        issues.append(_closed(document.issue_date, year.name, str(period.number), facts["journal"]))


def _closed(day: date, year: str, period: str, journal: str) -> Issue:
    facts = {"date": day.isoformat(), "book_year": year, "period": period, "journal": journal, "code": ""}
    return Issue(code="O01", facts=facts, field="issue_date")


def _check_parts(document: Document, split: Split, year: BookYear | None, tables: Tables, issues: list[Issue]) -> None:
    """Accounts of that book year, VAT codes of that side, cost centres; each thing is named once."""
    seen: set[tuple[str, str]] = set()

    def say(code: str, part: Part, name: str, **facts: str) -> None:
        if (code, name) not in seen:
            seen.add((code, name))
            issues.append(Issue(code=code, field=part.field, facts={**facts, "code": ""}))

    for part in split.parts:
        if year:
            kind = tables.accounts.get((year.id, part.account))
            if kind is None and (year.accounts_complete or not part.account.isdecimal()):
                say("O19", part, part.account, account=part.account, book_year=year.name)
            elif kind == COST_CENTRE_MANDATORY and not part.cost_centre:
                say("O29", part, part.account, account=part.account)
        if part.vat and tables.vat_codes:
            _check_vat_code(document, split, part, tables, say)
        if part.cost_centre:
            active = tables.cost_centres.get(part.cost_centre)
            if active is None or not part.cost_centre.isdecimal():
                say("O25", part, part.cost_centre, cost_centre=part.cost_centre)
            elif not active:
                say("O26", part, part.cost_centre, cost_centre=part.cost_centre)
        if part.vat and part.vat.reverse_rate and part.vat_amount and document.direction is Direction.PURCHASE:
            say("O38", part, part.vat.code, vat_code=part.vat.code, vat=f"{part.vat_amount:f}")
        if part.base * part.vat_amount < 0:
            say("O21", part, part.field, base=f"{part.base:f}", vat=f"{part.vat_amount:f}")


def _check_vat_code(document: Document, split: Split, part: Part, tables: Tables, say: Callable[..., None]) -> None:
    """A credit note may be booked with a code for credit notes or with the plain one of its side."""
    assert part.vat is not None
    code, side = part.vat.code, SIDES[document.direction]
    kinds = tables.vat_codes.get(code)
    if kinds is None:
        say("O20", part, code, vat_code=code)
    elif not kinds & ({side, f"{side}_credit_note", None} if split.credit else {side, None}):
        say("O28", part, code, vat_code=code)


def _booking(
    document: Document,
    context: MappingContext,
    octopus: OctopusSettings,
    split: Split,
    rate: Decimal,
    place: _Place,
) -> Booking:
    comment = mark(document)
    due = document.due_date or document.issue_date + timedelta(days=context.settings.default_payment_days)
    sign = _line_sign(document, split, octopus)
    lines = [_line(part, sign) for part in split.parts]
    payload: dict[str, Any] = {
        "bookyearKey": {"id": int(place.year.id)},
        "journalKey": place.journal,
        "bookyearPeriodeNr": place.period.number,
        "documentDate": document.issue_date.isoformat(),
        "expiryDate": due.isoformat(),
        "comment": comment,
        "reference": payment_reference(document),
        "orderReference": (document.order_reference or "")[:TEXT_LIMIT],
        "amount": f"{split.effect:f}",
        "currencyCode": document.currency,
        "exchangeRate": f"{_octopus_rate(rate, octopus):f}",
        "paymentMethod": PAYMENT_METHODS.get(document.payment.means_code or "", 0),
        "bookingLines": lines,
    }
    return Booking(
        payload=payload,
        lines=_journal_lines(document, split, octopus),
        journal=place.journal,
        series=f"{place.year.id}:{place.journal}",
        reference=comment,
        day=document.issue_date,
        gross=split.effect,
        currency=document.currency,
    )


def _lowers(document: Document) -> bool:
    """Whether the total is negative, which is what makes a credit note in Octopus; a total of 0.00 is none."""
    totals = document.totals
    return mapping.is_credit(document) and bool(totals.payable + totals.prepaid)


def _line_sign(document: Document, split: Split, octopus: OctopusSettings) -> int:
    """What the document's own amounts are multiplied by, so that the lines that make up the total are positive."""
    if not split.owed:
        return -1 if document.kind is Kind.CREDIT_NOTE else 1
    sign = -1 if split.owed < 0 else 1
    return -sign if split.credit and octopus.credit_note_style is CreditNoteStyle.NEGATIVE_LINES else sign


def _line(part: Part, sign: int) -> dict[str, Any]:
    line: dict[str, Any] = {
        "accountKey": int(part.account),
        "baseAmount": f"{-part.base if sign < 0 else part.base:f}",
        "vatAmount": f"{-part.vat_amount if sign < 0 else part.vat_amount:f}",
        "comment": part.text[:TEXT_LIMIT],
    }
    if part.vat:
        line["vatCodeKey"] = part.vat.code
    if part.cost_centre:
        line["costCentreKey"] = {"id": int(part.cost_centre)}
    return line


def _octopus_rate(rate: Decimal, octopus: OctopusSettings) -> Decimal:
    if octopus.exchange_rate_style is RateStyle.UNITS_PER_BOOKS and rate != 1:
        return (1 / rate).quantize(Decimal("0.000001"))
    return rate


def _journal_lines(document: Document, split: Split, octopus: OctopusSettings) -> tuple[JournalLine, ...]:
    """The entry as it will stand: the other party, the parts, their VAT, and VAT that the receiver owes itself."""
    sales = document.direction is Direction.SALES
    owed = split.effect
    credit_note = document.kind is Kind.CREDIT_NOTE
    party = octopus.customers_account if sales else octopus.suppliers_account
    vat_account = octopus.vat_due_account if sales else octopus.vat_deductible_account
    lines = [JournalLine.of(party, owed if sales else -owed, text=document.other_party.name, because="the other party")]
    side = 1 if sales == credit_note else -1
    for part in split.parts:
        code = part.vat.code if part.vat else None
        lines.append(JournalLine.of(part.account, side * part.base, code, part.text, part.because))
        if part.vat_amount:
            lines.append(JournalLine.of(vat_account, side * part.vat_amount, code, because="VAT"))
        if part.vat and part.vat.reverse_rate and not sales:
            due, because = cents(part.base * part.vat.reverse_rate / 100) * side, "VAT that the receiver owes"
            lines.append(JournalLine.of(octopus.vat_deductible_account, due, code, because=because))
            lines.append(JournalLine.of(octopus.vat_due_account, -due, code, because=because))
    return tuple(lines)


def facts(payload: Mapping[str, Any]) -> dict[str, str]:
    """What a booking consists of, for an issue of Octopus' own that does not say which part it means."""
    lines = payload["bookingLines"]
    centres = (line["costCentreKey"]["id"] for line in lines if "costCentreKey" in line)
    return {
        "journal": payload["journalKey"],
        "book_year": str(payload["bookyearKey"]["id"]),
        "period": str(payload["bookyearPeriodeNr"]),
        "date": payload["documentDate"],
        "currency": payload["currencyCode"],
        "account": _named(line["accountKey"] for line in lines),
        "vat_code": _named(line["vatCodeKey"] for line in lines if "vatCodeKey" in line),
        "cost_centre": _named(centres),
    }


def _named(values: Iterable[object]) -> str:
    return ", ".join(dict.fromkeys(str(value) for value in values))


def wire(payload: Mapping[str, Any]) -> dict[str, Any]:
    """A booking's payload with its amounts as the numbers that JSON wants. The only place where money is a float."""
    body = dict(payload)
    body["amount"] = float(payload["amount"])
    body["exchangeRate"] = float(payload["exchangeRate"])
    body["bookingLines"] = [
        {**line, "baseAmount": float(line["baseAmount"]), "vatAmount": float(line["vatAmount"])}
        for line in payload["bookingLines"]
    ]
    return body
