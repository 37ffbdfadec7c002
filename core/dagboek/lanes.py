"""Who works on an administration: one process at a time, and whether the one before gave it back.

Whoever takes a lane raises its epoch, which every intent carries: an older holder gets none any more.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from dagboek.database import Connection


@dataclass(frozen=True, slots=True)
class Taken:
    """A lane that is ours."""

    epoch: int
    suspect: bool
    """Whoever held it did not give it back: what it was at may have ended its process."""


async def take_lane(connection: Connection, administration_id: UUID, slot: str, holder: UUID) -> Taken:
    """Takes a lane for the process `holder`: from then on no older holder gets an intent."""
    found = await connection.execute(
        """INSERT INTO lane (administration_id, epoch, slot, holder) VALUES (%s, 1, %s, %s)
           ON CONFLICT (administration_id) DO UPDATE
               SET epoch = lane.epoch + 1, slot = excluded.slot, holder = excluded.holder, taken_at = now(),
                   suspect = lane.holder IS NOT NULL AND lane.holder <> excluded.holder
           RETURNING epoch, suspect""",
        (administration_id, slot, holder),
    )
    row = await found.fetchone()
    assert row is not None
    return Taken(row["epoch"], row["suspect"])


async def give_back(connection: Connection, epochs: Mapping[UUID, int]) -> None:
    """Lanes that nothing is at work on are given back; those that were taken again since then are left alone."""
    await connection.execute(
        """UPDATE lane l SET holder = NULL FROM unnest(%s::uuid[], %s::bigint[]) AS g(id, epoch)
           WHERE l.administration_id = g.id AND l.epoch = g.epoch""",
        (list(epochs), list(epochs.values())),
    )
