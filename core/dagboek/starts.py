"""Start marks: what stops a worker again and again is found, named and set aside (design section 4).

A process that is killed by a document, or hangs in it, can tell nobody. So a lane that was taken over from a holder who
did not give it back is suspect: a start mark is committed before its first item is touched, and what was started
several times without an outcome is not started again. Without suspicion nothing of this is written.
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import Final
from uuid import UUID

from dagboek_schemas.issues import Issue
from dagboek_sdk import clock

from dagboek.database import Connection
from dagboek.runs import park

STARTS: Final = 3
"""Marked starts without an outcome after which an item is set aside: four kills, as the first leaves no mark."""
BLOCKED_PARK: Final = timedelta(seconds=15)
"""How long a run is parked whose item blocked its loop: others go first when the worker is back."""


@dataclass(frozen=True, slots=True)
class Start:
    """An item that a lane is about to work on, or is at."""

    run_id: UUID
    generation: int
    sequence: int
    administration_id: UUID
    epoch: int


async def mark(connection: Connection, start: Start) -> int:
    """Notes that work on an item begins: how often it has, without an outcome."""
    return await _count(connection, start, 1)


async def take_back(connection: Connection, start: Start) -> int:
    """The item was left without an outcome by a process that lives: that start says nothing against it."""
    return await _count(connection, start, -1)


async def _count(connection: Connection, start: Start, change: int) -> int:
    found = await connection.execute(
        """UPDATE item SET starts = greatest(0, starts + %s) WHERE run_id = %s AND sequence = %s AND state = 'planned'
             AND EXISTS (SELECT 1 FROM lane WHERE administration_id = %s AND epoch = %s)
           RETURNING starts""",
        (change, start.run_id, start.sequence, start.administration_id, start.epoch),
    )
    row = await found.fetchone()
    return int(row["starts"]) if row else 0


async def park_blocked(connection: Connection, start: Start, issue: Issue, *, marked: bool) -> None:
    """The item has blocked its loop, and its process is about to end: its run waits, and it is marked if it was not."""
    async with connection.transaction():
        if not marked:
            await mark(connection, start)
        until = clock.now() + BLOCKED_PARK
        await park(connection, start.run_id, start.generation, until=until, reason="unexpected", issue=issue)
