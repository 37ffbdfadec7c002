"""Whether this is still the database that it was, or one of an earlier time: restored, or a replica that lagged.

The row `stamp` names the server, timeline and database that it is in, and when that server started. Whatever puts an
earlier state in place brings an earlier row along, so every new connection sees it before anything else goes through
it. Other names: the past hour may be lost, and all administrations are suspect. The same names and another start: a
restart, or a disk that was put back; the core then asks the results topic before lanes go on.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

import psycopg
import structlog
from dagboek_sdk import clock
from psycopg import AsyncConnection
from psycopg.rows import DictRow

if TYPE_CHECKING:
    from dagboek.database import Database

log = structlog.get_logger()

MARGIN = timedelta(minutes=10)
"""By which clocks, and what is written when, may differ."""
REMEMBERED = timedelta(days=3)
"""Runs are kept for longer: one that an event this young tells of, and that is not there, was lost."""

NUMBERS = 500_000
"""More links than one administration can have lost. Numbers of links are external ids at tools: none comes back."""
LINKS = 10_000_000
"""More links than were lost in all: an outcome that still arrives for one of them must not meet another's."""
EPOCHS = 1_000_000
GENERATIONS = 1_000

_HERE = """
SELECT s.*, {system} AS system_here,
       CASE WHEN NOT pg_is_in_recovery() THEN left(pg_walfile_name(pg_current_wal_lsn()), 8) END AS timeline_here,
       (SELECT oid::bigint FROM pg_database WHERE datname = current_database()) AS database_here,
       pg_postmaster_start_time() AS started_at_here
FROM stamp s
"""
_SYSTEM = "(SELECT system_identifier::text FROM pg_control_system())"


async def look(connection: AsyncConnection[DictRow]) -> None:
    """Looks through a new connection, in autocommit, where the database is. What is to be done is done at once."""
    try:
        row = await _here(connection)
        if row is None or row["timeline_here"] is None or not (_moved(row) or _restarted(row)):
            return
        async with connection.transaction():
            await connection.execute("SELECT 1 FROM stamp FOR UPDATE")
            await _take_over(connection, await _here(connection) or row)
    except psycopg.errors.UndefinedTable:
        return  # not migrated yet
    except (psycopg.errors.InsufficientPrivilege, psycopg.errors.ReadOnlySqlTransaction):
        return  # who may only read leaves it to those who write


async def _here(connection: AsyncConnection[DictRow]) -> DictRow | None:
    try:
        found = await connection.execute(_HERE.format(system=_SYSTEM))
    except psycopg.errors.InsufficientPrivilege:  # as some hosts have it: timeline and database must do
        found = await connection.execute(_HERE.format(system="NULL"))
    return await found.fetchone()


def _moved(row: Mapping[str, Any]) -> bool:
    pairs = [(row[name], row[f"{name}_here"]) for name in ("system", "timeline", "database")]
    return any(before is not None and here is not None and before != here for before, here in pairs)


def _restarted(row: Mapping[str, Any]) -> bool:
    return bool(row["started_at"] != row["started_at_here"])


async def _take_over(connection: AsyncConnection[DictRow], row: Mapping[str, Any]) -> None:
    if _moved(row):
        before, here = _place(row, ""), _place(row, "_here")
        await suspect(connection, f"it was {before} and is {here}: a copy, or a replica that took over")
    await connection.execute(
        """UPDATE stamp SET system = coalesce(%s, system), timeline = %s, database = %s, started_at = %s,
                  unchecked = %s""",
        (
            row["system_here"],
            row["timeline_here"],
            row["database_here"],
            row["started_at_here"],
            row["started_at"] is not None and not _moved(row),
        ),
    )


def _place(row: Mapping[str, Any], here: str) -> str:
    database, system, timeline = (row[f"{name}{here}"] or "?" for name in ("database", "system", "timeline"))
    return f"database {database} of server {system}, timeline {timeline}"


async def suspect(
    connection: AsyncConnection[DictRow], proof: str, *, at: datetime | None = None, since: datetime | None = None
) -> datetime | None:
    """The database went back in time: nothing is pushed in any administration before it was compared.

    All rows went back together, so all administrations are suspect, from `since` (else from when the database of
    before is known to have been written) on. Whatever workers, lanes, events and tools still know by number is made
    to differ from what is handed out from now on. `at`: when that was written which proves it; None is returned for
    what was noticed before.
    """
    async with connection.transaction():
        found = await connection.execute(
            "SELECT *, gap_at > now() - interval '8 days' AS gap_counts FROM stamp FOR UPDATE"
        )
        row = await found.fetchone()
        if row is None or (at is not None and row["noticed_at"] is not None and at <= row["noticed_at"]):
            return None
        begin = since or began(row, at)
        if row["noticed_at"] is not None and row["replayed_until"] is None:
            begin = min(begin, row["since"])
        await connection.execute(
            """UPDATE stamp SET noticed_at = clock_timestamp(), proof = %s, since = %s, replayed_until = NULL,
                      unchecked = false""",
            (proof, begin),
        )
        await _set_apart(connection, begin)
    log.error("database.went_back", since=begin.isoformat(), proof=proof)
    return begin


def began(row: Mapping[str, Any], at: datetime | None = None) -> datetime:
    """From when on the database may have lost something, by its stamp and by what proves it."""
    gap = row["gap_from"] if row["gap_counts"] else None
    times: list[datetime] = [one for one in (row["seen_at"], gap, at) if one is not None]
    return min(times).astimezone(UTC) - MARGIN


async def _set_apart(connection: AsyncConnection[DictRow], since: datetime) -> None:
    await connection.execute(
        """UPDATE administration SET suspect_since = least(coalesce(suspect_since, %(since)s), %(since)s),
                  next_link_no = next_link_no + %(numbers)s""",
        {"since": since, "numbers": NUMBERS},
    )
    await connection.execute(
        "SELECT setval(s, nextval(s) + %s) FROM (SELECT pg_get_serial_sequence('link', 'id')::regclass AS s) q",
        (LINKS,),
    )
    await connection.execute(  # also of lanes whose first taking was lost
        """INSERT INTO lane (administration_id, epoch) SELECT id, %(epochs)s FROM administration ORDER BY id
           ON CONFLICT (administration_id) DO UPDATE SET epoch = lane.epoch + %(epochs)s""",
        {"epochs": EPOCHS},
    )
    await connection.execute(  # what is active is planned on by the watchdog
        """UPDATE run SET generation = generation + %s, window_no = 0, admitted_no = 0, published_at = NULL,
                  window_partition = NULL, window_offset = NULL WHERE state <> 'ended'""",
        (GENERATIONS,),
    )


async def alive(db: "Database") -> None:
    """Says that the database is in use. A time without is remembered: what came in between may be lost."""
    async with db.connection() as connection:
        await look(connection)  # a proxy in between may have gone to another server meanwhile
        await connection.execute(
            """UPDATE stamp SET seen_at = now(),
                   gap_from = CASE WHEN gap THEN stamp.seen_at ELSE gap_from END,
                   gap_at = CASE WHEN gap THEN now() ELSE gap_at END
               FROM (SELECT now() - seen_at > interval '1 minute'
                            AND (gap_at IS NULL OR gap_at < now() - interval '8 days') AS gap FROM stamp) g"""
        )


# what proves it


async def ahead(db: "Database", run_id: UUID, generation: int, window: int, at: datetime | None) -> bool:
    """Whether an event of `at` is ahead of the database, which is then suspect: its window is committed before it."""
    run = await db.one("SELECT generation, window_no FROM run WHERE id = %s", run_id)
    at = at or clock.now()
    if run is None:
        if at < clock.now() - REMEMBERED:
            return False
        proof = f"run {run_id} is on the log and not in the database"
    elif (generation, window) > (run["generation"], run["window_no"]):
        proof = f"run {run_id} is on the log with window {generation}.{window}, the database does not know of it"
    else:
        return False
    async with db.connection() as connection:
        return await suspect(connection, proof, at=at) is not None


async def outcome_ahead(connection: AsyncConnection[DictRow], link_id: int, attempt: int) -> bool:
    """Whether an outcome is of an attempt that the database does not know of, and which is then suspect."""
    found = await connection.execute("SELECT attempt FROM link WHERE id = %s", (link_id,))
    link = await found.fetchone()
    if link is not None and link["attempt"] >= attempt:
        return False
    sent = clock.now() - timedelta(minutes=2)  # or later: what is in flight is in flight for seconds
    proof = f"attempt {attempt} of link {link_id} was sent, the database does not know of it"
    return await suspect(connection, proof, at=sent) is not None


async def cleared(
    connection: AsyncConnection[DictRow], administration_id: UUID, noticed_at: datetime, last_numbers: Mapping[str, int]
) -> bool:
    """The administration was compared with its books: its suspicion ends, unless there is a new one.

    Its series go on after `last_numbers`. No attempt number is used a second time: its outcome may be on the way.
    """
    async with connection.transaction():
        found = await connection.execute(
            """UPDATE administration SET suspect_since = NULL
               WHERE id = %s AND suspect_since IS NOT NULL AND (SELECT noticed_at FROM stamp) = %s""",
            (administration_id, noticed_at),
        )
        if found.rowcount == 0:
            return False
        await connection.execute(
            """UPDATE series s SET next_number = greatest(s.next_number, l.last + 1)
               FROM unnest(%s::text[], %s::int[]) AS l(key, last)
               WHERE s.administration_id = %s AND s.key = l.key AND s.open_link IS NULL""",
            (list(last_numbers), list(last_numbers.values()), administration_id),
        )
        await connection.execute(
            "UPDATE link SET attempt = attempt + 1000 WHERE administration_id = %s AND state = 'free' AND current",
            (administration_id,),
        )
    log.info("administration.compared", administration=str(administration_id))
    return True
