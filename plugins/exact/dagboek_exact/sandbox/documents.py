"""documents/Documents and documents/DocumentAttachments: files, which an entry then points to."""

from . import bodies
from .books import Turn
from .edm import Json, Row
from .refusal import Problems, Refused
from .relations import note_deleted
from .resources import Resource

_LARGEST = 10 * 1024 * 1024
_DOCUMENTS, _ATTACHMENTS = 6, 4


def create(turn: Turn, resource: Resource, body: Json) -> Row:
    """A new document."""
    values = bodies.read(resource, body, new=True, rules=turn.books.rules)
    problems = Problems()
    if not values.get("Subject"):
        problems.add("mandatory", "subject")
    if values.get("Type") is None:
        problems.add("mandatory", "document_type")
    _check(turn, values, problems)
    problems.check()
    row = {
        "DocumentDate": turn.now.replace(hour=0, minute=0, second=0),
        **{name: value for name, value in values.items() if value is not None},
        "ID": turn.books.guid(),
        "HID": values.get("HID") or turn.division.hid(),
    }
    turn.division.tables["documents"][row["ID"]] = turn.stamp(row, new=True)
    _link(turn, row)
    return row


def update(turn: Turn, resource: Resource, row: Row, body: Json) -> None:
    """Changes a document."""
    values = bodies.read(resource, body, new=False, rules=turn.books.rules)
    problems = Problems()
    if "Subject" in values and not values["Subject"]:
        problems.add("mandatory", "subject")
    _check(turn, values, problems)
    problems.check()
    row.update(values)
    turn.stamp(row)
    _link(turn, row)


def delete(turn: Turn, resource: Resource, row: Row) -> None:
    """Removes a document with its files; an entry that pointed to it no longer does."""
    division = turn.division
    for one in [one for one in division.rows("attachments") if one["Document"] == row["ID"]]:
        delete_attachment(turn, resource, one)
    for entry in (*division.rows("sales"), *division.rows("purchases")):
        if entry.get("Document") == row["ID"]:
            entry["Document"] = None
    del division.tables["documents"][row["ID"]]
    note_deleted(turn, _DOCUMENTS, row["ID"])


def attach(turn: Turn, resource: Resource, body: Json) -> Row:
    """A file of a document."""
    values = bodies.read(resource, body, new=True, rules=turn.books.rules)
    problems = Problems()
    if not values.get("FileName"):
        problems.add("mandatory", "file_name")
    key = values.get("Document")
    if key is None:
        problems.add("mandatory", "document")
    elif key not in turn.division.tables["documents"]:
        problems.add("reference", "document")
    problems.check()
    content = values.get("Attachment") or b""
    if len(content) > _LARGEST:
        raise Refused(413, "Request entity too large.")
    row = {"ID": turn.books.guid(), "Document": key, "FileName": values["FileName"], "Attachment": content}
    turn.division.tables["attachments"][row["ID"]] = turn.stamp(row, new=True)
    return row


def delete_attachment(turn: Turn, resource: Resource, row: Row) -> None:
    """Removes a file."""
    del turn.division.tables["attachments"][row["ID"]]
    note_deleted(turn, _ATTACHMENTS, row["ID"])


def _check(turn: Turn, values: Row, problems: Problems) -> None:
    division = turn.division
    kind = values.get("Type")
    if kind is not None:
        found = division.tables["document_types"].get(kind)
        if found is None:
            problems.add("reference", "document_type")
        elif not found["DocumentIsCreatable"]:
            problems.add("not_allowed", "document_type")
    if values.get("Account") is not None and values["Account"] not in division.tables["accounts"]:
        problems.add("reference", "relation")
    entry = values.get("FinancialTransactionEntryID")
    if entry is not None and entry not in division.tables["sales"] and entry not in division.tables["purchases"]:
        problems.add("reference", "entry_number")
    if values.get("Currency") and values["Currency"] not in division.tables["currencies"]:
        problems.add("reference", "currency")
    number = values.get("HID")
    if number is not None and any(row["HID"] == number for row in division.rows("documents")):
        problems.add("exists", "document")


def _link(turn: Turn, row: Row) -> None:
    """The entry that a document names points back to it."""
    key = row.get("FinancialTransactionEntryID")
    for table in ("sales", "purchases"):
        entry = turn.division.tables[table].get(key)
        if entry is not None:
            entry["Document"] = row["ID"]
            turn.stamp(entry)
