"""What the demo shows: tables for people, or nothing but a summary for programs."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.live import Live
from rich.text import Text

from dagboek.cli import tables
from dagboek.cli.history import print_details, print_runs
from dagboek.cli.sync import progress
from dagboek.cli.wording import Wording
from dagboek.demo.books import Balance
from dagboek.demo.company import Company
from dagboek.demo.runs import Show
from dagboek.history import Detail, RunDetails


class Teller:
    """Writes to `out`; with `quiet` to nowhere."""

    def __init__(self, out: Console, *, quiet: bool) -> None:
        self.out = out
        self.quiet = quiet
        self._begun = time.monotonic()

    @property
    def seconds(self) -> float:
        """Since the demo began."""
        return time.monotonic() - self._begun

    def step(self, words: str) -> None:
        """One thing that was done, with the seconds since the start."""
        if not self.quiet:
            self.out.print(Text.assemble((f"{self.seconds:5.1f} s  ", "dim"), tables.cell(words)))

    def chapter(self, words: str) -> None:
        """A heading."""
        if not self.quiet:
            self.out.print(Text("\n" + words, style="bold"))

    def note(self, words: str) -> None:
        """A remark."""
        if not self.quiet:
            self.out.print(Text(words, style="dim"))

    @contextmanager
    def live(self) -> Iterator[Show]:
        """Shows runs as they go, on a terminal."""
        if self.quiet or not self.out.is_terminal:
            yield lambda _: None
            return
        with Live(console=self.out, transient=True, auto_refresh=False) as shown:
            yield lambda found: shown.update(progress(found, 0.0), refresh=True)

    def runs(self, found: Sequence[RunDetails]) -> None:
        """A table of runs, then one of their components."""
        if self.quiet:
            return
        print_runs(self.out, [one.summary for one in found])
        names = ("total", "synced", "unchanged", "skipped", "not_ready", "not_tried")
        shown = tables.table("entity", "component", "status", *(name.replace("_", " ") for name in names))
        for one in found:
            for component in one.components:
                shown.add_row(
                    tables.cell(one.summary.entity),
                    component.component.replace("_", " "),
                    tables.status(component.status),
                    *(Text(str(getattr(component.counts, name)), justify="right") for name in names),
                )
        self.out.print()
        self.out.print(shown)

    def details(self, found: Sequence[Detail], wording: Wording) -> None:
        """Items with cause and remedy."""
        if not self.quiet:
            print_details(self.out, tuple(found), wording)

    def balances(self, rows: Sequence[tuple[Company, Balance, int, int]]) -> None:
        """Debit and credit of each set of books; documents in them and documents asked for."""
        if self.quiet:
            return
        shown = tables.table("books of", "debit", "credit", "difference", "documents", "asked", "")
        for company, balance, booked, asked in rows:
            fine = balance.even and booked == asked
            numbers = (balance.debit, balance.credit, balance.debit - balance.credit)
            shown.add_row(
                tables.cell(company.entity.name),
                *(Text(f"{number:.2f}", justify="right") for number in numbers),
                *(Text(str(number), justify="right") for number in (booked, asked)),
                Text("balanced" if fine else "WRONG", style="green" if fine else "bold red"),
            )
        self.out.print(shown)
