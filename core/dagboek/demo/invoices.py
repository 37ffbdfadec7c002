"""The demo with anyone's UBL files: each supplier, or one company, has books of its own; every file gets an outcome."""

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from dagboek_schemas.documents import Document
from dagboek_sdk import clock
from dagboek_sdk.settings import ConnectionSettings

from dagboek.cli.wording import Wording
from dagboek.demo.company import Company, connect, documents_of, proposed, read_lists, save
from dagboek.demo.fitting import fitted, missing_codes
from dagboek.demo.proof import Proof, proofs
from dagboek.demo.report import BOOKED, FileOutcome, outcomes, write_report
from dagboek.demo.runs import everything, sync_all
from dagboek.demo.showing import names_of, show
from dagboek.demo.sorting import Pile, left_alone, set_apart, sorted_files
from dagboek.demo.stage import TOOL, Stage
from dagboek.demo.telling import Teller
from dagboek.demo.wishes import SUFFIX, Wishes

SAMPLE_RATES: Final = {
    "CHF": Decimal("1.05"),
    "DKK": Decimal("0.134"),
    "GBP": Decimal("1.16"),
    "NOK": Decimal("0.085"),
    "PLN": Decimal("0.235"),
    "SEK": Decimal("0.09"),
    "USD": Decimal("0.9"),
}
"""Made-up euros for one unit, so that a demonstration books foreign documents too; `--rate` says otherwise."""

AT_ONCE: Final = 4
EARLIEST: Final = 1990
YET_TO_COME: Final = 5
"""Book years that books may get; a document of another year has a mistyped date, and an issue will say so."""
SECONDS: Final = 900.0


@dataclass(frozen=True, slots=True)
class Booked:
    """What came of a folder."""

    summary: Mapping[str, Any]
    faults: tuple[str, ...]


async def book_folder(stage: Stage, wishes: Wishes, teller: Teller, wording: Wording) -> Booked:
    """Sorts, connects, synchronises, proves and reports. DemoTrouble when there is nothing to book."""
    assert wishes.invoices is not None
    piles = await sorted_files(stage, wishes.invoices, wishes.entity)
    if wishes.apart:
        piles = await set_apart(stage, piles)
    files = sum(len(pile.files) for pile in piles)
    teller.step(f"{_counted(files, 'file')} in {wishes.invoices}, for {_counted(len(piles), 'set')} of books.")
    others = await asyncio.to_thread(left_alone, wishes.invoices, {file for pile in piles for file in pile.files})
    if others:
        verb = "is" if len(others) == 1 else "are"
        teller.note(f"{_counted(len(others), 'other file')} {verb} left alone (no {SUFFIX}): {names_of(others)}.")
    rates = {**SAMPLE_RATES, **wishes.rates}
    made = await _set_up(stage, piles, rates)
    companies = [company for company, _ in made]
    made_words = _counted(len(companies), "connection")
    teller.step(f"{made_words} made, each to books of its own; settings proposed from their lists.")
    teller.note("Exchange rates are those of the documents, else made-up ones; --rate CURRENCY=NUMBER sets others.")
    with teller.live() as progress:
        runs = await sync_all(stage, companies, progress, SECONDS)
    runs = await everything(stage, companies, runs)
    found = await proofs(stage, companies)
    result: list[FileOutcome] = []
    for pile, run, proof, (_, settings) in zip(piles, runs, found, made, strict=True):
        result += outcomes(pile, run, proof.entries, settings)
    result.sort(key=lambda one: one.file)
    if wishes.report is not None:
        await asyncio.to_thread(write_report, wishes.report, result, wording)
    show(teller, result, found, wording)
    return Booked(_summary(wishes, result, found), tuple(_faults(files, result, found)))


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


async def _set_up(
    stage: Stage, piles: Sequence[Pile], rates: Mapping[str, Decimal]
) -> list[tuple[Company, ConnectionSettings]]:
    places = asyncio.Semaphore(AT_ONCE)

    async def one(pile: Pile) -> tuple[Company, ConnectionSettings]:
        async with places:
            return await _connected(stage, pile, rates)

    return list(await asyncio.gather(*map(one, piles)))


async def _connected(stage: Stage, pile: Pile, rates: Mapping[str, Decimal]) -> tuple[Company, ConnectionSettings]:
    documents = await documents_of(stage, pile.folder, pile.entity)
    books = stage.books[TOOL]
    dossier = await books.add_dossier(pile.entity.name, book_years(documents))
    company = await connect(stage, pile.tenant, pile.entity, pile.folder, dossier, lift_limits=True)
    context = await read_lists(stage, company.connection_id)
    lacking = missing_codes(documents, context.lists)
    for row in lacking:
        await books.do("vat_codes", dossier=int(dossier), **row)
    if lacking:
        context = await read_lists(stage, company.connection_id)
    settings = fitted(await proposed(stage, company, rates), documents, context.lists)
    await save(stage, company, settings)
    return company, settings


def book_years(documents: Sequence[Document]) -> tuple[int, int]:
    """The first and the last book year that these documents need."""
    now = clock.now().year
    years = [one.issue_date.year for one in documents]
    sound = [year for year in years if EARLIEST <= year <= now + YET_TO_COME] or [now]
    return min(sound), max(sound)


def _faults(files: int, result: Sequence[FileOutcome], found: Sequence[Proof]) -> list[str]:
    faults = [fault for proof in found for fault in proof.faults]
    if len(result) != files:
        faults.append(f"{files} files were there and {len(result)} have an outcome")
    for one in result:
        if one.state in ("planned", "not_tried", "to_settle"):
            faults.append(f"{one.file} is unaccounted for: {one.state.replace('_', ' ')}")
        elif one.outcome != BOOKED and not one.issues and not one.reason:
            faults.append(f"{one.file} was skipped and no issue says why")
    booked = sum(one.outcome == BOOKED and one.copy_of is None for one in result)
    entries = sum(len(proof.entries) for proof in found)
    if booked != entries:
        faults.append(f"{booked} files were booked and the books have {entries} documents")
    return faults


def _summary(wishes: Wishes, result: Sequence[FileOutcome], found: Sequence[Proof]) -> dict[str, Any]:
    codes = Counter(issue.code for one in result for issue in one.issues)
    return {
        "folder": wishes.invoices,
        "report": wishes.report,
        "files": len(result),
        "outcomes": Counter(one.outcome for one in result),
        "issues": dict(sorted(codes.items())),
        "companies": len(found),
        "ledgers_balanced": all(one.balance.even for one in found),
        "faults": _faults(len(result), result, found),
    }
