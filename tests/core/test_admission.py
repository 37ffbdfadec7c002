"""Admission on a real PostgreSQL: how much of a partition is on the log, who is next, and what a race may not do."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from dagboek import admission
from dagboek.admission import KEPT, LANE, ROOM, Admission, Outstanding, Waiting, admit, fitting
from dagboek.database import Connection, Database
from dagboek.embedded import Services
from dagboek.planner import FIRST_WINDOW, Planner
from dagboek.publisher import partition_of
from dagboek.runs import Next, advance, cancel, park, resume
from dagboek.status import component_rows, run_status
from dagboek.watchdog import Watchdog
from dagboek_schemas.cloudevents import Record, decode
from dagboek_schemas.events import ItemReady
from dagboek_schemas.topics import Topic

A, B, C = (UUID(int=at) for at in range(3))


@dataclass
class Town:
    """A tenant whose administrations have runs on partitions that a test chooses."""

    db: Database
    tenant: UUID

    async def administration(self) -> UUID:
        row = await self.db.one(
            """WITH a AS (INSERT INTO administration (tenant_id, plugin, host, tool_id, name)
                          VALUES (%(tenant)s, 'x', 'h', %(name)s, 'A') RETURNING id),
                    e AS (INSERT INTO entity (tenant_id, name) VALUES (%(tenant)s, %(name)s) RETURNING id),
                    l AS (INSERT INTO login (tenant_id, plugin, tool_user, settings)
                          VALUES (%(tenant)s, 'x', %(name)s, '') RETURNING id)
               INSERT INTO connection (tenant_id, entity_id, administration_id, login_id, plugin, state)
               SELECT %(tenant)s, e.id, a.id, l.id, 'x', 'connected' FROM a, e, l RETURNING administration_id""",
            {"tenant": self.tenant, "name": uuid4().hex},
        )
        assert row is not None
        return UUID(str(row["administration_id"]))

    async def run(
        self,
        partition: int,
        items: int = 50,
        *,
        of: UUID | None = None,
        out: int = 0,
        window: int = 1,
        trigger: str = "manual",
        age: float = 0,
        waits: bool = True,
    ) -> UUID:
        """A run whose window of `items` waits for room; `out` items of the window before are on the log."""
        run_id, administration = uuid4(), of or await self.administration()
        await self.db.run(
            """INSERT INTO run (id, tenant_id, entity_id, connection_id, administration_id, trigger, small, state,
                                selected, started_at, partition, window_no, admitted_no, published_at, moved_at)
               SELECT %(run)s, tenant_id, entity_id, id, administration_id, %(trigger)s, true, 'active', true, now(),
                      %(partition)s, %(window)s, %(admitted)s, CASE WHEN NOT %(waits)s THEN now() END,
                      now() - make_interval(secs => %(age)s)
               FROM connection WHERE administration_id = %(of)s""",
            {
                "run": run_id,
                "of": administration,
                "trigger": trigger,
                "partition": partition,
                "window": window,
                "admitted": window - 1 if waits else window,
                "waits": waits,
                "age": age,
            },
        )
        for number, count in ((window - 1, out), (window, items)):
            await self.db.run(
                """INSERT INTO item (run_id, component, identity, kind, sequence, window_no, generation)
                   SELECT %s, 'sales_invoices', %s || n, 'pull', %s + n, %s, 1 FROM generate_series(1, %s) n""",
                run_id,
                f"{number}/",
                1000 * number,
                number,
                count,
            )
        return run_id

    async def full(self, partition: int, *, following: bool = True) -> list[UUID]:
        """Runs that leave no room on a partition."""
        window = 2 if following else 1
        return [await self.run(partition, 200, window=window, waits=False) for _ in range(ROOM // 200)]

    async def row(self, run_id: UUID) -> dict[str, Any]:
        row = await self.db.one("SELECT * FROM run WHERE id = %s", run_id)
        assert row is not None
        return row

    async def handled(self, *runs: UUID) -> None:
        """All of these runs that is on the log has been worked on."""
        await self.db.run("UPDATE item SET state = 'synced', outcome_at = now() WHERE run_id = ANY(%s)", list(runs))


@pytest.fixture
async def town(database: Database) -> AsyncIterator[Town]:
    await database.run("UPDATE run SET state = 'ended'")  # of the test before
    row = await database.one("INSERT INTO tenant (name) VALUES (%s) RETURNING id", uuid4().hex)
    assert row is not None
    yield Town(database, row["id"])


def ids(admitted: Sequence[Waiting]) -> list[UUID]:
    return [one.run_id for one in admitted]


# what fits


def waiting(*windows: tuple[UUID, int, int]) -> list[Waiting]:
    """Windows by administration, number and items."""
    return [Waiting(uuid4(), 1, number, administration, items) for administration, number, items in windows]


def test_a_window_goes_out_whole_while_there_is_room() -> None:
    line = waiting((A, 1, 50), (B, 1, 50))
    assert fitting([Outstanding(C, False, ROOM - 1)], line) == line[:1]
    assert fitting([Outstanding(C, False, ROOM)], line) == []
    assert fitting([], line) == line


def test_first_and_following_windows_keep_room_for_each_other() -> None:
    first, following = waiting((A, 1, 50), (B, 2, 200))
    assert fitting([Outstanding(C, True, ROOM)], [following, first]) == [first]
    assert fitting([Outstanding(C, False, ROOM)], [first, following]) == [following]
    both = [Outstanding(C, True, ROOM), Outstanding(C, False, KEPT)]
    assert fitting(both, [following, first]) == []


def test_a_lane_takes_no_more_room_than_it_can_use() -> None:
    line = waiting((A, 1, 1), (A, 1, 1), (B, 1, 1))
    assert fitting([Outstanding(A, False, LANE - 1)], line) == [line[0], line[2]]


def test_a_window_of_which_nothing_is_left_takes_no_room() -> None:
    line = waiting((A, 2, 0))
    assert fitting([Outstanding(A, True, ROOM)], line) == line


# who is next


async def test_people_before_schedules_first_windows_before_following_ones_the_oldest_first(town: Town) -> None:
    expected = [
        await town.run(1, trigger="manual", age=9),
        await town.run(1, trigger="retry", age=8),
        await town.run(1, 200, window=2, trigger="manual", age=90),
        await town.run(1, trigger="automatic", age=900),
        await town.run(1, trigger="automatic", age=7),
        await town.run(1, 200, window=2, trigger="automatic", age=9000),
    ]
    await town.run(2, age=99999)

    assert ids(await admit(town.db, 1)) == expected
    assert await admit(town.db, 1) == []


async def test_no_number_of_small_runs_of_one_connection_hides_another_connection(town: Town) -> None:
    """A person retries a thousand documents, each in a run of its own."""
    flood = await town.administration()
    many = [await town.run(1, 1, of=flood, age=1000) for _ in range(LANE + 200)]
    other = await town.run(1, trigger="manual", age=1)

    first = ids(await admit(town.db, 1))

    assert other in first[:2]
    while more := ids(await admit(town.db, 1)):
        first += more
    assert len(first) == LANE + 1
    await town.handled(*many)
    assert ids(await admit(town.db, 1))


async def test_no_number_of_long_runs_keeps_a_new_one_out(town: Town) -> None:
    for _ in range(admission.LOOKED_AT + 20):
        await town.run(1, 10, window=2, trigger="manual", age=1000)
    await town.full(1)
    small = await town.run(1, 10, trigger="automatic")

    assert ids(await admit(town.db, 1)) == [small]


async def test_items_that_are_handled_parked_or_of_another_partition_take_no_room(town: Town) -> None:
    runs = await town.full(1)
    long = await town.run(1, 200, window=3, out=100)
    assert await admit(town.db, 1) == []

    await town.handled(runs[0])
    assert ids(await admit(town.db, 1)) == [long]
    assert await admit(town.db, 1) == []

    next_one = await town.run(1, 200, window=3)
    async with town.db.transaction() as connection:
        assert await park(connection, runs[1], 1, until=(await town.row(long))["moved_at"], reason="limit")
    assert ids(await admit(town.db, 1)) == [next_one]


# races


async def test_cores_that_admit_at_the_same_time_keep_to_the_room_together(town: Town) -> None:
    for partition in range(6):
        for _ in range(2 * ROOM // 200):
            await town.run(partition, 200, window=2)
        admitted = await asyncio.gather(*(admit(town.db, partition) for _ in range(6)))

        found = [run for one in admitted for run in ids(one)]
        assert len(found) == len(set(found)) == ROOM // 200


async def test_a_core_counts_what_another_is_just_admitting(town: Town) -> None:
    runs = [await town.run(1, 200, window=2, age=-at) for at in range(2 * ROOM // 200)]
    async with town.db.transaction() as another:
        await another.execute("SELECT pg_advisory_xact_lock(%s, 1)", (admission._LOCK,))
        last = runs[ROOM // 200 :]
        await another.execute("UPDATE run SET admitted_no = window_no WHERE id = ANY(%s)", (last,))
        turn = asyncio.create_task(admit(town.db, 1))
        await _until_it_waits(town.db, "pg_advisory_xact_lock")

    assert await turn == []


async def test_a_core_that_froze_at_one_partition_holds_up_no_other(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    for partition in (1, 2, 3):
        await town.run(partition)
    tried: list[int] = []

    async def one_is_locked(db: Database, partition: int) -> list[Waiting]:
        tried.append(partition)
        if len(tried) == 1:
            raise psycopg.errors.LockNotAvailable
        return []

    monkeypatch.setattr(admission, "admit", one_is_locked)
    await Admission(town.db, None).admit_waiting()  # type: ignore[arg-type]

    assert sorted(tried) == [1, 2, 3]


@pytest.mark.parametrize("what", ["park", "cancel", "resume"])
async def test_a_run_that_is_stopped_while_its_turn_comes_is_not_admitted(town: Town, what: str) -> None:
    """Between the look at it and the mark."""
    run = await town.run(1)
    async with town.db.transaction() as connection:
        await _change(connection, run, what)
        turn = asyncio.create_task(admit(town.db, 1))
        await _until_it_waits(town.db, "turn")

    assert await turn == []
    row = await town.row(run)
    assert row["admitted_no"] == 0
    assert (row["state"], row["generation"]) == {
        "park": ("parked", 1),
        "cancel": ("cancelling", 1),
        "resume": ("active", 2),
    }[what]


async def _change(connection: Connection, run: UUID, what: str) -> None:
    if what == "park":
        row = await (await connection.execute("SELECT now() AS now")).fetchone()
        assert row is not None
        assert await park(connection, run, 1, until=row["now"], reason="limit")
    elif what == "resume":
        assert await resume(connection, run, 1) == 2
    else:
        await connection.execute("UPDATE run SET state = 'cancelling' WHERE id = %s", (run,))


async def _until_it_waits(db: Database, words: str) -> None:
    """For a lock that a statement with these words needs."""
    query = """SELECT 1 FROM pg_stat_activity
               WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE %s"""
    async with asyncio.timeout(60):
        while not await db.one(query, f"%{words}%"):
            await asyncio.sleep(0.01)


# planner, watchdog and the job together


class Log:
    """Takes what is published, if nothing happens to the run meanwhile."""

    def __init__(self) -> None:
        self.runs: list[tuple[UUID, int, int]] = []
        self.meanwhile: Any = None

    async def publish(self, topic: Topic, records: Sequence[Record]) -> list[tuple[int, int]]:
        assert topic in (Topic.DOCUMENTS, Topic.COMMANDS)
        partition = partition_of(records[0].key, 48)
        if self.meanwhile is not None:
            await self.meanwhile()
        for record in records:
            event = decode(record.value, record.headers)
            assert isinstance(event, ItemReady)
            self.runs.append((event.run_id, event.generation, event.window))
        return [(partition, len(self.runs))] * len(records)


@pytest.fixture
def log() -> Log:
    return Log()


@pytest.fixture
def planner(town: Town, log: Log) -> Planner:
    plugins = SimpleNamespace(tool=lambda _: SimpleNamespace(about=SimpleNamespace(batch_size=1)))
    return Planner(town.db, plugins, log)  # type: ignore[arg-type]


async def not_planned(town: Town, items: int = 3) -> tuple[UUID, int]:
    """A run that is selected and of which nothing is planned; its partition."""
    administration = await town.administration()
    run = await town.run(0, of=administration, items=0)
    await town.db.run(
        "UPDATE run SET window_no = 0, partition = NULL, moved_at = now() - interval '1 hour' WHERE id = %s", run
    )
    await town.db.run(
        """INSERT INTO item (run_id, component, identity, kind, sequence)
           SELECT %s, 'sales_invoices', n::text, 'pull', n FROM generate_series(1, %s) n""",
        run,
        items,
    )
    return run, partition_of(str(administration).encode(), 48)


async def settled(job: Admission) -> None:
    """What the job has begun is done."""
    await job.admit_waiting()
    await asyncio.gather(*job._tasks)


async def test_a_run_that_is_alone_goes_out_at_once(town: Town, planner: Planner, log: Log) -> None:
    run, partition = await not_planned(town)

    await planner.publish_window(run, 1, 0)

    assert log.runs == [(run, 1, 1)] * 3
    row = await town.row(run)
    assert (row["partition"], row["window_no"], row["admitted_no"]) == (partition, 1, 1)
    assert row["published_at"] is not None


async def test_a_run_waits_while_its_partition_is_full_and_goes_on_by_itself(
    town: Town,
    planner: Planner,
    log: Log,
    services: Services,
    topic_prefix: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    run, partition = await not_planned(town, items=FIRST_WINDOW + 1)
    full = await town.full(partition, following=False)
    watchdog = Watchdog(town.db, planner, services.kafka_bootstrap, topic_prefix, {})
    job = Admission(town.db, planner)
    try:
        await planner.publish_window(run, 1, 0)
        await settled(job)
        await planner.publish_window(run, 1, 0)  # the command comes again
        await watchdog.plan_forgotten(0)
        await watchdog.find_lost()

        row = await town.row(run)
        assert log.runs == []
        assert "run.replanned" not in capsys.readouterr().out
        assert (row["state"], row["window_no"], row["admitted_no"], row["published_at"]) == ("active", 1, 0, None)
        assert run_status(row) == "Pending"
        async with town.db.connection() as connection:
            assert [one.status for one in await component_rows(connection, row)] == ["Pending"]

        await town.handled(full[0])
        await settled(job)
        assert log.runs == [(run, 1, 1)] * FIRST_WINDOW
        row = await town.row(run)
        assert run_status(row) == "In progress"
        assert row["published_at"] is not None
        await settled(job)
        assert len(log.runs) == FIRST_WINDOW
    finally:
        watchdog.close()


async def test_a_window_that_was_admitted_by_a_core_that_died_is_planned_on(
    town: Town, planner: Planner, log: Log, services: Services, topic_prefix: str
) -> None:
    run, partition = await not_planned(town)
    await town.full(partition, following=False)
    await planner.publish_window(run, 1, 0)
    await town.db.run("UPDATE run SET state = 'ended' WHERE id <> %s", run)
    assert ids(await admit(town.db, partition)) == [run]  # and then it dies

    watchdog = Watchdog(town.db, planner, services.kafka_bootstrap, topic_prefix, {})
    try:
        await watchdog.plan_forgotten(60)
        assert log.runs == []
        await watchdog.plan_forgotten(0)
    finally:
        watchdog.close()

    assert log.runs == [(run, 1, 1)] * 3


async def test_a_run_that_is_resumed_while_its_window_is_on_the_way_is_not_taken_for_published(
    town: Town, planner: Planner, log: Log
) -> None:
    """What is on the log then is of an older generation, and is let go."""
    run, _ = await not_planned(town)

    async def meanwhile() -> None:
        log.meanwhile = None
        async with town.db.transaction() as connection:
            assert await resume(connection, run, 1) == 2

    log.meanwhile = meanwhile
    await planner.publish_window(run, 1, 0)

    row = await town.row(run)
    assert (row["generation"], row["window_no"], row["admitted_no"], row["published_at"]) == (2, 0, 0, None)
    await planner.publish_window(run, 2, 0)
    assert log.runs[3:] == [(run, 2, 1)] * 3


async def test_a_run_that_is_cancelled_while_it_waits_is_not_published(town: Town, planner: Planner, log: Log) -> None:
    run, partition = await not_planned(town)
    full = await town.full(partition, following=False)
    await planner.publish_window(run, 1, 0)
    assert await cancel(town.db, run)
    await town.handled(*full)

    await settled(Admission(town.db, planner))

    assert log.runs == []


# the end of a window while the next one waits


async def test_a_lane_at_the_end_of_a_window_waits_for_the_next_one(town: Town) -> None:
    run = await town.run(1, 20, window=2, out=5)
    await town.db.run("UPDATE item SET state = 'synced', outcome_at = now() WHERE run_id = %s AND window_no = 1", run)

    step = await advance(town.db, run, 1, 1)

    assert step.next is Next.NOTHING
    assert (await town.row(run))["state"] == "active"


async def test_what_was_lost_is_found_though_the_next_window_waits_for_room(
    town: Town, planner: Planner, log: Log, services: Services, topic_prefix: str
) -> None:
    """Else it would keep its partition full for ever, and wait for that itself."""
    runs = []
    for _ in range(ROOM // 200):
        runs.append(await town.run(1, 20, window=2, out=200, age=60))
    watchdog = Watchdog(town.db, planner, services.kafka_bootstrap, topic_prefix, {})
    try:
        # none had an event that could be passed: the log was lost with all that was on it
        await watchdog.find_lost()
    finally:
        watchdog.close()

    rows = [await town.row(run) for run in runs]
    assert [row["generation"] for row in rows] == [2] * len(runs)
    assert {run for run, *_ in log.runs} == set(runs)


# cost


async def test_what_it_costs_depends_on_the_partition_alone(town: Town) -> None:
    runs = [await town.run(7, 50, window=2, out=150, age=9) for _ in range(5)]
    await town.run(7, 200, window=3, waits=False)
    before = await _blocks(town.db, 7)
    await _crowd(town)

    after = await _blocks(town.db, 7)

    assert set(after) == set(before)
    for name, blocks in after.items():
        assert blocks < 400, f"{name} reads {blocks} pages; it was {before[name]}"
    assert set(ids(await admit(town.db, 7))) == set(runs)


async def _crowd(town: Town) -> None:
    """History, many others on other partitions, and a run that is long itself."""
    one = await town.administration()
    await town.db.run(
        """WITH made AS (
               INSERT INTO run (id, tenant_id, entity_id, connection_id, administration_id, trigger, small, state,
                                selected, partition, window_no, admitted_no, published_at)
               SELECT gen_random_uuid(), tenant_id, entity_id, c.id, administration_id, 'automatic', true,
                      CASE WHEN n <= 1500 THEN 'ended' ELSE 'active' END, true,
                      CASE WHEN n <= 1500 THEN 7 ELSE 8 + n %% 40 END, 2, CASE WHEN n %% 5 = 0 THEN 1 ELSE 2 END, now()
               FROM connection c, generate_series(1, 2000) n WHERE administration_id = %s RETURNING id, state)
           INSERT INTO item (run_id, component, identity, kind, sequence, window_no, generation, state)
           SELECT made.id, 'sales_invoices', n::text, 'pull', n, 1 + n / 25, 1,
                  CASE WHEN made.state = 'ended' THEN 'synced' ELSE 'planned' END
           FROM made, generate_series(1, 40) n""",
        one,
    )
    await town.db.run(
        """INSERT INTO item (run_id, component, identity, kind, sequence, window_no, generation, state)
           SELECT id, 'sales_invoices', 'long' || n, 'pull', 10000 + n, CASE WHEN n < 8000 THEN 0 END,
                  CASE WHEN n < 8000 THEN 1 END, CASE WHEN n < 8000 THEN 'synced' ELSE 'planned' END
           FROM run, generate_series(1, 15000) n WHERE partition = 7 AND window_no = 3 AND state = 'active'"""
    )
    await town.db.run("VACUUM (ANALYZE) run")
    await town.db.run("VACUUM (ANALYZE) item")


async def _blocks(db: Database, partition: int) -> dict[str, int]:
    """Pages that each query looks at; none reads a whole table, once there is something in it."""
    given = {"partition": partition, "full": [], "most": admission.LOOKED_AT}
    queries = {"outstanding": admission.OUTSTANDING, "waiting": admission.WAITING, "partitions": admission.PARTITIONS}
    found = {}
    for name, query in queries.items():
        row = await db.one(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {query}", given)
        assert row is not None
        plan = row["QUERY PLAN"][0]["Plan"]
        found[name] = plan["Shared Hit Blocks"] + plan["Shared Read Blocks"]
    return found
