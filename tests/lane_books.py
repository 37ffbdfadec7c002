"""A lane at work on a real PostgreSQL, with a tool that does what a test wants: no log, no network."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any, ClassVar, cast
from uuid import UUID, uuid4

from dagboek.database import Jsonb
from dagboek.lanes import Taken, take_lane
from dagboek.plugins import Plugins
from dagboek_schemas.cloudevents import Record
from dagboek_schemas.documents import Document, Party
from dagboek_schemas.events import ItemReady
from dagboek_schemas.revision import document_revision, party_revision
from dagboek_schemas.statuses import Component
from dagboek_schemas.topics import Topic
from dagboek_sdk.accounting import About, Settling
from dagboek_sdk.attempt import Attempt, Booked, Booking, Candidate, Resolution
from dagboek_sdk.settings import ConnectionSettings
from dagboek_workers.circuit import APART, Circuit
from dagboek_workers.lane import Lane, Work
from dagboek_workers.quarantine import Quarantine
from dagboek_workers.recorder import Recorder
from dagboek_workers.tool_loop import ToolLoop
from push_books import SERIES, Books


class Producer:
    """Delivers at once."""

    def __init__(self) -> None:
        self.sent: list[tuple[Topic, Record]] = []

    def send(self, topic: Topic, record: Record, delivered: Callable[[int, int], None], failed: Any) -> None:
        self.sent.append((topic, record))
        delivered(0, len(self.sent))

    async def publish(self, topic: Topic, records: Sequence[Record]) -> list[tuple[int, int]]:
        self.sent += [(topic, record) for record in records]
        return [(0, at) for at in range(len(records))]

    def types(self) -> list[str]:
        """Types of what was told."""
        return [dict(record.headers)["ce_type"].decode() for topic, record in self.sent if topic is Topic.RESULTS]


class AboutTool(SimpleNamespace):
    """What a tool says of itself, for tests to change."""

    component_settling: ClassVar[dict[Component, Settling]] = {}
    settling_of = About.settling_of


class Tool:
    """Takes a number once, as Octopus does, and books everything. Tests change what they are about."""

    call_deadline = 5.0
    resolve_deadline = 20.0
    settle_seconds = 30.0

    def __init__(self, **about: Any) -> None:
        self.about = AboutTool(
            **{
                "name": "x",
                "title": "X",
                "batch_size": 1,
                "batch_bytes": 4_000_000,
                "updates_parties": True,
                "updates_documents": True,
                "attachments": False,
                "attaches": False,
                "parties_inside_documents": True,
                "settling": Settling.NUMBER,
                "party_settling": Settling.KEY,
                **about,
            }
        )
        self.link = SimpleNamespace(permits=None)
        self.pushed: list[Attempt] = []

    def operation_group(self, attempt: Attempt) -> str | None:
        return None

    async def prepare(self) -> None:
        return

    async def prepare_for(self, attempts: Sequence[Attempt]) -> None:
        await self.prepare()

    def map_document(self, document: Document, *_: Any) -> Any:
        return Booking(
            {"number": document.number, "order": document.order_reference},
            reference=document.number,
            series=SERIES,
            gross=document.totals.gross,
            day=document.issue_date,
            currency=document.currency,
        )

    def map_party(self, party: Party, *_: Any) -> Booking:
        return Booking({"name": party.name})

    async def match_parties(self, parties: Mapping[str, Party]) -> Mapping[str, Sequence[Candidate]]:
        return {}

    async def last_number(self, series: str) -> int:
        return 0

    async def resolve(self, attempts: Sequence[Attempt]) -> Mapping[int, Resolution]:
        return {}

    async def push(self, attempt: Attempt) -> Any:
        self.pushed.append(attempt)
        attempt.sent = attempt.answer_ok = True
        return Booked(f"e{attempt.series_number}", str(attempt.series_number))


class Loop:
    """Stands in for the thread of a tool; the recorder and the database are real."""

    name = "x"
    title = "X"
    stopping = False

    def __init__(self, books: Books, tool: Any, circuit: Circuit | None = None) -> None:
        self.db = books.db
        self.administration = books.administration
        self.publisher = Producer()
        self.recorder = Recorder(books.db.url, cast("Any", self.publisher))
        self.lanes: dict[UUID, Lane] = {}
        self.holder = uuid4()
        self.quarantine = Quarantine()
        self.circuit = circuit or Circuit(APART)
        self.series: set[Any] = set()
        plugins = Plugins(entry_points=False)
        plugins.validate_document = plugins.validate_party = lambda *_: []  # type: ignore[method-assign,assignment]
        self.parts = SimpleNamespace(plugins=plugins)
        self._tool = tool
        self.batch_size = tool.about.batch_size if isinstance(tool, Tool) else 1

    @asynccontextmanager
    async def slot(self, _: UUID) -> AsyncIterator[None]:
        yield

    async def take_lane(self, administration: UUID) -> Taken:
        async with self.db.connection() as connection:
            return await take_lane(connection, administration, "1", self.holder)

    async def tool(self, _: Mapping[str, Any]) -> Any:
        if isinstance(self._tool, Exception):
            raise self._tool
        return self._tool

    async def release(self, _: UUID) -> None:
        return

    async def work(self, *events: ItemReady, seconds: float = 30) -> list[int]:
        """Has the lane work on these; the sequences of those that are finished."""
        lane = self.lanes.setdefault(self.administration, Lane(cast("ToolLoop", self), self.administration))
        done: list[int] = []
        for event in events:
            lane.put(Work(event, lambda event=event: done.append(event.sequence)))  # type: ignore[misc]
        async with asyncio.timeout(seconds):
            assert lane.task is not None
            await asyncio.shield(lane.task)
            for _ in range(2):
                await self.recorder.written()
                await asyncio.sleep(0.02)
        return done


LaneOf = Callable[[Any], Loop]
"""Makes the lane of some books at work with a tool."""


async def ready(books: Books) -> None:
    """The run has a context and a window on the log; the books were looked up and held nothing."""
    run = await books.db.one("SELECT connection_id FROM run WHERE id = %s", books.run)
    assert run is not None
    settings = ConnectionSettings().model_dump(mode="json")
    await books.db.run(
        "INSERT INTO mapping_context (connection_id, version, settings, lists) VALUES (%s, 1, %s, '{}')",
        run["connection_id"],
        Jsonb(settings),
    )
    await books.db.run(
        """UPDATE run SET context_version = 1, window_no = 1, published_at = now(), window_partition = 0,
                  window_offset = 1 WHERE id = %s""",
        books.run,
    )
    await books.db.run("UPDATE administration SET looked_up_at = now() WHERE id = %s", books.administration)


async def planned(books: Books, sequence: int, what: Document | Party, **link: Any) -> int:
    """An item with its snapshot and its link, as the planner leaves it: the link."""
    party = isinstance(what, Party)
    identity = f"{'p1' if party else 'd1'}:item{sequence}"
    (made,) = await books.links(identity=identity, kind="party" if party else "document", **link)
    await books.item(
        sequence,
        identity=identity,
        component="customers" if party else "sales_invoices",
        kind="party" if party else "document",
        title=what.name if isinstance(what, Party) else what.number,
        revision=revision_of(what),
        link_id=made,
        window_no=1,
        generation=1,
    )
    await snapshot(books, sequence, what)
    return made


async def snapshot(books: Books, sequence: int, what: Document | Party) -> None:
    """What the source gives of it from now on."""
    await books.db.run(
        """INSERT INTO snapshot (run_id, sequence, body) VALUES (%s, %s, %s)
           ON CONFLICT (run_id, sequence) DO UPDATE SET body = excluded.body""",
        books.run,
        sequence,
        what.model_dump_json(exclude_defaults=True).encode(),
    )
    await books.db.run(
        "UPDATE item SET revision = %s WHERE run_id = %s AND sequence = %s", revision_of(what), books.run, sequence
    )


def revision_of(what: Document | Party) -> str:
    """Its revision."""
    return party_revision(what) if isinstance(what, Party) else document_revision(what)


async def again(books: Books, generation: int) -> None:
    """The planner publishes what is left in this generation."""
    await books.db.run("UPDATE item SET generation = %s, window_no = 1 WHERE run_id = %s", generation, books.run)
    await books.db.run(
        "UPDATE run SET state = 'active', generation = %s, window_no = 1, published_at = now() WHERE id = %s",
        generation,
        books.run,
    )


def event(
    books: Books, sequence: int, *, generation: int = 1, window: int = 1, end: bool = False, party: bool = False
) -> ItemReady:
    """The event of an item."""
    return ItemReady.model_validate(
        {
            "run_id": books.run,
            "tenant_id": books.tenant,
            "connection_id": uuid4(),
            "administration_id": books.administration,
            "tool": "x",
            "generation": generation,
            "window": window,
            "sequence": sequence,
            "component": "customers" if party else "sales_invoices",
            "kind": "party" if party else "document",
            "identity": f"d1:item{sequence}",
            "window_end": end,
        }
    )
