"""The comparison with hand-written loops runs and counts rightly. What it measures is not asserted."""

import asyncio
import json
import os
import subprocess
import sys
from collections import deque
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import TopicPartition
from dagboek.embedded import Services
from peers.parts import Kafka, Record
from processes import Cost
from sides import NAMES, Tool
from tables import Sample, Sizes, _figures, _first_bookings, _p95, _pauses, documents_of_each

COMPARE = Path(__file__).parent.parent / "bench" / "compare.py"


async def compare(services: Services, table: str) -> list[dict[str, Any]]:
    """The rows of a quick run, on the broker and the database of the tests."""
    environment = {
        **os.environ,
        "DAGBOEK_KAFKA_BOOTSTRAP": services.kafka_bootstrap,
        "DAGBOEK_DATABASE_URL": services.database_url,
    }
    command = [sys.executable, str(COMPARE), "--quick", "--json", "--table", table]
    done = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    rows: list[dict[str, Any]] = json.loads(done.stdout)["tables"][table]
    return rows


async def test_documents_a_second_of_all_sides_stand_in_one_row(services: Services) -> None:
    (row,) = await compare(services, "latency")
    assert row["documents"] == 60
    assert all(row[f"{name}_per_s"] for name in NAMES)
    assert row["dagboek_to_lanes"] == pytest.approx(row["dagboek_per_s"] / row["lanes_per_s"])


async def test_what_waits_behind_a_whale_is_counted_for_every_side(services: Services) -> None:
    rows = await compare(services, "whale")
    assert [row["side"] for row in rows] == list(NAMES)
    assert {row["others_documents"] for row in rows} == {10}
    assert all(row["others_done_without"] for row in rows)


async def test_a_killed_worker_goes_on_and_ours_books_nothing_twice(services: Services) -> None:
    rows = {row["side"]: row for row in await compare(services, "recovery")}
    assert tuple(rows) == NAMES
    for row in rows.values():
        assert row["next_booking_s"] > 0
        assert (row["not_booked"], row["over"]) == (0, True)
    assert rows["dagboek"]["booked_twice"] == 0
    assert rows["lanes"]["booked_twice"] > 0, "what was at work at the kill comes again, and the loop knows of nothing"


async def test_the_same_once_more_is_told_for_every_side(services: Services) -> None:
    rows = {row["side"]: row for row in await compare(services, "unchanged")}
    assert {name: (row["calls"], row["booked_twice"]) for name, row in rows.items()} == {
        "dagboek": (0, 0),
        "lanes": (6, 6),
        "one_at_a_time": (6, 6),
    }


# how it counts


def test_the_ends_are_no_rate_and_costs_are_those_between() -> None:
    times = [0.0, *(100 + at / 10 for at in range(18)), 1000.0]  # a slow start, ten a second, a straggler
    samples = [
        Sample(at, Cost(1 + at * 0.001, 10, 10 + at), Cost(5 + at * 0.002, 0, 0), 90 + at * 0.004)
        for at in range(0, 21, 5)
    ]
    row = _figures(times, samples)
    figures = {"per_s": 10, "worker_us": 1000, "core_us": 2000, "machine_us": 4000, "mb": 30}
    assert row == {name: pytest.approx(value) for name, value in figures.items()}
    assert _figures([], [])["per_s"] is None


def test_no_more_documents_are_made_than_can_be_booked_in_the_time() -> None:
    sizes = Sizes(seconds=10, documents=1000)
    assert documents_of_each(sizes, 50, 1) == 200
    assert documents_of_each(sizes, 0, 1) == 1000
    assert documents_of_each(sizes, 5, 100) == 10
    assert documents_of_each(sizes, 300, 5000) == 1


def test_a_p95_that_was_not_reached_is_none() -> None:
    sizes = Sizes(others=10, others_documents=10)
    assert _p95(sizes, [float(at) for at in range(100)]) == 94
    assert _p95(sizes, [0.0] * 94) is None


def test_a_pause_ends_with_a_document_that_was_not_there_before() -> None:
    first = _first_bookings([(1, "a", "1"), (1, "b", "1"), (5.5, "a", "1"), (7, "a", "2"), (9, "b", "2")])
    assert first == [(1, "a", "1"), (1, "b", "1"), (7, "a", "2"), (9, "b", "2")]
    assert _pauses(first, 5) == [2, 4]
    assert _pauses(first, 9) == []


async def test_the_stub_tool_books_as_often_as_it_is_asked_and_says_so() -> None:
    tool = Tool()
    try:
        await tool.reset(0)
        for number in ("1", "2", "1"):
            async with tool._session.post(f"{tool.url}/books/a/entries", data=json.dumps({"number": number})) as got:
                assert got.status == 201
        assert await tool.count() == (3, 2)
        assert [entry[1:] for entry in await tool.entries()] == [("a", "1"), ("a", "2"), ("a", "1")]
        async with tool._session.get(f"{tool.url}/books/a/entries", params={"number": "1"}) as got:
            assert [row["id"] for row in await got.json()] == [1, 3]
    finally:
        await tool.close()


class Stored:
    """A consumer that keeps what is stored."""

    def __init__(self) -> None:
        self.offsets: list[tuple[int, int]] = []

    def store_offsets(self, offsets: list[TopicPartition]) -> None:
        self.offsets += [(one.partition, one.offset) for one in offsets]


def test_the_loops_commit_in_order() -> None:
    consumer = Stored()
    kafka = Kafka(consumer, None, "documents", "results")  # type: ignore[arg-type]
    records = [Record(partition, offset, b"", b"") for partition, offset in ((0, 7), (0, 9), (3, 1))]
    for record in records:
        kafka.open.setdefault(record.partition, deque()).append(record)
    for record in records[1:]:
        kafka._delivered(record, None, None)  # type: ignore[arg-type]
    kafka.commit()
    assert consumer.offsets == [(3, 2)], "the one before it is still at work"
    kafka._delivered(records[0], None, None)  # type: ignore[arg-type]
    kafka.commit()
    assert consumer.offsets == [(3, 2), (0, 10)]


async def test_a_night_with_nothing_to_do_calls_nobody_but_for_what_is_not_paid(services: Services) -> None:
    command = [sys.executable, str(COMPARE.with_name("idle_night.py")), "--connections", "12", "--unpaid", "3"]
    environment = {
        **os.environ,
        "DAGBOEK_KAFKA_BOOTSTRAP": services.kafka_bootstrap,
        "DAGBOEK_DATABASE_URL": services.database_url,
    }
    done = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert (found["success"], found["items"], found["document_records"]) == (12, 3, 3)
    assert 3 <= found["sandbox_calls"] <= 3 * 8


async def test_every_page_and_list_answers_and_is_timed(services: Services) -> None:
    sizes = ["--connections", "40", "--documents", "800", "--tenants", "4", "--issues", "60", "--rounds", "1"]
    command = [sys.executable, str(COMPARE.with_name("pages.py")), *sizes, "--json"]
    environment = {
        **os.environ,
        "DAGBOEK_KAFKA_BOOTSTRAP": services.kafka_bootstrap,
        "DAGBOEK_DATABASE_URL": services.database_url,
    }
    done = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, env=environment)
    assert done.returncode in (0, 1), done.stderr  # 1: something was slow, which is not looked at here
    found = json.loads(done.stdout)["pages"]
    addresses = {row["address"] for row in found if row["tenant"] == "t1"}
    assert {"/", "/runs", "/documents?search=janss", "/people", "/api/v1/connections"} <= addresses
    assert all(row["statements"] for row in found)
