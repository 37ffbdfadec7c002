"""What a person does in the books outside the services: the changes behind `/_sandbox`.

Bodies come from tests and demos, so what is wrong with one is a ValueError, KeyError or TypeError in plain words; what
the books themselves refuse is a ValueError with their words.
"""

from dataclasses import fields, replace
from datetime import date
from decimal import Decimal
from typing import Any

from . import archive, uploads
from .administration import ZERO, Administration, Product, VatCode, add_vat_code, cents, set_account
from .booking import Line, Wrong, book, check_account, check_open, pay, take_out, unpay
from .books import Change, Json, Turn
from .contacts import Contact
from .entry import Entry
from .rules import Rules


def only(body: Json, names: str) -> None:
    """Raises ValueError for an option that there is not: a slip of the pen must not pass for a switch."""
    if unknown := body.keys() - set(names.split()):
        raise ValueError(f"there is no option {', '.join(sorted(unknown))}; there are {names}")


def set_rules(turn: Turn, body: Json) -> Json:
    """Fields of `Rules`."""
    only(body, " ".join(each.name for each in fields(Rules)))
    kinds = {each.name: type(getattr(turn.books.rules, each.name)) for each in fields(Rules)}
    turn.books.rules = replace(turn.books.rules, **{name: kinds[name](value) for name, value in body.items()})
    return {}


# --- lists ------------------------------------------------------------------------------------------------------------


def close(turn: Turn, body: Json) -> Json:
    """Nothing can be booked before a day any more: `{before: "2026-01-01"}`; null opens everything."""
    only(body, "before")
    turn.administration.closed_before = date.fromisoformat(body["before"]) if body["before"] else None
    return {}


def account(turn: Turn, body: Json) -> Json:
    """A ledger account `{code, kind, name, nl, fr, en, enabled, deductible}`, new or changed; `{code, remove}`."""
    only(body, "code kind name nl fr en enabled deductible remove")
    if body.get("remove"):
        if turn.administration.accounts.pop(str(body["code"]), None) is None:
            raise ValueError(f"there is no account {body['code']}")
        return {}
    set_account(turn.administration, body)
    return {}


def vat_code(turn: Turn, body: Json) -> Json:
    """A VAT code `{type, percentage, country, start, end, description}`; with `remove` those that are like it go.

    One that has the same type, percentage and country is replaced, as when somebody moves its validity.
    """
    only(body, "type percentage country start end description remove")
    administration = turn.administration
    place = int(body["type"]), Decimal(str(body["percentage"])), str(body.get("country") or administration.country)
    left = [one for one in administration.vat_codes if (one.type, one.percentage, one.country) != place]
    if body.get("remove") and len(left) == len(administration.vat_codes):
        raise ValueError("there is no such VAT code")
    administration.vat_codes = left
    if not body.get("remove"):
        add_vat_code(administration, body)
    return {}


def currency(turn: Turn, body: Json) -> Json:
    """Euros for one unit of a currency: `{code, rate}`; without a rate it is not known any more."""
    only(body, "code rate")
    if body.get("rate") is None:
        turn.administration.rates.pop(str(body["code"]), None)
    else:
        turn.administration.rates[str(body["code"])] = Decimal(str(body["rate"]))
    return {}


def product(turn: Turn, body: Json) -> Json:
    """A product `{description, account, price, percentage, vat_type}`, as somebody typed it in before."""
    only(body, "description account price percentage vat_type")
    name = str(body["description"])
    old = turn.administration.products.get(name.casefold())
    turn.administration.products[name.casefold()] = Product(
        id=old.id if old else turn.guid(),
        description=name,
        reference="",
        account=str(body.get("account") or turn.administration.role("revenue")),
        price=Decimal(str(body["price"])) if "price" in body else None,
        vat_percentage=Decimal(str(body["percentage"])) if "percentage" in body else None,
        vat_type=int(body["vat_type"]) if "vat_type" in body else None,
        vat_included=False,
    )
    return {}


def refuse_invoices(turn: Turn, body: Json) -> Json:
    """Invoices with these references are wrong, with this message, until it is `off`."""
    only(body, "references message off")
    refused = turn.administration.refused
    for reference in map(str, body.get("references") or list(refused)):
        if body.get("off"):
            refused.pop(reference, None)
        else:
            refused[reference] = str(body.get("message") or "The invoice is refused")
    return {"refused": sorted(refused)}


def relation(turn: Turn, body: Json) -> Json:
    """A contact `{id or code, name, type, new_code, active, customer, supplier, ...}` and fields of the lists.

    One that is found is changed, else it is made.
    """
    contacts = turn.books.domains[turn.administration.domain].contacts
    known = {"id", "code", "name", "type", "new_code", "active", "customer", "supplier"}
    given = {name: str(value) for name, value in body.items() if name not in known}
    code = str(body.get("code") or "")
    found = contacts.by_id.get(str(body["id"])) if "id" in body else contacts.with_code(code) if code else None
    if "id" in body and found is None:
        raise ValueError(f"there is no contact {body['id']}")
    if found is None:
        found = Contact(
            id=turn.guid(),
            hid=contacts.next_hid(),
            type=str(body.get("type") or "Company"),
            name=str(body["name"]),
            code=code,
            fields=given,
            created=turn.at,
            modified=turn.at,
            made_by=turn.administration.id,
        )
        contacts.add(found)
    else:
        name, new = str(body.get("name") or ""), str(body.get("new_code") or "")
        contacts.change(found, at=turn.at, name=name, code=new, fields=given)
    found.active = bool(body.get("active", found.active))
    found.customer = bool(body.get("customer", found.customer))
    found.supplier = bool(body.get("supplier", found.supplier))
    return {"id": found.id, "code": found.code}


# --- entries ----------------------------------------------------------------------------------------------------------


def book_by_hand(turn: Turn, body: Json) -> Json:
    """A person types an invoice.

    `{number, date, amount, vat_type, percentage, account, name, code, purchase, currency}`; `amount` is without VAT. A
    number that is there already can be typed again.
    """
    only(body, "number date amount vat_type percentage account name code purchase currency")
    administration, purchase = turn.administration, bool(body.get("purchase"))
    amount, day = Decimal(str(body.get("amount", 100))), _day(turn, body.get("date"))
    code = _code(administration, body, day, purchase=purchase)
    chosen = str(body.get("account") or administration.role("costs" if purchase else "revenue"))
    if administration.rate(currency := str(body.get("currency") or "EUR")) is None:
        raise ValueError(f"there is no currency {currency}")
    check_open(administration, day)
    check_account(administration, chosen)
    contact = _contact(turn, str(body.get("name") or "Met de hand"), str(body.get("code") or ""))
    contact.supplier, contact.customer = contact.supplier or purchase, contact.customer or not purchase
    administration.deliveries += 1
    number = str(body.get("number") or f"H{administration.deliveries:05}")
    entry = _blank(turn, contact, number, day, currency, purchase=purchase)
    line = Line(chosen, amount, cents(amount * code.percentage / 100), code, entry.subject)
    book(administration, entry, [line], administration.role("creditors" if purchase else "debtors"))
    _file(turn, entry, contact)
    return {"id": entry.id, "number": number}


def _file(turn: Turn, entry: Entry, contact: Contact) -> None:
    """A page in the archive, as there is one behind every transaction."""
    shelf, purchase = turn.books.domains[turn.administration.domain].archive, entry.kind == "purchase"
    shelf.add(
        archive.Document(
            id=entry.id,
            hid=shelf.next_hid(),
            administration=turn.administration.id,
            subject=entry.subject,
            day=entry.day.isoformat(),
            amount=f"{entry.total:.2f}",
            folder=archive.PURCHASES if purchase else archive.SALES,
            type=archive.PURCHASE_INVOICE if purchase else archive.SALES_INVOICE,
            file_name=f"Invoice {entry.reference}.pdf",
            data="",
            contact=contact.name,
            creator=entry.user,
            created=turn.at,
            modified=turn.at,
        )
    )


def _blank(turn: Turn, contact: Contact, number: str, day: date, currency: str, *, purchase: bool) -> Entry:
    rate = turn.administration.rate(currency)
    assert rate is not None
    return Entry(
        id=turn.guid(),
        kind="purchase" if purchase else "sale",
        day=day,
        due=None,
        reference=number,
        subject=f"{contact.name} {number}",
        contact=contact.id,
        currency=currency,
        rate=rate,
        total=ZERO,
        vat=[],
        postings=[],
        method="Unspecified",
        payment_id="",
        origin="hand",
        delivered=turn.administration.deliveries,
        booked=turn.at,
        modified=turn.at,
        user="Vera Voorbeeld",
    )


def _code(administration: Administration, body: Json, day: date, *, purchase: bool) -> VatCode:
    kind = int(body.get("vat_type", 5 if purchase else 1))
    percentage = Decimal(str(body.get("percentage", 21)))
    found = administration.vat_code(kind, percentage, administration.country, day)
    if found is None:
        raise ValueError(f"there is no VAT code {kind}/{percentage}")
    return found


def _contact(turn: Turn, name: str, code: str) -> Contact:
    contacts = turn.books.domains[turn.administration.domain].contacts
    found = contacts.with_code(code) if code else contacts.with_name(name)
    if found is None:
        made = relation(turn, {"name": name, "code": code, "Country": turn.administration.country})
        found = contacts.by_id[made["id"]]
    return found


def delete_by_hand(turn: Turn, body: Json) -> Json:
    """A person deletes an entry `{id}` or `{number, purchase}`; its number is free again."""
    only(body, "id number purchase")
    entry = _find(turn, body)
    take_out(turn, turn.administration, entry)
    return {}


def alter_by_hand(turn: Turn, body: Json) -> Json:
    """A person changes an entry `{id}` or `{number, purchase}`: `{new_number, date, amount, account}` (without VAT)."""
    only(body, "id number purchase new_number date amount account")
    administration, entry = turn.administration, _find(turn, body)
    day = date.fromisoformat(body["date"]) if body.get("date") else entry.day
    check_open(administration, entry.day)
    check_open(administration, day)
    nets = [one for one in entry.postings if one.role == "net" and one.vat is not None]
    sign = -entry.sign
    share = Decimal(str(body["amount"])) if body.get("amount") is not None else None
    lines = []
    for place, one in enumerate(nets):
        assert one.vat is not None
        net = sign * one.document_amount if share is None else (share if place == 0 else ZERO)
        vat = cents(net * one.vat.percentage / 100)
        reverse = any(each.reverse for each in entry.vat if each.code == one.vat)
        lines.append(Line(str(body.get("account") or one.account), net, vat, one.vat, one.description, reverse))
    gross = entry.gross
    assert gross is not None
    administration.drop(entry)
    entry.day, entry.reference = day, str(body.get("new_number") or entry.reference)
    entry.modified, entry.revision, entry.user = turn.at, entry.revision + 1, "Vera Voorbeeld"
    book(administration, entry, lines, gross.account)
    return {"id": entry.id}


def pay_by_hand(turn: Turn, body: Json) -> Json:
    """Money on the bank `{id}` or `{number, purchase}`: `{amount, date}`; all that is open, today, where left out."""
    only(body, "id number purchase amount date")
    entry = _find(turn, body)
    left = entry.open_amount(turn.at)
    if not left:
        raise ValueError(f"nothing is open of {entry.reference}")
    amount = Decimal(str(body["amount"])) if body.get("amount") is not None else left
    pay(turn, turn.administration, entry, amount, _day(turn, body.get("date")))
    return {"id": entry.id, "open": str(left - amount)}


def unpay_by_hand(turn: Turn, body: Json) -> Json:
    """All payments of an entry are taken back `{id}` or `{number, purchase}`."""
    only(body, "id number purchase")
    unpay(turn, turn.administration, _find(turn, body))
    return {}


def handle_upload(turn: Turn, body: Json) -> Json:
    """Somebody looks at an upload now: `{id, account}`; all that wait without an id. `{left: true}`: they leave it.

    What is no UBL is booked from `{name, number, date, amount, vat_type, percentage}`.
    """
    only(body, "id account left name number date amount vat_type percentage")
    administration = turn.administration
    shelf = turn.books.domains[administration.domain].archive
    ids = [str(body["id"])] if body.get("id") else [one.id for one in shelf.documents.values() if one.waits]
    done: list[str] = []
    for id in ids:
        document = shelf.documents.get(id)
        if document is None or document.administration != administration.id:
            raise ValueError(f"there is no document {id}")
        if body.get("left"):
            document.waits, document.left = False, "somebody left it"
        elif "number" in body:
            _type_over(turn, document, body)
            done.append(id)
        elif uploads.handle(turn.books, document, turn.at, str(body.get("account") or "")) is not None:
            done.append(id)
    return {"booked": done}


def _type_over(turn: Turn, document: archive.Document, body: Json) -> None:
    """A purchase invoice that somebody typed over from a page."""
    named: Json = {
        name: body[name]
        for name in ("name", "number", "date", "amount", "vat_type", "percentage", "account")
        if name in body
    }
    made = book_by_hand(turn, {**named, "purchase": True})
    administration = turn.administration
    entry = administration.entries[made["id"]]
    administration.drop(entry)
    del turn.books.domains[administration.domain].archive.documents[entry.id]
    entry.id, entry.delivered, entry.origin = document.id, document.delivered, "upload"
    administration.keep(entry)
    document.waits, document.left = False, ""
    document.folder, document.type = archive.PURCHASES, archive.PURCHASE_INVOICE
    document.subject, document.modified = entry.subject, turn.at


def _day(turn: Turn, given: Any) -> date:
    return date.fromisoformat(str(given)) if given else turn.today


def _find(turn: Turn, body: Json) -> Entry:
    administration = turn.administration
    if "id" in body:
        found = administration.entries.get(str(body["id"]).lower())
    else:
        kind = "purchase" if body.get("purchase") else "sale"
        number = str(body["number"])
        rows = administration.numbered(kind, number)
        found = rows[-1] if rows else None
    if found is None:
        raise ValueError(f"administration {administration.id} has no entry {body.get('id') or body.get('number')}")
    return found


def _plainly(change: Change) -> Change:
    """What the books refuse is a ValueError in their words."""

    def done(turn: Turn, body: Json) -> Any:
        try:
            return change(turn, body)
        except Wrong as why:
            raise ValueError(str(why)) from None

    return done


_CHANGES: dict[str, Change] = {
    "set_rules": set_rules,
    "close": close,
    "account": account,
    "vat_code": vat_code,
    "currency": currency,
    "product": product,
    "refuse_invoices": refuse_invoices,
    "relation": relation,
    "book_by_hand": book_by_hand,
    "delete_by_hand": delete_by_hand,
    "alter_by_hand": alter_by_hand,
    "pay": pay_by_hand,
    "unpay": unpay_by_hand,
    "handle_upload": handle_upload,
}
CHANGES: dict[str, Change] = {name: _plainly(change) for name, change in _CHANGES.items()}
