"""What is kept: runs of 7 days, each latest success, notices of 90 days, audits of a year, links for ever.

A run is kept as well while the tool has yet to book what it accepted of it: the end is told as an outcome of the run.
"""

from dagboek.database import Database

DAYS = 7
NOTICE_DAYS = 90


async def drop_old(db: Database, days: int = DAYS) -> int:
    """Drops runs and exchanges older than `days`, but no result that has yet to be told; how many runs.

    Notices go after `NOTICE_DAYS`, and what became of their mail.
    """
    await db.run("DELETE FROM notice WHERE created_at < now() - make_interval(days => %s)", NOTICE_DAYS)
    await db.run(
        "DELETE FROM email WHERE state <> 'waiting' AND ended_at < now() - make_interval(days => %s)", NOTICE_DAYS
    )
    await db.run("DELETE FROM exchange WHERE at < now() - make_interval(days => %s)", days)
    await db.run("DELETE FROM audit WHERE finished_at < now() - interval '1 year'")
    await db.run(  # of one that was cancelled
        "DELETE FROM audit_entry e USING audit a WHERE a.id = e.audit_id AND a.finished_at IS NOT NULL"
    )
    return await db.run(
        """DELETE FROM run WHERE state = 'ended' AND finished_at < now() - make_interval(days => %s)
             AND id NOT IN (SELECT DISTINCT ON (connection_id) id FROM run
                            WHERE status = 'Success' AND NOT small ORDER BY connection_id, finished_at DESC)
             AND NOT EXISTS (SELECT 1 FROM run_event e WHERE e.run_id = run.id AND e.reported_at IS NULL)
             AND NOT EXISTS (SELECT 1 FROM item i WHERE i.run_id = run.id AND i.outcome_at IS NOT NULL
                             AND i.reported_at IS NULL)
             AND NOT EXISTS (SELECT 1 FROM link l WHERE l.run_id = run.id AND l.accepted_token IS NOT NULL
                             AND l.state IN ('accepted', 'needs_person'))""",
        days,
    )
