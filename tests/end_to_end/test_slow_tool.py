"""A tool that answers slowly keeps nobody's offset where it is, and its own documents come in order all the same."""

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from confluent_kafka import Consumer, TopicPartition
from dagboek.chaos.ubl import Ubl
from dagboek.embedded import Services
from dagboek.status import run_status
from dagboek_schemas.topics import Topic
from end_to_end import harness
from end_to_end.harness import Installation, installation, octopus, write_files
from end_to_end.tuned import start_tuned

HOLD = 1.0


@pytest.fixture
async def narrow(
    services: Services, database_url: str, topic_prefix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Installation]:
    """An installation with one partition."""
    monkeypatch.setattr(harness, "PARTITIONS", 1)
    async with installation(services, database_url, topic_prefix, tmp_path) as made:
        yield made


async def test_a_run_that_is_slow_is_let_go_and_comes_again_when_its_lane_is_free(
    narrow: Installation, tmp_path: Path
) -> None:
    numbers = [f"2026/{at:03}" for at in range(1, 13)]
    documents = [Ubl(number) for number in numbers]
    async with octopus() as slow, octopus() as quick:
        write_files(tmp_path / "slow", documents)
        write_files(tmp_path / "quick", documents)
        first = await narrow.connection(slow, tenant="Slow", folder=tmp_path / "slow", call_deadline=30.0)
        second = await narrow.connection(quick, tenant="Quick", folder=tmp_path / "quick")
        slow.control.faults(kind="latency", operation="insertBuySellBooking", after=2, times=2, seconds=20)
        narrow.core()
        start_tuned(narrow, {"dagboek_workers.dispatcher.HOLD": HOLD}, "worker", "--slot", "1")
        await narrow.ready()

        long = await narrow.start_run(first)
        other = await narrow.sync(second)
        held = await narrow.until("SELECT * FROM run WHERE id = %s AND park_reason = 'held'", long)

        assert run_status(held) == "In progress"
        await asyncio.to_thread(_all_committed, narrow)
        assert len(slow.books.entries(journal="V1")) < len(numbers)
        run = await narrow.ended(long)

        assert [other["status"], run["status"]] == ["Success", "Success"]
        assert run["generation"] > 1
        assert run["parked_seconds"] == 0
        for sandbox in (slow, quick):
            assert [entry["comment"] for entry in sandbox.books.entries(journal="V1")] == numbers
        told = [data["document_number"] for type_, data in await narrow.told(long) if "document" in type_]
        assert told == numbers


def _all_committed(dagboek: Installation) -> None:
    """Waits until a worker that starts anew would read nothing again."""
    consumer = Consumer(
        {"bootstrap.servers": dagboek.services.kafka_bootstrap, "group.id": f"{dagboek.prefix}.workers"}
    )
    partition = TopicPartition(Topic.DOCUMENTS.named(dagboek.prefix), 0)
    try:
        for _ in range(300):
            [committed] = consumer.committed([partition], timeout=60)
            _, high = consumer.get_watermark_offsets(partition, timeout=60)
            if committed.offset == high:
                return
            time.sleep(0.2)
        raise AssertionError(f"{committed.offset} of {high}\n{dagboek.logs()}")
    finally:
        consumer.close()
