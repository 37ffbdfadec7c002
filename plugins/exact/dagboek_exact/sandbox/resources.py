"""A resource: its address, fields, key, collections and where its rows come from. All of them are in `catalogue`."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

from .edm import Row
from .fields import FIELDS

if TYPE_CHECKING:
    from .books import Books, User
    from .division import Division

PAGE = 60
BULK_PAGE = 1000


@dataclass(frozen=True, slots=True)
class View:
    """From where rows are looked at: the books, a division in them, by whom and when."""

    books: "Books"
    division: "Division"
    user: "User"
    at: float


class Collection(NamedTuple):
    """Rows of another resource that belong to a row: those whose `field` is the row's key."""

    resource: str
    rows: Callable[[View, Row], Iterable[Row]]


Derived = Callable[[View, Row], Any]


@dataclass(frozen=True)
class Resource:
    """What is served at an address below the division."""

    path: str
    entity: str
    """Name of the model, such as Account."""
    rows: Callable[[View], Iterable[Row]]
    find: Callable[[View, Any], Row | None]
    key: str = "ID"
    also: tuple[str, ...] = ()
    """What is part of the key beside it."""
    table: str | None = None
    """Fields of another resource, where the address has the same ones."""
    more: str = ""
    """Fields beside those."""
    scope: str = ""
    methods: tuple[str, ...] = ("GET",)
    derived: Mapping[str, Derived] = field(default_factory=dict)
    collections: Mapping[str, Collection] = field(default_factory=dict)

    @cached_property
    def name(self) -> str:
        """The last part of the address."""
        return self.path.rpartition("/")[2]

    @cached_property
    def keys(self) -> tuple[str, ...]:
        """All fields of the key."""
        return (self.key, *self.also)

    @cached_property
    def page(self) -> int:
        """Rows in a page."""
        return BULK_PAGE if self.path.startswith(("bulk/", "sync/")) else PAGE

    @cached_property
    def fields(self) -> Mapping[str, str]:
        """Kind by name, in the order of the reference; collections that are not served are left out."""
        found = {name: kind.rstrip("+-") for name, kind in self._described}
        return {name: kind for name, kind in found.items() if not kind.startswith(">") or name in self.collections}

    @cached_property
    def for_new(self) -> frozenset[str]:
        """Fields that a body may set when a row is made."""
        return frozenset(name for name, kind in self._described if not kind.endswith("-"))

    @cached_property
    def for_change(self) -> frozenset[str]:
        """Fields that a body may set when a row is changed."""
        return frozenset(name for name, kind in self._described if not kind.endswith(("-", "+")))

    @cached_property
    def known(self) -> frozenset[str]:
        """All names that a body may hold; what may not be set among them is passed over in silence."""
        return frozenset(name for name, _ in self._described)

    def value(self, view: View, row: Row, name: str) -> Any:
        """The value of a field of a row."""
        derive = self.derived.get(name)
        return derive(view, row) if derive is not None else row.get(name)

    @cached_property
    def _described(self) -> tuple[tuple[str, str], ...]:
        described = f"{FIELDS[self.table or self.path]} {self.more}"
        pairs = (each.partition(":") for each in described.split())
        return tuple((name, kind) for name, _, kind in pairs)
