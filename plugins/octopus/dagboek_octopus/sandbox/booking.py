"""Bookings: what is read from a body, the checks in their order, and the journal lines that result.

**Order of checks** (reference, sections 7 and 8; the number before the period is known, the rest is our reading):
book year, journal (there, type, mode, closed, in use), number, period (there, open), dates, relation, currency,
rate, then each line (account, heading, VAT code, its side, signs, cost centre), then the sum.

**Sales and purchases.** The total of a document is the sum of its lines: base + VAT, without the VAT of codes
under reverse charge, which the buyer works out. A *credit note* has a negative header amount; the lines that make
it up are positive, so minus the header amount must equal the sum (or they are negative too, see
`Rules.credit_lines`). Codes of type 1 (buy) and 2 (sell) go with
invoices and credit notes, types 3 and 4 with credit notes only; the other side's codes never. A line that lowers
the document (a discount) has a negative base and VAT. Which of these a given real dossier wants is not known.

**Journal lines.** A sale: receivable 400000 debit, line accounts and VAT 451000 credit; a purchase: line accounts
and VAT 411000 debit, payable 440000 credit; a credit note the other way round. What VAT cannot be recovered goes to
the line's account. Reverse charge on purchases: VAT (as given, else from the code's percentage) to 411000 and
451000. Foreign currency: amount in the dossier's currency = document amount x exchange rate, each line rounded
to the cent; the third party's line takes their sum, so nothing is left over.

**Financial and sundry.** Line amounts are signed. In an F journal a positive amount is money received (bank debit,
line credit) and the bank line is made by the sandbox; in a D journal a positive amount is debit and the lines must
add up to zero. The reference is silent on both signs.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any, NamedTuple

from . import codes, sample, wire
from .dossier import LETTER_TYPES, BookingKey, Bookyear, Dossier, Journal, VatCode
from .relations import Relation, read_identification
from .wire import ZERO, Json, Refused

HUNDRED = Decimal(100)
ONE = Decimal(1)

DOCUMENT_LINE = -1
"""The line number that stands for the document itself."""


@dataclass(frozen=True, slots=True)
class Rules:
    """What the reference leaves open, as settings."""

    sum_code: int = codes.INVALID_PARAMETER
    """Code when the amount is not the sum of the lines (unknown in reality)."""
    credit_lines: str = "positive"
    """"positive": the lines that make up a negative amount are positive, as the manual says; or "negative"."""
    closed_period: str = "up_to"
    """"up_to": a journal's closedPeriod and all before it are closed; "from": it and all after it."""
    empty_search: str = "list"
    """A relation search without a hit: "list" answers 200 with an empty list, "404" a 404."""
    time_zone: str = "Europe/Brussels"
    """Zone of `modifiedTimeStamp`, and of the day that limits are counted in."""


class Line(NamedTuple):
    """A line of a sales or purchase booking, as sent."""

    account: int
    base: Decimal
    vat_code: str
    vat: Decimal
    comment: str
    cost_centre: int
    vat_recovery: Decimal | None
    extra: Json | None


class MoneyLine(NamedTuple):
    """A line of a financial or sundry booking: type A account, C client, S supplier."""

    type: str
    account: int
    relation: int
    amount: Decimal
    reference: str
    cost_centre: int


class Posting(NamedTuple):
    """A journal line: positive is debit, negative is credit."""

    line: int
    account: int
    amount: Decimal
    """In the dossier's currency."""
    document_amount: Decimal
    """In the document's currency."""
    relation: int | None = None
    vat_code: str | None = None
    cost_centre: int = 0


class Attachment(NamedTuple):
    """What is kept of a file: not its bytes."""

    name: str
    size: int
    sha256: str


@dataclass(slots=True)
class Booking:
    """A booked document."""

    bookyear: int
    journal: str
    number: int
    period: int
    document_date: date
    expiry: date | None
    relation: int | None
    comment: str
    reference: str
    order_reference: str | None
    amount: Decimal
    currency: str
    rate: Decimal
    payment_method: int
    lines: tuple[Line, ...]
    money_lines: tuple[MoneyLine, ...]
    postings: tuple[Posting, ...]
    attachments: list[Attachment]
    line_sign: int
    """What brings the amounts of the lines to the sign of the header."""
    origin: str
    """"api" or "hand"."""
    booked: float
    modified: float
    revision: int = 1

    @property
    def key(self) -> BookingKey:
        """Bookyear id, journal key, number."""
        return self.bookyear, self.journal, self.number

    @property
    def letter(self) -> str:
        """Of its journal."""
        return self.journal[0]


class _Place(NamedTuple):
    bookyear: Bookyear
    journal: Journal
    number: int
    period: int


# --- sales and purchases ---------------------------------------------------------------------------------


def read_buy_sell(dossier: Dossier, body: Json, rules: Rules, *, at: float, replaces: bool) -> Booking:
    """A checked booking from BuySellBookingServiceData; raises Refused or Unreadable, changes nothing."""
    lines = tuple(_read_line(row) for row in wire.rows(body.get("bookingLines")))
    relation_ids = read_identification(body)
    amount = wire.amount(body, "amount")
    rate = wire.number(body, "exchangeRate")
    currency = wire.text(body, "currencyCode")
    day, expiry = wire.day(body, "documentDate"), wire.day(body, "expiryDate")
    place = _check_place(dossier, body, rules, letters="AV", replaces=replaces)
    if day is None:
        raise Refused(400, codes.NO_DOCUMENT_DATE, "documentDate is not set")
    if expiry is None:
        raise Refused(400, codes.NO_EXPIRY_DATE, "expiryDate is not set")
    relation = _check_relation(dossier, *relation_ids)
    _check_currency(dossier, currency, rate)
    sale = place.journal.letter == "V"
    vat_codes = [_check_line(dossier, place.bookyear, line, sale=sale, credit=amount < 0) for line in lines]
    line_sign = -1 if amount < 0 and rules.credit_lines == "positive" else 1
    _check_sum(rules, amount, line_sign, lines, vat_codes)
    return Booking(
        bookyear=place.bookyear.id,
        journal=place.journal.key,
        number=place.number,
        period=place.period,
        document_date=day,
        expiry=expiry,
        relation=relation.id,
        comment=wire.text(body, "comment"),
        reference=wire.text(body, "reference"),
        order_reference=wire.text(body, "orderReference") or None,
        amount=amount,
        currency=currency,
        rate=rate,
        payment_method=wire.integer(body, "paymentMethod"),
        lines=lines,
        money_lines=(),
        postings=_post(place.bookyear, lines, vat_codes, relation.id, line_sign, rate, sale=sale),
        attachments=[],
        line_sign=line_sign,
        origin="api",
        booked=at,
        modified=at,
    )


def buy_sell_wire(dossier: Dossier, booking: Booking) -> Json:
    """BuySellBookingServiceData as it reads back."""
    relation = dossier.relations.by_id[booking.relation or 0]
    purchase = booking.letter == "A"
    accounts = dossier.bookyears[booking.bookyear].accounts
    return {
        "amount": booking.amount,
        "bookingLines": [
            {
                "accountKey": line.account,
                "baseAmount": line.base,
                "comment": line.comment,
                "costCentreKey": {"id": line.cost_centre} if line.cost_centre else None,
                "vatAmount": line.vat,
                "vatCodeKey": line.vat_code,
                "vatRecupPercentage": _recovery(line, accounts) if purchase else None,
                **(line.extra or {}),
            }
            for line in booking.lines
        ],
        "bookyearKey": {"id": booking.bookyear},
        "bookyearPeriodeNr": booking.period,
        "comment": booking.comment,
        "currencyCode": booking.currency,
        "documentDate": booking.document_date,
        "documentSequenceNr": booking.number,
        "exchangeRate": booking.rate,
        "expiryDate": booking.expiry,
        "journalKey": booking.journal,
        "orderReference": booking.order_reference,
        "paymentMethod": booking.payment_method,
        "reference": booking.reference,
        "relationIdentificationServiceData": relation.identification(),
    }


def _recovery(line: Line, accounts: Any) -> Decimal:
    if line.vat_recovery is not None:
        return line.vat_recovery
    account = accounts.get(line.account)
    return account.vat_recovery if account else HUNDRED


def _read_line(row: Json) -> Line:
    extra = {name: row[name] for name in ("intrastatServiceData", "overflowBookingServiceData") if row.get(name)}
    return Line(
        account=wire.integer(row, "accountKey"),
        base=wire.amount(row, "baseAmount"),
        vat_code=wire.text(row, "vatCodeKey"),
        vat=wire.amount(row, "vatAmount"),
        comment=wire.text(row, "comment"),
        cost_centre=wire.key(row, "costCentreKey"),
        vat_recovery=wire.number(row, "vatRecupPercentage") if row.get("vatRecupPercentage") is not None else None,
        extra=extra or None,
    )


def _post(
    bookyear: Bookyear,
    lines: tuple[Line, ...],
    vat_codes: list[VatCode],
    relation: int,
    line_sign: int,
    rate: Decimal,
    *,
    sale: bool,
) -> tuple[Posting, ...]:
    """The journal lines of a sale or purchase; the third party's line comes first."""
    own = _exchange(rate)
    direction = (-1 if sale else 1) * line_sign
    postings: list[Posting] = []
    vat_postings: list[Posting] = []
    for number, (line, code) in enumerate(zip(lines, vat_codes, strict=True), 1):
        cost, vat = line.base, line.vat
        if code.reverse and not vat:
            vat = wire.cents(line.base * code.percentage / HUNDRED)
        recovered = vat
        if not sale and vat:
            recovered = wire.cents(vat * _recovery(line, bookyear.accounts) / HUNDRED)
            cost += vat - recovered
        cost, vat, recovered = cost * direction, vat * direction, recovered * direction
        postings.append(Posting(number, line.account, own(cost), cost, None, line.vat_code, line.cost_centre))
        if recovered:
            account = sample.VAT_DUE if sale else sample.VAT_TO_RECOVER
            vat_postings.append(Posting(number, account, own(recovered), recovered, None, line.vat_code))
        if code.reverse and vat:
            # What is owed is what was added to the cost and to the VAT to recover, rounded as these were.
            owed = own(recovered) + own(cost) - own(line.base * direction)
            vat_postings.append(Posting(number, sample.VAT_DUE, -owed, -vat, None, line.vat_code))
    postings += vat_postings
    total = -sum((posting.amount for posting in postings), ZERO)
    document_total = -sum((posting.document_amount for posting in postings), ZERO)
    third_party = sample.RECEIVABLE if sale else sample.PAYABLE
    return (Posting(DOCUMENT_LINE, third_party, total, document_total, relation), *postings)


def _exchange(rate: Decimal) -> Callable[[Decimal], Decimal]:
    if rate == ONE:
        return lambda value: value
    return lambda value: wire.cents(value * rate)


# --- financial and sundry --------------------------------------------------------------------------------


def read_money(dossier: Dossier, body: Json, rules: Rules, *, at: float, replaces: bool) -> Booking:
    """A checked booking from FinancialDiversBookingServiceData; raises Refused or Unreadable, changes nothing."""
    raw_lines = [
        (row, wire.text(row, "type"), wire.amount(row, "amount")) for row in wire.rows(body.get("bookingLines"))
    ]
    rate = wire.number(body, "exchangeRate")
    day = wire.day(body, "documentDate")
    place = _check_place(dossier, body, rules, letters="FD", replaces=replaces)
    if day is None:
        raise Refused(400, codes.NO_DOCUMENT_DATE, "documentDate is not set")
    _check_currency(dossier, place.journal.currency, rate)
    lines = tuple(_read_money_line(dossier, place.bookyear, *raw) for raw in raw_lines)
    total = sum((line.amount for line in lines), ZERO)
    financial = place.journal.letter == "F"
    if not financial and total:
        raise Refused(400, rules.sum_code, f"The lines of a sundry booking add up to {total}, not to zero")
    return Booking(
        bookyear=place.bookyear.id,
        journal=place.journal.key,
        number=place.number,
        period=place.period,
        document_date=day,
        expiry=None,
        relation=None,
        comment="",
        reference="",
        order_reference=None,
        amount=total,
        currency=place.journal.currency,
        rate=rate,
        payment_method=0,
        lines=(),
        money_lines=lines,
        postings=_post_money(lines, rate, place.journal, financial=financial),
        attachments=[],
        line_sign=1,
        origin="api",
        booked=at,
        modified=at,
    )


def money_wire(dossier: Dossier, booking: Booking) -> Json:
    """FinancialDiversBookingServiceData as it reads back."""
    relations = dossier.relations.by_id
    return {
        "bookingLines": [
            {
                "accountKey": line.account if line.type == "A" else None,
                "amount": line.amount,
                "costCentreKey": {"id": line.cost_centre} if line.cost_centre else None,
                "externalRelationId": relations[line.relation].external_id if line.relation else None,
                "reference": line.reference,
                "relationId": line.relation or None,
                "type": line.type,
            }
            for line in booking.money_lines
        ],
        "bookyearKey": {"id": booking.bookyear},
        "bookyearPeriodeNr": booking.period,
        "documentDate": booking.document_date,
        "documentSequenceNr": booking.number,
        "exchangeRate": booking.rate,
        "journalKey": booking.journal,
    }


def _read_money_line(dossier: Dossier, bookyear: Bookyear, row: Json, kind: str, amount: Decimal) -> MoneyLine:
    account = relation = 0
    if kind == "A":
        account = wire.integer(row, "accountKey")
        _check_account(bookyear, account)
    elif kind in ("C", "S"):
        ids = wire.integer(row, "relationId"), wire.integer(row, "externalRelationId")
        relation = _check_relation(dossier, *ids).id
        account = sample.RECEIVABLE if kind == "C" else sample.PAYABLE
    else:
        raise Refused(400, codes.UNKNOWN_LINE_TYPE, f"Line type {kind!r} is not one of A, C, S")
    cost_centre = wire.key(row, "costCentreKey")
    _check_cost_centre(dossier, cost_centre)
    return MoneyLine(kind, account, relation, amount, wire.text(row, "reference"), cost_centre)


def _post_money(
    lines: tuple[MoneyLine, ...], rate: Decimal, journal: Journal, *, financial: bool
) -> tuple[Posting, ...]:
    own = _exchange(rate)
    direction = -1 if financial else 1
    postings = []
    for number, line in enumerate(lines, 1):
        amount = line.amount * direction
        relation = line.relation or None
        postings.append(Posting(number, line.account, own(amount), amount, relation, None, line.cost_centre))
    if not financial:
        return tuple(postings)
    total = -sum((posting.amount for posting in postings), ZERO)
    document_total = -sum((posting.document_amount for posting in postings), ZERO)
    return (Posting(DOCUMENT_LINE, journal.account, total, document_total), *postings)


# --- checks ----------------------------------------------------------------------------------------------


def _check_place(dossier: Dossier, body: Json, rules: Rules, *, letters: str, replaces: bool) -> _Place:
    """Book year, journal, number and period; `replaces`: the number must be there instead of being the next."""
    bookyear_id = wire.key(body, "bookyearKey")
    bookyear = dossier.bookyears.get(bookyear_id)
    number, period = wire.integer(body, "documentSequenceNr"), wire.integer(body, "bookyearPeriodeNr")
    journal_key = wire.text(body, "journalKey")
    if bookyear is None:
        raise Refused(400, codes.UNKNOWN_BOOKYEAR, f"Dossier {dossier.id} has no bookyear {bookyear_id}")
    journal = bookyear.journals.get(journal_key)
    where = f"Dossier {dossier.id}, bookyear {bookyear.id}, journal {journal_key}"
    if journal is None:
        raise Refused(400, codes.UNKNOWN_JOURNAL, f"{where}: unknown journal")
    if journal.letter not in letters:
        raise Refused(400, codes.WRONG_JOURNAL_TYPE, f"{where}: journal type {LETTER_TYPES[journal.letter]}")
    if journal.insertion_type != 1:
        raise Refused(400, codes.JOURNAL_WRONG_MODE, f"{where}: insertion type {journal.insertion_type}")
    if journal.closed:
        raise Refused(403, codes.JOURNAL_CLOSED, f"{where}: closed")
    if journal.in_use:
        raise Refused(403, codes.JOURNAL_IN_USE, f"{where}: opened by another user")
    if replaces:
        if (bookyear.id, journal_key, number) not in dossier.bookings:
            raise Refused(400, codes.BOOKING_NOT_THERE, f"{where}: document number {number} does not exist")
    elif number != journal.last + 1:
        raise Refused(
            400, codes.ILLEGAL_NUMBER, f"{where}: last document number {journal.last}, offered number {number}"
        )
    if period not in bookyear.periods:
        raise Refused(400, codes.UNKNOWN_PERIOD, f"{where}: period {period} does not exist")
    if bookyear.closed or not period_open(journal, period, rules):
        raise Refused(
            400,
            codes.PERIOD_PROTECTED,
            f"{where}: period {period}, protected period {journal.protected_period}, "
            f"closed period {journal.closed_period}{', bookyear closed' if bookyear.closed else ''}",
        )
    return _Place(bookyear, journal, number, period)


def period_open(journal: Journal, period: int, rules: Rules) -> bool:
    """Whether a journal takes bookings in a period; 0 means that nothing is protected or closed."""
    if period <= journal.protected_period:
        return False
    if rules.closed_period == "from":
        return not journal.closed_period or period < journal.closed_period
    return period > journal.closed_period


def _check_relation(dossier: Dossier, relation_id: int, external_id: int) -> Relation:
    relation = dossier.relations.find(relation_id, external_id)
    if relation is None:
        raise Refused(
            400, codes.UNKNOWN_RELATION, f"No relation with key {relation_id} or external relation id {external_id}"
        )
    return relation


def _check_currency(dossier: Dossier, currency: str, rate: Decimal) -> None:
    if currency not in dossier.currencies:
        raise Refused(400, codes.UNKNOWN_CURRENCY, f"Currency {currency!r} is not known in dossier {dossier.id}")
    if rate <= 0 or (currency == dossier.currencies[0] and rate != ONE):
        raise Refused(400, codes.ILLEGAL_RATE, f"Exchange rate {rate} for {currency}")


def _check_line(dossier: Dossier, bookyear: Bookyear, line: Line, *, sale: bool, credit: bool) -> VatCode:
    account = bookyear.accounts.get(line.account)
    if account is None or account.heading:
        _check_account(bookyear, line.account)
    code = dossier.vat_codes.get(line.vat_code)
    if code is None:
        raise Refused(400, codes.UNKNOWN_VAT_CODE, f"VAT code {line.vat_code!r} is not known")
    if (code.type in (2, 4)) is not sale or (code.type > 2 and not credit):
        raise Refused(
            400, codes.VAT_CODE_OTHER_SIDE, f"VAT code {line.vat_code!r} of type {code.type} does not go with this"
        )
    if line.base * line.vat < 0:
        raise Refused(400, codes.OTHER_SIGN, f"Base {line.base} and VAT {line.vat} have different signs")
    if line.vat_recovery is not None and not 0 <= line.vat_recovery <= HUNDRED:
        raise Refused(400, codes.VAT_RECOVERY, f"VAT recovery percentage {line.vat_recovery}")
    if not line.cost_centre and account is not None and account.cost_centre == 1:
        raise Refused(400, codes.UNKNOWN_COST_CENTRE, f"Account {line.account} wants a cost centre")
    _check_cost_centre(dossier, line.cost_centre)
    return code


def _check_account(bookyear: Bookyear, number: int) -> None:
    account = bookyear.accounts.get(number)
    if account is None:
        raise Refused(400, codes.UNKNOWN_ACCOUNT, f"Account {number} does not exist in bookyear {bookyear.id}")
    if account.heading:
        raise Refused(400, codes.ACCOUNT_IS_HEADING, f"Account {number} is a heading")


def _check_cost_centre(dossier: Dossier, cost_centre_id: int) -> None:
    if not cost_centre_id:
        return
    cost_centre = dossier.cost_centres.get(cost_centre_id)
    if cost_centre is None:
        raise Refused(400, codes.UNKNOWN_COST_CENTRE, f"Cost centre {cost_centre_id} is not known")
    if cost_centre.closed:
        raise Refused(400, codes.COST_CENTRE_CLOSED, f"Cost centre {cost_centre_id} is closed")


def _check_sum(
    rules: Rules, amount: Decimal, line_sign: int, lines: tuple[Line, ...], vat_codes: list[VatCode]
) -> None:
    total = ZERO
    for line, code in zip(lines, vat_codes, strict=True):
        total += line.base if code.reverse else line.base + line.vat
    if line_sign * total != amount:
        raise Refused(400, rules.sum_code, f"Amount {amount} is not the sum of the lines, {total}")
