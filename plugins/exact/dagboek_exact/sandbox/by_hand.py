"""What a person does in the books outside the API, and how everything is set up: the changes behind `/_sandbox`.

Bodies come from tests and demos, so what is wrong with one is a ValueError, KeyError or TypeError in plain words; what
the books themselves refuse is the same Refused as through the API.
"""

from dataclasses import fields, replace
from datetime import date
from decimal import Decimal
from typing import Any

from . import beginning, entries, relations, terms
from .books import App, Change, Turn
from .catalogue import RESOURCES
from .edm import Json, Row
from .rules import Rules
from .sides import PURCHASES, SALES, Side, side_of
from .tokens import end_chain


def _only(body: Json, names: str) -> None:
    """Raises ValueError for an option that there is not: a slip of the pen must not pass for a switch."""
    if unknown := body.keys() - names.split():
        raise ValueError(f"there is no option {', '.join(sorted(unknown))}; there are {names}")


# --- divisions, users, apps -------------------------------------------------------------------------------------------


def add_divisions(turn: Turn, body: Json) -> Json:
    """A division from options, or `copies` of it; answers `{"ids": [...]}`."""
    options = {name: value for name, value in body.items() if name != "copies"}
    copies = int(body.get("copies", 1))
    if copies > 1 and "id" in options:
        raise ValueError("copies get ids of their own: leave out id")
    return {"ids": [turn.books.add_division(options, turn.at).code for _ in range(copies)]}


def set_division(turn: Turn, body: Json) -> Json:
    """`{licensed, blocking, status, name, sales_condition, purchase_condition, differences}`."""
    _only(body, "licensed blocking status name sales_condition purchase_condition differences")
    division = turn.division
    for name, convert in (("licensed", bool), ("blocking", int), ("status", int), ("name", str)):
        if name in body:
            setattr(division, name, convert(body[name]))
    for name in ("sales_condition", "purchase_condition", "differences"):
        if name in body:
            division.defaults[name] = body[name]
    return {}


def set_login(turn: Turn, body: Json) -> Json:
    """A user `{user, full_name, email, language, active, divisions, current_division, end, remove}`.

    `end`: all tokens of the user end, as when a password is changed or consent is taken back.
    """
    _only(body, "user full_name email language active divisions current_division end remove")
    name, books = str(body["user"]), turn.books
    if body.get("remove"):
        books.users.pop(name, None)
        return {}
    user = books.users.get(name) or books.add_user({"name": name})
    for field, convert in (("full_name", str), ("email", str), ("language", str), ("active", bool)):
        if field in body:
            setattr(user, field, convert(body[field]))
    if "divisions" in body:
        user.divisions = None if body["divisions"] is None else {int(each) for each in body["divisions"]}
    if "current_division" in body:
        user.current_division = None if body["current_division"] is None else int(body["current_division"])
    if body.get("end"):
        end_chain(turn, {"user": name})
    return {"id": str(user.id)}


def set_right(turn: Turn, body: Json) -> Json:
    """`{user, resource, method, allowed}`: a right of a user; without `method` all of the resource."""
    _only(body, "user resource method allowed")
    user = turn.books.user(str(body["user"]))
    path, method = str(body["resource"]), str(body.get("method") or "*")
    if path not in RESOURCES:
        raise ValueError(f"there is no resource {path}")
    denied = user.denied.setdefault(path, set())
    if body.get("allowed", False):
        denied.discard(method)
    else:
        denied.add(method)
    return {"denied": {name: sorted(methods) for name, methods in user.denied.items() if methods}}


def set_app(turn: Turn, body: Json) -> Json:
    """An app `{client_id, client_secret, redirect_uris, scopes, minutely, daily, remove}`."""
    _only(body, "client_id client_secret redirect_uris scopes minutely daily remove")
    client, books = str(body["client_id"]), turn.books
    if body.get("remove"):
        books.apps.pop(client, None)
        return {}
    app = books.apps.setdefault(client, App(client, ""))
    app.client_secret = str(body.get("client_secret", app.client_secret))
    if "redirect_uris" in body:
        app.redirect_uris = None if body["redirect_uris"] is None else tuple(map(str, body["redirect_uris"]))
    if "scopes" in body:
        app.scopes = None if body["scopes"] is None else frozenset(map(str, body["scopes"]))
    app.minutely = int(body.get("minutely", app.minutely))
    app.daily = int(body.get("daily", app.daily))
    return {}


def set_rules(turn: Turn, body: Json) -> Json:
    """Fields of `Rules`."""
    _only(body, " ".join(each.name for each in fields(Rules)))
    given: Json = {name: tuple(one) if isinstance(one, list) else one for name, one in body.items()}
    turn.books.rules = replace(turn.books.rules, **given)
    return {}


# --- lists ------------------------------------------------------------------------------------------------------------


def set_year(turn: Turn, body: Json) -> Json:
    """`{add: 2028}`; `{year, period, journal, closed}`: all periods and journals where not named; `{year, remove}`."""
    _only(body, "add year period journal closed remove")
    division = turn.division
    if "add" in body:
        beginning.add_year(turn, int(body["add"]))
        return {}
    year = int(body["year"])
    rows = [row for row in division.rows("periods") if row["FinYear"] == year]
    wanted = [row for row in rows if body.get("period") in (None, row["FinPeriod"])]
    if not wanted:
        raise ValueError(f"there is no such period of {year}")
    for row in wanted:
        place = str(body.get("journal") or ""), year, int(row["FinPeriod"])
        if body.get("remove"):
            del division.tables["periods"][row["ID"]]
        elif body.get("closed", True):
            division.closed.add(place)
        else:
            division.closed.discard(place)
    return {}


def set_journal(turn: Turn, body: Json) -> Json:
    """`{journal, name, type, account, currency, any_currency, any_rate, blocked, next_number, year, remove}`."""
    _only(body, "journal name type account currency any_currency any_rate blocked next_number year remove")
    division, code = turn.division, str(body["journal"])
    found = division.by_code("journals", code)
    if body.get("remove"):
        return _remove(turn, "journals", code)
    if found is None or "type" in body:
        beginning.add_journal(turn, {"code": code, **body})
        return {}
    names = {"name": "Description", "currency": "Currency", "any_currency": "AllowVariableCurrency"}
    names |= {"any_rate": "AllowVariableExchangeRate", "blocked": "IsBlocked"}
    for name, field in names.items():
        if name in body:
            found[field] = body[name]
    if "next_number" in body:
        year = int(body.get("year") or turn.today.year)
        division.last_numbers[code, year] = int(body["next_number"]) - 1
    turn.stamp(found)
    return {}


def set_account(turn: Turn, body: Json) -> Json:
    """A ledger account row `{code, name, type, vat, cost_centre, ...}`, changed ones whole; `{code, remove}`."""
    _only(body, "code name type vat cost_centre cost_unit not_deductible blocked remove")
    if body.get("remove"):
        return _remove(turn, "gl_accounts", body["code"])
    beginning.add_gl_account(turn, body)
    return {}


def set_vat_code(turn: Turn, body: Json) -> Json:
    """A VAT code row `{code, name, percentage, side, type, charged, eu, blocked, earlier}`; `{code, remove}`."""
    _only(body, "code name percentage side type charged eu blocked earlier remove")
    if body.get("remove"):
        return _remove(turn, "vat_codes", body["code"])
    beginning.add_vat_code(turn, body)
    return {}


def set_condition(turn: Turn, body: Json) -> Json:
    """A payment condition row `{code, name, days, month_ends, method, discount, discount_days}`; `{code, remove}`."""
    _only(body, "code name days month_ends method discount discount_days remove")
    if body.get("remove"):
        return _remove(turn, "payment_conditions", body["code"])
    beginning.add_condition(turn, body)
    return {}


def set_cost_centre(turn: Turn, body: Json) -> Json:
    """A cost centre `{code, name, ended}`, or with `unit` a cost unit; `{code, remove}`."""
    _only(body, "code name ended unit remove")
    table = "cost_units" if body.get("unit") else "cost_centres"
    if body.get("remove"):
        return _remove(turn, table, body["code"])
    beginning.add_cost(turn, table, body)
    return {}


def _remove(turn: Turn, table: str, code: Any) -> Json:
    found = turn.division.by_code(table, code)
    if found is None:
        raise ValueError(f"there is no {code} in {table}")
    del turn.division.tables[table][found["ID"]]
    return {}


# --- relations and entries --------------------------------------------------------------------------------------------


def set_relation(turn: Turn, body: Json) -> Json:
    """A relation in the fields of crm/Accounts; with `code` the one that has it changes, or goes with `remove`."""
    resource = RESOURCES["crm/Accounts"]
    fields = {name: value for name, value in body.items() if name not in ("code", "remove")}
    if "code" not in body:
        row = relations.create(turn, resource, fields)
        return {"id": str(row["ID"]), "code": row["Code"].strip()}
    found = turn.division.by_code("accounts", body["code"])
    if found is None:
        raise ValueError(f"there is no relation {body['code']}")
    if body.get("remove"):
        relations.delete(turn, resource, found)
    else:
        relations.update(turn, resource, found, fields)
    return {"id": str(found["ID"]), "code": found["Code"].strip()}


def book_by_hand(turn: Turn, body: Json) -> Json:
    """A person types an entry: `{journal, date, amount, vat_code, account, name, comment, currency, rate ...}`."""
    _only(body, "journal date amount vat_code account name comment currency rate relation document")
    journal = turn.division.by_code("journals", body["journal"])
    if journal is None:
        raise ValueError(f"there is no journal {body['journal']}")
    side = SALES if journal["Type"] == SALES.journal_type else PURCHASES
    party = _party(turn, side, body)
    account = turn.division.gl_account(str(body["account"])) if body.get("account") else _usual(turn, side)
    if account is None:
        raise ValueError(f"there is no account {body.get('account')}")
    line: Json = {"GLAccount": str(account["ID"]), "AmountFC": Decimal(str(body.get("amount", 100)))}
    if body.get("vat_code"):
        line["VATCode"] = str(body["vat_code"])
    entry: Json = {
        side.party: str(party["ID"]),
        "Journal": journal["Code"],
        "EntryDate": str(body.get("date") or turn.today.isoformat()),
        side.lines: [line],
    }
    for name, field in (("comment", "YourRef"), ("currency", "Currency"), ("document", "Document")):
        if body.get(name):
            entry[field] = str(body[name])
    if body.get("rate"):
        entry["Rate"] = Decimal(str(body["rate"]))
    service, name = _address(side)
    made = entries.create(turn, side, RESOURCES[f"{service}/{name}"], RESOURCES[f"{service}/{side.lines}"], entry)
    made["origin"] = "hand"
    return _key(made)


def alter_by_hand(turn: Turn, body: Json) -> Json:
    """A person changes an entry `{journal, number, bookyear, amount, date, comment}`; the amount goes to one line."""
    _only(body, "journal number bookyear amount date comment")
    entry = _find(turn, body)
    side = side_of(entry["Type"])
    service, name = _address(side)
    if "amount" in body:
        line = turn.division.tables[side.line_table][entry["line_ids"][0]]
        resource = RESOURCES[f"{service}/{side.lines}"]
        entries.update_line(turn, side, resource, line, {"AmountFC": Decimal(str(body["amount"]))})
    head = {field: str(body[key]) for key, field in (("date", "EntryDate"), ("comment", "YourRef")) if key in body}
    if head:
        entries.update(turn, side, RESOURCES[f"{service}/{name}"], entry, head)
    return _key(entry)


def delete_by_hand(turn: Turn, body: Json) -> Json:
    """A person undoes an entry `{journal, number, bookyear}`."""
    _only(body, "journal number bookyear")
    entry = _find(turn, body)
    entries.delete(turn, side_of(entry["Type"]), entry)
    return {}


def pay(turn: Turn, body: Json) -> Json:
    """A payment on an entry `{journal, number, bookyear, amount, date, bank}`."""
    _only(body, "journal number bookyear amount date bank")
    entry = _find(turn, body)
    bank = turn.division.by_code("journals", body.get("bank") or "20")
    if bank is None or bank["Type"] not in (10, 12):
        raise ValueError(f"there is no bank journal {body.get('bank')}")
    day = date.fromisoformat(body["date"]) if body.get("date") else turn.today
    amount = Decimal(str(body["amount"])) if body.get("amount") is not None else None
    left = terms.pay(turn, side_of(entry["Type"]), entry, amount, day, bank)
    return {**_key(entry), "open": str(left)}


def unpay(turn: Turn, body: Json) -> Json:
    """Undoes the matching of an entry with its payments `{journal, number, bookyear}`."""
    _only(body, "journal number bookyear")
    terms.unpay(turn, _find(turn, body))
    return {}


def _party(turn: Turn, side: Side, body: Json) -> Row:
    """The relation with a code, else the one with a name, else a new one."""
    if body.get("relation"):
        found = turn.division.by_code("accounts", body["relation"])
        if found is None:
            raise ValueError(f"there is no relation {body['relation']}")
        return found
    name = str(body.get("name") or "Met de hand")
    for row in turn.division.rows("accounts"):
        if row["Name"] == name and (row.get("Status") == "C" if side is SALES else row.get("IsSupplier")):
            return row
    role: Json = {"Status": "C"} if side is SALES else {"IsSupplier": True}
    return relations.create(turn, RESOURCES["crm/Accounts"], {"Name": name, **role})


def _usual(turn: Turn, side: Side) -> Row | None:
    wanted = 110 if side is SALES else 121
    return next((row for row in turn.division.rows("gl_accounts") if row["Type"] == wanted), None)


def _address(side: Side) -> tuple[str, str]:
    return ("salesentry", "SalesEntries") if side is SALES else ("purchaseentry", "PurchaseEntries")


def _find(turn: Turn, body: Json) -> Row:
    """The entry with a journal and number; without `bookyear` the latest that has it."""
    found = [
        row
        for table in ("sales", "purchases")
        for row in turn.division.rows(table)
        if (row["Journal"], row["EntryNumber"]) == (str(body["journal"]), int(body["number"]))
        and body.get("bookyear") in (None, row["ReportingYear"])
    ]
    if not found:
        raise ValueError(f"division {turn.division.code} has no entry {body['journal']} {body['number']}")
    return found[-1]


def _key(entry: Row) -> Json:
    return {
        "id": str(entry["EntryID"]),
        "bookyear": entry["ReportingYear"],
        "journal": entry["Journal"],
        "number": entry["EntryNumber"],
    }


BY_HAND: dict[str, Change] = {
    "add_divisions": add_divisions,
    "set_division": set_division,
    "set_login": set_login,
    "set_right": set_right,
    "set_app": set_app,
    "set_rules": set_rules,
    "set_year": set_year,
    "set_journal": set_journal,
    "set_account": set_account,
    "set_vat_code": set_vat_code,
    "set_condition": set_condition,
    "set_cost_centre": set_cost_centre,
    "set_relation": set_relation,
    "book_by_hand": book_by_hand,
    "alter_by_hand": alter_by_hand,
    "delete_by_hand": delete_by_hand,
    "pay": pay,
    "unpay": unpay,
}
