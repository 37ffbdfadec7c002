"""Which rows a query gives, in which order, and where a page ends."""

from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from typing import Any, NamedTuple
from urllib.parse import quote

from .edm import Row, key_literal
from .query import Query
from .refusal import bad_query
from .resources import Resource, View


class Page(NamedTuple):
    """Rows of an answer, and after which of them the next page begins, if there is one."""

    rows: Sequence[Row]
    last: Row | None
    total: int


def page(view: View, resource: Resource, query: Query, rows: Iterable[Row] | None = None) -> Page:
    """The rows that are asked for, of all or of those given."""
    found = list(resource.rows(view) if rows is None else rows)
    if query.test is not None:
        test = query.test
        found = [row for row in found if test(lambda name, row=row: resource.value(view, row, name))]  # type: ignore[misc]
    total = len(found)
    found = _ordered(view, resource, query, found)
    if query.after is not None:
        found = _after(resource, query, found)
    found = found[query.skip :]
    wanted = found if query.top is None else found[: query.top]
    shown = wanted[: resource.page]
    more = len(wanted) > len(shown)
    return Page(shown, shown[-1] if more else None, total)


def check_allowed(view: View, resource: Resource, query: Query, selected: bool) -> None:
    """What some resources want of a listing; raises Refused (400)."""
    rules = view.books.rules
    if _named(resource, rules.needs_select) and not selected and query.top != 1:
        raise bad_query("Please add a $select or a $top=1 statement to the query string.")
    needed = frozenset(_FILTER_FIELDS.split(", "))
    if _named(resource, rules.mandatory_filter) and not query.filtered & needed:
        raise bad_query(
            "This endpoint has mandatory filtering applied. A GET request for this endpoint must have a $filter "
            "parameter with one of the following fields in the url: " + _FILTER_FIELDS
        )


_FILTER_FIELDS = (
    "Accountant, AccountManager, AddressLine1, AddressLine2, AddressLine3, Blocked, BSN, ChamberOfCommerce, City, "
    "Code, CodeAtSupplier, Country, Created, Email, EndDate, Fax, ID, InvoiceAccount, IsAccountant, IsReseller, "
    "IsSales, IsSupplier, MainContact, Modified, Name, Parent, Phone, Postcode, PriceList, Reseller, RSIN, SearchCode, "
    "StartDate, Status, Type, VATNumber"
)


def next_address(base: str, resource: Resource, query: Query, last: Row) -> str:
    """Where the next page is: the same query with a `$skiptoken`."""
    names = [*(name for name, _ in query.order), *resource.keys]
    token = ",".join(key_literal(resource.fields[name], last.get(name)) for name in names)
    kept = [(name, value) for name, value in query.asked if name not in ("$skiptoken", "$skip", "$top")]
    if query.top is not None:
        kept.append(("$top", str(max(0, query.top - resource.page))))
    return base + "?" + "&".join(f"{name}={quote(value)}" for name, value in [*kept, ("$skiptoken", token)])


def _named(resource: Resource, patterns: tuple[str, ...]) -> bool:
    return any(fnmatchcase(resource.path, pattern) for pattern in patterns)


def _ordered(view: View, resource: Resource, query: Query, rows: list[Row]) -> list[Row]:
    """By key, as pages are; with `$orderby` by that first. Nothing comes before everything."""
    rows = sorted(rows, key=lambda row: _place(resource, row))
    for name, down in reversed(query.order):
        rows.sort(key=lambda row: _sortable(resource.value(view, row, name)), reverse=down)
    return rows


def _sortable(value: Any) -> tuple[bool, Any]:
    return value is not None, str(value) if not isinstance(value, int) else value


def _place(resource: Resource, row: Row) -> tuple[Any, ...]:
    return tuple(_sortable(row[name]) for name in resource.keys)


def _after(resource: Resource, query: Query, rows: list[Row]) -> list[Row]:
    """The rows after the one with the key; by order of keys where that one is gone."""
    assert query.after is not None
    if len(query.after) != len(resource.keys):
        raise bad_query()
    pairs = zip(resource.keys, query.after, strict=True)
    wanted = tuple(_sortable(int(each) if resource.fields[name].startswith("int") else each) for name, each in pairs)
    for place, row in enumerate(rows):
        if _place(resource, row) == wanted:
            return rows[place + 1 :]
    return [] if query.order else [row for row in rows if _place(resource, row) > wanted]
