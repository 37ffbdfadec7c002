"""Documents per second through the whole path: planner, Kafka, worker, intents and outcomes in PostgreSQL, results.

    uv run python bench/full_path.py                      one measurement, as JSON
    uv run python bench/full_path.py --table              all of them, as a table
    uv run python bench/full_path.py --parked             all runs waited for the tool as core and worker are started
    uv run python bench/full_path.py --first              from the request to the first result, everything running
    uv run --group bench python bench/full_path.py --profile 10    where the worker's CPU goes, for ten seconds

The tool is in the worker's process and answers after the given time; everything else is the product, each in a
process of its own: Kafka, PostgreSQL, core, worker. The first windows are planned before the worker starts, since
the figure is the worker's; the planner's own rate stands beside it. CPU is the worker's, from its first outcome on.
"""

import argparse
import asyncio
import json
import subprocess
import tempfile
import time
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import psycopg
import uvloop
from confluent_kafka import OFFSET_END, Consumer, TopicPartition
from cpu_profile import cpu_profile
from cpu_profile import table as cpu_profile_table
from cryptography.fernet import Fernet
from dagboek.database import Database, migrate
from dagboek.embedded import EmbeddedServices
from dagboek.logs import configure
from dagboek.planner import Planner
from dagboek.publisher import Publisher
from dagboek.runs import request_run
from dagboek.topics import ensure_topics
from dagboek_schemas.statuses import Trigger
from dagboek_schemas.topics import Topic
from machine import machine
from processes import Addresses, Cost, plugins
from tenants_of_bench import set_up

Result = TypeVar("Result")


def _start(here: Addresses, role: str, arguments: argparse.Namespace) -> subprocess.Popen[bytes]:
    return here.start(role, calls=arguments.calls, BENCH_DELAY_MS=str(arguments.delay_ms))


async def measure(arguments: argparse.Namespace, here: Addresses) -> dict[str, Any]:
    """One measurement, on an empty database and new topics."""
    publisher = Publisher(here.kafka_bootstrap, here.prefix)
    children: list[subprocess.Popen[bytes]] = []
    try:
        async with Database(here.database_url, size=12) as db:
            connections = await set_up(db, here.vault, [arguments.documents] * arguments.connections)
            for connection_id in connections:
                await request_run(db, publisher, connection_id, Trigger.MANUAL)
            planned = await _plan(db, publisher)
            if arguments.parked:
                await db.run("UPDATE run SET state = 'parked', park_reason = 'tool_unavailable', parked_until = now()")
            children.append(_start(here, "core", arguments))
            started = time.time()
            children.append(_start(here, "worker", arguments))
            await _at_work(db)
            before = Cost.of(children[1].pid)
            if arguments.profile:
                profile = await cpu_profile(children[1].pid, arguments.profile)
                print(cpu_profile_table(profile) + "\n", flush=True)
            row = await _until_done(db, arguments, children[1])
            links = await db.one("SELECT count(*) AS booked, max(attempt) AS tries FROM link WHERE state = 'booked'")
            return _figures(arguments, row, planned, children[1].pid, before, started) | dict(links or {})
    finally:
        for process in children:
            process.terminate()
        for process in children:
            await asyncio.to_thread(process.wait, 60)
        await asyncio.to_thread(publisher.close)


async def measure_first(arguments: argparse.Namespace, here: Addresses) -> list[float]:
    """Seconds from the request of a run to its first result on the topic, one run after the other, all else idle."""
    publisher = Publisher(here.kafka_bootstrap, here.prefix)
    children = [_start(here, role, arguments) for role in ("core", "worker")]
    consumer = Consumer(
        {"bootstrap.servers": here.kafka_bootstrap, "group.id": "first", "fetch.wait.max.ms": 5, "log_level": 2}
    )
    results = Topic.RESULTS.named(here.prefix)
    consumer.assign([TopicPartition(results, one, OFFSET_END) for one in range(here.partitions)])
    found: list[float] = []
    try:
        async with Database(here.database_url, size=4) as db:
            connections = await set_up(db, here.vault, [50] * FIRST_RUNS)
            for connection_id in connections:
                await _settled(consumer)
                began = time.perf_counter()
                await request_run(db, publisher, connection_id, Trigger.MANUAL)
                while (message := await asyncio.to_thread(consumer.poll, 1.0)) is None or message.error():
                    if time.perf_counter() - began > arguments.seconds:
                        raise TimeoutError("no result came")
                found.append(time.perf_counter() - began)
    finally:
        consumer.close()
        for process in children:
            process.terminate()
        for process in children:
            await asyncio.to_thread(process.wait, 60)
        await asyncio.to_thread(publisher.close)
    return found[1:]  # the first one waits for the processes to start


FIRST_RUNS = 21


async def _settled(consumer: Consumer) -> None:
    """Reads what is left of the run before."""
    while await asyncio.to_thread(consumer.poll, 1.5) is not None:
        pass


@dataclass(frozen=True)
class Planned:
    """What planning took."""

    per_second: float
    cpu: float
    """Seconds of CPU an item, of this process: it plans as the core does."""


async def _plan(db: Database, publisher: Publisher) -> Planned:
    """Plans the first window of every run."""
    planner = Planner(db, plugins(), publisher, window=500)
    runs = [row["id"] for row in await db.all("SELECT id FROM run")]
    began, cpu = time.perf_counter(), time.process_time()
    for at in range(0, len(runs), 8):
        await asyncio.gather(*(planner.start(run_id) for run_id in runs[at : at + 8]))
    taken, cpu = time.perf_counter() - began, time.process_time() - cpu
    row = await db.one("SELECT count(*) AS items FROM item")
    items = float(row["items"] if row else 0)
    return Planned(items / taken, cpu / items)


async def _at_work(db: Database) -> None:
    """Waits for the first outcome."""
    while True:
        if await db.one("SELECT 1 AS one FROM item WHERE outcome_at IS NOT NULL LIMIT 1"):
            return
        await asyncio.sleep(0.1)


async def _until_done(
    db: Database, arguments: argparse.Namespace, process: subprocess.Popen[bytes]
) -> Mapping[str, Any]:
    """Waits until all items are synced, or the time is up."""
    total = arguments.connections * (arguments.documents + 1)
    deadline = time.monotonic() + arguments.seconds
    while True:
        row = await db.one(
            """SELECT count(*) FILTER (WHERE state = 'synced') AS synced, min(outcome_at) AS first,
                      max(outcome_at) AS last FROM item"""
        )
        assert row is not None
        if row["synced"] >= total or process.poll() is not None or time.monotonic() > deadline:
            return row
        await asyncio.sleep(0.5)


def _figures(
    arguments: argparse.Namespace, row: Mapping[str, Any], planned: Planned, pid: int, before: Cost, started: float
) -> dict[str, Any]:
    seconds = (row["last"] - row["first"]).total_seconds() if row["first"] else 0.0
    cost = Cost.of(pid)
    return {
        "connections": arguments.connections,
        "documents": arguments.documents,
        "delay_ms": arguments.delay_ms,
        "items": row["synced"],
        "seconds": round(seconds, 2),
        "items_per_s": round(row["synced"] / seconds) if seconds else None,
        "planned_per_s": round(planned.per_second),
        "planner_cpu_us": round(planned.cpu * 1e6),
        "first_result_s": round(row["first"].timestamp() - started, 2) if row["first"] else None,
        "worker_cpu_us": round((cost.cpu - before.cpu) / row["synced"] * 1e6) if row["synced"] else None,
        "worker_mb": cost.memory,
    }


def run(arguments: argparse.Namespace, measured: Callable[..., Coroutine[Any, Any, Result]]) -> Result:
    """One measurement on services of its own."""
    with tempfile.TemporaryDirectory(prefix="dagboek-bench-") as folder, EmbeddedServices(Path(folder)) as services:
        here = Addresses(
            services.kafka_bootstrap,
            services.database_url.rpartition("/")[0] + "/bench",
            Fernet.generate_key().decode(),
        )
        with psycopg.connect(services.database_url, autocommit=True) as connection:
            connection.execute("CREATE DATABASE bench")
        migrate(here.database_url)
        ensure_topics(here.kafka_bootstrap, here.settings)
        return uvloop.run(measured(arguments, here))


TABLE = ((300, 49, 0), (100, 300, 0), (1, 200, 50), (10, 100, 50), (100, 60, 50), (1000, 20, 50))
"""Connections, documents each, milliseconds that the tool takes. What fits into a first window is planned beforehand:
the first row is the worker alone, in the second the planner works beside it."""

COLUMNS = ("connections", "delay_ms", "items", "items_per_s", "first_result_s", "worker_cpu_us", "worker_mb")


def table(arguments: argparse.Namespace) -> None:
    """All measurements as a Markdown table."""
    print(machine() + "\n")
    print("| " + " | ".join(COLUMNS) + " |\n|" + " ---: |" * len(COLUMNS))
    for connections, documents, delay in TABLE:
        given = {**vars(arguments), "connections": connections, "documents": documents, "delay_ms": delay}
        figures = run(argparse.Namespace(**given), measure)
        print("| " + " | ".join(str(figures[name]) for name in COLUMNS) + " |", flush=True)


def main() -> None:
    """Runs what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--connections", type=int, default=100)
    parser.add_argument("--documents", type=int, default=150)
    parser.add_argument("--delay-ms", type=float, default=0)
    parser.add_argument("--calls", type=int, default=256, help="items of the tool at the same time")
    parser.add_argument("--seconds", type=float, default=300, help="time after which a measurement is given up")
    parser.add_argument("--parked", action="store_true", help="all runs wait for the tool, and are due, as all starts")
    parser.add_argument("--table", action="store_true")
    parser.add_argument("--first", action="store_true")
    parser.add_argument("--profile", type=int, default=0, metavar="SECONDS")
    arguments = parser.parse_args()
    configure("WARNING")
    if arguments.table:
        table(arguments)
    elif arguments.first:
        found = sorted(run(arguments, measure_first))
        print(machine())
        print(f"{len(found)} runs: median {found[len(found) // 2]:.2f} s, longest {found[-1]:.2f} s")
    else:
        print(json.dumps(run(arguments, measure)))


if __name__ == "__main__":
    main()
