"""The life of a run: requested, active, parked, ended (design section 4).

Every change is a compare-and-set on the run's row. Generations fence what is on the log: an event of an older
generation is let go. `finish_run` is the only way a run ends.
"""

import asyncio
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID, uuid4

from dagboek_schemas.cloudevents import Record, encode
from dagboek_schemas.events import ComponentFinished, ContinueSync, RunFinished, StartSync, stable_id
from dagboek_schemas.issues import Issue, Severity
from dagboek_schemas.statuses import Component, RunStatus, Trigger
from dagboek_schemas.topics import Topic
from dagboek_sdk import clock

from dagboek.database import Connection, Database, Jsonb
from dagboek.fault_points import reached
from dagboek.notices.endings import run_ended
from dagboek.publisher import Publisher
from dagboek.reasons import Refusal
from dagboek.status import DEPENDS_ON, component_rows, final_status, total_counts
from dagboek.webhooks.outbox import Event, note

MAX_PARKED_SECONDS = 2 * 3600.0
"""Waiting without a known end in one run, all in all; then it ends as Error and the next run goes on."""
HELD = "held"
"""Why a run is parked that its lane let go: one call takes long, and others on its partition wait behind it."""
ASKING = timedelta(seconds=10)
"""What the settling job has to ask the tool, so that what follows is not booked before what is settled."""


class AlreadyRunning(Refusal):
    """The connection has a run that has not ended; `run_id` names it."""

    def __init__(self, run_id: UUID) -> None:
        super().__init__(f"run {run_id} of this connection has not ended yet; wait for it or cancel it", "run_open")
        self.run_id = run_id


class NotReadyToSync(Refusal):
    """The connection cannot be synchronised: what is missing, and what to do."""


class Next(StrEnum):
    """What a run needs now."""

    NOTHING = "nothing"
    WINDOW = "window"
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class Step:
    """What is next, and for `WINDOW` after which window of which generation."""

    next: Next
    generation: int = 0
    window: int = 0


async def request_run(
    db: Database,
    publisher: Publisher,
    connection_id: UUID,
    trigger: Trigger,
    requested_by: str | None = None,
    scope: Sequence[str] | None = None,
    *,
    person_id: UUID | None = None,
    patience: float | None = None,
) -> UUID:
    """Writes a run and the command that starts it. AlreadyRunning, NotReadyToSync.

    `scope` names the identities of a small run, which does not wait for a long one. `person_id` is who is told of its
    end. A command that the brokers have not taken after `patience` seconds is not waited for: the run is written, and
    the watchdog has it planned.
    """
    async with db.transaction() as connection:
        run = await write_run(connection, connection_id, trigger, requested_by, scope, person_id=person_id)
    await start(publisher, run, patience)
    return run.run_id


@dataclass(frozen=True, slots=True)
class Requested:
    """A run that is written and not started yet."""

    run_id: UUID
    connection_id: UUID
    tenant_id: UUID
    administration_id: UUID
    trigger: Trigger


async def write_run(
    connection: Connection,
    connection_id: UUID,
    trigger: Trigger,
    requested_by: str | None = None,
    scope: Sequence[str] | None = None,
    *,
    person_id: UUID | None = None,
) -> Requested:
    """`request_run` in a transaction of the caller, who has it started (`start`) once that is committed."""
    target = await _target(connection, connection_id)
    run = Requested(uuid4(), connection_id, target["tenant_id"], target["administration_id"], trigger)
    made = await connection.execute(
        """INSERT INTO run (id, tenant_id, entity_id, connection_id, administration_id, trigger, requested_by,
                            small, scope, person_id, batch_id)
           VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
           ON CONFLICT (connection_id) WHERE state <> 'ended' AND NOT small DO NOTHING""",
        (
            run.run_id,
            run.tenant_id,
            target["entity_id"],
            connection_id,
            run.administration_id,
            trigger,
            requested_by,
            scope is not None,
            Jsonb(list(scope)) if scope is not None else None,
            person_id,
            run.run_id if person_id else None,
        ),
    )
    if made.rowcount == 0:
        raise AlreadyRunning(await _running(connection, connection_id))
    return run


async def start(publisher: Publisher, run: Requested, patience: float | None = None) -> None:
    """The command of a run that is written; after `patience` seconds the watchdog has it planned."""
    with suppress(TimeoutError):
        async with asyncio.timeout(patience):
            await publish_start(
                publisher, run.run_id, run.connection_id, run.tenant_id, run.administration_id, run.trigger
            )


async def request_all(
    db: Database,
    publisher: Publisher,
    tenant_id: UUID,
    requested_by: str | None = None,
    *,
    person_id: UUID | None = None,
    patience: float | None = None,
) -> int:
    """`request_run` for each connection of a tenant that can be synchronised and has no run under way; how many.

    `person_id` is told once, when the last of them has ended.
    """
    runs = await db.all(
        """INSERT INTO run (id, tenant_id, entity_id, connection_id, administration_id, trigger, requested_by,
                            person_id, batch_id)
           SELECT gen_random_uuid(), tenant_id, entity_id, id, administration_id, %s, %s, %s, %s FROM connection
           WHERE tenant_id = %s AND state = 'connected' AND administration_id IS NOT NULL AND deleted_at IS NULL
           ON CONFLICT (connection_id) WHERE state <> 'ended' AND NOT small DO NOTHING
           RETURNING id AS run_id, connection_id, tenant_id, administration_id, trigger""",
        Trigger.MANUAL,
        requested_by,
        person_id,
        uuid4() if person_id else None,
        tenant_id,
    )
    with suppress(TimeoutError):
        async with asyncio.timeout(patience):
            await publisher.publish(Topic.COMMANDS, [start_record(**run) for run in runs])
    return len(runs)


async def _target(connection: Connection, connection_id: UUID) -> dict[str, Any]:
    found = await connection.execute(
        "SELECT * FROM connection WHERE id = %s AND deleted_at IS NULL FOR SHARE", (connection_id,)
    )
    target = await found.fetchone()
    if target is None:
        raise NotReadyToSync(f"There is no connection {connection_id}. See `dagboek connection list`.", "not_found")
    if target["state"] == "reconnect":
        text = "The tool no longer accepts this login. Connect it again with `dagboek connect`."
        raise NotReadyToSync(text, "reconnect_first")
    if target["state"] != "connected" or target["administration_id"] is None:
        text = "The set-up of this connection is not complete. Finish it with `dagboek settings`."
        raise NotReadyToSync(text, "set_up_first")
    return target


async def _running(connection: Connection, connection_id: UUID) -> UUID:
    found = await connection.execute(
        "SELECT id FROM run WHERE connection_id = %s AND state <> 'ended' AND NOT small", (connection_id,)
    )
    row = await found.fetchone()
    if row is None:  # it ended between the two statements
        raise NotReadyToSync("Another run of this connection ended just now. Try again.", "ended_just_now")
    return UUID(str(row["id"]))


async def publish_start(
    publisher: Publisher, run_id: UUID, connection_id: UUID, tenant_id: UUID, administration_id: UUID, trigger: str
) -> None:
    """The command that has a run planned; repeating it does no harm."""
    record = start_record(run_id, connection_id, tenant_id, administration_id, trigger)
    await publisher.publish(Topic.COMMANDS, [record])


def start_record(run_id: UUID, connection_id: UUID, tenant_id: UUID, administration_id: UUID, trigger: str) -> Record:
    """The command that has a run planned."""
    command = StartSync(
        run_id=run_id,
        tenant_id=tenant_id,
        connection_id=connection_id,
        administration_id=administration_id,
        trigger=Trigger(trigger),
    )
    return encode(command, type_=StartSync.TYPE, event_id=stable_id("start", run_id), key=administration_id)


async def publish_continue(
    publisher: Publisher, run_id: UUID, administration_id: UUID, generation: int, window: int
) -> None:
    """The command that asks for the window after `window`."""
    command = ContinueSync(run_id=run_id, administration_id=administration_id, generation=generation, window=window)
    event_id = stable_id("continue", run_id, generation, window)
    record = encode(command, type_=ContinueSync.TYPE, event_id=event_id, key=administration_id)
    await publisher.publish(Topic.COMMANDS, [record])


async def cancel(db: Database, run_id: UUID, tenant_id: UUID | None = None) -> bool:
    """Asks a run to end. What is in flight is waited for; False when it has ended already."""
    changed = await db.run(
        """UPDATE run SET state = 'cancelling', moved_at = now()
           WHERE id = %s AND state IN ('requested', 'active', 'parked') AND tenant_id = coalesce(%s, tenant_id)""",
        run_id,
        tenant_id,
    )
    return changed == 1


async def wake(db: Database, run_id: UUID, tenant_id: UUID | None = None) -> bool:
    """Has a parked run tried at once, with two hours of patience anew, as a person has looked at it.

    What it waits for may not be there yet: then it is parked again. False when it is not parked.
    """
    changed = await db.run(
        """UPDATE run SET parked_until = least(parked_until, now()), parked_seconds = 0
           WHERE id = %s AND state = 'parked' AND tenant_id = coalesce(%s, tenant_id)""",
        run_id,
        tenant_id,
    )
    return changed == 1


async def park(
    connection: Connection,
    run_id: UUID,
    generation: int,
    *,
    until: datetime,
    reason: str,
    issue: Issue | None = None,
    known_end: bool = False,
) -> bool:
    """Stops a run until `until` by the clock of this process: as far ahead it is stored on the database's clock.

    Without a known end it counts towards `MAX_PARKED_SECONDS`. A run whose lane let it go may be parked still: what its
    last call found out counts for more. False when this generation is not the active one any more.
    """
    changed = await connection.execute(
        """UPDATE run SET state = 'parked', parked_until = now() + %(wait)s, park_reason = %(reason)s,
                  park_issue = %(issue)s, moved_at = now(), half_open = half_open OR %(reason)s = 'circuit',
                  parked_seconds = parked_seconds + CASE WHEN %(known)s THEN 0
                      ELSE greatest(0, extract(epoch FROM %(wait)s)) END
           WHERE id = %(run)s AND generation = %(generation)s
             AND (state = 'active' OR (state = 'parked' AND park_reason = %(held)s))""",
        {
            "held": HELD,
            "wait": until - clock.now(),
            "reason": reason,
            "issue": Jsonb(issue.model_dump(mode="json")) if issue else None,
            "known": known_end,
            "run": run_id,
            "generation": generation,
        },
    )
    return changed.rowcount == 1


async def resume(connection: Connection, run_id: UUID, generation: int, only: str | None = None) -> int | None:
    """Makes the next generation of a run the active one: its number, or None when another was faster.

    With `only`, none but a run that is parked for that reason.
    """
    changed = await connection.execute(
        """UPDATE run SET state = 'active', generation = generation + 1, window_no = 0, published_at = NULL,
                  admitted_no = 0, window_partition = NULL, window_offset = NULL, parked_until = NULL,
                  park_reason = NULL, park_issue = NULL, moved_at = now()
           WHERE id = %(run)s AND generation = %(generation)s AND state IN ('active', 'parked')
             AND (%(only)s::text IS NULL OR (state = 'parked' AND park_reason = %(only)s))
           RETURNING generation""",
        {"run": run_id, "generation": generation, "only": only},
    )
    row = await changed.fetchone()
    return int(row["generation"]) if row else None


async def component_error(connection: Connection, run_id: UUID, component: Component, issue: Issue) -> None:
    """A component ends as Error; those that depend on it are not tried, the others go on."""
    await connection.execute(
        "UPDATE run SET component_errors = component_errors || %s WHERE id = %s AND state <> 'ended'",
        (Jsonb({str(component): issue.model_dump(mode="json")}), run_id),
    )


def held_back(errors: Iterable[str]) -> list[str]:
    """Components that are not worked on, given those in error."""
    stopped = {Component(name) for name in errors}
    return [component for component in Component if component in stopped or DEPENDS_ON.get(component) in stopped]


async def advance(db: Database, run_id: UUID, generation: int, window: int, *, lost: bool = False) -> Step:
    """What is next for a run whose lane reached the end of `window`, or whose events up to there are `lost`.

    Items of that window that are still planned were let go or lost: they come again in a new generation, once
    nothing of the run waits to be settled. After a generation that was worked on and of which nothing came that is not
    at once, and it counts as trouble without a known end: it might go on like this for ever.
    """
    async with db.transaction() as connection:
        step = await _step(connection, run_id, generation, window, lost=lost)
    if step.next is Next.ENDED:
        reached("run_finished")
    return step


async def _step(connection: Connection, run_id: UUID, generation: int, window: int, *, lost: bool) -> Step:
    found = await connection.execute(
        "SELECT * FROM run WHERE id = %s AND generation = %s AND state = 'active' AND selected FOR UPDATE",
        (run_id, generation),
    )
    run = await found.fetchone()
    if run is None:
        return Step(Next.NOTHING)
    left = await _left(connection, run, window)
    if left["later"] or (left["waiting"] and not left["gap"]):
        return Step(Next.NOTHING)
    waits = left["settle"] and (left["gap"] or not left["unpublished"] or left["blocked"])
    party_due = await _party_due(connection, run) if left["gap"] and not waits else None
    if waits or party_due:
        until = clock.now() + (party_due or left["due"] or timedelta()) + ASKING
        await park(connection, run_id, generation, until=until, reason="settling", known_end=True)
        return Step(Next.NOTHING)
    if left["gap"] and not lost and not await _moved(connection, run):
        await park(connection, run_id, generation, until=clock.now() + ASKING, reason="settling")
        return Step(Next.NOTHING)
    if left["gap"]:
        fresh = await resume(connection, run_id, generation)
        return Step(Next.WINDOW, fresh, 0) if fresh else Step(Next.NOTHING)
    if left["unpublished"]:
        return Step(Next.WINDOW, generation, window)
    await finish_run(connection, run_id)
    return Step(Next.ENDED)


async def _left(connection: Connection, run: dict[str, Any], window: int) -> dict[str, Any]:
    found = await connection.execute(
        """SELECT count(*) FILTER (WHERE i.state = 'planned' AND i.generation = %(g)s AND i.window_no > %(w)s
                                   AND i.window_no <= %(admitted)s) AS later,
                  count(*) FILTER (WHERE i.state = 'planned' AND i.generation = %(g)s AND i.window_no > %(w)s
                                   AND i.window_no > %(admitted)s) AS waiting,
                  count(*) FILTER (WHERE i.state = 'planned' AND i.generation = %(g)s AND i.window_no <= %(w)s) AS gap,
                  count(*) FILTER (WHERE i.state = 'planned' AND i.generation IS DISTINCT FROM %(g)s) AS unpublished,
                  count(*) FILTER (WHERE i.state = 'to_settle') AS settle,
                  min((SELECT CASE WHEN l.state = 'intent' THEN l.settle_due END FROM link l WHERE l.id = i.link_id))
                      FILTER (WHERE i.state = 'to_settle') - now() AS due,
                  min(i.sequence) FILTER (WHERE i.state = 'planned' AND i.generation IS DISTINCT FROM %(g)s) AS first,
                  min(i.sequence) FILTER (WHERE i.state = 'to_settle') AS unsettled
           FROM item i
           WHERE i.run_id = %(run)s AND i.component <> ALL(%(held)s) AND i.state IN ('planned', 'to_settle')""",
        {
            "g": run["generation"],
            "w": window,
            "admitted": run["admitted_no"],
            "run": run["id"],
            "held": held_back(run["component_errors"]),
        },
    )
    left = await found.fetchone()
    assert left is not None
    left["blocked"] = False
    if left["unsettled"] is not None and left["first"] is not None:
        same = await connection.execute(
            """SELECT count(DISTINCT component) AS components FROM item
               WHERE run_id = %s AND sequence IN (%s, %s)""",
            (run["id"], left["unsettled"], left["first"]),
        )
        row = await same.fetchone()
        left["blocked"] = bool(row and row["components"] > 1 and left["first"] > left["unsettled"])
    return left


async def _moved(connection: Connection, run: dict[str, Any]) -> bool:
    """Whether anything came of this generation of a run."""
    found = await connection.execute(
        "SELECT 1 FROM item WHERE run_id = %s AND generation = %s AND state <> 'planned' LIMIT 1",
        (run["id"], run["generation"]),
    )
    return await found.fetchone() is not None


async def _party_due(connection: Connection, run: dict[str, Any]) -> timedelta | None:
    """How soon the first party that published documents still wait for is settled: perhaps another run sent it."""
    found = await connection.execute(
        """SELECT min(l.settle_due) FILTER (WHERE l.state = 'intent') - now() AS due FROM item i
           JOIN link l ON l.administration_id = %s AND l.identity = i.party_identity AND l.current
           WHERE i.run_id = %s AND i.state = 'planned' AND i.generation = %s""",
        (run["administration_id"], run["id"], run["generation"]),
    )
    row = await found.fetchone()
    return row["due"] if row else None


async def finish_run(
    connection: Connection, run_id: UUID, *, cancelled: bool = False, broken: Issue | None = None
) -> bool:
    """Ends a run: the rest becomes not tried, the summary is stored, its events wait to be delivered.

    The only way a run ends. False when it had ended before.
    """
    async with connection.transaction():
        found = await connection.execute("SELECT * FROM run WHERE id = %s AND state <> 'ended' FOR UPDATE", (run_id,))
        run = await found.fetchone()
        if run is None:
            return False
        await connection.execute(
            """UPDATE item SET state = 'not_tried', issues = %s, event = NULL, reported_at = NULL, outcome_at = now()
               WHERE run_id = %s AND state = 'planned'""",
            (Jsonb([Issue(code="D27", severity=Severity.INFORMATION).model_dump(mode="json")]), run_id),
        )
        run |= {"state": "ended"}
        rows = await component_rows(connection, run)
        status = final_status(rows, cancelled=cancelled, broken=broken is not None)
        ended = await connection.execute(
            """UPDATE run SET state = 'ended', status = %s, finished_at = now(),
                      started_at = coalesce(started_at, now()), park_issue = coalesce(%s, park_issue),
                      parked_until = NULL, moved_at = now()
               WHERE id = %s RETURNING started_at, finished_at""",
            (status, Jsonb(broken.model_dump(mode="json")) if broken else None, run_id),
        )
        times = await ended.fetchone()
        assert times is not None
        await _store_events(connection, run | times, rows, status)
        await run_ended(connection, run | {"status": status})
    return True


async def relabel(connection: Connection, run_id: UUID) -> None:
    """Corrects the label of a run that has ended, for what became of its items since; what was told of it stays."""
    found = await connection.execute("SELECT * FROM run WHERE id = %s AND state = 'ended' FOR UPDATE", (run_id,))
    run = await found.fetchone()
    if run is None or run["status"] not in (RunStatus.SUCCESS, RunStatus.WARNING):
        return
    status = final_status(await component_rows(connection, run), cancelled=False, broken=False)
    await connection.execute("UPDATE run SET status = %s WHERE id = %s", (status, run_id))


async def _store_events(connection: Connection, run: dict[str, Any], rows: Sequence[Any], status: RunStatus) -> None:
    names = ("tenant_id", "entity_id", "connection_id", "administration_id")
    common = {"run_id": run["id"], "occurred_at": run["finished_at"], **{name: run[name] for name in names}}
    events: list[tuple[UUID, str, bytes]] = [
        (
            stable_id("component", run["id"], row.component),
            ComponentFinished.TYPE,
            ComponentFinished(component=row.component, status=row.status, counts=row.counts, **common)
            .model_dump_json(exclude_none=True)
            .encode(),
        )
        for row in rows
    ]
    summary = RunFinished(
        trigger=Trigger(run["trigger"]),
        status=status,
        counts=total_counts(rows),
        started_at=run["started_at"],
        finished_at=run["finished_at"],
        **common,
    )
    value = summary.model_dump_json(exclude_none=True).encode()
    events.append((stable_id("run", run["id"]), RunFinished.TYPE, value))
    async with connection.cursor() as cursor:
        await cursor.executemany(
            # they are delivered by their times: components in the order of the work, then the run
            """INSERT INTO run_event (event_id, run_id, administration_id, type, value, created_at)
               VALUES (%s, %s, %s, %s, %s, now() + %s * interval '1 microsecond') ON CONFLICT DO NOTHING""",
            [
                (event_id, run["id"], run["administration_id"], type_, value, at)
                for at, (event_id, type_, value) in enumerate(events)
            ],
        )
    await note(connection, run["tenant_id"], [Event(*event) for event in events])
