"""An administration with its links, as tests of the push record need it, on a real PostgreSQL."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID, uuid4

from dagboek.database import Connection, Database, connect, migrate
from dagboek.embedded import Services
from dagboek.lanes import give_back, take_lane
from dagboek.push_record import AttemptOutcome, Granted, Group, Intent, Outcome, Written, write
from end_to_end.harness import new_database

SERIES = "1:V1"


@dataclass
class Books:
    """One administration with an active run, a lane that is taken, and a connection to the database."""

    db: Database
    connection: Connection
    administration: UUID
    run: UUID
    epoch: int
    tenant: UUID
    link_no: int = 0

    async def links(self, count: int = 1, **columns: Any) -> list[int]:
        """Free links, or with other values in their columns."""
        made = []
        for _ in range(count):
            self.link_no += 1
            given = {
                "tenant_id": self.tenant,
                "administration_id": self.administration,
                "identity": f"d1:{self.link_no}",
                "kind": "document",
                "link_no": self.link_no,
                **columns,
            }
            names, values = ", ".join(given), ", ".join(f"%({name})s" for name in given)
            row = await self.db.one(f"INSERT INTO link ({names}) VALUES ({values}) RETURNING id", given)
            assert row is not None
            made.append(row["id"])
        return made

    async def link(self, link_id: int) -> dict[str, Any]:
        row = await self.db.one("SELECT * FROM link WHERE id = %s", link_id)
        assert row is not None
        return row

    async def item(self, sequence: int = 0, **columns: Any) -> None:
        """An item of the run."""
        given = {
            "run_id": self.run,
            "component": "sales_invoices",
            "identity": f"d1:{sequence}",
            "kind": "document",
            "sequence": sequence,
            **columns,
        }
        names, values = ", ".join(given), ", ".join(f"%({name})s" for name in given)
        await self.db.run(f"INSERT INTO item ({names}) VALUES ({values})", given)

    async def item_row(self, sequence: int = 0) -> dict[str, Any]:
        row = await self.db.one("SELECT * FROM item WHERE run_id = %s AND sequence = %s", self.run, sequence)
        assert row is not None
        return row

    async def series(self) -> dict[str, Any]:
        row = await self.db.one("SELECT * FROM series WHERE administration_id = %s AND key = %s", *self.key)
        assert row is not None
        return row

    @property
    def key(self) -> tuple[UUID, str]:
        return self.administration, SERIES

    def intent(self, link_id: int, **changes: Any) -> Intent:
        """An intent that everything speaks for."""
        made = Intent(
            link_id=link_id,
            administration_id=self.administration,
            run_id=self.run,
            generation=1,
            epoch=self.epoch,
            sequence=0,
            op="create",
            expected="free",
            seen=0,
            settle_seconds=30,
            booking=b"{}",
            revision="rev1:a",
        )
        return replace(made, **changes)

    async def intend(self, *intents: Intent) -> dict[int, Granted]:
        return (await write(self.connection, Group(intents=list(intents)))).granted

    async def came(self, link_id: int, outcome: Outcome, attempt: int = 1, **more: Any) -> Written:
        """Records an outcome of an attempt."""
        given = {"revision": "rev1:a", **more}
        return await write(self.connection, Group(outcomes=[AttemptOutcome(link_id, attempt, outcome, **given)]))


@asynccontextmanager
async def migrated(services: Services) -> AsyncIterator[Database]:
    """A migrated database of its own."""
    with new_database(services) as url:
        await asyncio.to_thread(migrate, url)
        async with Database(url, size=30) as db:
            yield db


@asynccontextmanager
async def new_books(database: Database) -> AsyncIterator[Books]:
    """A tenant with one administration, whose lane is taken and which has an active run."""
    made = await database.one(
        """WITH t AS (INSERT INTO tenant (name) VALUES (%(name)s) RETURNING id),
                e AS (INSERT INTO entity (tenant_id, name) SELECT id, 'E' FROM t RETURNING id),
                l AS (INSERT INTO login (tenant_id, plugin, tool_user, settings)
                      SELECT id, 'x', 'u', '' FROM t RETURNING id),
                a AS (INSERT INTO administration (tenant_id, plugin, host, tool_id, name)
                      SELECT id, 'x', 'h', %(name)s, 'A' FROM t RETURNING id),
                c AS (INSERT INTO connection (tenant_id, entity_id, administration_id, login_id, plugin, state)
                      SELECT t.id, e.id, a.id, l.id, 'x', 'connected' FROM t, e, a, l RETURNING id)
           INSERT INTO run (id, tenant_id, entity_id, connection_id, administration_id, trigger, state, selected)
           SELECT %(run)s, t.id, e.id, c.id, a.id, 'manual', 'active', true FROM t, e, a, c
           RETURNING administration_id, tenant_id, id""",
        {"name": uuid4().hex, "run": uuid4()},
    )
    assert made is not None
    connection = await connect(database.url)
    try:
        taken = await take_lane(connection, made["administration_id"], "1", uuid4())
        await give_back(connection, {made["administration_id"]: taken.epoch})
        yield Books(
            database,
            connection,
            made["administration_id"],
            made["id"],
            taken.epoch,
            made["tenant_id"],
        )
    finally:
        await connection.close()
