"""Answers in JSON: entities, and the envelopes that change with `$top`."""

import json
from fnmatch import fnmatchcase
from typing import Any

from .edm import Row, key_literal, to_json
from .listing import Page, next_address
from .query import Query
from .resources import PAGE, Collection, Resource, View

Resources = dict[str, Resource]
_MODELS = "Exact.Web.Api.Models"


def entity(view: View, resource: Resource, row: Row, query: Query | None, of: Any) -> dict[str, Any]:
    """An entity: what it is, its fields, its collections (an address, or rows where they were asked for)."""
    address = entity_address(view, resource, row)
    found: dict[str, Any] = {"__metadata": {"uri": address, "type": f"{_MODELS}.{resource.entity}"}}
    iso = any(fnmatchcase(resource.path, pattern) for pattern in view.books.rules.iso_dates)
    for name, kind in resource.fields.items():
        if query is not None and not query.shows(name):
            continue
        if kind.startswith(">"):
            found[name] = _collection(view, resource, row, name, query, of)
        else:
            found[name] = to_json(kind, resource.value(view, row, name), iso=iso)
    return found


def _collection(view: View, resource: Resource, row: Row, name: str, query: Query | None, of: Any) -> dict[str, Any]:
    address = f"{entity_address(view, resource, row)}/{name}"
    if query is None or name not in query.expanded:
        return {"__deferred": {"uri": address}}
    collection: Collection = resource.collections[name]
    inner: Resource = of(collection.resource)
    rows = list(collection.rows(view, row))
    chosen = query.expanded[name]
    shown = [_part(entity(view, inner, each, None, of), chosen) for each in rows[:PAGE]]
    found: dict[str, Any] = {"results": shown}
    if len(rows) > PAGE:
        key = key_literal(inner.fields[inner.key], rows[PAGE - 1][inner.key])
        found["__next"] = f"{address}?$skiptoken={key}"
    return found


def _part(found: dict[str, Any], chosen: frozenset[str] | None) -> dict[str, Any]:
    return (
        found if chosen is None else {name: value for name, value in found.items() if name in {*chosen, "__metadata"}}
    )


def collection_address(view: View, resource: Resource) -> str:
    """Where a resource of a division is."""
    division = "" if resource.path.startswith("current/") else f"{view.division.code}/"
    return f"{view.books.origin}/api/v1/{division}{resource.path}"


def entity_address(view: View, resource: Resource, row: Row) -> str:
    """Where an entity is."""
    key = key_literal(resource.fields[resource.key], row[resource.key])
    return f"{collection_address(view, resource)}({key})"


def envelope(view: View, resource: Resource, query: Query, page: Page, entities: list[Any], base: str) -> Any:
    """`{"d": [...]}` with `$top`, `{"d": {"results": [...], "__next": ...}}` without."""
    array = query.top is not None and (query.top <= resource.page or view.books.rules.long_top == "array")
    if array and not query.count:
        return {"d": entities}
    body: dict[str, Any] = {"results": entities}
    if query.count:
        body = {"__count": str(page.total), **body}
    if page.last is not None:
        body["__next"] = next_address(base, resource, query, page.last)
    return {"d": body}


def dump(value: Any) -> bytes:
    """JSON as the service writes it."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def error(value: str) -> bytes:
    """An error body, with line breaks between its members as was seen."""
    text = json.dumps(value, ensure_ascii=False)
    return ('{\r\n"error": {\r\n"code": "", "message": {\r\n"lang": "", "value": ' + text + "\r\n}\r\n}\r\n}").encode()
