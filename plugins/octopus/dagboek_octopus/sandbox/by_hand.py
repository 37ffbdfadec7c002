"""What a person does in the books outside the API, and how dossiers are set up: the changes behind `/_sandbox`.

Bodies come from tests and demos, so what is wrong with one is a ValueError, KeyError or TypeError in plain words;
what the books themselves refuse is the same Refused as through the API.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from . import wire
from .balancing import ItemKey, find_item, items_of, open_amount, open_document_amount, tie
from .booking import DOCUMENT_LINE, HUNDRED, Booking, Rules, buy_sell_wire, read_buy_sell, read_money
from .books import Books, BooksChange, DossierChange, User
from .changes import keep, update
from .dossier import (
    Bookyear,
    CostCentre,
    Dossier,
    Journal,
    account_from_row,
    journal_from_row,
    names_from,
    vat_code_from_row,
)
from .wire import Json, Result


def _only(body: Json, names: str) -> None:
    """Raises ValueError for an option that there is not: a slip of the pen must not pass for a switch."""
    if unknown := body.keys() - names.split():
        raise ValueError(f"there is no option {', '.join(sorted(unknown))}; there are {names}")


# --- dossiers and logins ------------------------------------------------------------------------------------


def add_dossiers(books: Books, body: Json, at: float) -> Result:
    """A dossier from options, or `copies` of them; answers `{"ids": [...]}`."""
    options = {name: value for name, value in body.items() if name != "copies"}
    copies = int(body.get("copies", 1))
    if copies > 1 and "id" in options:
        raise ValueError("copies get ids of their own: leave out id")
    return Result(200, {"ids": [books.add_dossier(options, at).id for _ in range(copies)]})


def set_login(books: Books, body: Json, at: float) -> Result:
    """`{user, password, dossiers, remove}` and `{software_house}`: true or false switches the id on or off."""
    _only(body, "user password dossiers remove software_house")
    if "software_house" in body:
        books.software_house_on = bool(body["software_house"])
    if "user" in body:
        name = str(body["user"])
        if body.get("remove"):
            books.users.pop(name, None)
            return Result(200, {})
        user = books.users.setdefault(name, User(""))
        user.password = str(body.get("password", user.password))
        if "dossiers" in body:
            user.dossiers = None if body["dossiers"] is None else {int(each) for each in body["dossiers"]}
    return Result(200, {})


def set_dossier(books: Books, dossier: Dossier, body: Json, at: float) -> Result:
    """`{disabled, hide_key, open_items_carried, name, language}`."""
    _only(body, "disabled hide_key open_items_carried name language")
    for name in ("disabled", "hide_key", "open_items_carried"):
        if name in body:
            setattr(dossier, name, bool(body[name]))
    for name in ("name", "language"):
        if name in body:
            setattr(dossier, name, str(body[name]))
    return Result(200, {})


# --- book years, journals, accounts, codes --------------------------------------------------------------------


def set_bookyear(books: Books, dossier: Dossier, body: Json, at: float) -> Result:
    """`{add: 2027, journals: true}`, or `{bookyear, closed, remove}`; answers `{"bookyear": id}`."""
    _only(body, "add journals bookyear closed remove")
    if "add" in body:
        year = int(body["add"])
        journals = bool(body.get("journals", True))
        bookyear = dossier.add_bookyear(date(year, 1, 1), date(year, 12, 31), at=at, journals=journals)
        return Result(200, {"bookyear": bookyear.id})
    bookyear = _bookyears(dossier, body)[0]
    if body.get("remove"):
        del dossier.bookyears[bookyear.id]
    if "closed" in body:
        bookyear.closed = bool(body["closed"])
    return Result(200, {"bookyear": bookyear.id})


def set_journal(books: Books, dossier: Dossier, body: Json, at: float) -> Result:
    """`{journal, bookyear, ...}`: switches of a journal in one book year, or in all; `create` and `remove` too."""
    _only(
        body,
        "journal bookyear create remove name nl fr en de account currency last closed in_use protected_period "
        "closed_period insertion_type next_number",
    )
    journal_key = str(body["journal"])
    for bookyear in _bookyears(dossier, body):
        if body.get("create"):
            row = {"key": journal_key, "nl": str(body.get("name", journal_key)), **body}
            dossier.add_journal(bookyear, journal_from_row(row), at=at)
        journal = bookyear.journals.get(journal_key)
        if journal is None:
            raise ValueError(f"bookyear {bookyear.id} has no journal {journal_key}")
        if body.get("remove"):
            del bookyear.journals[journal_key]
        _switch_journal(journal, body)
        dossier.journal_changes.add(at, (bookyear.id, journal_key))
    return Result(200, {})


def _switch_journal(journal: Journal, body: Json) -> None:
    for name in ("closed", "in_use"):
        if name in body:
            setattr(journal, name, bool(body[name]))
    for name in ("protected_period", "closed_period", "insertion_type"):
        if name in body:
            setattr(journal, name, int(body[name]))
    if "next_number" in body:
        journal.last = int(body["next_number"]) - 1


def set_account(books: Books, dossier: Dossier, body: Json, at: float) -> Result:
    """`{account, bookyear, remove}` or an account row, in one book year or in all."""
    _only(body, "account bookyear remove nl fr en de heading vat_recovery purchase sales cost_centre")
    for bookyear in _bookyears(dossier, body):
        if body.get("remove"):
            dossier.remove_account(bookyear, int(body["account"]), at=at)
        else:
            dossier.set_account(bookyear, account_from_row(body), at=at)
    return Result(200, {})


def set_vat_code(books: Books, dossier: Dossier, body: Json, at: float) -> Result:
    """`{code, remove}` or a VAT code row."""
    _only(body, "code remove description type basePercentage reverse defaultSellBookingAccountNr")
    if body.get("remove"):
        dossier.vat_codes.pop(str(body["code"]), None)
    else:
        dossier.vat_codes[str(body["code"])] = vat_code_from_row(body)
    return Result(200, {})


def set_cost_centre(books: Books, dossier: Dossier, body: Json, at: float) -> Result:
    """A cost centre row."""
    _only(body, "id nl fr en de closed")
    number = int(body["id"])
    dossier.cost_centres[number] = CostCentre(number, names_from(body), bool(body.get("closed", False)))
    return Result(200, {})


def _bookyears(dossier: Dossier, body: Json) -> list[Bookyear]:
    if body.get("bookyear") is None:
        return list(dossier.bookyears.values())
    bookyear = dossier.bookyears.get(int(body["bookyear"]))
    if bookyear is None:
        raise ValueError(f"dossier {dossier.id} has no bookyear {body['bookyear']}")
    return [bookyear]


# --- typing and paying ----------------------------------------------------------------------------------------


def book_by_hand(books: Books, dossier: Dossier, body: Json, at: float) -> Result:
    """A person types a sales or purchase booking under the journal's next number.

    `{journal, date, bookyear, amount, vat_code, account, relation, external_relation, comment, reference, currency,
    rate, booking}`: the journal and one of the two relations are wanted; `booking` is a part of
    BuySellBookingServiceData that goes before the rest. Answers the key of what was booked.
    """
    _only(
        body,
        "journal date bookyear amount vat_code account relation external_relation comment reference currency rate "
        "booking",
    )
    journal_key = str(body["journal"])
    day = _day(body, at)
    bookyear = _bookyears(dossier, body)[0] if body.get("bookyear") else _bookyear_near(dossier, day)
    day = min(max(day, bookyear.start), bookyear.end)
    period = bookyear.period_of(day)
    journal = bookyear.journals.get(journal_key)
    if journal is None or period is None:
        raise ValueError(f"bookyear {bookyear.id} has no journal {journal_key}")
    sale = journal.letter == "V"
    data: Json = {
        "bookyearKey": {"id": bookyear.id},
        "journalKey": journal_key,
        "documentSequenceNr": journal.last + 1,
        "relationIdentificationServiceData": {"relationKey": {"id": _relation(dossier, body)}},
        "bookyearPeriodeNr": period.number,
        "documentDate": day.isoformat(),
        "expiryDate": day.isoformat(),
        "comment": body.get("comment", ""),
        "reference": body.get("reference", ""),
        "currencyCode": body.get("currency", dossier.currencies[0]),
        "exchangeRate": Decimal(str(body.get("rate", 1))),
        **_amounts(dossier, body, books.rules, sale=sale),
        **body.get("booking", {}),
    }
    with _journal_free(journal):
        booking = read_buy_sell(dossier, data, books.rules, at=at, replaces=False)
    booking.origin = "hand"
    keep(dossier, booking, at)
    return Result(200, _key(booking))


def _amounts(dossier: Dossier, body: Json, rules: Rules, *, sale: bool) -> Json:
    amount = wire.cents(Decimal(str(body.get("amount", "121.00"))))
    code = dossier.vat_codes[str(body.get("vat_code", "21" if sale else "D21"))]
    total = amount if rules.credit_lines == "negative" else abs(amount)
    base = total if code.reverse else wire.cents(total * HUNDRED / (HUNDRED + code.percentage))
    account = int(body.get("account", 700021 if sale else 612100))
    line = {"accountKey": account, "baseAmount": base, "vatCodeKey": code.code, "vatAmount": total - base}
    return {"amount": amount, "bookingLines": [line]}


def _relation(dossier: Dossier, body: Json) -> int:
    relation = dossier.relations.find(int(body.get("relation", 0)), int(body.get("external_relation", 0)))
    if relation is None:
        raise ValueError("there is no such relation")
    return relation.id


def alter_by_hand(books: Books, dossier: Dossier, body: Json, at: float) -> Result:
    """A person changes a booking `{journal, number, bookyear, amount, date, comment}`; an amount goes to one line."""
    _only(body, "journal number bookyear amount date comment")
    booking = _find(dossier, body)
    day = date.fromisoformat(str(body["date"])) if "date" in body else booking.document_date
    period = dossier.bookyears[booking.bookyear].period_of(day)
    if period is None:
        raise ValueError(f"bookyear {booking.bookyear} does not have {day}")
    data = buy_sell_wire(dossier, booking) | {
        "documentDate": day.isoformat(),
        "expiryDate": (booking.expiry or day).isoformat(),
        "bookyearPeriodeNr": period.number,
        "comment": str(body.get("comment", booking.comment)),
    }
    if "amount" in body:
        line = booking.lines[0]
        one = {"amount": body["amount"], "vat_code": line.vat_code, "account": line.account}
        data |= _amounts(dossier, one, books.rules, sale=booking.letter == "V")
    return update(dossier, read_buy_sell(dossier, data, books.rules, at=at, replaces=True), books.rules, at)


def delete_by_hand(books: Books, dossier: Dossier, body: Json, at: float) -> Result:
    """A person undoes a booking: `{journal, number, bookyear}`. The last number of a journal becomes free again."""
    _only(body, "journal number bookyear")
    booking = _find(dossier, body)
    for item in items_of(booking):
        if dossier.balancings.balanced(item.key):
            dossier.balancings.remove_where(at, booking.key)
    del dossier.bookings[booking.key]
    journal = dossier.bookyears[booking.bookyear].journals[booking.journal]
    if journal.last == booking.number:
        journal.last -= 1
    dossier.deleted_bookings.add(at, booking.key)
    return Result(200, _key(booking))


def pay(books: Books, dossier: Dossier, body: Json, at: float) -> Result:
    """A payment on a document: `{journal, number, bookyear, amount, date, bank}`.

    `amount` is in the document's currency and positive; left out, all that is open is paid. Books a line in the
    financial journal `bank` (F1) and ties it to the document. Answers the key of the financial booking and what is
    left open.
    """
    _only(body, "journal number bookyear amount date bank")
    document = _find(dossier, body)
    item = find_item(dossier, ItemKey(*document.key, DOCUMENT_LINE))
    open_own, open_document = open_amount(dossier, item), open_document_amount(dossier, item)
    paid = _share(open_own, open_document, body.get("amount"))
    day = _day(body, at)
    bookyear = _bookyear_near(dossier, day)
    day = min(max(day, bookyear.start), bookyear.end)
    period, journal = bookyear.period_of(day), bookyear.journals.get(str(body.get("bank", "F1")))
    if period is None or journal is None:
        raise ValueError(f"bookyear {bookyear.id} has no financial journal {body.get('bank', 'F1')}")
    data: Json = {
        "bookyearKey": {"id": bookyear.id},
        "journalKey": journal.key,
        "documentSequenceNr": journal.last + 1,
        "bookyearPeriodeNr": period.number,
        "documentDate": day.isoformat(),
        "exchangeRate": 1,
        "bookingLines": [
            {"type": item.type, "relationId": document.relation, "amount": paid, "reference": document.reference}
        ],
    }
    with _journal_free(journal):
        payment = read_money(dossier, data, books.rules, at=at, replaces=False)
    payment.origin = "hand"
    keep(dossier, payment, at)
    keys = [item.key, ItemKey(*payment.key, 1)]
    debit, credit = keys if paid > 0 else reversed(keys)
    tie(dossier, debit, credit, abs(paid), at)
    return Result(200, {**_key(payment), "open": str(abs(open_document_amount(dossier, item)))})


def _share(open_own: Decimal, open_document: Decimal, wanted: Any) -> Decimal:
    """What is paid in the dossier's currency, with the sign of what is open."""
    if not open_own:
        raise ValueError("nothing is open on this document")
    if wanted is None:
        return open_own
    amount = wire.cents(Decimal(str(wanted)))
    if not 0 < amount <= abs(open_document):
        raise ValueError(f"amount {amount} is not within what is open, {abs(open_document)}")
    return wire.cents(open_own * amount / abs(open_document))


def unpay(books: Books, dossier: Dossier, body: Json, at: float) -> Result:
    """Unties a document from its payments: `{journal, number, bookyear}`."""
    _only(body, "journal number bookyear")
    dossier.balancings.remove_where(at, _find(dossier, body).key)
    return Result(200, {})


def _find(dossier: Dossier, body: Json) -> Booking:
    """The booking with a journal and number; without `bookyear` the latest that has it."""
    wanted = str(body["journal"]), int(body["number"])
    found = [booking for key, booking in dossier.bookings.items() if key[1:] == wanted]
    if body.get("bookyear") is not None:
        found = [booking for booking in found if booking.bookyear == int(body["bookyear"])]
    if not found:
        raise ValueError(f"dossier {dossier.id} has no document {wanted[0]} {wanted[1]}")
    return found[-1]


def _key(booking: Booking) -> Json:
    return {"bookyear": booking.bookyear, "journal": booking.journal, "number": booking.number}


def _day(body: Json, at: float) -> date:
    given = body.get("date")
    return date.fromisoformat(given) if given else datetime.fromtimestamp(at, UTC).date()


def _bookyear_near(dossier: Dossier, day: date) -> Bookyear:
    """The book year of a day, else the one that ends last."""
    return dossier.bookyear_of(day) or max(dossier.bookyears.values(), key=lambda bookyear: bookyear.end)


@contextmanager
def _journal_free(journal: Journal) -> Iterator[None]:
    """A person may type in a journal that is "in use": it is in use by them."""
    in_use, journal.in_use = journal.in_use, False
    try:
        yield
    finally:
        journal.in_use = in_use


BOOKS_CHANGES: dict[str, BooksChange] = {
    "add_dossiers": add_dossiers,
    "set_login": set_login,
}

DOSSIER_CHANGES: dict[str, DossierChange] = {
    "set_dossier": set_dossier,
    "set_bookyear": set_bookyear,
    "set_journal": set_journal,
    "set_account": set_account,
    "set_vat_code": set_vat_code,
    "set_cost_centre": set_cost_centre,
    "book_by_hand": book_by_hand,
    "alter_by_hand": alter_by_hand,
    "delete_by_hand": delete_by_hand,
    "pay": pay,
    "unpay": unpay,
}
