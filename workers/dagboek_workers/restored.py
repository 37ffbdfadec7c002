"""A database that went back in time (`dagboek.stamp`): books are compared with it before anything is pushed there."""

import asyncio
from typing import TYPE_CHECKING
from uuid import UUID

import structlog
from dagboek.database import Database
from dagboek.replay import TAIL
from dagboek.stamp import cleared
from dagboek.tool_entries import store
from dagboek_schemas.issues import Issue, Severity
from dagboek_sdk.accounting import AccountingPlugin
from dagboek_sdk.errors import NotReady, Refused

from dagboek_workers.pulling import PULL_DEADLINE
from dagboek_workers.window import LinkSeen, Window

if TYPE_CHECKING:
    from dagboek_workers.lane import Lane

log = structlog.get_logger()

SOON = 2.0
"""Seconds after which a run that waits for the core looks again."""


async def compare(lane: "Lane", window: Window, tool: AccountingPlugin) -> None:
    """Ends the suspicion: what the results topic knows is taken over by then, what the tool holds is read again.

    Not before all that was sent until the notice has arrived and can be seen; LetGo until then.
    """
    db, administration = lane.loop.db, lane.administration_id
    stamp = await db.one(
        """SELECT noticed_at, replayed_until >= noticed_at + settle AS replayed,
                  extract(epoch FROM noticed_at + settle - clock_timestamp())::float8 AS left
           FROM stamp, make_interval(secs => %s) AS settle""",
        min(tool.settle_seconds, TAIL.total_seconds()),
    )
    assert stamp is not None
    if not stamp["replayed"]:
        issue = Issue(code="D40", severity=Severity.INFORMATION, facts={"tool": lane.loop.title})
        await lane.park(window, max(SOON, stamp["left"] + SOON), "restored", issue, known_end=True)
    async with asyncio.timeout(PULL_DEADLINE):
        entries = await tool.entries()
        last = await _last_numbers(db, administration, tool)
    await store(db, administration, entries)
    async with db.connection() as connection:
        await cleared(connection, administration, stamp["noticed_at"], last)


async def _last_numbers(db: Database, administration: UUID, tool: AccountingPlugin) -> dict[str, int]:
    """The tool's last number of each series; not of one whose journal or book year it does not have any more."""
    found = {}
    for row in await db.all("SELECT key FROM series WHERE administration_id = %s", administration):
        try:
            found[row["key"]] = await tool.last_number(row["key"])
        except (Refused, NotReady) as gone:
            log.warning("series.not_read", tool=tool.about.name, error=type(gone).__name__)
    return found


async def sent_since_look_up(db: Database, link: LinkSeen) -> bool:
    """Whether the link's last attempt was made after the tool was looked up, or a person said since: send it.

    Then there is nothing more to be found out by comparing. Of books that were never looked up nothing was lost.
    """
    if not link.attempt and link.incarnation == 1:
        return False
    row = await db.one(
        """SELECT a.looked_up_at IS NULL OR CASE WHEN l.attempt > 0 THEN t.started_at > a.looked_up_at
                                                 ELSE l.updated_at > a.looked_up_at END AS since
           FROM link l JOIN administration a ON a.id = l.administration_id
           LEFT JOIN attempt t ON t.link_id = l.id AND t.number = l.attempt WHERE l.id = %s""",
        link.id,
    )
    return row is not None and bool(row["since"])


async def closed_entries(db: Database, link: LinkSeen) -> set[str]:
    """Entries of the same document that a person had sent again."""
    if link.incarnation == 1:
        return set()
    rows = await db.all(
        """SELECT c.entry_id FROM link c JOIN link l ON l.id = %s
           WHERE c.administration_id = l.administration_id AND c.identity = l.identity AND NOT c.current
             AND c.entry_id IS NOT NULL""",
        link.id,
    )
    return {row["entry_id"] for row in rows}
