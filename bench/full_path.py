"""Documents per second through the whole path: planner, Kafka, worker, intents and outcomes in PostgreSQL, results.

    uv run python bench/full_path.py --connections 1000 --documents 20 --delay-ms 0

The tool is in the worker's process and answers after the given time; everything else is the product. Planning is
done before the worker starts for the figure of the worker alone; `--together` times both at once.
"""

import argparse
import asyncio
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any
from uuid import UUID

import instant
import psycopg
from cryptography.fernet import Fernet
from dagboek.database import Database, migrate
from dagboek.embedded import EmbeddedServices
from dagboek.logs import configure
from dagboek.planner import Planner
from dagboek.plugins import Plugins
from dagboek.publisher import Publisher
from dagboek.runs import request_run
from dagboek.service import CoreService
from dagboek.settings import Settings
from dagboek.topics import ensure_topics
from dagboek.vault import Vault
from dagboek_schemas.statuses import Trigger
from dagboek_sdk.settings import ConnectionSettings, LedgerRule, Side, VatCode, VatKey


def plugins() -> Plugins:
    """The instant tool and the generated source, nothing else."""
    made = Plugins(entry_points=False)
    made.register(instant, "instant")
    return made


async def set_up(db: Database, vault: Vault, count: int, documents: int) -> list[UUID]:
    """One tenant with `count` entities, connections and administrations, written straight into the tables."""
    side = Side(
        invoice_journal="S",
        vat_codes=(VatCode(key=VatKey(rate="21"), code="21"),),
        ledger_accounts=(LedgerRule(account="700000"),),
    )
    settings = ConnectionSettings(sales=side).model_dump_json()
    async with db.transaction() as connection:
        tenant = await (await connection.execute("INSERT INTO tenant (name) VALUES ('bench') RETURNING id")).fetchone()
        assert tenant is not None
        await connection.execute(
            "INSERT INTO source (tenant_id, plugin, name, settings) VALUES (%s, 'generated', 'g', %s)",
            (tenant["id"], json.dumps({"documents": documents})),
        )
        login = await (
            await connection.execute(
                "INSERT INTO login (tenant_id, plugin, tool_user, settings) VALUES (%s, 'instant', 'b', %s) RETURNING id",
                (tenant["id"], vault.encrypt({"user": "bench", "base_url": "http://127.0.0.1"})),
            )
        ).fetchone()
        assert login is not None
        made: list[UUID] = []
        for at in range(count):
            row = await (
                await connection.execute(
                    """WITH e AS (INSERT INTO entity (tenant_id, name, vat_number) VALUES (%(t)s, %(n)s, %(v)s) RETURNING id),
                            a AS (INSERT INTO administration (tenant_id, plugin, host, tool_id, name, looked_up_at)
                                  VALUES (%(t)s, 'instant', 'bench', %(n)s, %(n)s, now()) RETURNING id)
                       INSERT INTO connection (tenant_id, entity_id, administration_id, login_id, plugin, state, settings)
                       SELECT %(t)s, e.id, a.id, %(l)s, 'instant', 'connected', %(s)s FROM e, a RETURNING id""",
                    {"t": tenant["id"], "n": f"Entity {at}", "v": f"BE0{at:09}", "l": login["id"], "s": settings},
                )
            ).fetchone()
            assert row is not None
            made.append(row["id"])
        await connection.execute(
            """INSERT INTO mapping_context (connection_id, version, settings, lists, lists_at)
               SELECT id, 1, settings, %s, now() FROM connection""",
            (json.dumps({"journals": [], "vat_codes": [], "ledger_accounts": []}),),
        )
        await connection.execute(
            "INSERT INTO pull_cursor (connection_id, name) SELECT id, 'ledger_accounts' FROM connection"
        )
    return made


def worker(arguments: argparse.Namespace) -> None:
    """The worker's process."""
    from dagboek_workers.app import WorkerOptions, run_worker

    options = WorkerOptions(
        bootstrap=os.environ["BENCH_KAFKA"],
        database_url=os.environ["BENCH_DATABASE"],
        topic_prefix="bench",
        slot=arguments.slot,
        calls=arguments.calls,
    )
    if arguments.profile:
        import cProfile
        import threading

        profiles: list[cProfile.Profile] = []
        original = threading.Thread.run

        def profiled(self: threading.Thread) -> None:
            if self.name.startswith("tool "):
                profile = cProfile.Profile()
                profiles.append(profile)
                profile.runcall(original, self)
            else:
                original(self)

        threading.Thread.run = profiled  # type: ignore[method-assign]
        run_worker(options, plugins(), Vault([os.environ["BENCH_KEY"]]))
        for at, profile in enumerate(profiles):
            profile.dump_stats(f"{arguments.profile}.{at}")
        return
    run_worker(options, plugins(), Vault([os.environ["BENCH_KEY"]]))


async def bench(arguments: argparse.Namespace, services: EmbeddedServices) -> dict[str, Any]:
    """One measurement."""
    key = Fernet.generate_key().decode()
    database = services.database_url.rpartition("/")[0] + "/bench"
    with psycopg.connect(services.database_url, autocommit=True) as connection:
        connection.execute("DROP DATABASE IF EXISTS bench WITH (FORCE)")
        connection.execute("CREATE DATABASE bench")
    await asyncio.to_thread(migrate, database)
    settings = Settings(
        topic_prefix="bench",
        kafka_bootstrap=services.kafka_bootstrap,
        database_url=database,
        secret_keys=[key],
        partitions=48,
    )
    await asyncio.to_thread(ensure_topics, services.kafka_bootstrap, settings)
    publisher = Publisher(services.kafka_bootstrap, "bench")
    stop = asyncio.Event()
    async with Database(database, size=12) as db:
        made = await set_up(db, Vault([key]), arguments.connections, arguments.documents)
        environment = {
            **os.environ,
            "BENCH_KAFKA": services.kafka_bootstrap,
            "BENCH_DATABASE": database,
            "BENCH_KEY": key,
            "BENCH_DELAY_MS": str(arguments.delay_ms),
        }
        for connection_id in made:
            await request_run(db, publisher, connection_id, Trigger.MANUAL)
        planner = Planner(db, plugins(), publisher, window=500)
        runs = [row["id"] for row in await db.all("SELECT id FROM run")]
        began = time.perf_counter()
        for at in range(0, len(runs), 8):
            await asyncio.gather(*(planner.start(run_id) for run_id in runs[at : at + 8]))
        planned = time.perf_counter() - began
        published = (await db.one("SELECT count(*) AS n FROM item WHERE window_no IS NOT NULL") or {})["n"]
        command = [sys.executable, os.environ.get("BENCH_MAIN", __file__), "--worker", "--calls", str(arguments.calls)]
        if arguments.profile:
            command += ["--profile", arguments.profile]
        process = subprocess.Popen(command, env=environment)
        core = asyncio.create_task(
            CoreService(
                settings,
                type("S", (), {"kafka_bootstrap": services.kafka_bootstrap, "database_url": database})(),
                plugins(),
                Vault([key]),
            ).run(stop)
        )
        first = None
        total = arguments.connections * (arguments.documents + 1)
        while True:
            row = await db.one(
                """SELECT count(*) FILTER (WHERE state = 'synced') AS n, min(outcome_at) AS first, max(outcome_at) AS last,
                          count(*) FILTER (WHERE state NOT IN ('synced', 'planned')) AS other FROM item"""
            )
            assert row is not None
            if row["n"] and first is None:
                first = time.perf_counter()
            if row["n"] + row["other"] >= total or process.poll() is not None:
                break
            if time.perf_counter() - began > arguments.seconds:
                break
            await asyncio.sleep(0.5)
        if row["n"] + row["other"] < total:
            print(await db.all("SELECT component, state, count(*) FROM item GROUP BY 1, 2"), file=sys.stderr)
            print(
                await db.all("SELECT state, park_reason, park_issue, count(*) FROM run GROUP BY 1, 2, 3"),
                file=sys.stderr,
            )
        span = (row["last"] - row["first"]).total_seconds()
        rss = _rss(process.pid)
        cpu = _cpu(process.pid)
        links = await db.one(
            "SELECT count(*) AS n, count(DISTINCT entry_id) AS entries, max(attempt) AS tries FROM link WHERE state = 'booked'"
        )
        stop.set()
        await core
        process.terminate()
        process.wait(60)
    await asyncio.to_thread(publisher.close)
    return {
        "connections": arguments.connections,
        "documents": arguments.documents,
        "delay_ms": arguments.delay_ms,
        "planned_per_s": round(published / planned),
        "items": row["n"],
        "other": row["other"],
        "seconds": round(span, 2),
        "per_s": round(row["n"] / span) if span else None,
        "worker_mb": rss,
        "worker_cpu_us": round(cpu / row["n"] * 1e6) if row["n"] else None,
        "links": links,
    }


def _rss(pid: int) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) // 1024
    return 0


def _cpu(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def main() -> None:
    """Runs the bench; prints one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--connections", type=int, default=1000)
    parser.add_argument("--documents", type=int, default=20)
    parser.add_argument("--delay-ms", type=float, default=0)
    parser.add_argument("--calls", type=int, default=256)
    parser.add_argument("--seconds", type=float, default=300)
    parser.add_argument("--worker", action="store_true")
    parser.add_argument("--slot", default="1")
    parser.add_argument("--profile", default="")
    arguments = parser.parse_args()
    configure("WARNING")
    if arguments.worker:
        worker(arguments)
        return
    with tempfile.TemporaryDirectory(prefix="dagboek-bench-") as folder, EmbeddedServices(Path(folder)) as services:
        figures = asyncio.run(bench(arguments, services))
    figures["machine"] = f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}"
    figures["bench_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(json.dumps(figures, default=str))


if __name__ == "__main__":
    main()
