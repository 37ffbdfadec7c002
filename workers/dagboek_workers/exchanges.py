"""Keeps what a tool said when something was no plain success, beside the work and never in its way."""

import asyncio
from collections import deque
from uuid import UUID

import structlog
from dagboek.database import AWAY, Database
from dagboek.exchanges import store
from dagboek.plugins import unexpected
from dagboek_sdk.http import Exchange

log = structlog.get_logger()

MOST = 200
"""Exchanges that wait to be stored; when a tool refuses faster than that, the oldest are dropped."""
SECONDS = 1.0


class Exchanges:
    """Of one tool loop."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._waiting: deque[tuple[UUID, UUID, Exchange]] = deque(maxlen=MOST)

    def keep(self, administration_id: UUID, run_id: UUID, exchange: Exchange) -> None:
        """Takes one; returns at once."""
        self._waiting.append((administration_id, run_id, exchange))

    async def serve(self) -> None:
        """Stores what has come, every second."""
        while True:
            await asyncio.sleep(SECONDS)
            await self.store()

    async def store(self) -> None:
        """Stores what has come. It is lost where the database does not take it: the push record has its outcome."""
        rows = list(self._waiting)
        self._waiting.clear()
        if not rows:
            return
        try:
            await store(self._db, rows)
        except AWAY:
            log.warning("exchanges.not_stored", number=len(rows))
        except Exception as bug:
            unexpected("exchanges", bug)
