"""Uploads to the archive, and what somebody at Yuki does with them later.

An upload waits `Rules.booking_lag` seconds of the sandbox's clock. Then a UBL invoice or credit note is booked from
what it says; anything else, and what cannot be booked, stays to be handled with the reason, until somebody books it by
hand. Nobody needs to ask for this: whoever looks or changes something next sees what was done meanwhile. So that books
read back from their file are the same again, ids of what is made in this way follow from the document's.
"""

import base64
import binascii
from collections.abc import Callable
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from . import archive, purchases, ubl
from .booking import Wrong
from .books import Change, Json, Turn
from .call import Call, Fault, Operation
from .entry import Entry

if TYPE_CHECKING:
    from .books import Books

_HINTS: Final = ("currency", "costCategory", "paymentMethod", "project", "remarks")


def upload(call: Call) -> str:
    """UploadDocument: one file, with what is known of it in UploadDocumentWithData."""
    return _upload(call, [(call.text("fileName"), call.params.get("data"))])


def upload_with_attachment(call: Call) -> str:
    """UploadDocumentWithAttachment: two files, such as a PDF and its UBL; they are one document."""
    files = [(call.text(f"fileName{place}"), call.params.get(f"data{place}")) for place in (1, 2)]
    # The one that can be read is the document, whichever comes first.
    return _upload(call, sorted(files, key=lambda one: not one[0].lower().endswith(".xml")))


def _upload(call: Call, files: list[tuple[str, bytes | None]]) -> str:
    administration = call.administration()
    folder = int(call.params.get("folder") or archive.UNHANDLED)
    if folder not in archive.FOLDERS:
        raise Fault(f"Folder {folder} does not exist", "Client")
    given = [(name, base64.b64encode(data).decode()) for name, data in files if name and data]
    if not given:
        raise Fault("No document data supplied", "Client")
    hints: Json = {name: call.params[name] for name in _HINTS if call.params.get(name)}
    amount = call.params.get("amount") or Decimal(0)
    if amount:
        hints["amount"] = str(amount)
    return str(call.apply("upload", administration.id, {"files": given, "folder": folder, "hints": hints}))


def keep(turn: Turn, body: Json) -> str:
    """A document in a folder, which waits there: its id."""
    administration = turn.administration
    shelf = turn.books.domains[administration.domain].archive
    administration.deliveries += 1
    (name, data), *rest = body["files"]
    made = archive.Document(
        id=turn.guid(),
        hid=shelf.next_hid(),
        administration=administration.id,
        subject=name,
        day="",
        amount=body["hints"].get("amount", ""),
        folder=body["folder"],
        type=archive.PURCHASE_INVOICE if body["folder"] == archive.PURCHASES else 0,
        file_name=name,
        data=data,
        contact="",
        creator="webservice",
        created=turn.at,
        modified=turn.at,
        attached=tuple((other, more) for other, more in rest),
        hints=body["hints"],
        delivered=administration.deliveries,
    )
    shelf.add(made)
    if body["folder"] in (archive.PURCHASES, archive.UNHANDLED):
        shelf.wait(made, turn.at + float(turn.books.rules.booking_lag))
    return made.id


def catch_up(books: "Books", at: float) -> None:
    """What somebody has done with uploads until now."""
    for domain in books.domains.values():
        for moment, document in domain.archive.due(at):
            if books.rules.uploads == "book":
                handle(books, document, moment)
            else:
                document.left = "nobody looked at it"


def handle(books: "Books", document: archive.Document, at: float, account: str = "") -> Entry | None:
    """Somebody books a document, or leaves it with the reason."""
    administration = books.administrations.get(document.administration)
    if administration is None or document.id in administration.entries:
        return None
    document.waits = False
    try:
        if (given := document.hints.get("purchase")) is not None:
            purchase = purchases.from_document(administration, given, exact=given["exact"])
        else:
            paper = ubl.read(document.bytes)
            purchase = purchases.from_ubl(administration, paper, account or _account(books, document))
        purchases.check(books, administration, purchase)
        entry = purchases.settle(books, administration, document, purchase, at, "upload")
    except (ubl.NotUbl, Wrong, binascii.Error) as why:
        document.left = str(why)
        return None
    document.left = ""
    return entry


def _account(books: "Books", document: archive.Document) -> str:
    """The ledger account that the cost category of an upload names, else the usual one."""
    administration = books.administrations[document.administration]
    wished = str(document.hints.get("costCategory", ""))
    return wished if wished in administration.accounts else administration.role("costs")


def awake(work: Callable[..., Any]) -> Callable[..., Any]:
    """An operation or a change that first sees what was done meanwhile."""

    def woken(first: Any, *rest: Any) -> Any:
        catch_up(first.books, first.at)
        return work(first, *rest)

    return woken


OPERATIONS: dict[tuple[str, str], Operation] = {
    ("Archive", "UploadDocument"): upload,
    ("Archive", "UploadDocumentWithData"): upload,
    ("Archive", "UploadDocumentWithAttachment"): upload_with_attachment,
}
CHANGES: dict[str, Change] = {"upload": keep}
