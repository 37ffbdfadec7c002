"""A run of many documents beside fifty small ones on the same partitions: nobody waits for it to end."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import UUID

import pytest
from dagboek.chaos.ubl import Ubl
from dagboek.embedded import Services
from dagboek_schemas.statuses import Trigger
from end_to_end import harness
from end_to_end.harness import Installation, installation, octopus, write_files
from end_to_end.tuned import start_tuned

SMALL = 50
EACH = 6
WHALE = 1200
ROOM = 400
"""Items of a partition: the whale's two windows fill it."""


@pytest.fixture
async def narrow(
    services: Services, database_url: str, topic_prefix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Installation]:
    """An installation with two partitions."""
    monkeypatch.setattr(harness, "PARTITIONS", 2)
    async with installation(services, database_url, topic_prefix, tmp_path) as made:
        yield made


@pytest.mark.timeout(600)
async def test_a_whale_keeps_no_small_run_waiting(narrow: Installation, tmp_path: Path) -> None:
    names = [f"Small {at}" for at in range(SMALL)]
    dossiers = [{"id": 2000 + at, "name": name} for at, name in enumerate(["Whale", *names])]
    async with octopus(dossiers=dossiers) as sandbox:
        whale = await connected(narrow, sandbox, tmp_path, "Whale", 2000, WHALE)
        small = [await connected(narrow, sandbox, tmp_path, name, 2001 + at, EACH) for at, name in enumerate(names)]
        sandbox.control.faults(kind="latency", operation="insertBuySellBooking", dossier=2000, seconds=0.03)
        for _ in range(2):  # cores, which keep to the room together
            start_tuned(narrow, {"dagboek.admission.ROOM": ROOM, "dagboek.admission.KEPT": ROOM // 4}, "core")
        narrow.worker()
        await narrow.ready()

        long = await narrow.start_run(whale, Trigger.AUTOMATIC)
        await narrow.until("SELECT 1 FROM run WHERE id = %s AND admitted_no >= 2", long, seconds=120)
        outstanding: list[int] = []
        watching = asyncio.create_task(_watch(narrow, outstanding))
        runs = [
            await narrow.start_run(one, Trigger.AUTOMATIC if at % 2 else Trigger.MANUAL) for at, one in enumerate(small)
        ]
        ended = [await narrow.ended(run, seconds=240) for run in runs]
        watching.cancel()

        left = await narrow.db.one("SELECT count(*) AS items FROM item WHERE run_id = %s AND state = 'planned'", long)
        assert left is not None and left["items"] > WHALE / 2, "the small ones waited for the whale"
        run = await narrow.ended(long, seconds=240)

        assert {one["status"] for one in [run, *ended]} == {"Success"}
        assert {one["partition"] for one in ended} == {0, 1}
        # the room, what is kept of it, and the windows that went over it
        assert 0 < max(outstanding) <= ROOM + ROOM // 4 + 250
        for at, number in [(2000, WHALE), *((2001 + at, EACH) for at in range(SMALL))]:
            booked = sandbox.books.entries(at, journal="V1")
            assert [entry["comment"] for entry in booked] == [f"2026/{one:04}" for one in range(1, number + 1)]
            assert [entry["number"] for entry in booked] == list(range(1, number + 1))


async def connected(
    dagboek: Installation, sandbox: object, folder: Path, tenant: str, dossier: int, number: int
) -> UUID:
    """A tenant with so many invoices, in order."""
    documents = [Ubl(f"2026/{at:04}", date=f"2026-{1 + at // 250:02}-10") for at in range(1, number + 1)]
    write_files(folder / tenant, documents)
    return await dagboek.connection(sandbox, tenant=tenant, folder=folder / tenant, dossier=str(dossier))


async def _watch(dagboek: Installation, outstanding: list[int]) -> None:
    """Looks again and again what is on the log and not handled, by partition."""
    while True:
        rows = await dagboek.db.all(
            """SELECT r.partition, count(*) AS items FROM run r JOIN item i ON i.run_id = r.id
               WHERE r.state = 'active' AND i.state = 'planned' AND i.generation = r.generation
                 AND i.window_no <= r.admitted_no GROUP BY 1"""
        )
        outstanding += [row["items"] for row in rows]
        await asyncio.sleep(0.1)
