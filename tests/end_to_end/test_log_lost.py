"""The documents topic is deleted and made anew in the middle of a run: what was on it comes again, once."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka.admin import AdminClient
from dagboek.chaos.ubl import Ubl
from dagboek.topics import ensure_topics
from dagboek_schemas.topics import Topic
from end_to_end.harness import GUARD, Installation, write_files

NUMBERS = [f"2026/{at:03}" for at in range(1, 31)]


@pytest.mark.parametrize("worker_dies", [True, False])
async def test_a_topic_made_anew_in_the_middle_of_a_run(
    dagboek: Installation, sandbox: Any, tmp_path: Path, worker_dies: bool
) -> None:
    """With the worker dies what it had read already; one that lives on has to find its way in the new topic."""
    write_files(tmp_path / "ubl", [Ubl(number) for number in NUMBERS])
    connection = await dagboek.connection(sandbox, folder=tmp_path / "ubl")
    sandbox.control.faults(kind="latency", operation="insertBuySellBooking", seconds=0.2)
    dagboek.core()
    worker = dagboek.worker(1)
    run_id = await dagboek.start_run(connection)
    async with asyncio.timeout(GUARD):
        while len(sandbox.books.entries(1001)) < 5:
            await asyncio.sleep(0.05)

    if worker_dies:
        worker.kill()
        worker.wait()
    booked_before = len(sandbox.books.entries(1001))
    await asyncio.to_thread(delete_documents, dagboek)
    await asyncio.to_thread(ensure_topics, dagboek.services.kafka_bootstrap, dagboek.settings)
    if worker_dies:
        dagboek.worker(1)
    run = await dagboek.ended(run_id)

    assert booked_before < len(NUMBERS)
    assert run["status"] == "Success"
    assert run["generation"] > 1 or not worker_dies
    assert await dagboek.states(run_id) == dict.fromkeys(NUMBERS, "synced")
    write_files(tmp_path / "ubl", [Ubl("2026/031")])
    assert (await dagboek.sync(connection))["status"] == "Success"
    entries = sandbox.books.entries(1001, journal="V1")
    assert [entry["number"] for entry in entries] == list(range(1, 32))
    booked = [entry["comment"] for entry in entries]
    # one that lives on may go on in the new topic from where it was in the old one
    assert (booked if worker_dies else sorted(booked)) == [*NUMBERS, "2026/031"]


def delete_documents(dagboek: Installation) -> None:
    """Deletes the documents topic with all that is on it."""
    admin = AdminClient({"bootstrap.servers": dagboek.services.kafka_bootstrap})
    name = Topic.DOCUMENTS.named(dagboek.prefix)
    admin.delete_topics([name])[name].result(timeout=60)
