"""Runs of the demo: started for all companies at once, watched to their end."""

import asyncio
import time
from collections.abc import Callable, Sequence
from uuid import UUID

from dagboek_schemas.statuses import Trigger

from dagboek.demo.company import EMAIL, Company, DemoTrouble
from dagboek.demo.stage import Stage
from dagboek.history import RunDetails, run_details
from dagboek.runs import request_run

Show = Callable[[Sequence[RunDetails]], None]

POLL = 0.15


async def sync_all(stage: Stage, companies: Sequence[Company], show: Show, seconds: float) -> list[RunDetails]:
    """Synchronises all companies; the runs at their end. DemoTrouble when they do not end in time."""
    started: list[tuple[Company, UUID]] = []
    for company in companies:
        run_id = await request_run(stage.db, stage.publisher, company.connection_id, Trigger.MANUAL, EMAIL)
        started.append((company, run_id))
    deadline = time.monotonic() + seconds
    ended: dict[UUID, RunDetails] = {}
    while True:
        found: list[RunDetails] = []
        for company, run_id in started:
            details = ended.get(run_id) or await run_details(stage.db, company.tenant_id, run_id)
            if details.summary.ended:
                ended[run_id] = details
            found.append(details)
        show(found)
        if len(ended) == len(started):
            return found
        if time.monotonic() > deadline:
            waiting = [one.summary.entity for one in found if not one.summary.ended]
            logs = stage.settings.data_dir / "logs"
            raise DemoTrouble(f"These synchronisations did not end in {seconds:.0f} s: {waiting[:5]}. See {logs}.")
        await asyncio.sleep(POLL)


async def everything(stage: Stage, companies: Sequence[Company], runs: Sequence[RunDetails]) -> list[RunDetails]:
    """The same runs with all their items, also those that went well."""
    return [
        await run_details(stage.db, company.tenant_id, one.summary.id, everything=True)
        for company, one in zip(companies, runs, strict=True)
    ]
