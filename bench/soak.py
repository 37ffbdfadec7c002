"""Round after round of new documents for the same connections: whether memory stays, and whether history costs.

    uv run python bench/soak.py                       twenty minutes, as a Markdown table
    uv run python bench/soak.py --minutes 2 --connections 50

Each round gives every connection some new documents and a run; the tool is in the worker's process and answers at once.
Broker, database, core and worker are processes of their own. Nothing that was booked is taken away, so that the last
rounds have all of the others as their history. Memory is resident, in MB; of PostgreSQL it is what its processes have
of their own (`Pss`, so that the pages that they share count once).
"""

import argparse
import asyncio
import json
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from uuid import UUID

import full_path
import psutil  # type: ignore[import-untyped]
from dagboek.database import Database
from dagboek.logs import configure
from dagboek.publisher import Publisher
from dagboek.runs import request_run
from dagboek_schemas.statuses import Trigger
from machine import machine
from processes import Addresses, Cost
from tenants_of_bench import set_up

COLUMNS = (
    "minute", "round", "links", "items", "items_per_s", "worker_cpu_us", "core_cpu_us",
    "worker_mb", "core_mb", "kafka_mb", "postgres_mb",
)  # fmt: skip
GIVEN_UP = 300.0
"""Seconds after which a round is given up."""

OPEN = """
SELECT (SELECT count(*) FROM run WHERE state <> 'ended') + (SELECT count(*) FROM item WHERE reported_at IS NULL
        AND outcome_at IS NOT NULL) + (SELECT count(*) FROM run_event WHERE reported_at IS NULL) AS number
"""


async def measure(arguments: argparse.Namespace, here: Addresses) -> list[dict[str, Any]]:
    """A row for each round that ended in the time."""
    publisher = Publisher(here.kafka_bootstrap, here.prefix)
    children = [here.start(role, BENCH_DELAY_MS="0") for role in ("core", "worker")]
    rows: list[dict[str, Any]] = []
    print("| " + " | ".join(COLUMNS) + " |\n|" + " ---: |" * len(COLUMNS), flush=True)
    try:
        async with Database(here.database_url, size=12) as db:
            connections = await set_up(db, here.vault, [0] * arguments.connections)
            began = time.monotonic()
            while time.monotonic() - began < arguments.minutes * 60:
                row = await _round(db, publisher, connections, children, arguments, len(rows))
                rows.append(
                    {"minute": round((time.monotonic() - began) / 60, 1), **row, **await asyncio.to_thread(_services)}
                )
                print("| " + " | ".join(str(rows[-1][name]) for name in COLUMNS) + " |", flush=True)
    finally:
        for process in children:
            process.terminate()
        for process in children:
            await asyncio.to_thread(process.wait, 60)
        await asyncio.to_thread(publisher.close)
    return rows


async def _round(
    db: Database,
    publisher: Publisher,
    connections: Sequence[UUID],
    children: Sequence["subprocess.Popen[bytes]"],
    arguments: argparse.Namespace,
    at: int,
) -> dict[str, Any]:
    """New documents for each connection, all booked and told."""
    new = arguments.documents
    settings = json.dumps({"documents": (at + 1) * new, "old": at * new})
    await db.run("UPDATE source SET settings = %s::jsonb", settings)
    before, began = [Cost.of(one.pid) for one in children], time.monotonic()
    for connection in connections:
        await request_run(db, publisher, connection, Trigger.MANUAL)
    while (row := await db.one(OPEN)) is None or row["number"]:
        if time.monotonic() - began > GIVEN_UP or any(one.poll() is not None for one in children):
            raise TimeoutError(f"round {at + 1} did not end: {row}")
        await asyncio.sleep(0.2)
    seconds, after = time.monotonic() - began, [Cost.of(one.pid) for one in children]
    items = new * len(connections)
    booked = await db.one("SELECT count(*) AS links FROM link WHERE state = 'booked' AND kind = 'document'")
    assert booked is not None
    if booked["links"] != (at + 1) * items:
        raise AssertionError(f"{booked['links']} booked after {(at + 1) * items} were asked for")
    core, worker = (round((late.cpu - early.cpu) / items * 1e6) for late, early in zip(after, before, strict=True))
    return {
        "round": at + 1,
        "links": booked["links"],
        "items": items,
        "items_per_s": round(items / seconds),
        "core_cpu_us": core,
        "worker_cpu_us": worker,
        "core_mb": after[0].memory,
        "worker_mb": after[1].memory,
    }


def _services() -> dict[str, int]:
    """Memory of broker and database, which are children of this process's watchers."""
    own: dict[str, int] = {"kafka_mb": 0, "postgres_mb": 0}
    for process in psutil.Process().children(recursive=True):
        try:
            name = process.name()
            if name.startswith("java"):
                own["kafka_mb"] += process.memory_info().rss >> 20
            elif name.startswith("postgres"):
                own["postgres_mb"] += _pss(process.pid)
        except (psutil.NoSuchProcess, FileNotFoundError):  # a session that just ended
            continue
    return own


def _pss(pid: int) -> int:
    rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
    return int(rollup.partition("\nPss:")[2].split()[0]) >> 10


def main() -> None:
    """Runs what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=20)
    parser.add_argument("--connections", type=int, default=200)
    parser.add_argument("--documents", type=int, default=100, help="new ones of each connection in each round")
    arguments = parser.parse_args()
    configure("WARNING")
    print(machine() + "\n")
    full_path.run(arguments, measure)


if __name__ == "__main__":
    main()
