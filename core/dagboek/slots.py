"""Whose a worker's slot is: the process's that took it last. Of two with one slot the older ends (decision 0016).

To the broker they are one member of the group, and each that joins puts the other out: without this they would do so
in turns for ever, and neither would know.
"""

import asyncio
import contextlib
from typing import Final
from uuid import uuid4

from dagboek.database import AWAY, Connection, connect

LOOK: Final = 1.0
"""Seconds between two looks at whose the slot is."""
SEEN: Final = 5
"""Looks after which the process says that it lives."""


class Slot:
    """The slot of this process. `member` is what the consumer group knows it by."""

    def __init__(self, database_url: str, member: str) -> None:
        self._url = database_url
        self._member = member
        self._holder = uuid4()
        self._taken = False

    async def take(self) -> None:
        """Takes the slot from whoever has it, once: never back from who has taken it since.

        DatabaseUnavailable when nothing answers.
        """
        if self._taken:
            return
        async with await connect(self._url, connect_timeout=5) as connection:
            await connection.execute(
                """INSERT INTO worker_slot (member, holder) VALUES (%s, %s)
                   ON CONFLICT (member) DO UPDATE
                   SET holder = excluded.holder, taken_at = now(), seen_at = now(), ended_at = NULL""",
                (self._member, self._holder),
            )
        self._taken = True

    async def lost(self) -> None:
        """Returns when another process has taken it. A database that is away says nothing about it."""
        while True:
            with contextlib.suppress(*AWAY):
                async with await connect(self._url, connect_timeout=5) as connection:
                    await self._lost(connection)
                    return
            await asyncio.sleep(LOOK)

    async def end(self) -> None:
        """The process has ended in order: nobody waits for it. A database that is away is not told."""
        with contextlib.suppress(*AWAY):
            async with await connect(self._url, connect_timeout=5) as connection:
                await connection.execute(
                    "UPDATE worker_slot SET ended_at = now() WHERE member = %s AND holder = %s",
                    (self._member, self._holder),
                )

    async def _lost(self, connection: Connection) -> None:
        lost = "SELECT 1 FROM worker_slot WHERE member = %s AND holder <> %s"
        lives = "UPDATE worker_slot SET seen_at = now() WHERE member = %s AND holder = %s"
        while True:
            for _ in range(SEEN):
                if await (await connection.execute(lost, (self._member, self._holder))).fetchone() is not None:
                    return
                await asyncio.sleep(LOOK)
            await connection.execute(lives, (self._member, self._holder))
