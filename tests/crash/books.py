"""What was asked for against what the sandbox's books hold, and against what was told."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any
from uuid import UUID

from dagboek.chaos.audit import Asked as ToBook
from dagboek.chaos.audit import Audit, Wanted
from dagboek.chaos.audit import audit as compared
from dagboek.chaos.told import told
from dagboek.chaos.ubl import Ubl, UblLine
from dagboek.runs import request_run
from dagboek_schemas.statuses import Trigger
from dagboek_schemas.topics import Topic
from end_to_end.harness import GUARD, Installation, write_files

FIRST = 1001


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


async def ended(dagboek: Installation, asked: Asked, seconds: float = 150) -> list[dict[str, Any]]:
    """Waits until all runs have ended and everything is told."""
    rows = [await dagboek.ended(run, seconds) for run in asked.runs]
    async with asyncio.timeout(GUARD):
        while await dagboek.db.one(
            """SELECT 1 AS open FROM item WHERE event IS NOT NULL AND reported_at IS NULL
               UNION ALL SELECT 1 FROM run_event WHERE reported_at IS NULL LIMIT 1"""
        ):
            await asyncio.sleep(0.1)
    return rows


async def until_booked(sandbox: Any, count: int, seconds: float = GUARD) -> None:
    """Waits until the books hold `count` entries."""
    async with asyncio.timeout(seconds):
        while len(sandbox.books.entries()) < count:
            await asyncio.sleep(0.02)


async def audit(dagboek: Installation, sandbox: Any, asked: Asked) -> Audit:
    """Compares books, database and results topic with what was asked for; all of it is to have gone well at once."""
    wanted = {str(dossier): [Wanted(number) for number in numbers] for dossier, numbers in asked.numbers.items()}
    connections = dict(zip(asked.connections, wanted, strict=True))
    heard = told(await asyncio.to_thread(dagboek.events, Topic.RESULTS))
    found = await compared(dagboek.db, ToBook(wanted, connections), sandbox.books.entries(), heard, calm=True)
    found.not_final += [*found.not_tried, *found.waiting]
    return found


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
