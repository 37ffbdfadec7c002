"""A cell of the fault matrix: books of its own, documents to book, a fault, and the audit of what came of it."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit
from uuid import UUID, uuid4

from confluent_kafka import Consumer, TopicPartition
from crash.books import FIRST
from dagboek.chaos.audit import Asked as ToBook
from dagboek.chaos.audit import Audit, Wanted
from dagboek.chaos.audit import audit as compared
from dagboek.chaos.told import Told, told
from dagboek.chaos.ubl import Ubl, UblLine
from dagboek.publisher import partition_of
from dagboek.status import run_status
from dagboek.tenants import ensure_tenant
from dagboek_schemas.topics import Topic
from end_to_end.harness import GUARD, PARTITIONS, Installation, write_files

BOOKING, CUSTOMER = "insertBuySellBooking", "insertUpdateRelation"


class Parked(NamedTuple):
    """How a parked run was shown."""

    status: str
    reason: str
    code: str | None


@dataclass
class Cell:
    """A tenant with one connection per dossier of a sandbox, and the documents that each is to book, in order."""

    name: str
    sandbox: Any
    folder: Path
    connections: dict[int, UUID] = field(default_factory=dict)
    """By dossier."""
    numbers: dict[int, list[str]] = field(default_factory=dict)
    runs: list[UUID] = field(default_factory=list)

    @property
    def documents(self) -> int:
        """How many documents there are in all."""
        return sum(map(len, self.numbers.values()))

    def more(self, documents: int) -> None:
        """Lays as many more invoices of each dossier into the source."""
        for dossier, numbers in self.numbers.items():
            new = [f"{dossier}-{one:04}" for one in range(len(numbers) + 1, len(numbers) + documents + 1)]
            vat, lines = vat_of(dossier), (UblLine("100.00"),)
            write_files(self.folder / str(dossier), [Ubl(number, supplier=vat, lines=lines) for number in new])
            numbers.extend(new)

    async def start(self, house: Installation) -> list[UUID]:
        """Asks for a run of every connection."""
        begun = [await house.start_run(one) for one in self.connections.values()]
        self.runs += begun
        return begun

    async def ended(self, house: Installation, seconds: float = GUARD) -> list[dict[str, Any]]:
        """Waits for the end of all runs and until all is told: their rows."""
        rows = [await house.ended(run, seconds) for run in self.runs]
        for run in self.runs:
            await house.told(run)
        return rows

    def struck(self) -> list[str]:
        """Which faults the sandbox showed, in order."""
        return [row["fault"] for row in self.sandbox.requests.last(10_000) if row["fault"] not in (None, "latency")]

    def calls(self, operation: str = BOOKING) -> int:
        """How often the tool was asked to do something."""
        return len(self.sandbox.requests.last(10_000, operation))

    async def audit(self, house: Installation, heard: Told | None = None, *, calm: bool = True) -> Audit:
        """The sandbox's own books against what was asked for, the database and the results topic.

        `calm`: all documents are to have gone well, in order.
        """
        wanted = {str(dossier): [Wanted(number) for number in numbers] for dossier, numbers in self.numbers.items()}
        connections = {connection: str(dossier) for dossier, connection in self.connections.items()}
        heard = heard or told(await asyncio.to_thread(house.events, Topic.RESULTS))
        found = await compared(house.db, ToBook(wanted, connections), self.sandbox.books.entries(), heard, calm=calm)
        if calm:
            found.not_final += [*found.not_tried, *found.waiting]
        return found


async def cell(
    house: Installation,
    sandbox: Any,
    folder: Path,
    name: str,
    *,
    connections: int = 1,
    documents: int = 4,
    one_login: bool = False,
    **options: Any,
) -> Cell:
    """Connections to the first dossiers of `sandbox`: of a tenant each, or of one tenant with one login.

    Those of one login are spread over the partitions, so that no worker has all of them.
    """
    made = Cell(name, sandbox, folder)
    for dossier in range(FIRST, FIRST + connections):
        made.numbers[dossier] = []
    made.more(documents)
    if one_login:
        await _spread(house, sandbox, name, list(made.numbers))
    for dossier in made.numbers:
        made.connections[dossier] = await house.connection(
            sandbox,
            tenant=name if one_login else f"{name} {dossier}",
            entity=f"Huis {dossier} BV",
            vat=vat_of(dossier),
            folder=folder if one_login else folder / str(dossier),
            dossier=str(dossier),
            **options,
        )
    return made


async def _spread(house: Installation, sandbox: Any, tenant: str, dossiers: Sequence[int]) -> None:
    """Makes the administrations beforehand, each with an id whose partition the one before it does not have."""
    owner = await ensure_tenant(house.db, tenant)
    for at, dossier in enumerate(dossiers):
        ids = (uuid4() for _ in count())
        wanted = next(one for one in ids if partition_of(str(one).encode(), PARTITIONS) == at % PARTITIONS)
        await house.db.run(
            "INSERT INTO administration (id, tenant_id, plugin, host, tool_id, name) VALUES (%s, %s, %s, %s, %s, %s)",
            wanted,
            owner.id,
            "octopus",
            urlsplit(sandbox.base_url).netloc,
            str(dossier),
            str(dossier),
        )


def vat_of(dossier: int) -> str:
    """A sound number of a Belgian company for each dossier."""
    digits = 4030000 + dossier
    return f"BE0{digits:07}{97 - digits % 97:02}"


async def all_acked(house: Installation, seconds: float = GUARD) -> None:
    """Waits until the workers have acked all that is on the documents topic."""
    async with asyncio.timeout(seconds):
        while await asyncio.to_thread(behind, house):
            await asyncio.sleep(0.2)


def behind(house: Installation) -> int:
    """How many records of the documents topic the workers have not acked."""
    with workers_offsets(house) as (consumer, partitions):
        committed = {one.partition: one.offset for one in consumer.committed(partitions, timeout=60)}
        ends = {one.partition: consumer.get_watermark_offsets(one, timeout=60) for one in partitions}
    return sum(high - max(committed[at], low) for at, (low, high) in ends.items())


@contextmanager
def workers_offsets(house: Installation) -> Iterator[tuple[Consumer, list[TopicPartition]]]:
    """A client of the workers' group that is no member of it, and the partitions."""
    consumer = Consumer(
        {
            **house.services.kafka_security,
            "bootstrap.servers": house.services.kafka_bootstrap,
            "group.id": f"{house.prefix}.workers",
            "enable.auto.commit": False,
        }
    )
    try:
        yield consumer, [TopicPartition(Topic.DOCUMENTS.named(house.prefix), at) for at in range(PARTITIONS)]
    finally:
        consumer.close()


@asynccontextmanager
async def nobody_waits(house: Installation, *reasons: str) -> AsyncIterator[Mapping[UUID, set[Parked]]]:
    """Lets runs that are parked for minutes (for `reasons`) go on at once; how each was shown meanwhile.

    So are attempts looked for at once that the tool could not be asked about.
    """
    seen: dict[UUID, set[Parked]] = {}

    async def hurry() -> None:
        while True:
            for row in await house.db.all("SELECT * FROM run WHERE state = 'parked'"):
                code = row["park_issue"]["code"] if row["park_issue"] else None
                seen.setdefault(row["id"], set()).add(Parked(run_status(row), row["park_reason"], code))
                if row["park_reason"] in (reasons or ("tool_unavailable", "limit", "unexpected", "circuit")):
                    await house.db.run(
                        "UPDATE run SET parked_until = now() WHERE id = %s AND generation = %s AND state = 'parked'",
                        row["id"],
                        row["generation"],
                    )
            await house.db.run(
                """UPDATE link SET settle_due = clock_timestamp()
                   WHERE state = 'intent' AND settle_due > clock_timestamp() + interval '30 s'"""
            )
            await asyncio.sleep(0.2)

    task = asyncio.create_task(hurry())
    try:
        yield seen
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
