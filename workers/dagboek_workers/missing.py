"""An event for a tool that is not installed here: its run is parked with the reason, nothing is lost."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import structlog
from dagboek.database import connect
from dagboek.runs import park
from dagboek_schemas.events import ItemReady
from dagboek_schemas.issues import Issue, Severity

log = structlog.get_logger()

RETRY = timedelta(minutes=5)


async def park_for_missing_tool(url: str, event: ItemReady, words: str, finished: Callable[[], None]) -> None:
    """Parks the event's run; it is tried again after `RETRY`, perhaps by a worker that has the plugin."""
    issue = Issue(code="D30", severity=Severity.ERROR, facts={"plugin": event.tool, "reason": words})
    try:
        async with await connect(url, connect_timeout=10) as connection:
            until = datetime.now(UTC) + RETRY
            if await park(
                connection, event.run_id, event.generation, until=until, reason="plugin_missing", issue=issue
            ):
                log.error("plugin.missing", tool=event.tool, run=str(event.run_id))
    except Exception:
        log.exception("plugin.missing_not_parked", tool=event.tool)
        return
    finished()
