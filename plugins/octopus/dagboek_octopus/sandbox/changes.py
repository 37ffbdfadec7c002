"""What calls of the API change in the books. Each checks first and changes last: a refusal leaves no trace."""

import base64
import binascii
import hashlib
from dataclasses import replace
from datetime import date
from typing import Any

from . import codes, wire
from .balancing import items_of, read_item_key, tie
from .booking import Attachment, Booking, Rules, buy_sell_wire, money_wire, period_open, read_buy_sell, read_money
from .books import Books, DossierChange
from .dossier import Account, CostCentre, Dossier, Journal
from .wire import Json, Refused, Result


def insert_buy_sell(books: Books, dossier: Dossier, body: Json, at: float) -> Result:
    """BuySellBookingAndAttachmentRequest with attachments as `digest` leaves them."""
    data = wire.mapping(body.get("buySellBookingServiceData"))
    booking = read_buy_sell(dossier, data, books.rules, at=at, replaces=False)
    return _insert(dossier, booking, body, at)


def insert_money(books: Books, dossier: Dossier, body: Json, at: float) -> Result:
    """FinancialDiversBookingAndAttachmentRequest with attachments as `digest` leaves them."""
    data = wire.mapping(body.get("financialDiversBookingServiceData"))
    booking = read_money(dossier, data, books.rules, at=at, replaces=False)
    return _insert(dossier, booking, body, at)


def update_buy_sell(books: Books, dossier: Dossier, body: Json, at: float) -> Result:
    """A bare BuySellBookingServiceData takes the place of the booking with its key."""
    booking = read_buy_sell(dossier, body, books.rules, at=at, replaces=True)
    return update(dossier, booking, books.rules, at)


def update_money(books: Books, dossier: Dossier, body: Json, at: float) -> Result:
    """A bare FinancialDiversBookingServiceData takes the place of the booking with its key."""
    booking = read_money(dossier, body, books.rules, at=at, replaces=True)
    return update(dossier, booking, books.rules, at)


def keep(dossier: Dossier, booking: Booking, at: float) -> None:
    """Puts a checked booking into the books and counts its number."""
    dossier.bookings[booking.key] = booking
    dossier.bookyears[booking.bookyear].journals[booking.journal].last = booking.number
    dossier.booking_changes.add(at, booking.key)


def booking_wire(dossier: Dossier, booking: Booking) -> Json:
    """The booking as it reads back, of whichever kind."""
    return buy_sell_wire(dossier, booking) if booking.letter in "AV" else money_wire(dossier, booking)


def _insert(dossier: Dossier, booking: Booking, body: Json, at: float) -> Result:
    if attachments := body.get("attachments"):
        booking.attachments = [Attachment(row["fileName"], row["size"], row["sha256"]) for row in attachments]
    keep(dossier, booking, at)
    return Result(201)


def update(dossier: Dossier, booking: Booking, rules: Rules, at: float) -> Result:
    """Puts a checked booking in the place of the one with its key."""
    earlier = dossier.bookings[booking.key]
    journal = dossier.bookyears[earlier.bookyear].journals[earlier.journal]
    if not period_open(journal, earlier.period, rules):
        raise Refused(400, codes.PERIOD_PROTECTED, f"The booking stands in period {earlier.period}, which is closed")
    # Not documented: what is tied to a payment keeps its relation and amount.
    tied = [item for item in items_of(earlier) if dossier.balancings.balanced(item.key)]
    if tied and (earlier.relation, earlier.amount) != (booking.relation, booking.amount):
        raise Refused(400, codes.UPDATE_BOOKING, "The booking is balanced with a payment")
    booking.attachments = earlier.attachments
    booking.origin, booking.booked, booking.revision = earlier.origin, earlier.booked, earlier.revision + 1
    dossier.bookings[booking.key] = booking
    dossier.booking_changes.add(at, booking.key)
    return Result(204)


# --- attachments -----------------------------------------------------------------------------------------


def digest(attachments: Any) -> list[Json]:
    """Name, size and SHA-256 in place of the bytes; raises Unreadable when they are not base64."""
    return [_digest(row) for row in wire.rows(attachments)]


def _digest(row: Json) -> Json:
    try:
        content = base64.b64decode(wire.text(row, "fileData"), validate=True)
    except (binascii.Error, ValueError) as error:
        raise wire.Unreadable("fileData is not base64") from error
    return {
        "fileName": wire.text(row, "fileName"),
        "size": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
    }


def attach(books: Books, dossier: Dossier, body: Json, at: float) -> Result:
    """A file for a booking: `{bookyear, journal, number, file}`, the file as `digest` leaves it."""
    booking = dossier.bookings.get((body["bookyear"], body["journal"], body["number"]))
    if booking is None:
        raise Refused(400, codes.BOOKING_NOT_THERE, f"No document {body['journal']} {body['number']}")
    file = body["file"]
    booking.attachments.append(Attachment(file["fileName"], file["size"], file["sha256"]))
    return Result(204)


# --- relations, accounts, cost centres ----------------------------------------------------------------------


def upsert_relation(books: Books, dossier: Dossier, body: Json, at: float) -> Result:
    """RelationServiceData."""
    return dossier.relations.upsert(body, at)


def upsert_account(books: Books, dossier: Dossier, body: Json, at: float) -> Result:
    """AccountServiceData: 201 when it is new, else 204; percentages and texts given are merged."""
    account_key = wire.mapping(body.get("accountKey"))
    bookyear = dossier.bookyears.get(wire.key(account_key, "bookyearKey"))
    number = wire.integer(account_key, "id")
    if bookyear is None:
        raise Refused(400, codes.UNKNOWN_BOOKYEAR, f"Dossier {dossier.id} has no such bookyear")
    if number <= 0:
        raise wire.invalid_parameters()
    account = bookyear.accounts.get(number) or Account(number, {})
    account = replace(account, names={**account.names, **_read_names(body)})
    if body.get("vatRecupPercentage") is not None:
        recovery = wire.number(body, "vatRecupPercentage")
        if not 0 <= recovery <= 100:
            raise Refused(400, codes.VAT_RECOVERY, f"VAT recovery percentage {recovery}")
        account = replace(account, vat_recovery=recovery)
    return Result(201 if dossier.set_account(bookyear, account, at=at) else 204)


def upsert_cost_centre(books: Books, dossier: Dossier, body: Json, at: float) -> Result:
    """CostCentreServiceData: 201 when it is new, else 204."""
    number = wire.key(body, "costCentreKey")
    if number <= 0:
        raise wire.invalid_parameters()
    earlier = dossier.cost_centres.get(number)
    names = {**(earlier.names if earlier else {}), **_read_names(body)}
    closed = wire.boolean(body, "closed", earlier.closed if earlier else False)
    dossier.cost_centres[number] = CostCentre(number, names, closed)
    return Result(204 if earlier else 201)


def _read_names(body: Json) -> dict[str, str]:
    description = wire.mapping(body.get("description"))
    texts = {language: wire.text(description, f"description_{language.upper()}") for language in codes.LANGUAGES}
    return {language: text for language, text in texts.items() if text}


# --- balancings ------------------------------------------------------------------------------------------


def insert_balancing(books: Books, dossier: Dossier, body: Json, at: float) -> Result:
    """BalancingServiceData."""
    debit = read_item_key(wire.mapping(body.get("debetKey")))
    credit = read_item_key(wire.mapping(body.get("creditKey")))
    tie(dossier, debit, credit, wire.amount(body, "balanceAmount"), at)
    return Result(201)


def delete_balancing(books: Books, dossier: Dossier, body: Json, at: float) -> Result:
    """DeleteBalancingItemRequest."""
    debit = read_item_key(wire.mapping(body.get("debetKey")))
    credit = read_item_key(wire.mapping(body.get("creditKey")))
    dossier.balancings.remove((debit, credit), at)
    return Result(204)


def delete_balancings_of_line(books: Books, dossier: Dossier, body: Json, at: float) -> Result:
    """BalancingKeyServiceData."""
    item = read_item_key(body)
    dossier.balancings.remove_where(at, item.booking, item.line)
    return Result(204)


def delete_balancings_of_document(books: Books, dossier: Dossier, body: Json, at: float) -> Result:
    """DocumentKeyServiceData."""
    booking = (wire.key(body, "bookyearKey"), wire.text(body, "journal"), wire.integer(body, "documentSequenceNr"))
    dossier.balancings.remove_where(at, booking)
    return Result(204)


# --- book years and journals ------------------------------------------------------------------------------


def insert_bookyear(books: Books, dossier: Dossier, body: Json, at: float) -> Result:
    """BookyearInsertRequest: a year after the last one, with the dossier's chart and journals."""
    start, end = _day(body, "fromDate"), _day(body, "toDate")
    period_type = wire.text(body, "bookingPeriodType")
    if period_type not in ("MONTH", "QUARTER", "YEAR") or start > end:
        raise wire.invalid_parameters()
    if any(start <= year.end and year.start <= end for year in dossier.bookyears.values()):
        raise wire.invalid_parameters()
    dossier.period_type = period_type
    bookyear = dossier.add_bookyear(start, end, at=at)
    return Result(200, bookyear.id)


def _day(body: Json, name: str) -> date:
    day = wire.day(body, name)
    if day is None:
        raise wire.invalid_parameters()
    return day


def insert_journal(books: Books, dossier: Dossier, body: Json, at: float) -> Result:
    """`{letter, common, insertion_type, currency, account}`, the middle one as CommonJournalInsertRequestData."""
    common = wire.mapping(body["common"])
    bookyear = dossier.bookyears.get(wire.key(common, "bookyearKey"))
    if bookyear is None:
        raise Refused(400, codes.UNKNOWN_BOOKYEAR, f"Dossier {dossier.id} has no such bookyear")
    sequence = wire.integer(common, "sequenceNumber")
    journal_key = f"{body['letter']}{sequence}"
    if sequence < 1 or journal_key in bookyear.journals:
        raise wire.invalid_parameters()
    journal = Journal(journal_key, {}, insertion_type=body["insertion_type"])
    if body["letter"] == "F":
        journal.currency, journal.account = body["currency"], body["account"]
    _set_common(journal, common)
    dossier.add_journal(bookyear, journal, at=at)
    return Result(200, [bookyear.id, journal_key])


def update_journal(books: Books, dossier: Dossier, body: Json, at: float) -> Result:
    """`{letter, common}`, the latter as CommonJournalUpdateRequestData."""
    common = wire.mapping(body["common"])
    bookyear = dossier.bookyears.get(wire.key(common, "bookyearKey"))
    journal_key = f"{body['letter']}{wire.integer(common, 'sequenceNumber')}"
    journal = bookyear.journals.get(journal_key) if bookyear else None
    if bookyear is None or journal is None:
        raise Refused(400, codes.UNKNOWN_JOURNAL, f"Dossier {dossier.id} has no journal {journal_key} in that bookyear")
    _set_common(journal, common)
    dossier.journal_changes.add(at, (bookyear.id, journal_key))
    return Result(200, [bookyear.id, journal_key])


def _set_common(journal: Journal, common: Json) -> None:
    names = {wire.text(row, "language").lower(): wire.text(row, "value") for row in wire.rows(common.get("names"))}
    journal.names = {**journal.names, **names}
    if following := wire.integer(common, "nextDocumentNumber"):
        journal.last = following - 1
    if common.get("protectedPeriod") is not None:
        journal.protected_period = wire.integer(common, "protectedPeriod")


def delete_journal(books: Books, dossier: Dossier, body: Json, at: float) -> Result:
    """`{bookyear, journal}`; only one without bookings."""
    bookyear = dossier.bookyears.get(body["bookyear"])
    if bookyear is None or body["journal"] not in bookyear.journals:
        raise Refused(400, codes.UNKNOWN_JOURNAL, f"No journal {body['journal']} in that bookyear")
    if any(key[:2] == (bookyear.id, body["journal"]) for key in dossier.bookings):
        raise Refused(400, codes.INVALID_PARAMETER, f"Journal {body['journal']} has bookings")
    del bookyear.journals[body["journal"]]
    dossier.journal_changes.add(at, (bookyear.id, body["journal"]))
    return Result(204)


CHANGES: dict[str, DossierChange] = {
    "insert_buy_sell": insert_buy_sell,
    "update_buy_sell": update_buy_sell,
    "insert_money": insert_money,
    "update_money": update_money,
    "attach": attach,
    "upsert_relation": upsert_relation,
    "upsert_account": upsert_account,
    "upsert_cost_centre": upsert_cost_centre,
    "insert_balancing": insert_balancing,
    "delete_balancing": delete_balancing,
    "delete_balancings_of_line": delete_balancings_of_line,
    "delete_balancings_of_document": delete_balancings_of_document,
    "insert_bookyear": insert_bookyear,
    "insert_journal": insert_journal,
    "update_journal": update_journal,
    "delete_journal": delete_journal,
}
