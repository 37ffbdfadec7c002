"""A division: one set of books in Exact Online, with its lists, relations, documents and entries."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date
from typing import Any
from uuid import UUID

from .edm import Row

Table = dict[Any, Row]

TABLES = (
    "accounts",
    "gl_accounts",
    "journals",
    "periods",
    "vat_codes",
    "vat_percentages",
    "payment_conditions",
    "cost_centres",
    "cost_units",
    "currencies",
    "document_types",
    "documents",
    "attachments",
    "sales",
    "sales_lines",
    "purchases",
    "purchase_lines",
    "money",
    "terms",
    "deleted",
)


@dataclass
class Division:
    """Rows by table and key; a row has the fields of its resource, and some of the sandbox's own in small letters."""

    code: int
    name: str
    country: str
    currency: str
    vat_number: str
    own_account: UUID | None = None
    status: int = 1
    blocking: int = 0
    licensed: bool = True
    tables: dict[str, Table] = field(default_factory=lambda: {name: {} for name in TABLES})
    closed: set[tuple[str, int, int]] = field(default_factory=set)
    """Journal ("" for all of them), year and period."""
    last_numbers: dict[tuple[str, int], int] = field(default_factory=lambda: defaultdict(int))
    """By journal and year: the last part of the last number."""
    numbers: set[tuple[str, int, int]] = field(default_factory=set)
    """Entry numbers that are taken: journal, year and number."""
    defaults: dict[str, str | None] = field(default_factory=dict)
    """What the company has as its own: `sales_condition`, `purchase_condition`, `differences` (an account)."""
    next_hid: int = 0

    def rows(self, table: str) -> Iterable[Row]:
        """All rows of a table, in the order in which they were made."""
        return self.tables[table].values()

    def by_code(self, table: str, code: Any) -> Row | None:
        """The row with this code; blanks around it do not count."""
        wanted = str(code).strip()
        return next((row for row in self.rows(table) if str(row["Code"]).strip() == wanted), None)

    def gl_account(self, code: str | None) -> Row | None:
        """A ledger account by its code."""
        return None if code is None else self.by_code("gl_accounts", code)

    def period_of(self, day: date) -> Row | None:
        """The period that a day lies in."""
        return next(
            (row for row in self.rows("periods") if row["StartDate"].date() <= day <= row["EndDate"].date()), None
        )

    def period(self, year: int, number: int) -> Row | None:
        """The period with this year and number."""
        return next((row for row in self.rows("periods") if (row["FinYear"], row["FinPeriod"]) == (year, number)), None)

    def is_closed(self, journal: str, year: int, period: int) -> bool:
        """Whether a period is closed, for all journals or for this one."""
        return ("", year, period) in self.closed or (journal, year, period) in self.closed

    def hid(self) -> int:
        """The next human-readable number."""
        self.next_hid += 1
        return self.next_hid

    def entries(self) -> Iterable[Row]:
        """All entries in the order of booking."""
        found = [row for table in ("sales", "purchases", "money") for row in self.rows(table)]
        return sorted(found, key=lambda row: int(row["order"]))
