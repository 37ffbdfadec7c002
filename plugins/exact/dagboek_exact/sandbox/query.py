"""What a query string asks for: `$select`, `$filter`, `$expand`, `$orderby`, `$top`, `$skip`, `$skiptoken`, counts."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from . import filters
from .filters import Test
from .refusal import Refused, bad_query
from .resources import Resource
from .rules import Rules

_KNOWN = {"$select", "$filter", "$expand", "$orderby", "$top", "$skip", "$skiptoken", "$inlinecount", "$format"}


@dataclass(frozen=True, slots=True)
class Query:
    """A query as it was understood; `select` and what is selected of expanded collections: None is all."""

    select: frozenset[str] | None
    expanded: Mapping[str, frozenset[str] | None]
    test: Test | None
    filtered: frozenset[str]
    order: tuple[tuple[str, bool], ...]
    """Fields with whether they go down."""
    top: int | None
    skip: int
    after: tuple[Any, ...] | None
    """The key after which a page begins."""
    count: bool
    asked: tuple[tuple[str, str], ...]
    """As it came, for the address of the next page."""

    def shows(self, name: str) -> bool:
        """Whether a field or collection is in the answer."""
        return self.select is None or name in self.select


def read(
    resource: Resource, asked: tuple[tuple[str, str], ...], rules: Rules, resources: Mapping[str, Resource]
) -> Query:
    """The query; raises Refused (400)."""
    options = {name: value for name, value in asked if name.startswith("$")}
    if unknown := options.keys() - _KNOWN:
        raise bad_query(f"The query parameter '{sorted(unknown)[0]}' is not supported.")
    expanded = _expanded(resource, options.get("$expand"))
    select, expanded = _selected(resource, options.get("$select"), expanded)
    for name, chosen in expanded.items():
        if chosen and (wrong := chosen - resources[resource.collections[name].resource].fields.keys()):
            raise _no_property(f"{name}/{sorted(wrong)[0]}", resource)
    test, filtered = None, frozenset[str]()
    if "$filter" in options:
        test, filtered = filters.read(options["$filter"], resource.fields, date_only=rules.date_only)
    token = options.get("$skiptoken")
    return Query(
        select=select,
        expanded=expanded,
        test=test,
        filtered=filtered,
        order=_order(resource, options.get("$orderby")),
        top=_number(options.get("$top")),
        skip=_number(options.get("$skip")) or 0,
        after=None if token is None else tuple(map(filters.literal, _parts(token)[-len(resource.keys) :])),
        count=options.get("$inlinecount") == "allpages",
        asked=asked,
    )


def _parts(token: str) -> list[str]:
    """The literals of a `$skiptoken`; text in quotes may have commas."""
    return re.findall(r"(?:'(?:[^']|'')*'|[^,'])+", token)


def _no_property(name: str, resource: Resource) -> Refused:
    return bad_query(f"Could not find a property named '{name}' on type '{resource.entity}'.")


def _number(text: str | None) -> int | None:
    if text is None:
        return None
    if not text.isascii() or not text.isdigit():
        raise bad_query()
    return int(text)


def _names(text: str) -> list[str]:
    names = [name.strip() for name in text.split(",")]
    if not all(names):
        raise bad_query()
    return names


def _expanded(resource: Resource, text: str | None) -> dict[str, frozenset[str] | None]:
    found: dict[str, frozenset[str] | None] = {}
    for name in _names(text) if text else []:
        if name not in resource.collections:
            raise _no_property(name, resource)
        found[name] = None
    return found


def _selected(
    resource: Resource, text: str | None, expanded: dict[str, frozenset[str] | None]
) -> tuple[frozenset[str] | None, dict[str, frozenset[str] | None]]:
    """`$select=EntryID,SalesEntryLines/GLAccountCode` selects of an expanded collection too."""
    if text is None or text.strip() in ("", "*"):
        return None, expanded
    own: set[str] = set()
    of_lines: dict[str, set[str]] = {}
    for name in _names(text):
        collection, slash, inner = name.partition("/")
        if collection not in resource.fields or (slash and collection not in expanded):
            raise _no_property(name, resource)
        own.add(collection)
        if slash:
            of_lines.setdefault(collection, set()).add(inner)
    chosen = {name: frozenset(of_lines[name]) if name in of_lines else None for name in expanded}
    return frozenset(own), chosen


def _order(resource: Resource, text: str | None) -> tuple[tuple[str, bool], ...]:
    found = []
    for each in _names(text) if text else []:
        name, _, direction = each.partition(" ")
        if name not in resource.fields or direction.strip() not in ("", "asc", "desc"):
            raise bad_query()
        found.append((name, direction.strip() == "desc"))
    return tuple(found)
