"""What is compared: Dagboek, and the hand-written loops of `peers`, each on topics of its own with the same documents.

Every side is opened with a number of documents for each connection, asked for some of them, and given a worker.
"""

import asyncio
import re
import secrets
import subprocess
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from typing import Any
from uuid import UUID

import aiohttp
import psycopg
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic
from cryptography.fernet import Fernet
from dagboek.database import Database, migrate
from dagboek.publisher import Publisher
from dagboek.runs import publish_continue, request_run
from dagboek.status import run_status
from dagboek.topics import ensure_topics
from dagboek_schemas.statuses import Trigger
from instant import Generated, GeneratedSettings
from processes import HERE, Addresses, Cost
from psycopg import sql
from tenants_of_bench import administration_id, entity, set_up

PLANNED = 900.0
"""Seconds that planning may take before the worker starts."""
STEADY = 3.0
"""Seconds without a new window on the log, after which what is not there waits for room."""


class Tool:
    """The stub tool, in a process of its own: the same one for all sides."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, str(HERE / "stub_tool.py")], stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdout is not None
        self.url = self._process.stdout.readline().strip()
        self._session = aiohttp.ClientSession()

    async def reset(self, latency: float) -> None:
        """Empty books, and the seconds that every booking takes from now on."""
        await self._call("POST", "reset")
        await self._call("POST", "faults", {"kind": "latency", "seconds": latency})

    async def trouble(self, kind: str, administration: UUID) -> None:
        """One administration hangs or takes no more."""
        await self._call("POST", "faults", {"kind": kind, "administration": str(administration)})

    async def entries(self) -> list[tuple[float, str, str]]:
        """Time, administration and number of all that was booked, in order."""
        return [(at, administration, number) for at, administration, number in await self._call("GET", "entries")]

    async def count(self) -> tuple[int, int]:
        """Bookings, and documents among them."""
        status = await self._call("GET", "status")
        return status["entries"], status["different"]

    async def _call(self, method: str, name: str, body: Any = None) -> Any:
        async with self._session.request(method, f"{self.url}/_sandbox/{name}", json=body or {}) as answer:
            return await answer.json()

    async def close(self) -> None:
        """Ends the process."""
        await self._session.close()
        self._process.terminate()
        await asyncio.to_thread(self._process.wait, 10)


class Side(ABC):
    """One of those that are compared, from empty topics to its last offset."""

    def __init__(self, bootstrap: str, tool: Tool, partitions: int) -> None:
        self.bootstrap = bootstrap
        self.tool = tool
        self.partitions = partitions
        self.prefix = f"bench-{secrets.token_hex(4)}"
        self.processes: list[subprocess.Popen[bytes]] = []

    @abstractmethod
    async def open(self, documents: Sequence[int]) -> None:
        """Makes connections with so many documents each."""

    @abstractmethod
    async def ask(self, connections: Sequence[int]) -> None:
        """Wants the documents of these booked."""

    async def on_log(self) -> None:
        """Waits until what is asked for is on the log, as far as it goes there before a worker works."""

    @abstractmethod
    def worker(self) -> subprocess.Popen[bytes]:
        """Starts a worker, always in the same place of its group."""

    @abstractmethod
    async def drained(self) -> bool:
        """Whether all that was asked for is over."""

    def planning(self) -> Cost | None:
        """What is at work beside the worker."""
        return None

    async def close(self) -> None:
        """Ends the processes that were started, deletes the topics."""
        for process in self.processes:
            process.terminate()
        for process in self.processes:
            await asyncio.to_thread(_wait, process)
        await asyncio.to_thread(self._delete_topics)

    def _started(self, process: subprocess.Popen[bytes]) -> subprocess.Popen[bytes]:
        self.processes.append(process)
        return process

    def _delete_topics(self) -> None:
        admin = AdminClient({"bootstrap.servers": self.bootstrap, "log_level": 0})
        names = [name for name in admin.list_topics(timeout=10).topics if name.startswith(self.prefix)]
        for answer in admin.delete_topics(names).values() if names else ():
            answer.result(timeout=10)


def _wait(process: subprocess.Popen[bytes]) -> None:
    try:
        process.wait(40)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


class Dagboek(Side):
    """The whole path: core and worker as the product runs them, with a database of their own."""

    def __init__(self, bootstrap: str, tool: Tool, partitions: int, database_url: str) -> None:
        super().__init__(bootstrap, tool, partitions)
        self._server = database_url
        self._database = self.prefix.replace("-", "_")
        url = re.sub(r"/[^/?]*(\?.*)?$", rf"/{self._database}\1", database_url)
        self._here = Addresses(bootstrap, url, Fernet.generate_key().decode(), self.prefix, partitions)

    async def open(self, documents: Sequence[int]) -> None:
        with psycopg.connect(self._server, autocommit=True) as connection:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(self._database)))
        await asyncio.to_thread(migrate, self._here.database_url)
        await asyncio.to_thread(ensure_topics, self.bootstrap, self._here.settings)
        self._publisher = Publisher(self.bootstrap, self.prefix)
        self._db = await Database(self._here.database_url, size=4).open()
        self._connections = await set_up(self._db, self._here.vault, documents, "stub", self.tool.url)
        self._core = self._started(self._here.start("core"))

    async def ask(self, connections: Sequence[int]) -> None:
        for at in range(0, len(connections), 8):
            await asyncio.gather(
                *(
                    request_run(self._db, self._publisher, self._connections[one], Trigger.MANUAL)
                    for one in connections[at : at + 8]
                )
            )

    async def on_log(self) -> None:
        """The first window of every run, and the second, which a lane asks for in the middle of the first."""
        await self._published()
        for run in await self._db.all("SELECT * FROM run WHERE state = 'active' AND window_no = 1"):
            await publish_continue(self._publisher, run["id"], run["administration_id"], run["generation"], 1)
        await asyncio.sleep(0.2)
        await self._published()

    async def _published(self) -> None:
        before, since = -1, 0.0
        until = time.monotonic() + PLANNED
        while time.monotonic() < until:
            row = await self._db.one(_PLANNED)
            assert row is not None
            if not row["unselected"] and row["published"] == before:
                since += 0.2
            else:
                before, since = row["published"], 0.0
            if not row["unselected"] and (since >= STEADY or (not row["unpublished"] and since >= STEADY / 4)):
                return
            await asyncio.sleep(0.2)
        raise TimeoutError(f"not planned within {PLANNED:.0f} seconds")

    def worker(self) -> subprocess.Popen[bytes]:
        return self._started(self._here.start("worker"))

    async def drained(self) -> bool:
        return await self._db.one("SELECT 1 AS open FROM run WHERE state <> 'ended' LIMIT 1") is None

    def planning(self) -> Cost:
        return Cost.of(self._core.pid)

    async def down(self, at: int) -> None:
        """The tool of one connection is not there any more."""
        nowhere = self._here.vault.encrypt({"user": "bench", "base_url": "http://127.0.0.1:9"})
        await self._db.run(
            "UPDATE login SET settings = %s WHERE id = (SELECT login_id FROM connection WHERE id = %s)",
            nowhere,
            self._connections[at],
        )

    async def shown(self, connections: Sequence[int]) -> list[str]:
        """How the runs of these are shown."""
        rows = [
            await self._db.one("SELECT * FROM run WHERE connection_id = %s", self._connections[at])
            for at in connections
        ]
        return [str(run_status(row)) if row else "not asked for" for row in rows]

    async def close(self) -> None:
        await super().close()
        await self._db.close()
        await asyncio.to_thread(self._publisher.close)
        with psycopg.connect(self._server, autocommit=True) as connection:
            connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(self._database)))


_PLANNED = """
SELECT count(*) FILTER (WHERE state = 'requested' OR state = 'active' AND NOT selected) AS unselected,
       count(*) FILTER (WHERE state = 'active' AND published_at IS NULL) AS unpublished,
       coalesce(sum(window_no) FILTER (WHERE published_at IS NOT NULL), 0) AS published
FROM run
"""


class Loop(Side):
    """A hand-written loop of `peers`; its documents are whole on the log, keyed as ours."""

    def __init__(self, bootstrap: str, tool: Tool, partitions: int, module: str) -> None:
        super().__init__(bootstrap, tool, partitions)
        self._module = module
        self._topics = {name: f"{self.prefix}.{name}" for name in ("documents", "results")}
        self._group = f"{self.prefix}.loop"
        self._ends: dict[int, int] = {}

    async def open(self, documents: Sequence[int]) -> None:
        self._documents = documents
        admin = AdminClient({"bootstrap.servers": self.bootstrap, "log_level": 2})
        for answer in admin.create_topics(
            [NewTopic(name, self.partitions, 1) for name in self._topics.values()]
        ).values():
            await asyncio.to_thread(answer.result, 15)

    async def ask(self, connections: Sequence[int]) -> None:
        await asyncio.to_thread(self._produce, connections)

    def _produce(self, connections: Sequence[int]) -> None:
        """In turn: the first of every connection, the second of every connection ..."""
        producer = Producer(
            {
                "bootstrap.servers": self.bootstrap,
                "acks": "all",
                "linger.ms": 20,
                "queue.buffering.max.messages": 1_000_000,
                "log_level": 2,
            }
        )
        for key, value in self._records(connections):
            producer.produce(self._topics["documents"], value, key, on_delivery=self._produced)
            producer.poll(0)
        assert producer.flush(60) == 0

    def _produced(self, error: KafkaError | None, message: Message) -> None:
        if error is not None:
            raise KafkaException(error)
        partition, offset = message.partition() or 0, message.offset() or 0
        self._ends[partition] = max(offset + 1, self._ends.get(partition, 0))

    def _records(self, connections: Sequence[int]) -> Iterator[tuple[bytes, bytes]]:
        sources = {at: Generated(GeneratedSettings(), entity(at)) for at in connections}
        for number in range(max((self._documents[at] for at in connections), default=0)):
            for at, source in sources.items():
                if number < self._documents[at]:
                    document = source.document(number).model_dump_json(exclude_none=True)
                    yield str(administration_id(at)).encode(), document.encode()

    def worker(self) -> subprocess.Popen[bytes]:
        options = {
            "bootstrap": self.bootstrap,
            **self._topics,
            "group": self._group,
            "slot": "1",
            "tool": self.tool.url,
        }
        command = [sys.executable, "-m", self._module]
        return self._started(
            subprocess.Popen([*command, *(f"--{name}={value}" for name, value in options.items())], cwd=HERE)
        )

    async def drained(self) -> bool:
        return await asyncio.to_thread(self._committed) == self._ends

    def _committed(self) -> dict[int, int]:
        consumer = Consumer({"bootstrap.servers": self.bootstrap, "group.id": self._group, "log_level": 2})
        try:
            asked = [TopicPartition(self._topics["documents"], partition) for partition in self._ends]
            return {one.partition: one.offset for one in consumer.committed(asked, timeout=10)}
        finally:
            consumer.close()


NAMES = ("dagboek", "lanes", "one_at_a_time")


def side(name: str, bootstrap: str, database_url: str, tool: Tool, partitions: int) -> Side:
    """One of NAMES."""
    if name == "dagboek":
        return Dagboek(bootstrap, tool, partitions, database_url)
    return Loop(bootstrap, tool, partitions, f"peers.{name}")
