"""A model of an accounting tool with the network before it, and the plugin that speaks to it.

What the tool holds is what the simulation is about: its books are looked at, and nothing of ours is believed.
"""

import asyncio
import itertools
import json
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextvars import Context
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from random import Random
from typing import Any, ClassVar

import aiohttp
from dagboek_schemas.documents import Document, Party
from dagboek_schemas.issues import Issue
from dagboek_schemas.statuses import Component, ItemKind
from dagboek_sdk import clock
from dagboek_sdk import http as production
from dagboek_sdk.accounting import About, AccountingPlugin, Administration, MappingContext, Settling
from dagboek_sdk.attempt import Absent, Accepted, Attempt, Booked, Booking, Candidate, Found, Resolution, Unknown
from dagboek_sdk.errors import AlreadyThere, NotProcessed, NumberTaken, Refused, Throttled, ToolError, Uncertain
from dagboek_sdk.hooks import hookimpl
from dagboek_sdk.http import Answer, Client
from dagboek_sdk.source import DocumentSource, Fetched, Listed, SourceAbout, SourceUnavailable
from pydantic import BaseModel
from simulation.loop import PROCESS, Process, VirtualLoop

CALL = 5.0
"""The call deadline. A request that was written arrives within it, or not at all: TCP_USER_TIMEOUT."""
BATCH = 3
"""Documents that go in one call, where the tool takes many."""
LATER = 40.0
"""Seconds after which a document is booked by a tool that books later, at most."""
LAG = 4.0
"""Seconds after which an entry is seen by every reader."""


@dataclass(slots=True)
class Entry:
    """What stands in the books."""

    id: str
    number: int
    reference: str
    kind: str
    at: float
    visible_at: float
    content: str
    key: str | None = None


@dataclass
class Books:
    """The books of one administration. `settling`: what the tool offers against booking twice."""

    settling: Settling
    entries: list[Entry] = field(default_factory=list)
    """Documents, in the order in which they were booked."""
    parties: list[Entry] = field(default_factory=list)
    refuses: set[str] = field(default_factory=set)
    """References that it does not take."""
    later: bool = False
    """It takes documents, and books them later."""
    waiting: dict[str, str] = field(default_factory=dict)
    """References of documents that it has taken and not booked, by token."""
    rejects: set[str] = field(default_factory=set)
    """References that it takes, and rejects once."""
    ended: dict[str, dict[str, Any]] = field(default_factory=dict)
    """What became of what it took, by token."""
    broken: set[str] = field(default_factory=set)
    """Of them, those for which it refuses a call of many as a whole."""

    def last(self) -> int:
        return max((entry.number for entry in self.entries), default=0)

    def of(self, reference: str) -> list[Entry]:
        return [entry for entry in self.entries if entry.reference == reference]


@dataclass
class Weather:
    """What goes wrong on the way, as chances per request."""

    late: float = 0.0
    lost: float = 0.0
    """The request never arrives."""
    unanswered: float = 0.0
    failed: float = 0.0
    """A 5xx without having booked."""
    failed_after: float = 0.0
    """A 5xx after having booked."""
    reset_after: float = 0.0
    midway: float = 0.0
    """Of a call of many a part is booked, or told."""
    maintenance: float = 0.0
    twice: float = 0.0
    """The request arrives twice: only where the tool can tell."""
    throttled: float = 0.0
    unreachable: float = 0.0
    down_until: float = 0.0


class Network:
    """Carries requests to the tool and answers back."""

    def __init__(self, loop: VirtualLoop, rng: Random) -> None:
        self.loop = loop
        self.rng = rng
        self.books: dict[str, Books] = {}
        self.weather = Weather()
        self.ids = itertools.count(1)
        self.trace: Callable[..., None] = lambda *_, **__: None
        self.sending: Callable[[Process | None], None] = lambda _: None
        self.requests = 0
        self.together: dict[str, list[str]] = {}
        """By entry that came in a call of many, all of that call, in its order."""

    def delay(self) -> float:
        return self.rng.uniform(0.01, 0.25 if self.rng.random() < 0.7 else 1.0)

    async def exchange(self, administration: str, method: str, request: Mapping[str, Any]) -> Answer:
        """One request and its answer. Raises what the HTTP library would raise."""
        weather, process = self.weather, PROCESS.get()
        await asyncio.sleep(self.delay() / 3)  # to connect
        if self.loop.time() < weather.down_until or self.rng.random() < weather.unreachable:
            raise aiohttp.ClientOSError(111, "refused")
        production._check_deadline()
        if process is not None and process.dead:
            raise OSError
        write = method == "POST"
        answered: asyncio.Future[Answer] = self.loop.create_future()
        fate = self._fate(write)
        arrival = self.rng.uniform(0.5, CALL - 0.05) if fate == "late" else self.delay()
        self.trace("sent", process, administration, request["json"], fate)
        if fate != "lost":
            arrive = (administration, dict(request["json"]), fate, answered, process)
            self.loop.call_later(arrival, self._arrive, *arrive, context=Context())
            if write and self.rng.random() < weather.twice and self._takes_once(administration, request["json"]):
                nobody: asyncio.Future[Answer] = self.loop.create_future()
                again = (administration, dict(request["json"]), "again", nobody, process)
                self.loop.call_later(arrival + self.delay() * 4, self._arrive, *again, context=Context())
        self.sending(process)
        return await answered

    def _takes_once(self, administration: str, asked: Mapping[str, Any]) -> bool:
        if asked["op"] == "update" or asked["kind"] == ItemKind.PARTY:
            return True
        return self.books[administration].settling.repeatable

    def _fate(self, write: bool) -> str:
        weather = self.weather
        names: tuple[str, ...] = ("late", "lost", "unanswered", "failed", "throttled", "maintenance")
        if write:
            names += ("failed_after", "reset_after", "midway")
        drawn = self.rng.random()
        for name in names:
            drawn -= getattr(weather, name)
            if drawn < 0:
                return name
        return "fine"

    def _arrive(
        self,
        administration: str,
        asked: dict[str, Any],
        fate: str,
        answered: "asyncio.Future[Answer]",
        process: Process | None,
    ) -> None:
        self.requests += 1
        if fate == "failed":
            answer = Answer(503, {}, b"{}")
        elif fate == "throttled":
            wait = self.rng.choice((None, 1, 3, 40))
            answer = Answer(429, {} if wait is None else {"Retry-After": str(wait)}, b"{}")
        elif fate == "maintenance":
            answer = Answer(200, {}, b"<html>We will be back soon</html>")
        elif fate == "midway" and asked["op"] == "batch":
            answer = self._midway(administration, asked)
        else:
            answer = self._answer(administration, asked)
            if fate == "failed_after":
                answer = Answer(500, {}, b"")
        if fate in ("unanswered", "again"):
            return
        back = aiohttp.ServerDisconnectedError() if fate == "reset_after" else answer
        context = process.context() if process is not None else Context()
        self.loop.call_later(self.delay(), _resolve, answered, back, context=context)

    # the tool itself

    def _answer(self, administration: str, asked: dict[str, Any]) -> Answer:
        books = self.books[administration]
        status, body = getattr(self, "_" + asked["op"])(books, asked)
        self.trace("tool", None, administration, asked, f"{status} {body}")
        return Answer(status, {}, json.dumps(body).encode())

    def _create(self, books: Books, asked: dict[str, Any]) -> tuple[int, Any]:
        party = asked["kind"] == ItemKind.PARTY
        kept = books.parties if party else books.entries
        settling = Settling.KEY if party else books.settling
        if asked["reference"] in books.refuses:
            return 422, {"refused": True}
        number = books.last() + 1
        if settling is Settling.NUMBER:
            number = asked["number"] or number
            if any(entry.number == number for entry in books.entries):
                return 409, {"taken": True, "last": books.last()}
        if settling is Settling.KEY and (there := [one for one in kept if one.key == asked["key"]]):
            if self.rng.random() < 0.5:
                return 200, {"id": there[0].id, "number": there[0].number}
            return 409, {"there": there[0].id}
        if books.later and not party:
            return 200, {"token": self._take(books, asked)}
        made = self.book(books, asked["reference"], asked["content"], number, asked["kind"], asked["key"])
        return 200, {"id": made.id, "number": made.number}

    def _take(self, books: Books, asked: dict[str, Any]) -> str:
        token = f"t{next(self.ids)}"
        books.waiting[token] = asked["reference"]
        self.loop.call_later(self.rng.uniform(1, LATER), self._end, books, token, asked, context=Context())
        return token

    def _end(self, books: Books, token: str, asked: dict[str, Any]) -> None:
        del books.waiting[token]
        if asked["reference"] in books.rejects:
            books.rejects.remove(asked["reference"])
            books.ended[token] = {"refused": True}
        else:
            made = self.book(books, asked["reference"], asked["content"], books.last() + 1, asked["kind"])
            made.visible_at = made.at  # else readers would see it neither here nor there for a while
            books.ended[token] = {"id": made.id, "number": made.number}
        self.trace("booked later", None, token, books.ended[token])

    def _poll(self, books: Books, asked: dict[str, Any]) -> tuple[int, Any]:
        return 200, {token: books.ended[token] for token in asked["tokens"] if token in books.ended}

    def _batch(self, books: Books, asked: dict[str, Any]) -> tuple[int, Any]:
        """One by one, in order; what comes behind a wrong one is not looked at."""
        documents = asked["documents"]
        if any(one["reference"] in books.broken for one in documents):
            return 422, {"refused": True}
        told: list[Any] = []
        for one in documents:
            stopped = any("refused" in before for before in told)
            told.append({"skipped": True} if stopped else self._create(books, one)[1])
            if "id" in told[-1]:
                self.together.setdefault(told[-1]["id"], [each["reference"] for each in documents])
        return 200, told

    def _midway(self, administration: str, asked: dict[str, Any]) -> Answer:
        """It breaks off after some, which it tells or not; or books all and tells some."""
        some = self.rng.randint(0, len(asked["documents"]))
        what = self.rng.choice(("untold", "told", "all"))
        taken = asked if what == "all" else {**asked, "documents": asked["documents"][:some]}
        answer = self._answer(administration, taken)
        if what == "untold" or answer.status != 200:
            return Answer(500, {}, b"") if answer.status == 200 else answer
        return Answer(200, {}, json.dumps(answer.json()[:some]).encode())

    def _update(self, books: Books, asked: dict[str, Any]) -> tuple[int, Any]:
        found = [one for one in (*books.entries, *books.parties) if one.id == asked["id"]]
        if not found:
            return 422, {"refused": True}
        found[0].content = asked["content"]
        return 200, {"id": found[0].id, "number": found[0].number}

    def _find(self, books: Books, asked: dict[str, Any]) -> tuple[int, Any]:
        kept = books.parties if asked["kind"] == ItemKind.PARTY else books.entries
        found = [
            {"id": one.id, "number": one.number, "reference": one.reference, "content": one.content}
            for one in kept
            if one.visible_at <= self.loop.time()
            and (one.reference == asked["reference"] or one.number == asked["number"])
        ]
        return 200, {"waits": True} if asked["reference"] in books.waiting.values() else found

    def _last(self, books: Books, _: dict[str, Any]) -> tuple[int, Any]:
        return 200, max((one.number for one in books.entries if one.visible_at <= self.loop.time()), default=0)

    def book(self, books: Books, reference: str, content: str, number: int, kind: str, key: Any = None) -> Entry:
        now = self.loop.time()
        lag = self.rng.choice((0.0, 0.1, self.rng.uniform(0, LAG)))
        made = Entry(f"e{next(self.ids)}", number, reference, kind, now, now + lag, content, key)
        (books.parties if kind == ItemKind.PARTY else books.entries).append(made)
        return made


def _resolve(answered: "asyncio.Future[Answer]", back: Answer | Exception) -> None:
    if answered.done():
        return
    if isinstance(back, Exception):
        answered.set_exception(back)
    else:
        answered.set_result(back)


NETWORK: dict[str, Network] = {}
"""The network of this simulation, under `it`."""


class SimClient(Client):
    """Production's client on the simulated network: the same deadline, checked before the first byte."""

    administration = ""

    async def _exchange(self, method: str, url: str, request: dict[str, Any]) -> Answer:
        async with asyncio.timeout(self.call_deadline):
            return await NETWORK["it"].exchange(self.administration, method, request)


class SimSettings(BaseModel):
    """None."""


class SimTool(AccountingPlugin):
    """The plugin of all characters; each is a tool of its own below."""

    about: ClassVar[About]

    def __init__(self, link: Any) -> None:
        super().__init__(link)
        client = SimClient(classify=self.classify, call_deadline=self.call_deadline, permits=link.permits)
        client.administration = link.administration
        self.client = client

    async def administrations(self) -> Sequence[Administration]:
        return ()

    @classmethod
    def limits(cls, settings: Any, administration: str, domain: str) -> Sequence[Any]:
        return ()

    async def lists(self) -> Any:
        return {}

    def map_party(self, party: Party, component: Component, context: MappingContext) -> Booking:
        return Booking({"content": party.name}, reference=party.source_id)

    def map_document(self, document: Document, component: Component, context: MappingContext) -> Booking:
        return Booking(
            {"content": document.order_reference},
            reference=document.number,
            series="S" if self.about.settling is Settling.NUMBER else None,
            gross=document.totals.gross,
            day=document.issue_date,
            currency=document.currency,
        )

    async def push(self, attempt: Attempt) -> Booked | Accepted:
        asked = self._asked(attempt)
        answer = await self.client.write(attempt, "POST", "sim://tool", group=None, json=asked)
        told = answer.json()
        return Accepted(told["token"]) if "token" in told else Booked(told["id"], str(told["number"]))

    async def poll(self, tokens: Sequence[str]) -> Mapping[str, Booked | ToolError]:
        asked = {"op": "poll", "kind": "document", "tokens": list(tokens)}
        answer = await self.client.read("GET", "sim://tool", group="", json=asked)
        return {token: _told(told) for token, told in answer.json().items()}

    async def push_batch(self, attempts: Sequence[Attempt]) -> Mapping[int, Booked | ToolError]:
        documents = [self._asked(one) for one in attempts]
        asked = {"op": "batch", "kind": "document", "documents": documents}
        answer = await self.client.write_batch(attempts, "POST", "sim://tool", group=None, json=asked)
        return {one.link_id: _told(told) for one, told in zip(attempts, answer.json(), strict=False)}

    def _asked(self, attempt: Attempt) -> dict[str, Any]:
        return {
            "op": str(attempt.op),
            "kind": str(attempt.kind),
            "reference": attempt.booking.reference,
            "content": attempt.booking.payload["content"],
            "number": attempt.series_number,
            "key": attempt.link_no,
            "id": attempt.entry_id,
        }

    async def last_number(self, series: str) -> int:
        asked = {"op": "last", "kind": "document"}
        answer = await self.client.read("GET", "sim://tool", group="", json=asked)
        return int(answer.json())

    async def resolve(self, attempts: Sequence[Attempt]) -> Mapping[int, Resolution]:
        found: dict[int, Resolution] = {}
        for attempt in attempts:
            settling = self.about.settling_of(attempt.kind, attempt.component)
            if settling is Settling.NONE:
                found[attempt.link_id] = Unknown("it cannot be searched")
                continue
            asked = {
                "op": "find",
                "kind": str(attempt.kind),
                "reference": attempt.booking.reference,
                "number": attempt.series_number,
            }
            answer = await self.client.read("GET", "sim://tool", group="", settling=True, json=asked)
            rows = answer.json()
            found[attempt.link_id] = Unknown("not booked yet") if "waits" in rows else self._resolution(attempt, rows)
        return found

    def _resolution(self, attempt: Attempt, rows: list[dict[str, Any]]) -> Resolution:
        update = attempt.op == "update"
        candidates = tuple(
            Candidate(
                row["id"],
                str(row["number"]),
                row["reference"],
                day=attempt.booking.day,
                gross=attempt.booking.gross,
                certain=attempt.kind is ItemKind.PARTY and not update,
            )
            for row in rows
            if not update or (row["id"] == attempt.entry_id and row["content"] == attempt.booking.payload["content"])
        )
        return Found(candidates) if candidates else Absent()

    def classify(self, answer: Answer) -> ToolError | None:
        if answer.status == 200:
            try:
                answer.json()
            except ValueError:
                return Uncertain("a page instead of an answer")
            return None
        if answer.status == 429:
            wait = answer.headers.get("Retry-After")
            return Throttled(clock.now() + timedelta(seconds=int(wait)) if wait else None)
        if answer.status == 422:
            return Refused(Issue(code="D34"))
        if answer.status == 409:
            told = answer.json()
            return NumberTaken(told["last"]) if "taken" in told else AlreadyThere(told["there"])
        return Uncertain(f"answer {answer.status}")


def _told(told: Mapping[str, Any]) -> Booked | ToolError:
    """What an answer says of one of many."""
    if "id" in told:
        return Booked(told["id"], str(told["number"]))
    if "there" in told:
        return AlreadyThere(told["there"])
    return NotProcessed() if "skipped" in told else Refused(Issue(code="D34"))


def _character(settling: Settling, *, parties: bool = False, batch: int = 1, later: bool = False) -> type[SimTool]:
    name = f"{settling}{'-batch' if batch > 1 else ''}{'-later' if later else ''}{'-parties' if parties else ''}"
    components = (Component.CUSTOMERS,) if parties else ()
    about = About(
        name=name,
        title=name,
        countries=frozenset({"BE"}),
        components=(*components, Component.SALES_INVOICES, Component.SALES_CREDIT_NOTES),
        settings=SimSettings,
        updates_documents=True,
        batch_size=batch,
        updates_parties=True,
        parties_inside_documents=not parties,
        settling=settling,
        party_settling=Settling.KEY,
        call_deadline=CALL,
        settle_lag=LAG,
        poll_seconds=15.0,
    )
    return type(f"Tool_{name}", (SimTool,), {"about": about})


_TOOLS = [
    *(_character(settling, parties=parties) for settling in Settling for parties in (False, True)),
    *(_character(settling, batch=BATCH) for settling in (Settling.KEY, Settling.LOOK_UP, Settling.NONE)),
    _character(Settling.LOOK_UP, parties=True, batch=BATCH),
    _character(Settling.LOOK_UP, later=True),
]
CHARACTERS = {tool.about.name: tool for tool in _TOOLS}
"""By name, such as `look_up`, `number-parties` for one that keeps customers as entries of their own, `key-batch`,
`look_up-later` for one that books later."""


@dataclass
class Shelf:
    """The documents of one entity, as its source has them."""

    documents: dict[str, Document] = field(default_factory=dict)
    fingerprints: dict[str, str] = field(default_factory=dict)
    away: bool = False


SHELVES: dict[str, Shelf] = {}
"""By the entity's name."""


class SimSource(DocumentSource):
    """Gives what stands on the shelf of its entity."""

    about = SourceAbout("sim", "Sim", SimSettings)

    async def list(self, since: Any) -> AsyncIterator[Sequence[Listed]]:
        shelf = self._shelf()
        yield [Listed(one, shelf.fingerprints[one], one) for one in shelf.documents]

    async def fetch(self, origin_ids: Sequence[str]) -> Sequence[Fetched]:
        shelf = self._shelf()
        return [Fetched(one, shelf.documents.get(one)) for one in origin_ids]

    async def attachment(self, ref: str) -> bytes:
        return b""

    def _shelf(self) -> Shelf:
        shelf = SHELVES[self.entity.name]
        if shelf.away:
            raise SourceUnavailable("It is away.")
        return shelf


class Hooks:
    """The plugin module."""

    __name__ = "simulation"

    @hookimpl
    def dagboek_accounting_plugins(self) -> Sequence[type[AccountingPlugin]]:
        return list(CHARACTERS.values())

    @hookimpl
    def dagboek_sources(self) -> Sequence[type[DocumentSource]]:
        return [SimSource]


GROSS = Decimal("121.00")
