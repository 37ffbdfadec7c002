"""Select, the first step of planning: the sources are listed once, and what they brought is registered.

What of it is new, changed or due then becomes the items of the run (`items`).
"""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from dagboek_sdk import clock
from dagboek_sdk.source import DocumentSource, Listed

from dagboek import contexts
from dagboek.database import AWAY, Database
from dagboek.items import write_items
from dagboek.origins import Identified, register
from dagboek.plugins import Plugins
from dagboek.runs import finish_run
from dagboek.sources import FETCHED_AT_ONCE, fetched, in_time, reading

Row = Mapping[str, Any]
Kept = dict[UUID, dict[str, Identified]]
"""By source and origin, documents of a run that brought few: they need not be fetched again to be pushed."""

MOVES = timedelta(seconds=5)
"""How often a run that is listed says that it moves."""


async def select(db: Database, plugins: Plugins, run: Row, kept: Kept) -> bool:
    """Writes the items of a run, a row. False when there is nothing to do: it has ended.

    What was read for it is put into `kept`, no more than a lot of each source.

    A source that cannot be read holds up no other; where there is no other, what is wrong with it is raised.
    """
    version = await contexts.newest(db, run["connection_id"])
    entity = await db.one("SELECT * FROM entity WHERE id = %s", run["entity_id"])
    assert entity is not None
    listed = await db.all("SELECT * FROM source WHERE tenant_id = %s ORDER BY created_at", run["tenant_id"])
    away: dict[UUID, Exception] = {}
    for source in listed:
        try:
            async with reading(db, plugins, source, entity) as reader:
                await _Listing(db, run, source, entity, reader, kept.setdefault(source["id"], {})).take()
        except AWAY:
            raise
        except Exception as trouble:  # the others are not held up
            away[source["id"]] = trouble
    if listed and len(away) == len(listed):
        raise away[listed[0]["id"]]
    async with db.transaction() as connection:
        found = await write_items(connection, plugins, run, version, away)
        if not found:
            await finish_run(connection, run["id"])
    return found


class _Listing:
    """A source that is listed for a run."""

    def __init__(
        self, db: Database, run: Row, source: Row, entity: Row, reader: DocumentSource, kept: dict[str, Identified]
    ) -> None:
        self._db = db
        self._run = run
        self._source = source
        self._entity = entity
        self._reader = reader
        self._kept = kept
        self._fetched = 0
        self._copies = False
        self._moved = clock.now()

    async def take(self) -> None:
        """Registers what is new or changed since the source was listed last, and forgets what is gone."""
        rows = await self._db.all(_KNOWN, self._source["id"], self._entity["id"])
        known = {row["origin_id"]: row["fingerprint"] for row in rows}
        gone, self._copies = set(known), any(row["copy"] for row in rows)
        pages = aiter(self._reader.list(None))
        while (page := await in_time(anext(pages, None))) is not None:
            gone.difference_update(one.origin_id for one in page)
            new = [one for one in page if known.get(one.origin_id) != one.fingerprint]
            await self._register(new)
            known |= {one.origin_id: one.fingerprint for one in new}
            await self._moves()
        if gone:
            await self._db.run(_FORGET, self._source["id"], self._entity["id"], list(gone))
        if self._copies:
            await self._register(await self._heirs())

    async def _moves(self) -> None:
        if clock.now() - self._moved > MOVES:
            await self._db.run("UPDATE run SET moved_at = now() WHERE id = %s", self._run["id"])
            self._moved = clock.now()

    async def _heirs(self) -> list[Listed]:
        """A document whose first origin is gone, or is another document now, is taken from where else it is."""
        rows = await self._db.all(_HEIRS, self._source["id"], self._entity["id"])
        return [Listed(row["origin_id"], row["fingerprint"], row["title"]) for row in rows]

    async def _register(self, listed: Sequence[Listed]) -> None:
        by_id = {one.origin_id: one for one in listed}
        async for read in fetched(self._reader, list(by_id)):
            lot = [(by_id[one.origin_id], one) for one in read]
            async with self._db.transaction() as connection:
                known = await register(connection, self._run["administration_id"], self._source, self._entity, lot)
            self._copies = self._copies or known.copies
            self._keep(known.first, len(lot))

    def _keep(self, first: Mapping[str, Identified], size: int) -> None:
        self._fetched += size
        if self._fetched <= FETCHED_AT_ONCE:
            self._kept.update(first)
        else:
            self._kept.clear()


_HEIRS = """
SELECT o.origin_id, o.fingerprint, o.title FROM origin o
WHERE o.source_id = %s AND o.entity_id = %s AND o.duplicate_of IS NOT NULL
  AND NOT EXISTS (SELECT 1 FROM origin f WHERE f.entity_id = o.entity_id AND f.identity = o.identity
                  AND f.duplicate_of IS NULL)
"""

_KNOWN = """
SELECT origin_id, fingerprint, duplicate_of IS NOT NULL AS copy FROM origin WHERE source_id = %s AND entity_id = %s
"""

_FORGET = "DELETE FROM origin WHERE source_id = %s AND entity_id = %s AND origin_id = ANY(%s)"
