"""A night in which nothing happened: what the automatic runs of many connections cost, and whom they call.

    uv run python bench/idle_night.py                          10,000 connections, as JSON
    uv run python bench/idle_night.py --connections 200
    uv run python bench/idle_night.py --unpaid 100             of which 100 have something that is not paid yet

Each connection is a tenant of its own with some documents that are booked and paid, in an Octopus dossier. All of them
are due at once, as after a night in which no core was there: the worst that can be. Broker, database, core and worker
are processes of their own; the sandbox, with the limits of Octopus, is in this one. `..._quiet`: what they would have
taken in the same time with nothing due, by what they took in the ten seconds before.
"""

import argparse
import asyncio
import json
import secrets
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

import psycopg
from confluent_kafka import Consumer, TopicPartition
from cryptography.fernet import Fernet
from dagboek.database import Database, migrate
from dagboek.embedded import services_for
from dagboek.logs import configure
from dagboek.settings import Settings
from dagboek.topics import ensure_topics
from dagboek_octopus.sandbox import Sandbox, start_sandbox
from dagboek_schemas.topics import Topic
from machine import machine
from processes import Addresses, Cost
from tenants_of_bench import set_up

DOCUMENTS = 3
"""Of each connection, booked before."""
QUIET = 10.0
"""Seconds in which is measured what the processes take while nothing is due."""

BOOKED = """
INSERT INTO document (tenant_id, identity, entity_id, direction, kind, number, issue_date, currency, gross,
                      party_identity, party_name, source_id, origin_id, revision)
SELECT c.tenant_id, 'd1:' || at, c.entity_id, 'sales', 'invoice', at::text, '2026-03-01', 'EUR', 242, 'p1:1', 'P', s.id,
       at::text, 'rev1:a'
FROM connection c JOIN source s ON s.tenant_id = c.tenant_id, generate_series(0, %(documents)s - 1) at;

INSERT INTO origin (source_id, entity_id, origin_id, fingerprint, identity, component, party_identity, revision,
                    party_revision, sort_key)
SELECT source_id, entity_id, origin_id, '1', identity, 'sales_invoices', party_identity, revision, 'rev1:p', number
FROM document;

INSERT INTO link (tenant_id, administration_id, identity, kind, link_no, state, revision, entry_id, entry_number)
SELECT d.tenant_id, c.administration_id, d.identity, 'document', d.number::int + 1, 'booked', d.revision,
       '1/V1/' || d.number::int + 1, d.number
FROM document d JOIN connection c ON c.tenant_id = d.tenant_id;

INSERT INTO payment_status (link_id, state) SELECT id, 'paid' FROM link;

UPDATE pull_cursor SET pulled_at = now() - interval '1 day';

UPDATE connection SET settings = settings || '{"automatic": true}', next_run_at = now() + interval '1 day';

ANALYZE
"""

UNPAID = """
WITH moved AS (
    UPDATE administration SET tool_id = n.dossier FROM unnest(%s::uuid[], %s::text[]) AS n(connection, dossier)
    JOIN connection c ON c.id = n.connection WHERE administration.id = c.administration_id RETURNING administration.id
)
DELETE FROM payment_status p USING link l, moved WHERE p.link_id = l.id AND l.administration_id = moved.id
"""

OVER = """
SELECT count(*) FILTER (WHERE state = 'ended') AS ended, count(*) FILTER (WHERE status = 'Success') AS well,
       (SELECT count(*) FROM run_event WHERE reported_at IS NULL) AS untold, (SELECT count(*) FROM item) AS items
FROM run
"""


async def measure(arguments: argparse.Namespace, here: Addresses) -> dict[str, Any]:
    """One round, on an empty database and new topics."""
    sandbox = await start_sandbox(dossiers=[{"id": 1001 + at} for at in range(max(1, arguments.unpaid))])
    children: list[subprocess.Popen[bytes]] = []
    try:
        async with Database(here.database_url, size=4) as db:
            await _booked(db, here, sandbox, arguments)
            children += [here.start("core"), here.start("worker")]
            return await _round(db, here, sandbox, children, arguments)
    finally:
        for process in children:
            process.terminate()
        for process in children:
            await asyncio.to_thread(process.wait, 60)
        await sandbox.stop()


async def _booked(db: Database, here: Addresses, sandbox: Sandbox, arguments: argparse.Namespace) -> None:
    """Connections with documents that are booked and paid, or not paid."""
    given = sandbox.credentials
    login = {
        "base_url": sandbox.base_url,
        "software_house_uuid": given["softwareHouseUuid"],
        "user": given["user"],
        "password": given["password"],
    }
    made = await set_up(db, here.vault, [DOCUMENTS] * arguments.connections, "octopus", login=login)
    for statement in BOOKED.split(";\n\n"):
        await db.run(statement, {"documents": DOCUMENTS})
    unpaid = made[: arguments.unpaid]
    await db.run(UNPAID, unpaid, [str(1001 + at) for at in range(len(unpaid))])


async def _round(
    db: Database, here: Addresses, sandbox: Sandbox, children: list[subprocess.Popen[bytes]], arguments: Any
) -> dict[str, Any]:
    await asyncio.sleep(QUIET)  # they start
    quiet = await _costs(children, QUIET)
    before, calls, records = _cpu(children), sandbox.control.requests()["total"], _records(here)
    began = time.monotonic()
    await db.run("UPDATE connection SET next_run_at = now()")
    while True:
        row = await db.one(OVER)
        assert row is not None
        if row["ended"] == arguments.connections and not row["untold"]:
            break
        if time.monotonic() - began > arguments.seconds or any(one.poll() is not None for one in children):
            raise TimeoutError(f"the round did not end: {row}")
        await asyncio.sleep(0.5)
    seconds = time.monotonic() - began
    core, worker = (after - first for after, first in zip(_cpu(children), before, strict=True))
    return {
        "connections": arguments.connections,
        "unpaid": arguments.unpaid,
        "success": row["well"],
        "seconds": round(seconds, 1),
        "core_cpu_s": round(core, 2),
        "worker_cpu_s": round(worker, 2),
        "core_cpu_s_quiet": round(quiet[0] * seconds, 2),
        "worker_cpu_s_quiet": round(quiet[1] * seconds, 2),
        "items": row["items"],
        "document_records": _records(here) - records,
        "sandbox_calls": sandbox.control.requests()["total"] - calls,
        "core_mb": Cost.of(children[0].pid).most_memory,
        "worker_mb": Cost.of(children[1].pid).most_memory,
    }


def _cpu(children: list[subprocess.Popen[bytes]]) -> list[float]:
    return [Cost.of(one.pid).cpu for one in children]


async def _costs(children: list[subprocess.Popen[bytes]], seconds: float) -> list[float]:
    """CPU seconds a second of each process."""
    before = _cpu(children)
    await asyncio.sleep(seconds)
    return [(after - first) / seconds for after, first in zip(_cpu(children), before, strict=True)]


def _records(here: Addresses) -> int:
    """Records that the documents topic has had so far."""
    consumer = Consumer({"bootstrap.servers": here.kafka_bootstrap, "group.id": "count", "log_level": 2})
    topic = Topic.DOCUMENTS.named(here.prefix)
    try:
        marks = [
            consumer.get_watermark_offsets(TopicPartition(topic, one), timeout=10) for one in range(here.partitions)
        ]
        return sum(int(high) for _, high in marks)
    finally:
        consumer.close()


def main() -> None:
    """Runs what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--connections", type=int, default=10_000)
    parser.add_argument("--unpaid", type=int, default=0, help="connections with documents that are not paid yet")
    parser.add_argument("--seconds", type=float, default=1800, help="time after which it is given up")
    arguments = parser.parse_args()
    configure("WARNING")
    with (
        tempfile.TemporaryDirectory(prefix="dagboek-bench-") as folder,
        services_for(Settings(data_dir=Path(folder))) as services,
    ):
        name = f"idle_{secrets.token_hex(4)}"
        url = services.database_url.rpartition("/")[0] + f"/{name}"
        here = Addresses(services.kafka_bootstrap, url, Fernet.generate_key().decode(), prefix=name)
        with psycopg.connect(services.database_url, autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}")
        migrate(here.database_url)
        ensure_topics(here.kafka_bootstrap, here.settings)
        print(json.dumps({"machine": machine(), **asyncio.run(measure(arguments, here))}, indent=1))


if __name__ == "__main__":
    main()
