"""What is kept: runs of 7 days and the latest success of each connection; links and attempts for ever."""

from dagboek.database import Database

DAYS = 7


async def drop_old(db: Database, days: int = DAYS) -> int:
    """Drops runs and exchanges older than `days`, but no result that has yet to be told; how many runs."""
    await db.run("DELETE FROM exchange WHERE at < now() - make_interval(days => %s)", days)
    return await db.run(
        """DELETE FROM run WHERE state = 'ended' AND finished_at < now() - make_interval(days => %s)
             AND id NOT IN (SELECT DISTINCT ON (connection_id) id FROM run
                            WHERE status = 'Success' AND NOT small ORDER BY connection_id, finished_at DESC)
             AND NOT EXISTS (SELECT 1 FROM run_event e WHERE e.run_id = run.id AND e.reported_at IS NULL)
             AND NOT EXISTS (SELECT 1 FROM item i WHERE i.run_id = run.id AND i.outcome_at IS NOT NULL
                             AND i.reported_at IS NULL)""",
        days,
    )
