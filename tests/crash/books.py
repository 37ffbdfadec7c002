"""What was asked for against what the sandbox's books hold, and against what was told."""

import asyncio
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any
from uuid import UUID

from dagboek.runs import request_run
from dagboek_schemas.statuses import Trigger
from dagboek_schemas.topics import Topic
from end_to_end.harness import Installation, write_files
from ubl_text import Ubl, UblLine

FIRST = 1001
FINAL = frozenset({"synced", "unchanged", "skipped", "not_ready"})
"""States of an item that nothing will change any more, in a run that nobody cancelled."""


@dataclass
class Asked:
    """Connections of one test, and the document numbers that each is to book, in order."""

    connections: list[UUID]
    numbers: dict[int, list[str]]
    """By dossier."""
    runs: list[UUID] = field(default_factory=list)

    @property
    def documents(self) -> int:
        """How many documents are to be booked in all."""
        return sum(len(numbers) for numbers in self.numbers.values())


@dataclass
class Audit:
    """The books, compared. All lists are empty when all is well."""

    asked: int
    booked: int
    """Entries in the books."""
    twice: list[str]
    lost: list[str]
    foreign: list[str]
    """Entries that nobody asked for."""
    order: list[int]
    """Dossiers whose numbers do not follow the order of the documents, or have gaps."""
    not_final: list[str]
    untold: list[str]
    """Outcomes and ends of runs that are not on the results topic."""
    told_wrong: list[str]
    """Documents of which the results topic names a booking number that the books do not have for it."""

    def faults(self) -> dict[str, Any]:
        """What is not as it must be."""
        lists = ("twice", "lost", "foreign", "order", "not_final", "untold", "told_wrong")
        found = {name: getattr(self, name)[:20] for name in lists if getattr(self, name)}
        return found if self.booked == self.asked else {**found, "asked": self.asked, "booked": self.booked}


def dossiers(count: int) -> list[dict[str, Any]]:
    """Options of a sandbox with `count` dossiers."""
    return [{"id": FIRST + at, "name": f"Dossier {at}"} for at in range(count)]


async def prepare(
    dagboek: Installation,
    sandbox: Any,
    folder: Path,
    connections: int,
    documents: int,
    call_deadline: float | None = None,
) -> Asked:
    """Connections of as many tenants, each with invoices of its own, ready to be synchronised."""
    numbers = {FIRST + at: [f"{at:02}-{one:04}" for one in range(1, documents + 1)] for at in range(connections)}
    for dossier, wanted in numbers.items():
        write_files(folder / str(dossier), [Ubl(number, lines=(UblLine("100.00"),)) for number in wanted])
    made = []
    for dossier in numbers:
        made.append(
            await dagboek.connection(
                sandbox,
                tenant=f"Huis {dossier}",
                folder=folder / str(dossier),
                dossier=str(dossier),
                call_deadline=call_deadline,
            )
        )
    return Asked(made, numbers)


async def request(dagboek: Installation, asked: Asked) -> None:
    """Asks for a run of every connection."""
    asked.runs += [
        await request_run(dagboek.db, dagboek.publisher, one, Trigger.MANUAL, "test") for one in asked.connections
    ]


async def ended(dagboek: Installation, asked: Asked, seconds: float = 90) -> list[dict[str, Any]]:
    """Waits until all runs have ended and everything is told."""
    rows = [await dagboek.ended(run, seconds) for run in asked.runs]
    async with asyncio.timeout(20):
        while await dagboek.db.one(
            """SELECT 1 AS open FROM item WHERE event IS NOT NULL AND reported_at IS NULL
               UNION ALL SELECT 1 FROM run_event WHERE reported_at IS NULL LIMIT 1"""
        ):
            await asyncio.sleep(0.1)
    return rows


async def until_booked(sandbox: Any, count: int, seconds: float = 60) -> None:
    """Waits until the books hold `count` entries."""
    async with asyncio.timeout(seconds):
        while len(sandbox.books.entries()) < count:
            await asyncio.sleep(0.02)


async def audit(dagboek: Installation, sandbox: Any, asked: Asked) -> Audit:
    """Compares books, database and results topic with what was asked for."""
    entries = sandbox.books.entries()
    booked = Counter((entry["dossier"], entry["comment"]) for entry in entries)
    wanted = {(dossier, number) for dossier, numbers in asked.numbers.items() for number in numbers}
    untold, told_wrong = await _told(dagboek, asked, entries)
    return Audit(
        asked=len(wanted),
        booked=len(entries),
        twice=sorted(f"{dossier} {number}" for (dossier, number), count in booked.items() if count > 1),
        lost=sorted(f"{dossier} {number}" for dossier, number in wanted - booked.keys()),
        foreign=sorted(f"{dossier} {number}" for dossier, number in booked.keys() - wanted),
        order=[dossier for dossier, numbers in asked.numbers.items() if not _in_order(entries, dossier, numbers)],
        not_final=await _not_final(dagboek, asked),
        untold=untold,
        told_wrong=told_wrong,
    )


def _in_order(entries: Sequence[Mapping[str, Any]], dossier: int, numbers: Sequence[str]) -> bool:
    ours = sorted((entry["number"], entry["comment"]) for entry in entries if entry["dossier"] == dossier)
    return ours == list(enumerate(numbers, 1))


async def _not_final(dagboek: Installation, asked: Asked) -> list[str]:
    items = await dagboek.db.all(
        "SELECT title, component, state FROM item WHERE run_id = ANY(%s) AND state <> ALL(%s)",
        asked.runs,
        list(FINAL),
    )
    links = await dagboek.db.all(
        "SELECT identity, state FROM link WHERE state NOT IN ('booked', 'free') OR NOT current"
    )
    series = await dagboek.db.all("SELECT key FROM series WHERE open_link IS NOT NULL")
    return [
        *(f"item {row['component']} {row['title']}: {row['state']}" for row in items),
        *(f"link {row['identity']}: {row['state']}" for row in links),
        *(f"series {row['key']} is held" for row in series),
    ]


async def _told(
    dagboek: Installation, asked: Asked, entries: Sequence[Mapping[str, Any]]
) -> tuple[list[str], list[str]]:
    """Every item's outcome as the database has it, and every run's end, must have been delivered."""
    records = await asyncio.to_thread(dagboek.events, Topic.RESULTS)
    told: set[tuple[UUID, int, str]] = set()
    over: set[UUID] = set()
    numbers = {(entry["dossier"], entry["comment"]): str(entry["number"]) for entry in entries}
    dossier_of = dict(zip([str(one) for one in asked.connections], asked.numbers, strict=True))
    wrong = []
    for headers, value in records:
        data = json.loads(value)
        if headers["ce_type"] == b"dagboek.run.finished.v1":
            over.add(UUID(data["run_id"]))
        elif "sequence" in data:
            told.add((UUID(data["run_id"]), data["sequence"], data["state"]))
            number = data.get("booking_number")
            key = (dossier_of[data["connection_id"]], data.get("document_number"))
            if number is not None and numbers.get(key) != number:
                wrong.append(f"{key}: {number}, books {numbers.get(key)}")
    items = await dagboek.db.all("SELECT run_id, sequence, state FROM item WHERE run_id = ANY(%s)", asked.runs)
    untold = [
        f"{row['run_id']} {row['sequence']} {row['state']}"
        for row in items
        if (row["run_id"], row["sequence"], row["state"]) not in told
    ]
    return untold + [f"end of {run}" for run in asked.runs if run not in over], wrong


def longest_pauses(sandbox: Any, since: datetime | None = None, until: datetime | None = None) -> tuple[float, float]:
    """Seconds without a booking, from the first to the last: of all administrations together, and of any one.

    With `since` and `until`, only pauses that reach into that time.
    """
    calls = sandbox.requests.last(100_000, "insertBuySellBooking")
    times = sorted((datetime.fromisoformat(call["time"]), call["dossier"]) for call in calls)
    begin, end = since or times[0][0], until or times[-1][0]
    of_one = [_pause([at for at, dossier in times if dossier == one], begin, end) for one in {two for _, two in times}]
    return _pause([at for at, _ in times], begin, end), max(of_one)


def _pause(times: Sequence[datetime], begin: datetime, end: datetime) -> float:
    pauses = [(after - before).total_seconds() for before, after in pairwise(times) if before < end and after > begin]
    return max(pauses, default=0.0)
