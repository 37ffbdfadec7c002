"""Topics that are gone, offsets that are lost and commits that are refused, under processes that are at work."""

import asyncio
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient
from crash.books import dossiers, until_booked
from dagboek.topics import ensure_topics
from dagboek_schemas.topics import Topic
from end_to_end.harness import GUARD, Installation, octopus
from fault_matrix.cells import BOOKING, all_acked, cell, workers_offsets

CONNECTIONS, DOCUMENTS = 2, 70
"""More than a window holds, so that the core is asked in the middle."""


@pytest.fixture
async def sandbox() -> AsyncIterator[Any]:
    async with octopus(dossiers=dossiers(CONNECTIONS)) as running:
        running.control.faults(kind="latency", operation=BOOKING, seconds=0.05)
        yield running


@pytest.fixture
async def running(bare: Installation) -> AsyncIterator[Installation]:
    """An installation with a core and a worker, which end with the test."""
    bare.core()
    bare.worker()
    yield bare
    for process in bare.processes:
        process.terminate()
    for process in bare.processes:
        await asyncio.to_thread(process.wait, GUARD)
    bare.processes.clear()


@pytest.mark.parametrize("topic", [Topic.RESULTS, Topic.COMMANDS, Topic.DOCUMENTS], ids=str)
async def test_a_topic_that_is_gone_for_a_while(
    running: Installation, sandbox: Any, tmp_path: Path, topic: Topic
) -> None:
    """Deleted under processes at work and made anew: what was to be told is told, what was lost comes again."""
    one = await cell(running, sandbox, tmp_path, str(topic), connections=CONNECTIONS, documents=DOCUMENTS)
    await one.start(running)
    await until_booked(sandbox, 20)
    at_work = list(running.processes)
    await _delete(running, topic)
    await asyncio.sleep(2)
    await asyncio.to_thread(ensure_topics, running.services.kafka_bootstrap, running.settings)
    runs = await one.ended(running, 120)

    assert [process.poll() for process in at_work] == [None] * len(at_work), running.logs()
    assert {run["status"] for run in runs} == {"Success"}
    found = await one.audit(running)
    if topic is Topic.RESULTS:  # what had been told is gone with the topic
        assert len(found.untold) < 2 * one.documents, "nothing was told after it was made anew"
        assert not [line for line in found.untold if line.startswith("end of run")]
        found.untold.clear()
    if topic is Topic.DOCUMENTS:  # the worker may go on in the new topic from where it was in the old one
        found.order.clear()
    assert found.faults() == {}
    assert one.calls() == one.documents


async def test_offsets_that_are_lost(running: Installation, sandbox: Any, tmp_path: Path) -> None:
    """All that ever was on the log comes again, to a worker that knows nothing of it."""
    one = await cell(running, sandbox, tmp_path, "offsets", connections=CONNECTIONS, documents=DOCUMENTS)
    await one.start(running)
    runs = await one.ended(running)
    await all_acked(running)
    await _stopped(running, running.processes[-1])
    await _back_to_the_beginning(running)
    running.worker()
    await all_acked(running)

    assert {run["status"] for run in runs} == {"Success"}
    assert (await one.audit(running)).faults() == {}
    assert one.calls() == one.documents, "something was sent again"


async def test_commits_of_the_core_are_refused_as_another_has_its_partitions(
    running: Installation, sandbox: Any, tmp_path: Path
) -> None:
    """A second core comes in the middle of runs, and the first is killed."""
    one = await cell(running, sandbox, tmp_path, "cores", connections=CONNECTIONS, documents=DOCUMENTS)
    await one.start(running)
    await until_booked(sandbox, 10)
    second = running.core()
    await until_booked(sandbox, one.documents // 2)
    first = running.processes.pop(0)
    first.kill()
    await asyncio.to_thread(first.wait)
    one.more(5)
    runs = await one.ended(running)
    one.runs.clear()
    await one.start(running)
    runs += await one.ended(running)

    assert second.poll() is None
    assert {run["status"] for run in runs} == {"Success"}
    assert (await one.audit(running)).faults() == {}
    assert one.calls() == one.documents


async def test_commits_of_a_worker_are_refused_as_another_has_its_place(
    running: Installation, sandbox: Any, tmp_path: Path
) -> None:
    """Two workers are started with one slot, by mistake: the second has the place, the first does no harm."""
    one = await cell(running, sandbox, tmp_path, "slots", connections=CONNECTIONS, documents=DOCUMENTS)
    await one.start(running)
    await until_booked(sandbox, 20)
    first, second = running.processes[-1], running.worker()
    runs = await one.ended(running)

    assert {run["status"] for run in runs} == {"Success"}
    assert (await one.audit(running)).faults() == {}
    assert one.calls() <= one.documents + 2 * CONNECTIONS
    assert second.poll() is None
    assert first.poll() != 0, "it ended as if all were well"


async def _delete(running: Installation, topic: Topic) -> None:
    settings: dict[str, Any] = {
        **running.services.kafka_security,
        "bootstrap.servers": running.services.kafka_bootstrap,
    }
    name, admin = topic.named(running.prefix), AdminClient(settings)
    await asyncio.to_thread(admin.delete_topics([name])[name].result, 60)


async def _stopped(running: Installation, process: "subprocess.Popen[bytes]") -> None:
    process.terminate()
    await asyncio.to_thread(process.wait, GUARD)
    running.processes.remove(process)


async def _back_to_the_beginning(running: Installation) -> None:
    """Once the group has no member any more: a static one is missed only after its session."""
    with workers_offsets(running) as (consumer, partitions):
        start = [TopicPartition(one.topic, one.partition, 0) for one in partitions]
        async with asyncio.timeout(GUARD):
            while True:
                try:
                    await asyncio.to_thread(consumer.commit, offsets=start, asynchronous=False)
                except KafkaException:
                    await asyncio.sleep(0.5)
                else:
                    return
