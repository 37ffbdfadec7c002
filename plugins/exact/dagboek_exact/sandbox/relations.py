"""crm/Accounts: customers and suppliers."""

import re
from uuid import UUID

from . import bodies, sample
from .beginning import account_code
from .books import Turn
from .edm import Json, Row
from .refusal import Problems, rejected, sentence
from .resources import Resource

_EMAIL = re.compile(r"^[^@\s,;]+@[^@\s,;]+\.[^@\s,;]{2,}$")
_VAT = {
    "BE": r"BE[01]\d{9}",
    "NL": r"NL\d{9}B\d{2}",
    "FR": r"FR[0-9A-Z]{2}\d{9}",
    "IT": r"IT\d{11}",
    "ES": r"ES(?!\d{9}$)[0-9A-Z]\d{7}[0-9A-Z]",
}
_DEFAULTS: Row = {
    "Status": "A",
    "IsSupplier": False,
    "Blocked": False,
    "IsMailing": 0,
    "IsPilot": False,
    "IsReseller": False,
    "Type": "A",
}


def create(turn: Turn, resource: Resource, body: Json) -> Row:
    """A new relation."""
    values = bodies.read(resource, body, new=True, rules=turn.books.rules)
    row = _DEFAULTS | {name: value for name, value in values.items() if value is not None}
    row["Type"] = "A"
    problems = Problems()
    if not str(row.get("Name") or "").strip():
        problems.add("mandatory", "account_name")
    _check(turn, row, values, None, problems)
    problems.check()
    row["Code"] = account_code(row["Code"] if row.get("Code") else _free_code(turn))
    row.setdefault("StartDate", turn.now.replace(hour=0, minute=0, second=0))
    row["ID"] = turn.books.guid()
    _settle(row)
    turn.division.tables["accounts"][row["ID"]] = turn.stamp(row, new=True)
    return row


def update(turn: Turn, resource: Resource, row: Row, body: Json) -> None:
    """Changes a relation. A body that names the code is refused, even if it is the same."""
    values = bodies.read(resource, body, new=False, rules=turn.books.rules)
    values.pop("Type", None)
    problems = Problems()
    if "Name" in values and not str(values["Name"] or "").strip():
        problems.add("mandatory", "account_name")
    if "Code" in values:
        raise rejected(sentence("exists_already"))
    _check(turn, row | values, values, row["ID"], problems)
    problems.check()
    row.update(values)
    _settle(row)
    turn.stamp(row)


def delete(turn: Turn, resource: Resource, row: Row) -> None:
    """Removes a relation that nothing is booked on."""
    used = any(entry.get("Customer") == row["ID"] for entry in turn.division.rows("sales"))
    if used or any(entry.get("Supplier") == row["ID"] for entry in turn.division.rows("purchases")):
        raise rejected(sentence("processed"))
    del turn.division.tables["accounts"][row["ID"]]
    note_deleted(turn, 2, row["ID"])


def note_deleted(turn: Turn, kind: int, key: UUID) -> None:
    """A row for `sync/Deleted`."""
    made = {
        "ID": turn.books.guid(),
        "EntityKey": key,
        "EntityType": kind,
        "DeletedDate": turn.now,
        "DeletedBy": turn.user.id if turn.user else None,
    }
    turn.division.tables["deleted"][made["ID"]] = turn.stamp(made, new=True)


def _settle(row: Row) -> None:
    """What the service makes of the values."""
    if row.get("Country"):
        row["Country"] = str(row["Country"]).strip().upper().ljust(3)
    for name in ("SalesVATCode", "PurchaseVATCode"):
        if row.get(name):
            row[name] = str(row[name]).strip().ljust(3)
    row["IsSales"] = row.get("Status") == "C"


def _free_code(turn: Turn) -> int:
    codes = (str(row["Code"]).strip() for row in turn.division.rows("accounts"))
    return max((int(code) for code in codes if code.isdigit()), default=0) + 1


def _check(turn: Turn, row: Row, given: Row, own: UUID | None, problems: Problems) -> None:
    """What is wrong with the values in `given`, as parts of the whole row."""
    division = turn.division
    code = str(given.get("Code") or "").strip()
    if code:
        if not code.isdigit() or len(code) > 18:
            problems.add("invalid", "code")
        elif (found := division.by_code("accounts", code)) is not None and found["ID"] != own:
            raise rejected(sentence("exists_already"))
    if given.get("Status") not in (None, "A", "S", "P", "C"):
        problems.add("invalid", "status")
    if given.get("Email") and not _EMAIL.match(str(given["Email"])):
        problems.add("invalid", "email", f"[{given['Email']}]")
    country = str(row.get("Country") or "").strip().upper()
    if given.get("Country") and country not in sample.COUNTRIES:
        problems.add("reference", "country")
    if ("State" in given or "Country" in given) and row.get("State"):
        states = sample.STATES.get(country)
        if states is not None and row["State"] not in states:
            problems.add("reference", "state")
    if given.get("VATNumber"):
        number = re.sub(r"[\s.]", "", str(given["VATNumber"])).upper()
        pattern = _VAT.get(number[:2])
        if pattern and not re.fullmatch(pattern, number):
            problems.add("invalid", "vat_number")
    _check_references(turn, given, problems)


def _check_references(turn: Turn, given: Row, problems: Problems) -> None:
    """Lists that a relation points to."""
    division = turn.division
    for name, table, label in (
        ("PaymentConditionSales", "payment_conditions", "payment_condition"),
        ("PaymentConditionPurchase", "payment_conditions", "payment_condition"),
        ("SalesVATCode", "vat_codes", "vat_code"),
        ("PurchaseVATCode", "vat_codes", "vat_code"),
    ):
        if given.get(name) and division.by_code(table, given[name]) is None:
            problems.add("reference", label)
    for name in ("GLAccountSales", "GLAccountPurchase", "GLAR", "GLAP"):
        if given.get(name) and given[name] not in division.tables["gl_accounts"]:
            problems.add("reference", "gl_account")
    for name in ("SalesCurrency", "PurchaseCurrency"):
        if given.get(name) and given[name] not in division.tables["currencies"]:
            problems.add("reference", "currency")
