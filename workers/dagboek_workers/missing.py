"""An event for a tool that is not installed here: its run is parked with the reason, nothing is lost."""

import asyncio
from collections.abc import Callable
from datetime import timedelta

import structlog
from dagboek.database import AWAY, connect
from dagboek.runs import park
from dagboek_schemas.events import ItemReady
from dagboek_schemas.issues import Issue, Severity
from dagboek_sdk import clock

log = structlog.get_logger()

RETRY = timedelta(minutes=5)
PAUSE = 1.0
"""Seconds after which the database is tried again."""


async def park_for_missing_tool(url: str, event: ItemReady, words: str, finished: Callable[[], None]) -> None:
    """Parks the event's run; it is tried again after `RETRY`, perhaps by a worker that has the plugin."""
    issue = Issue(code="D30", severity=Severity.ERROR, facts={"plugin": event.tool, "reason": words})
    while True:
        try:
            async with await connect(url, connect_timeout=10) as connection:
                until = clock.now() + RETRY
                if await park(
                    connection, event.run_id, event.generation, until=until, reason="plugin_missing", issue=issue
                ):
                    log.error("plugin.missing", tool=event.tool, run=str(event.run_id))
        except AWAY as trouble:  # not acked before it is parked: all of its partition waits behind it
            log.warning("plugin.missing_not_parked", tool=event.tool, error=type(trouble).__name__)
            await asyncio.sleep(PAUSE)
        else:
            finished()
            return
