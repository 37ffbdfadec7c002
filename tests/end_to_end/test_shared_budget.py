"""Two worker processes and twenty connections that share the calls of a day, as those of a Yuki domain do."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import pytest
from dagboek.chaos.ubl import Ubl
from dagboek.embedded import Services
from dagboek.history import run_details
from dagboek_schemas.statuses import RunStatus
from end_to_end.domain_worker import CALLS, RESERVE, key_of, start_domain_worker
from end_to_end.harness import Installation, installation, octopus, write_files

SMALL, EACH, LARGE = 19, 10, 600


@pytest.fixture
async def domain(
    services: Services, database_url: str, topic_prefix: str, tmp_path: Path
) -> AsyncIterator[Installation]:
    """An installation with a core and two workers whose connections share a budget."""
    async with installation(services, database_url, topic_prefix, tmp_path) as made:
        made.core()
        for slot in (1, 2):
            start_domain_worker(made, slot)
        await made.ready()
        yield made


async def connected(domain: Installation, sandbox: object, folder: Path, at: int, number: int) -> UUID:
    """A tenant with so many invoices."""
    write_files(folder / str(at), [Ubl(f"2026/{one:04}") for one in range(1, number + 1)])
    return await domain.connection(sandbox, tenant=f"T{at}", folder=folder / str(at), dossier=str(2000 + at))


@pytest.mark.timeout(400)
async def test_the_budget_is_never_passed_all_of_it_serves_and_nobody_starves(
    domain: Installation, tmp_path: Path
) -> None:
    dossiers = [{"id": 2000 + at, "name": f"T{at}"} for at in range(SMALL + 1)]
    async with octopus(dossiers=dossiers) as sandbox:
        large, *small = [
            await connected(domain, sandbox, tmp_path, at, EACH if at else LARGE) for at in range(SMALL + 1)
        ]
        before = sandbox.control.requests()["total"]

        long = await domain.start_run(large)
        await domain.until("SELECT 1 FROM item WHERE run_id = %s AND state = 'synced' AND kind = 'document'", long)
        runs = [await domain.start_run(one) for one in small]
        ended = [await domain.ended(run, seconds=200) for run in runs]
        assert {one["status"] for one in ended} == {"Success"}, "each had its share"

        # the large one has the rest, but for what is kept for settling; it waits for ten minutes, which are over
        async with asyncio.timeout(120):
            while await _used(domain, sandbox.base_url) < CALLS - RESERVE:
                await domain.db.run("UPDATE run SET parked_until = now() WHERE id = %s AND state = 'parked'", long)
                await asyncio.sleep(0.5)
        row = await domain.until("SELECT * FROM run WHERE id = %s AND state = 'parked'", long)

        assert sandbox.control.requests()["total"] - before == CALLS - RESERVE
        details = await run_details(domain.db, row["tenant_id"], long)
        assert details.summary.status is RunStatus.IN_PROGRESS
        assert details.summary.next_step.startswith("goes on at")
        assert row["park_issue"]["code"] in ("B05", "B16")
        assert row["parked_until"] > datetime.now(UTC)
        for at, number in ((0, LARGE), *((at, EACH) for at in range(1, SMALL + 1))):
            booked = [entry["comment"] for entry in sandbox.books.entries(2000 + at, journal="V1")]
            assert booked == [f"2026/{one:04}" for one in range(1, number + 1)][: len(booked)]
            assert len(booked) == number or at == 0


async def _used(domain: Installation, base_url: str) -> int:
    row = await domain.db.one("SELECT used FROM limit_use WHERE key = %s", key_of(base_url))
    return int(row["used"]) if row else 0
