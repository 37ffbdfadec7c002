"""A whole installation for end-to-end tests: real Kafka, real PostgreSQL, workers as processes, the tool's sandbox."""

import asyncio
import json
import os
import random
import re
import secrets
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import aiohttp
import psycopg
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient
from cryptography.fernet import Fernet
from dagboek import connections, contexts, sources, tenants
from dagboek.chaos.told import records
from dagboek.chaos.ubl import Ubl
from dagboek.consent import of_sandbox
from dagboek.database import Database, migrate
from dagboek.embedded import Services, ports
from dagboek.logins import own_names
from dagboek.plugins import Plugins
from dagboek.publisher import Publisher
from dagboek.runs import request_run
from dagboek.settings import Settings
from dagboek.topics import ensure_topics
from dagboek.vault import Vault
from dagboek_octopus.sandbox import start_sandbox
from dagboek_schemas.statuses import Trigger
from dagboek_schemas.topics import Topic
from dagboek_sdk.settings import ConnectionSettings, LedgerRule, Side, VatCode, VatKey
from psycopg import sql

PARTITIONS = 8
BOOK_YEARS = (2025, 2027)
"""Not those around today: documents of tests are of these, and 2026 is book year 2."""
GUARD = 150.0
"""Seconds after which what is waited for does not come any more; a worker takes twenty to start on a busy machine."""


def settings_of(accounts: dict[str, str] | None = None) -> ConnectionSettings:
    """Settings that book at 21, 12, 6 and 0 per cent; `accounts` by rate, all of them where None."""
    accounts = accounts if accounts is not None else {"21": "700000", "12": "700000", "6": "700000", "0": "700000"}
    rates = {"21": "21", "12": "12", "6": "06"}
    return ConnectionSettings(
        sales=Side(
            invoice_journal="V1",
            credit_note_journal="V2",
            vat_codes=tuple(VatCode(key=VatKey(rate=Decimal(rate)), code=code) for rate, code in rates.items()),
            ledger_accounts=tuple(
                LedgerRule(account=account, rate=Decimal(rate)) for rate, account in accounts.items()
            ),
        ),
        purchases=Side(
            invoice_journal="A1",
            credit_note_journal="A2",
            vat_codes=tuple(VatCode(key=VatKey(rate=Decimal(rate)), code="I" + code) for rate, code in rates.items()),
            ledger_accounts=(LedgerRule(account="610000"),),
        ),
        check_vat_numbers=False,
    )


def exact_settings() -> ConnectionSettings:
    """Settings that book at 21, 12, 6 and 0 per cent in the books of an Exact sandbox."""
    rates = ("21", "12", "6", "0")
    return ConnectionSettings(
        sales=Side(
            invoice_journal="70",
            credit_note_journal="71",
            vat_codes=tuple(VatCode(key=VatKey(rate=Decimal(rate)), code=f"V{rate.zfill(2)}") for rate in rates),
            ledger_accounts=(LedgerRule(account="700000"),),
        ),
        purchases=Side(
            invoice_journal="60",
            credit_note_journal="61",
            vat_codes=tuple(VatCode(key=VatKey(rate=Decimal(rate)), code=f"A{rate.zfill(2)}") for rate in rates),
            ledger_accounts=(LedgerRule(account="610000"),),
        ),
        check_vat_numbers=False,
    )


def yuki_settings() -> ConnectionSettings:
    """Settings that book at 21, 12, 6 and 0 per cent in the books of a Belgian Yuki sandbox; there are no journals."""
    sales = {"21": "1/21/BE", "12": "21/12/BE", "6": "2/6/BE", "0": "4/0/BE"}
    bought = {"21": "5/21/BE", "12": "15/12/BE", "6": "9/6/BE", "0": "10/0/BE"}
    return ConnectionSettings(
        sales=Side(
            vat_codes=tuple(VatCode(key=VatKey(rate=Decimal(rate)), code=code) for rate, code in sales.items()),
            ledger_accounts=(LedgerRule(account="700000"),),
        ),
        purchases=Side(
            vat_codes=tuple(VatCode(key=VatKey(rate=Decimal(rate)), code=code) for rate, code in bought.items()),
            ledger_accounts=(LedgerRule(account="610000"),),
        ),
        check_vat_numbers=False,
    )


@dataclass
class Installation:
    """Everything of one test, under its own database and topic prefix."""

    services: Services
    database_url: str
    prefix: str
    folder: Path
    key: str = field(default_factory=lambda: Fernet.generate_key().decode())
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    async def open(self) -> None:
        """Migrations, topics, clients."""
        self.settings = Settings(
            topic_prefix=self.prefix,
            partitions=PARTITIONS,
            data_dir=self.folder / "data",
            secret_keys=[self.key],
            kafka_bootstrap=self.services.kafka_bootstrap,
            kafka_security=dict(self.services.kafka_security),
            database_url=self.database_url,
        )
        await asyncio.to_thread(migrate, self.database_url)
        await asyncio.to_thread(ensure_topics, self.services.kafka_bootstrap, self.settings)
        self.db = await Database(self.database_url).open()
        self.plugins = Plugins()
        self.vault = Vault([self.key])
        self.publisher = Publisher(self.services.kafka_bootstrap, self.prefix, self.services.kafka_security)

    async def close(self) -> None:
        """Stops all processes by their own ids, closes the clients."""
        for process in self.processes:
            if process.poll() is None:
                process.terminate()
        for process in self.processes:
            try:
                await asyncio.to_thread(process.wait, GUARD)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        await asyncio.to_thread(self.publisher.close)
        await self.db.close()

    # processes

    def environment(self, **more: str) -> dict[str, str]:
        """Environment of the installation's processes."""
        return {
            **os.environ,
            "DAGBOEK_KAFKA_BOOTSTRAP": self.services.kafka_bootstrap,
            "DAGBOEK_KAFKA_SECURITY": json.dumps(dict(self.services.kafka_security)),
            "DAGBOEK_DATABASE_URL": self.database_url,
            "DAGBOEK_TOPIC_PREFIX": self.prefix,
            "DAGBOEK_PARTITIONS": str(PARTITIONS),
            "DAGBOEK_SECRET_KEYS": self.key,
            "DAGBOEK_DATA_DIR": str(self.folder / "data"),
            **more,
        }

    def start(self, *command: str, **environment: str) -> subprocess.Popen[bytes]:
        """Starts a process of the installation; its output goes to a file named after the command."""
        log = (self.folder / f"{'-'.join(command)}-{len(self.processes)}.log").open("wb")
        process = subprocess.Popen(
            [sys.executable, "-m", "dagboek", *command],
            env=self.environment(**environment),
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        self.processes.append(process)
        return process

    def core(self, **environment: str) -> subprocess.Popen[bytes]:
        """Starts the core."""
        return self.start("core", **environment)

    def worker(self, slot: int = 1, **environment: str) -> subprocess.Popen[bytes]:
        """Starts a worker."""
        return self.start("worker", "--slot", str(slot), **environment)

    async def ready(self, seconds: float = 180) -> None:
        """Waits until all processes say that they are at work."""
        async with asyncio.timeout(seconds):
            while self.logs().count(".started") < len(self.processes):
                assert all(process.poll() is None for process in self.processes), self.logs()
                await asyncio.sleep(0.1)

    def logs(self) -> str:
        """What the processes printed, for a failing test."""
        return "\n".join(f"== {path.name}\n{path.read_text()[-6000:]}" for path in sorted(self.folder.glob("*.log")))

    async def standing(self) -> list[str]:
        """Where processes and runs are, for a failing test."""
        processes = [f"{one.args!r}: status {one.poll()}" for one in self.processes]
        runs = await self.db.all(
            """SELECT r.id, r.state, r.generation, r.window_no, r.admitted_no, r.park_reason, r.parked_until,
                      r.moved_at, r.published_at, l.slot, l.taken_at, now(),
                      (SELECT jsonb_object_agg(state, n) FROM (SELECT i.state, count(*) AS n FROM item i
                                                               WHERE i.run_id = r.id GROUP BY 1) s) AS items,
                      (SELECT count(*) FROM link k WHERE k.administration_id = r.administration_id
                       AND k.state = 'intent') AS open
               FROM run r LEFT JOIN lane l USING (administration_id)"""
        )
        return [*processes, *map(str, runs)]

    # tenants

    async def connection(
        self,
        sandbox: Any,
        *,
        tenant: str = "Noord",
        entity: str = "Noordzee Koffie BV",
        vat: str = "BE0403019261",
        folder: Path,
        settings: ConnectionSettings | None = None,
        dossier: str | None = None,
        call_deadline: float | None = None,
        lift_limits: bool = True,
        plugin: str = "octopus",
    ) -> UUID:
        """A connection of an entity to a set of books of the sandbox, set up and ready."""
        owner = await tenants.ensure_tenant(self.db, tenant)
        company = await tenants.ensure_entity(self.db, owner.id, entity, vat_number=vat)
        await sources.ensure_source(
            self.db, self.plugins, owner.id, "ubl", f"files of {tenant}", {"folder": str(folder)}
        )
        model = self.plugins.tool(plugin).about.settings
        given = {**own_names(model, sandbox.credentials), "base_url": sandbox.base_url, "lift_limits": lift_limits}
        if call_deadline is not None:
            given["call_deadline"] = call_deadline
        begun = await connections.connect(
            self.db,
            self.plugins,
            self.vault,
            tenant_id=owner.id,
            entity_id=company.id,
            plugin=plugin,
            given=given,
            consent=of_sandbox,
        )
        chosen = next(one for one in begun.administrations if dossier is None or one.id == dossier)
        row = await connections.choose_administration(self.db, self.plugins, self.vault, begun.connection_id, chosen)
        tool = await connections.open_tool(self.db, self.plugins, self.vault, row.id)
        try:
            await contexts.refresh(self.db, row.id, tool)
        finally:
            await tool.close()
        problems = await connections.save_settings(self.db, self.plugins, row.id, settings or settings_of())
        assert not problems, problems
        return row.id

    # runs

    async def sync(
        self, connection_id: UUID, seconds: float = GUARD, trigger: Trigger = Trigger.MANUAL
    ) -> dict[str, Any]:
        """A run from request to end."""
        run_id = await request_run(self.db, self.publisher, connection_id, trigger, "test")
        return await self.ended(run_id, seconds)

    async def ended(self, run_id: UUID, seconds: float = GUARD) -> dict[str, Any]:
        """Waits for the end of a run: its row."""
        try:
            async with asyncio.timeout(seconds):
                while True:
                    row = await self.db.one("SELECT * FROM run WHERE id = %s", run_id)
                    if row is not None and row["state"] == "ended":
                        return row
                    await asyncio.sleep(0.1)
        except TimeoutError:
            row = await self.db.one("SELECT * FROM run WHERE id = %s", run_id)
            items = await self.db.all(
                "SELECT sequence, component, state, window_no, generation FROM item WHERE run_id = %s ORDER BY 1",
                run_id,
            )
            raise AssertionError(f"run did not end: {row}\n{items}\n{self.logs()}") from None

    async def start_run(self, connection_id: UUID, trigger: Trigger = Trigger.MANUAL) -> UUID:
        """Asks for a run and does not wait for it."""
        return await request_run(self.db, self.publisher, connection_id, trigger, "test")

    async def until(self, query: str, *arguments: Any, seconds: float = GUARD) -> dict[str, Any]:
        """Waits until a query gives a row: the row."""
        try:
            async with asyncio.timeout(seconds):
                while (row := await self.db.one(query, *arguments)) is None:
                    await asyncio.sleep(0.1)
                return row
        except TimeoutError:
            raise AssertionError(f"nothing came of {query}\n{self.logs()}") from None

    async def told(self, run_id: UUID, seconds: float = GUARD) -> list[tuple[str, dict[str, Any]]]:
        """Types and data of all that the results topic says of a run that has ended, in order."""
        await self.until(
            """SELECT 1 WHERE EXISTS (SELECT 1 FROM run_event WHERE run_id = %(run)s)
                 AND NOT EXISTS (SELECT 1 FROM run_event WHERE run_id = %(run)s AND reported_at IS NULL)
                 AND NOT EXISTS (SELECT 1 FROM item WHERE run_id = %(run)s AND outcome_at IS NOT NULL
                                 AND reported_at IS NULL)""".replace("%(run)s", f"'{run_id}'"),
            seconds=seconds,
        )
        heard = await self.heard(Topic.RESULTS)
        return [(type_, data) for type_, data in heard.values() if data["run_id"] == str(run_id)]

    async def heard(self, topic: Topic) -> dict[bytes, tuple[str, dict[str, Any]]]:
        """Types and data of the events of a topic by their ids, in order.

        They are delivered at least once, and told again where a machine is slow: who listens leaves repeats out by id.
        """
        found: dict[bytes, tuple[str, dict[str, Any]]] = {}
        for headers, value in await asyncio.to_thread(self.events, topic):
            found.setdefault(headers["ce_id"], (headers["ce_type"].decode(), json.loads(value)))
        return found

    async def letters(self, number: int, seconds: float = GUARD) -> list[Any]:
        """All dead letters, once there are `number`."""
        async with asyncio.timeout(seconds):
            while len(found := await asyncio.to_thread(self.events, Topic.DEADLETTERS)) < number:
                await asyncio.sleep(0.2)
        return found

    async def items(self, run_id: UUID) -> list[dict[str, Any]]:
        """The items of a run, in order."""
        return await self.db.all("SELECT * FROM item WHERE run_id = %s ORDER BY sequence", run_id)

    async def states(self, run_id: UUID, *components: str) -> dict[str, str]:
        """States of a run's documents by number, with the codes of their issues: `skipped B04`."""
        found = {}
        for item in await self.items(run_id):
            if item["kind"] == "document" and (not components or item["component"] in components):
                codes = [issue["code"] for issue in item["issues"]]
                found[item["title"]] = " ".join([item["state"], *codes])
        return found

    async def link(self, connection_id: UUID, number: str) -> dict[str, Any]:
        """The current link of the document with this number."""
        row = await self.db.one(
            """SELECT l.* FROM link l JOIN connection c ON c.administration_id = l.administration_id
               JOIN document d ON d.identity = l.identity AND d.tenant_id = l.tenant_id
               WHERE c.id = %s AND d.number = %s AND d.entity_id = c.entity_id AND l.current""",
            connection_id,
            number,
        )
        assert row is not None, f"no link for {number}"
        return row

    def events(self, topic: Topic = Topic.RESULTS, seconds: float = GUARD, until: int | None = None) -> list[Any]:
        """All records of a topic: (headers, value). Stops at the end of the log, or at `until` records."""
        return list(records(self.services, topic.named(self.prefix), seconds, until))


@contextmanager
def new_database(services: Services) -> Iterator[str]:
    """An empty database on the server of `services`, dropped afterwards."""
    name = f"test_{secrets.token_hex(8)}"
    with psycopg.connect(services.database_url, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    yield re.sub(r"/[^/?]*(\?.*)?$", rf"/{name}\1", services.database_url)
    with psycopg.connect(services.database_url, autocommit=True) as connection:
        connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@contextmanager
def topics_deleted(services: Services, prefix: str) -> Iterator[None]:
    """Deletes the topics of `prefix` afterwards."""
    yield
    admin = AdminClient({**services.kafka_security, "bootstrap.servers": services.kafka_bootstrap, "log_level": 0})
    with suppress(KafkaException):
        for answer in admin.delete_topics([topic.named(prefix) for topic in Topic]).values():
            answer.result(timeout=60)


@asynccontextmanager
async def installation(services: Services, database_url: str, prefix: str, folder: Path) -> AsyncIterator[Installation]:
    """An open installation; closed afterwards."""
    made = Installation(services, database_url, prefix, folder)
    await made.open()
    try:
        yield made
    finally:
        await made.close()


_used: set[int] = set()


def _new_port() -> int:
    """One that no sandbox had: books are known by their address, and kept. Nor is it given to an outgoing connection
    while a sandbox is away for a moment."""
    while (port := random.choice(ports.RANGE)) in _used or not ports.is_free(port):
        pass
    _used.add(port)
    return port


@asynccontextmanager
async def octopus(**options: Any) -> AsyncIterator[Any]:
    """A running Octopus sandbox; with a `port` it is there again, at the address that it had."""
    port = options.pop("port", None) or _new_port()
    sandbox = await start_sandbox(**{"limits": False, "port": port, "years": BOOK_YEARS, **options})
    try:
        yield sandbox
    finally:
        await sandbox.stop()


@asynccontextmanager
async def exact(**options: Any) -> AsyncIterator[Any]:
    """A running Exact Online sandbox."""
    from dagboek_exact.sandbox import start_sandbox as start

    sandbox = await start(**{"limits": False, "port": _new_port(), "years": BOOK_YEARS, **options})
    try:
        yield sandbox
    finally:
        await sandbox.stop()


@asynccontextmanager
async def yuki(**options: Any) -> AsyncIterator[Any]:
    """A running Yuki sandbox, of the Belgian site."""
    from dagboek_yuki.sandbox import start_sandbox as start

    sandbox = await start(**{"limits": False, "port": _new_port(), "site": "be", **options})
    try:
        yield sandbox
    finally:
        await sandbox.stop()


async def entries(sandbox: Any, dossier: str | int | None = None, journal: str | None = None) -> list[dict[str, Any]]:
    """What stands in the sandbox's books."""
    params = {name: str(value) for name, value in (("dossier", dossier), ("journal", journal)) if value is not None}
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"{sandbox.origin}/_sandbox/entries", params=params) as got,
    ):
        answer = await got.json()
    return list(answer["entries"] if isinstance(answer, dict) else answer)


def write_files(folder: Path, documents: Sequence[Ubl]) -> None:
    """Writes documents as files named after their numbers."""
    folder.mkdir(parents=True, exist_ok=True)
    for document in documents:
        (folder / f"{document.number.replace('/', '_')}.xml").write_text(document.xml())
