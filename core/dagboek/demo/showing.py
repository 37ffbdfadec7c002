"""What became of a folder, for people: booked files in a table, the others by what is wrong with them."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from dagboek_schemas.issues import Issue
from rich.padding import Padding
from rich.text import Text

from dagboek.cli import tables
from dagboek.cli.wording import Wording
from dagboek.demo.proof import Proof
from dagboek.demo.report import BOOKED, FileOutcome
from dagboek.demo.telling import Teller

AGAIN: Final = frozenset({"D05", "D06"})
"""Issues of a document that came a second time."""
CAUSES: Final = 10
"""Files of which the cause is shown, for each thing that is wrong; 100 files with one fault stay readable."""
NAMES: Final = 3


def show(teller: Teller, result: Sequence[FileOutcome], found: Sequence[Proof], wording: Wording) -> None:
    """Every file: booked with its number and amount, or not with cause and remedy. Then the tool's own ledgers."""
    if teller.quiet:
        return
    booked = [one for one in result if one.outcome == BOOKED]
    others = [one for one in result if one.outcome != BOOKED]
    if booked:
        teller.chapter(f"Booked: {_files(len(booked))}")
        _table(teller, booked, wording)
    if others:
        teller.chapter(f"Not booked: {_files(len(others))}, why, and what to do")
        for trouble in _troubles(others, wording):
            _print(teller, trouble)
    teller.chapter("The ledgers of the accounting tool itself")
    teller.balances([(one.company, one.balance, len(one.entries), len(one.asked)) for one in found])
    counts = Counter(one.outcome for one in result)
    teller.chapter(", ".join(f"{number} {outcome}" for outcome, number in counts.items()))
    again = sum(any(issue.code in AGAIN for issue in one.issues) for one in result)
    if again:
        teller.note(f"{again} files are other files of their company once more: one entry each, as it must be.")
        teller.note("Files with the number of another but other content have books of their own; not with --together.")


def names_of(files: Sequence[str]) -> str:
    """The first few names, and how many more there are."""
    shown = ", ".join(files[:NAMES])
    return f"{shown} and {len(files) - NAMES} more" if len(files) > NAMES else shown


def _files(number: int) -> str:
    return f"{number} file{'' if number == 1 else 's'}"


def _table(teller: Teller, booked: Sequence[FileOutcome], wording: Wording) -> None:
    shown = tables.table("file", "books of", "number", "total", "remarks", right=("number", "total"))
    for one in booked:
        total = tables.amount(one.amounts.total, one.amounts.currency) if one.amounts else ""
        titles = dict.fromkeys(f"{issue.code} {wording.of(issue).title}" for issue in one.issues)
        shown.add_row(
            tables.cell(one.file), tables.cell(one.entity), one.booking_number, total, tables.cell("; ".join(titles))
        )
    teller.out.print(shown)


@dataclass(slots=True)
class _Trouble:
    """One thing that is wrong, with the files that have it."""

    title: str
    remedy: str
    causes: dict[tuple[str, str], list[str]] = field(default_factory=dict)
    """By file and whose books it belongs to."""


def _troubles(others: Sequence[FileOutcome], wording: Wording) -> list[_Trouble]:
    """The commonest first."""
    found: dict[tuple[str, str], _Trouble] = {}
    for one in others:
        for title, cause, remedy in _told(one, wording):
            trouble = found.setdefault((title, remedy), _Trouble(title, remedy))
            books = "issuer unknown" if one.nameless else f"books of {one.entity}"
            causes = trouble.causes.setdefault((one.file, books), [])
            if cause and cause not in causes:
                causes.append(cause)
    return sorted(found.values(), key=lambda trouble: -len(trouble.causes))


def _told(one: FileOutcome, wording: Wording) -> Iterator[tuple[str, str, str]]:
    """Title, cause and remedy of all that is wrong with a file."""
    for issue in one.issues:
        text = wording.of(issue)
        yield f"{issue.code} {text.title}", _cause(text.cause, issue), text.remedy
    if not one.issues:
        reason = one.reason or one.state.replace("_", " ")
        yield reason[:1].upper() + reason[1:], "", ""


def _cause(cause: str, issue: Issue) -> str:
    return f"{cause} The tool says: {issue.tool_words}" if issue.tool_words else cause


def _print(teller: Teller, trouble: _Trouble) -> None:
    title = Text.assemble(
        (tables.cell(trouble.title).plain, "bold yellow"), (f"  {_files(len(trouble.causes))}", "dim")
    )
    teller.out.print(title)
    for (file, books), causes in [*trouble.causes.items()][:CAUSES]:
        head = Text.assemble(tables.cell(file), "  ", (tables.cell(books).plain, "dim"))
        teller.out.print(Padding(head, (0, 0, 0, 2), expand=False))
        for cause in causes:
            teller.out.print(Padding(tables.cell(cause), (0, 0, 0, 4), expand=False))
    left = [file for file, _ in trouble.causes][CAUSES:]
    if left:
        words = f"and {_files(len(left))} more: {names_of(left)}. --report FILE writes every cause."
        teller.out.print(Padding(Text(words, style="dim"), (0, 0, 0, 2), expand=False))
    if trouble.remedy:
        remedy = Text.assemble(("Remedy: ", "dim"), tables.cell(trouble.remedy))
        teller.out.print(Padding(remedy, (0, 0, 1, 2), expand=False))
    else:
        teller.out.print()
