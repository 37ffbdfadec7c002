"""All changes of the books by name: what the API does to resources, what becomes of tokens, what a person does."""

from collections.abc import Callable
from typing import Any

from . import documents, entries, relations, tokens
from .books import Change, Turn
from .by_hand import BY_HAND
from .catalogue import RESOURCES
from .edm import Json, Row
from .filters import literal
from .refusal import Refused, bad_query
from .resources import Resource, View
from .sides import PURCHASES, SALES, Side

Create = Callable[[Turn, Resource, Json], Row]
Update = Callable[[Turn, Resource, Row, Json], None]
Delete = Callable[[Turn, Resource, Row], None]


def key_of(resource: Resource, text: str) -> Any:
    """The key of an entity's address; raises Refused (400)."""
    value = literal(text)
    kind = resource.fields[resource.key]
    if kind.startswith("int"):
        return int(value) if not isinstance(value, str) else bad_query()
    return value


def find(turn: Turn, resource: Resource, key: str, method: str) -> Row:
    """The row with a key as it stands in an address; 404, and 403 for DELETE, as was seen."""
    assert turn.user is not None
    view = View(turn.books, turn.division, turn.user, turn.at)
    row = resource.find(view, key_of(resource, key))
    if row is None:
        raise Refused(403, "Forbidden") if method == "DELETE" else not_found()
    return row


def not_found() -> Refused:
    """There is no such address or row."""
    return Refused(404, "Resource not found for the segment.")


def _resource(path: str, create: Create, update: Update | None, delete: Delete) -> dict[str, Change]:
    resource = RESOURCES[path]

    def post(turn: Turn, body: Json) -> Row:
        return create(turn, resource, body)

    def put(turn: Turn, body: Json) -> Row:
        row = find(turn, resource, body["key"], "PUT")
        assert update is not None
        update(turn, resource, row, body["body"])
        return row

    def remove(turn: Turn, body: Json) -> None:
        delete(turn, resource, find(turn, resource, body["key"], "DELETE"))

    found: dict[str, Change] = {f"POST {path}": post, f"DELETE {path}": remove}
    return found | ({f"PUT {path}": put} if update is not None else {})


def _entries(side: Side, service: str, name: str) -> dict[str, Change]:
    lines = RESOURCES[f"{service}/{side.lines}"]

    def create(turn: Turn, resource: Resource, body: Json) -> Row:
        return entries.create(turn, side, resource, lines, body)

    def update(turn: Turn, resource: Resource, row: Row, body: Json) -> None:
        entries.update(turn, side, resource, row, body)

    def delete(turn: Turn, resource: Resource, row: Row) -> None:
        entries.delete(turn, side, row)

    def create_line(turn: Turn, resource: Resource, body: Json) -> Row:
        return entries.add_line(turn, side, resource, body)

    def update_line(turn: Turn, resource: Resource, row: Row, body: Json) -> None:
        entries.update_line(turn, side, resource, row, body)

    def delete_line(turn: Turn, resource: Resource, row: Row) -> None:
        entries.delete_line(turn, side, row)

    return {
        **_resource(f"{service}/{name}", create, update, delete),
        **_resource(f"{service}/{side.lines}", create_line, update_line, delete_line),
    }


CHANGES: dict[str, Change] = {
    **_resource("crm/Accounts", relations.create, relations.update, relations.delete),
    **_entries(SALES, "salesentry", "SalesEntries"),
    **_entries(PURCHASES, "purchaseentry", "PurchaseEntries"),
    **_resource("documents/Documents", documents.create, documents.update, documents.delete),
    **_resource("documents/DocumentAttachments", documents.attach, None, documents.delete_attachment),
    "consent": tokens.consent,
    "exchange": tokens.exchange,
    "refresh": tokens.refresh,
    "end_chain": tokens.end_chain,
    "end_chain_of": tokens.end_chain_of,
    "end_access": tokens.end_access,
    "use_access": tokens.use_access,
    **BY_HAND,
}
