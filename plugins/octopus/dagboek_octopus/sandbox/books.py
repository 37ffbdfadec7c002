"""All that the sandbox holds: dossiers and logins, kept in memory and (if wanted) in a file.

Every change goes through `Books.apply`: an operation by name, the dossier, a JSON body and a time.
"""

import itertools
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, NamedTuple

from dagboek_sdk.sandbox.clock import Clock
from dagboek_sdk.sandbox.state_file import KeptBooks, recorded

from . import reports, sample
from .balancing import Balancings
from .booking import Rules
from .dossier import (
    Dossier,
    calendar_years,
    chart_from,
    cost_centres_from,
    vat_codes_from,
)
from .wire import Json, Refused, Result, Unreadable

DossierChange = Callable[["Books", Dossier, Json, float], Result]
"""A change of one dossier: books, dossier, body, time. Checks first and changes last."""
BooksChange = Callable[["Books", Json, float], Result]
"""A change of the books as a whole."""


class Change(NamedTuple):
    """A change by its kind: one of the two is there."""

    of_dossier: DossierChange | None = None
    of_books: BooksChange | None = None


_DOSSIER_OPTIONS = {
    "id", "name", "vat_number", "language", "years", "first_month", "periods", "vat_codes", "accounts", "journals",
    "cost_centres", "currencies", "disabled", "hide_key", "open_items_carried",
}  # fmt: skip

PERIOD_TYPES = {"month": "MONTH", "quarter": "QUARTER", "year": "YEAR"}


@dataclass(slots=True)
class User:
    """An Octopus user; `dossiers` None: all of them."""

    password: str
    dossiers: set[int] | None = None
    failed: dict[str, int] = field(default_factory=dict)


@dataclass(slots=True)
class Start:
    """What the books begin with, and go back to at a reset."""

    software_house: str
    users: dict[str, str]
    dossiers: list[Json]


class Books(KeptBooks):
    """The state of a sandbox. Changes only through `apply`; everything else may read."""

    sandbox = "octopus"
    refusals = (Refused, Unreadable)

    def __init__(
        self,
        start: Start,
        clock: Clock,
        rules: Rules,
        changes: Mapping[str, Change],
        state_file: str | Path | None = None,
    ) -> None:
        super().__init__(clock, state_file)
        self.rules = rules
        self.dossiers: dict[int, Dossier] = {}
        self.users: dict[str, User] = {}
        self.software_house_on = True
        self._start = start
        self._changes = changes
        self._open()

    @property
    def software_house(self) -> str:
        """The softwareHouseUuid that may log in."""
        return self._start.software_house

    def apply(self, change: str, dossier: int | None, body: Json, raw: bytes | None = None) -> Result:
        """Does a change and records it; raises Refused or Unreadable with nothing changed.

        `raw`: the body as it came, when the caller has it: saves writing it out again.
        """
        at = self.clock.now()
        result = self._do(change, dossier, body, at)
        if self._file is not None:
            text = raw.replace(b"\n", b" ").replace(b"\r", b" ") if raw is not None else recorded(body)
            self._file.write(f'["{change}",{json.dumps(dossier)},{at!r},'.encode() + text + b"]\n")
        return result

    def dossier(self, dossier_id: int) -> Dossier:
        """A dossier; raises Refused (404)."""
        dossier = self.dossiers.get(dossier_id)
        if dossier is None:
            raise Refused(404, None, f"Dossier {dossier_id} does not exist")
        return dossier

    def entries(
        self, dossier: int | None = None, journal: str | None = None, bookyear: int | None = None
    ) -> list[dict[str, Any]]:
        """What is booked, in order of booking, with journal lines; see `reports.entry`."""
        found = [self.dossier(dossier)] if dossier is not None else list(self.dossiers.values())
        return [
            reports.entry(each, booking)
            for each in found
            for booking in each.bookings.values()
            if journal in (None, booking.journal) and bookyear in (None, booking.bookyear)
        ]

    def ledger(self, dossier: int, bookyear: int | None = None) -> dict[str, Any]:
        """Debit, credit and balance of each account, and the proof that all adds up to zero."""
        return reports.ledger(self.dossier(dossier), bookyear)

    def _do(self, change: str, dossier: int | None, body: Json, at: float) -> Result:
        of_dossier, of_books = self._changes[change]
        if of_dossier is not None and dossier is not None:
            return of_dossier(self, self.dossier(dossier), body, at)
        if of_books is not None:
            return of_books(self, body, at)
        raise ValueError(f"{change} wants a dossier")

    def _begin(self, at: float) -> None:
        self.dossiers.clear()
        self.software_house_on = True
        self.users = {name: User(password) for name, password in self._start.users.items()}
        for row in self._start.dossiers:
            self.add_dossier(row, at)

    def _do_again(self, line: list[Any]) -> float:
        change, dossier, at, body = line
        self._do(change, dossier, body, float(at))
        return float(at)

    # --- dossiers -----------------------------------------------------------------------------------------

    def add_dossier(self, row: Json, at: float) -> Dossier:
        """A dossier from a row of options (see the package's page); raises ValueError or KeyError."""
        if unknown := row.keys() - _DOSSIER_OPTIONS:
            raise ValueError(f"a dossier has no option {', '.join(sorted(unknown))}")
        dossier_id = int(row.get("id") or max(self.dossiers, default=1000) + 1)
        if dossier_id in self.dossiers:
            raise ValueError(f"dossier {dossier_id} is there already")
        today = datetime.fromtimestamp(at, UTC).date()
        years = row.get("years") or (today.year - 1, today.year + 1)
        dossier = Dossier(
            id=dossier_id,
            name=str(row.get("name") or f"Voorbeeld {dossier_id} BV"),
            vat_number=str(row.get("vat_number") or _belgian_vat(dossier_id)),
            language=str(row.get("language") or "nl"),
            currencies=tuple(row.get("currencies") or sample.CURRENCIES),
            vat_codes=vat_codes_from(row.get("vat_codes")),
            cost_centres=cost_centres_from(row.get("cost_centres") or sample.COST_CENTRES),
            chart=chart_from(row.get("accounts")),
            journal_rows=tuple(row.get("journals") or sample.JOURNALS),
            period_type=PERIOD_TYPES[str(row.get("periods") or "quarter")],
            balancings=Balancings(),
            disabled=bool(row.get("disabled", False)),
            hide_key=bool(row.get("hide_key", False)),
            open_items_carried=bool(row.get("open_items_carried", True)),
        )
        for start, end in _book_years(years, row.get("first_month")):
            dossier.add_bookyear(start, end, at=at)
        self.dossiers[dossier_id] = dossier
        return dossier


def _book_years(years: Any, first_month: Any) -> list[tuple[date, date]]:
    """Calendar years, or (with `first_month` 2 to 12) book years that start in that month."""
    first, last = int(years[0]), int(years[1])
    if not first_month or int(first_month) == 1:
        return calendar_years((first, last))
    starts = [date(year, int(first_month), 1) for year in range(first, last + 2)]
    return [(start, date.fromordinal(following.toordinal() - 1)) for start, following in itertools.pairwise(starts)]


def _belgian_vat(seed: int) -> str:
    """An invented number with a right check (97 - the first eight digits modulo 97)."""
    body = 4_000_000 + seed
    return f"BE0{body // 10_000:03}.{body % 10_000 // 10:03}.{body % 10}{97 - body % 97:02}"
