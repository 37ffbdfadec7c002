"""What Kafka may deliver again, to whom, and in whose hands: nothing is sent to the tool because of it."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from crash.books import dossiers, until_booked
from dagboek_schemas.cloudevents import Record
from dagboek_schemas.topics import Topic
from end_to_end.harness import GUARD, Installation, octopus
from fault_matrix.cells import BOOKING, Cell, all_acked, cell

CONNECTIONS, DOCUMENTS = 4, 40


@pytest.fixture
async def sandbox() -> AsyncIterator[Any]:
    async with octopus(dossiers=dossiers(CONNECTIONS)) as running:
        running.control.faults(kind="latency", operation=BOOKING, seconds=0.05)
        yield running


async def test_every_record_delivered_twice_and_once_more_after_the_end(
    house: Installation, sandbox: Any, tmp_path: Path
) -> None:
    one = await cell(house, sandbox, tmp_path, "twice", connections=CONNECTIONS, documents=DOCUMENTS)
    await one.start(house)
    await until_booked(sandbox, one.documents // 3)
    repeated = await _repeat(house, Topic.DOCUMENTS) + await _repeat(house, Topic.COMMANDS)
    runs = await one.ended(house)
    calls = one.calls()
    await _repeat(house, Topic.COMMANDS)
    await _repeat(house, Topic.DOCUMENTS)
    await all_acked(house)

    assert repeated > one.documents // 2, "little had been delivered by then"
    assert {run["status"] for run in runs} == {"Success"}
    assert (await one.audit(house)).faults() == {}
    assert calls == one.calls() == one.documents
    assert await asyncio.to_thread(_outcomes_with_one_id, house)


async def test_a_worker_that_comes_and_one_that_goes_in_the_middle_of_runs(
    house: Installation, sandbox: Any, tmp_path: Path
) -> None:
    """Each time all partitions are given out anew, and what was not acked comes again, perhaps to another."""
    one = await cell(house, sandbox, tmp_path, "rebalance", connections=CONNECTIONS, documents=DOCUMENTS)
    sandbox.control.faults(off=True)
    sandbox.control.faults(kind="latency", operation=BOOKING, seconds=3)
    await one.start(house)
    await until_booked(sandbox, CONNECTIONS)
    third = house.worker(3)
    await _taken_anew(house, one, 1)
    third.terminate()
    await asyncio.to_thread(third.wait, GUARD)
    house.processes.remove(third)
    await _taken_anew(house, one, 2)
    at_work = len(sandbox.books.entries())
    sandbox.control.faults(off=True)
    runs = await one.ended(house)

    assert {run["status"] for run in runs} == {"Success"}
    assert (await one.audit(house)).faults() == {}
    assert at_work < one.documents, "all was over before the last worker went"
    assert one.calls() == one.documents, "what was in flight was sent again"


async def _taken_anew(house: Installation, one: Cell, epoch: int) -> None:
    """Waits until a lane has been taken more often than `epoch` times."""
    await house.until(
        """SELECT 1 FROM lane l JOIN connection c ON c.administration_id = l.administration_id
           WHERE c.id = ANY(%s) AND l.epoch > %s""",
        list(one.connections.values()),
        epoch,
        seconds=GUARD,
    )


async def _repeat(house: Installation, topic: Topic) -> int:
    """Publishes all that is on a topic once more, as a producer or a mirror might; how many records."""
    read = await asyncio.to_thread(house.events, topic)
    records = [
        Record(json.loads(value)["administration_id"].encode(), value, list(headers.items())) for headers, value in read
    ]
    await house.publisher.publish(topic, records)
    return len(records)


def _outcomes_with_one_id(house: Installation) -> bool:
    """Whether each outcome has one event id, however often it was told."""
    ids: dict[tuple[Any, ...], set[bytes]] = {}
    for headers, value in house.events(Topic.RESULTS):
        data = json.loads(value)
        if "sequence" in data:
            ids.setdefault((data["run_id"], data["sequence"], data["state"]), set()).add(headers["ce_id"])
    return all(len(found) == 1 for found in ids.values())
