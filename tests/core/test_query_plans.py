"""No step of a run reads what belongs to others, or to the past: looked up on filled tables."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import date
from decimal import Decimal
from types import SimpleNamespace
from typing import Any
from uuid import UUID, uuid4

import pytest
from dagboek import database as database_module
from dagboek import runs, sources, sweeper
from dagboek.database import Database, migrate
from dagboek.embedded import Services
from dagboek.planner import Planner
from dagboek.push_record import Group, Intent, write
from dagboek.runs import finish_run
from dagboek.watchdog import Watchdog
from dagboek.web.signin import people
from dagboek_schemas.documents import Direction, Document, Kind, Line, Party, Totals
from dagboek_schemas.statuses import Component
from dagboek_sdk.source import Fetched, Listed
from dagboek_workers.window import load_window
from end_to_end.harness import new_database
from query_plans import DOCUMENTS, FILL, Explained, read_whole

FEW = {
    "(s.id = o.source_id)",
    "((u.component <> i.component) AND (u.first < i.sequence))",
    "(i.link_id = l.id)",
    "((m.admitted_no < t.window_no) AND (t.id = m.id) AND (t.generation = m.generation)"
    " AND (t.window_no = m.window_no))",
}
"""Compared each with each, and never many: sources of a tenant, components, what is in flight of a cancelled run, the
windows that are admitted together."""
OPEN = {"link_settle", "run_event_unreported"}
"""Read from end to end by jobs that want all of it, or for a cancelled run."""


@pytest.fixture
async def db(services: Services, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Database]:
    monkeypatch.setattr(database_module, "Connection", Explained)
    with new_database(services) as url:
        await asyncio.to_thread(migrate, url)
        async with Database(url) as made:
            for statement in FILL.split(";\n\n"):
                await made.run(statement)
            await made.run("ANALYZE")
            Explained.plans.clear()
            yield made


def document(number: str) -> Document:
    amounts = dict.fromkeys(("lines", "net", "gross", "payable"), Decimal(100))
    return Document(
        kind=Kind.INVOICE,
        direction=Direction.SALES,
        number=number,
        issue_date=date(2026, 2, 3),
        currency="EUR",
        seller=Party(name="E"),
        buyer=Party(name="Bakkerij Zuid", vat_number="BE0123456749"),
        lines=(Line(id="1", name="Bread", net=Decimal(100), vat_category="S", vat_rate=Decimal(0)),),
        totals=Totals(**amounts, vat=Decimal(0)),
    )


class Source:
    """What was there before without one, a copy, and twenty new ones."""

    async def list(self, _since: object) -> AsyncIterator[Sequence[Listed]]:
        yield [Listed(f"o{at}", "f") for at in range(2, DOCUMENTS + 1)]
        yield [Listed(f"n{at}", "f") for at in range(21)]

    async def fetch(self, ids: Sequence[str]) -> Sequence[Fetched]:
        return [Fetched(one, document("F1" if one == "n20" else one)) for one in ids]

    async def close(self) -> None:
        pass


class Log:
    async def publish(self, _topic: object, records: Sequence[Any]) -> list[tuple[int, int]]:
        return [(0, at) for at, _ in enumerate(records)]


def how_found(plan: dict[str, Any], table: str) -> list[str]:
    """Conditions by which rows of a table are looked up."""
    found = [plan.get("Index Cond", plan["Node Type"])] if plan.get("Relation Name") == table else []
    return found + [condition for part in plan.get("Plans", ()) for condition in how_found(part, table)]


def each_with_each(plan: dict[str, Any]) -> set[str]:
    """Conditions of nested loops that no index helps with: what is taken for small may be large."""
    found = {plan["Join Filter"]} if plan["Node Type"] == "Nested Loop" and "Join Filter" in plan else set()
    return found.union(*(each_with_each(part) for part in plan.get("Plans", ())))


async def a_run(db: Database) -> UUID:
    run = uuid4()
    await db.run(
        """INSERT INTO run (id, tenant_id, entity_id, connection_id, administration_id, trigger)
           SELECT %s, tenant_id, entity_id, id, administration_id, 'automatic' FROM connection
           WHERE id = md5('c7')::uuid""",
        run,
    )
    return run


async def test_no_step_of_a_run_reads_a_table_of_all_runs_from_end_to_end(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sources, "open_source", lambda *_: Source())
    about = SimpleNamespace(components=tuple(Component), parties_inside_documents=False, batch_size=1)
    tool = SimpleNamespace(about=about, number_once=lambda document: document.number)
    plugins: Any = SimpleNamespace(tool=lambda _: tool, releases=lambda _: "x 1")
    log: Any = Log()
    planner = Planner(db, plugins, log)
    watchdog = Watchdog(db, planner, "127.0.0.1:1", "t", {})
    monkeypatch.setattr(watchdog, "_passed", lambda partitions: dict.fromkeys(partitions, (-1, 0, 1000)))
    run = await a_run(db)

    await planner.start(run)
    row = await db.one(
        "SELECT state, window_no, (SELECT count(*) FROM item WHERE run_id = r.id) AS items FROM run r WHERE id = %s",
        run,
    )
    assert row == {"state": "active", "window_no": 1, "items": 24}, "20 new ones, a copy, a customer, two pulls"
    await watchdog.resume_parked()
    await watchdog.finish_cancelled()
    await watchdog.plan_forgotten(0)
    await watchdog.find_lost(0)
    window = await load_window(db, run, 1, 1)
    await runs.advance(db, run, 1, 1)
    async with db.connection() as connection:
        await runs.finish_run(connection, run)
    await sweeper.write_events(db)
    await sweeper.deliver_items(db, log, 0)
    await sweeper.deliver_run_events(db, log)
    watchdog.close()

    plans = [plan for _, plan in Explained.plans]
    assert len(plans) > 40
    assert window is not None
    left = [plan for statement, plan in Explained.plans if "AS left" in statement]
    assert any("sequence <" in found for found in how_found(left[0], "item")), "what is left before, not the whole run"
    assert any("refused_under" in statement for statement, _ in Explained.plans)
    assert set().union(*map(read_whole, plans)) <= OPEN
    assert set().union(*map(each_with_each, plans)) <= FEW


async def test_the_end_of_one_of_many_runs_looks_at_what_is_left_of_them_alone(db: Database) -> None:
    """Of ten thousand that were started together each end would else read those before it."""
    person = await people.ensure_person(db, "anna@example.com")
    await db.run("UPDATE run SET person_id = %s, batch_id = %s", person.id, uuid4())
    await db.run("UPDATE run SET state = 'active' WHERE id IN (SELECT id FROM run LIMIT 2)")
    await db.run("ANALYZE run")
    row = await db.one("SELECT id FROM run WHERE state = 'active' LIMIT 1")
    assert row is not None
    Explained.plans.clear()

    async with db.connection() as connection:
        assert await finish_run(connection, row["id"])

    (plan,) = [plan for query, plan in Explained.plans if "WHERE batch_id = %s AND state <> 'ended'" in query]
    assert plan["Plans"][0]["Index Name"] == "run_batch_open"


async def test_an_intent_looks_up_its_own_run_and_link_whatever_else_is_open(db: Database) -> None:
    intents = [Intent(at, uuid4(), uuid4(), 1, 1, 0, "create", "free", 0, 30, b"{}") for at in range(200)]
    async with db.connection() as connection:
        await write(connection, Group(intents=intents))

    ((_, plan),) = [one for one in Explained.plans if "wanted AS" in one[0]]
    assert how_found(plan, "run") == ["(id = wanted.run_id)"]
    assert set(how_found(plan, "link")) == {"(id = a.link_id)", "(id = a_2.link_id)", "ModifyTable"}
