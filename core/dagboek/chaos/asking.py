"""Whoever wants something booked: connections with documents of their own, their runs, and people who cannot wait."""

import asyncio
import time
from collections.abc import Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import aiohttp
import structlog
from confluent_kafka import KafkaException
from dagboek_schemas.statuses import Trigger
from dagboek_sdk.errors import ToolError
from dagboek_sdk.oauth import OAuth
from dagboek_sdk.settings import LedgerRule

from dagboek import connections, contexts, logins, proposals, sources, tenants
from dagboek.accepted import poll_soon
from dagboek.chaos.audit import NOT_ADAPTED, Asked, Wanted
from dagboek.chaos.flow import Flow
from dagboek.chaos.papers import COMPANY, NAME, Paper
from dagboek.chaos.sandboxes import Tool
from dagboek.chaos.schedule import CALL_DEADLINE, Lot, Retry, Wishes, documents_of
from dagboek.consent import Consent, NoConsent
from dagboek.database import AWAY, Database, Jsonb
from dagboek.plugins import Plugins
from dagboek.publisher import Publisher
from dagboek.resolve import CannotResolve, retry
from dagboek.runs import AlreadyRunning, NotReadyToSync, request_run
from dagboek.vault import Vault

log = structlog.get_logger()

SOURCE: Final = "ubl"
COUNTRY: Final = "BE"
BOUGHT: Final = "610000"
"""The ledger account of purchases, which a person chooses; the charts of all sandboxes have it."""
AT_ONCE: Final = 8
PASSES: Final = 120
"""Seconds that pass, each second or two, in a tool that has yet to book what it took."""
SHORT: Final = 3
"""Seconds after which a parked run goes on here, where it would wait for minutes for a tool that was away."""


class CannotAsk(Exception):
    """The connections of a trial cannot be set up. The text says why."""


@dataclass(frozen=True, slots=True)
class Customer:
    """One connection of the trial."""

    place: int
    tool: Tool
    tenant_id: UUID
    entity_id: UUID
    connection_id: UUID
    administration_id: UUID
    books: str
    folder: Path


@dataclass
class Asking:
    """All connections, and what was asked of them."""

    db: Database
    publisher: Publisher
    plugins: Plugins
    vault: Vault
    tools: Sequence[Tool]
    wishes: Wishes
    folder: Path
    customers: list[Customer] = field(default_factory=list)
    papers: dict[tuple[int, int], Paper] = field(default_factory=dict)
    """By connection and place, in their newest wording."""
    flow: Flow = field(default_factory=Flow)
    due: set[int] = field(default_factory=set)
    """Connections of which a run is to be asked for."""
    relations: Mapping[str, int] = field(default_factory=dict)
    """In each set of books at the beginning: a tool may keep the company itself among them."""
    reconnected: int = 0
    """Logins that the tool refused, which a person had to make good."""
    _tasks: dict[Any, asyncio.Task[None]] = field(default_factory=dict)
    _failed: list[BaseException] = field(default_factory=list)

    # set-up

    async def connect(self) -> None:
        """Makes all connections, to new books of the sandboxes in turn."""
        places = range(self.wishes.connections)
        ids: dict[int, str] = {}
        for at, tool in enumerate(self.tools):
            mine = places[at :: len(self.tools)]
            ids.update(zip(mine, await tool.add_books(len(mine)) if mine else [], strict=True))
        if len(set(ids.values())) < len(ids):
            raise CannotAsk("Books of two sandboxes have the same id; start one of them anew with other ids.")
        self.relations = await self._relations()
        gate = asyncio.Semaphore(AT_ONCE)

        async def one(place: int, books: str) -> Customer:
            async with gate:
                return await self._connect(place, self.tools[place % len(self.tools)], books)

        self.customers = list(await asyncio.gather(*(one(place, ids[place]) for place in places)))

    async def _connect(self, place: int, tool: Tool, books: str) -> Customer:
        folder = self.folder / f"{place:04}"
        folder.mkdir(parents=True)
        tenant = await tenants.ensure_tenant(self.db, f"Chaos {place:04}")
        entity = await tenants.ensure_entity(self.db, tenant.id, NAME, vat_number=COMPANY)
        await sources.ensure_source(self.db, self.plugins, tenant.id, SOURCE, "Chaos", {"folder": str(folder)})
        await tool.add_user(books)
        connection_id, administration_id = await self._log_in(tool, tenant.id, entity.id, books)
        opened = await connections.open_tool(self.db, self.plugins, self.vault, connection_id)
        try:
            version = await contexts.refresh(self.db, connection_id, opened)
        finally:
            await opened.close()
        context = await contexts.load(self.db, connection_id, version)
        settings = proposals.propose(context.lists, COUNTRY, check_vat_numbers=False).settings
        bought = settings.purchases.model_copy(update={"ledger_accounts": (LedgerRule(account=BOUGHT),)})
        settings = settings.model_copy(update={"purchases": bought})
        if faults := await connections.save_settings(self.db, self.plugins, connection_id, settings):
            raise CannotAsk(f"The settings that are proposed for {tool.name} do not fit: {faults[0]}")
        return Customer(place, tool, tenant.id, entity.id, connection_id, administration_id, books, folder)

    async def _log_in(self, tool: Tool, tenant_id: UUID, entity_id: UUID, books: str) -> tuple[UUID, UUID]:
        """Connects, or connects again; the connection and its administration."""

        async def consented(oauth: OAuth) -> Consent:
            return await tool.consent(oauth, books)

        begun = await connections.connect(
            self.db,
            self.plugins,
            self.vault,
            tenant_id=tenant_id,
            entity_id=entity_id,
            plugin=tool.name,
            given=self._login(tool),
            consent=consented,
        )
        chosen = next((one for one in begun.administrations if one.id == books), None)
        if chosen is None:
            raise CannotAsk(f"The sandbox has no books {books}.")
        row = await connections.choose_administration(self.db, self.plugins, self.vault, begun.connection_id, chosen)
        assert row.administration_id is not None
        return row.id, row.administration_id

    def _login(self, tool: Tool) -> dict[str, Any]:
        told = {**tool.credentials, "base_url": tool.base_url, "lift_limits": True}
        model = self.plugins.tool(tool.name).about.settings
        return logins.own_names(model, {**told, "call_deadline": CALL_DEADLINE})

    # what is asked

    async def give_out(self, lot: Lot) -> None:
        """New and changed documents appear at a connection, which then wants a run."""
        changed = [self.papers[lot.connection, place] for place in lot.changed]
        papers = [Paper(lot.connection, place) for place in range(lot.first, lot.last)]
        papers += [Paper(one.connection, one.place, one.wording + 1) for one in changed]
        customer = self.customers[lot.connection]
        self.papers.update({(one.connection, one.place): one for one in papers})
        await asyncio.to_thread(_write, papers, customer.folder)
        self.flow.asked[customer.books].append((time.time(), lot.last - lot.first))
        self.due.add(lot.connection)

    def ask(self) -> None:
        """Asks for the runs that are due, each in the background: servers may be away. Raises what failed there."""
        for failure in self._failed:
            raise failure
        for place in [*self.due]:
            self._begin(place, self._request(place))

    def ask_alone(self, wanted: Retry) -> None:
        """Asks for one document in a small run of its own."""
        self._begin(("retry", wanted), self._retry(wanted))

    def _begin(self, key: Any, work: Coroutine[Any, Any, None]) -> None:
        if key in self._tasks:
            work.close()
            return
        task = asyncio.get_running_loop().create_task(work)
        self._tasks[key] = task

        def done(ended: asyncio.Task[None]) -> None:
            self._tasks.pop(key, None)
            if not ended.cancelled() and (failure := ended.exception()) is not None:
                self._failed.append(failure)

        task.add_done_callback(done)

    async def _request(self, place: int) -> None:
        customer = self.customers[place]
        self.due.discard(place)
        try:
            await request_run(self.db, self.publisher, customer.connection_id, Trigger.MANUAL, "chaos")
        except NotReadyToSync:
            self.due.add(place)
            await self._reconnect(customer)
        except (AlreadyRunning, KafkaException, *AWAY):
            self.due.add(place)

    async def consent_again(self) -> None:
        """Where a login by consent cannot be renewed for minutes, a person does not wait for that.

        A token that ended before its time, and a lost answer to its renewal: the tool gives no other so soon.
        """
        rows = await self.db.all(
            """SELECT connection_id FROM run WHERE state = 'parked' AND park_reason = 'tool_unavailable'
               AND nullif(park_issue -> 'facts' ->> 'until', '?')::timestamptz > now() + interval '20 seconds'"""
        )
        waiting = {row["connection_id"] for row in rows}
        for one in self.customers:
            if one.connection_id in waiting and one.tool.consents:
                await self._reconnect(one, refused=False)

    async def _reconnect(self, customer: Customer, *, refused: bool = True) -> None:
        """A login that the tool refused is a person's business, who is here."""
        try:
            row = await connections.find(self.db, customer.connection_id)
            if refused and row.state is not connections.State.RECONNECT:
                return  # a run of it ended at this moment
            await self._log_in(customer.tool, customer.tenant_id, customer.entity_id, customer.books)
            self.reconnected += 1
        except (ToolError, NoConsent, aiohttp.ClientError, TimeoutError, OSError, *AWAY) as trouble:
            log.info("chaos.not_reconnected", error=type(trouble).__name__)

    async def _retry(self, wanted: Retry) -> None:
        customer = self.customers[wanted.connection]
        number = Paper(wanted.connection, wanted.document).number
        try:
            row = await self.db.one(
                "SELECT identity FROM document WHERE tenant_id = %s AND number = %s", customer.tenant_id, number
            )
            if row is not None:
                await retry(self.db, self.publisher, customer.administration_id, row["identity"], by="chaos")
        except (CannotResolve, NotReadyToSync, KafkaException, *AWAY):
            return

    async def settled(self) -> None:
        """Waits until nothing is being asked for any more."""
        while self._tasks:
            await asyncio.wait([*self._tasks.values()])
            await asyncio.sleep(0)

    # looking

    async def hurry(self) -> None:
        """Runs that wait for the tool go on within seconds. What waits for its own settling is left alone."""
        await self.db.run(
            """UPDATE run SET parked_until = now() + make_interval(secs => %s)
               WHERE state = 'parked' AND park_reason NOT IN ('settling', 'series')
                 AND parked_until > now() + make_interval(secs => %s)""",
            SHORT,
            SHORT,
        )

    async def pass_time(self) -> None:
        """Where a tool has taken what it books later, time passes there, and it is asked what became of that."""
        rows = await self.db.all(
            """SELECT DISTINCT l.administration_id, a.plugin FROM link l
               JOIN administration a ON a.id = l.administration_id WHERE l.state = 'accepted'"""
        )
        waiting = {row["plugin"] for row in rows}
        for tool in self.tools:
            if tool.name in waiting:
                await tool.books.do("clock", advance_seconds=PASSES)
        if rows:
            await poll_soon(self.db, [row["administration_id"] for row in rows])

    async def lanes(self) -> dict[str, frozenset[str]]:
        """The books that each worker's slot is at."""
        rows = await self.db.all(
            """SELECT l.slot, array_agg(a.tool_id) AS books
               FROM lane l JOIN administration a ON a.id = l.administration_id GROUP BY l.slot"""
        )
        return {row["slot"]: frozenset(row["books"]) for row in rows}

    async def latest(self) -> dict[int, Mapping[str, Any]]:
        """The latest whole run of each connection; `done` when nothing of it could be done by another one.

        What was accepted when it began, and is booked since, it has not compared. `waits`: the tool has accepted
        something, which a later run compares again once it is booked.
        """
        rows = await self.db.all(
            """SELECT l.*, l.status IN ('Success', 'Warning') AND NOT EXISTS (
                          SELECT 1 FROM item i WHERE i.run_id = l.id AND (i.state = 'accepted' OR l.status = 'Warning'
                          AND NOT i.issues @> %s AND i.state NOT IN ('synced', 'unchanged')))
                      AND NOT EXISTS (SELECT 1 FROM link b WHERE b.administration_id = l.administration_id
                          AND b.kind = 'document' AND b.state = 'booked' AND b.run_id <> l.id
                          AND b.updated_at > l.requested_at) AS done,
                      EXISTS (SELECT 1 FROM link WHERE link.administration_id = l.administration_id
                              AND link.state = 'accepted') AS waits
               FROM (SELECT DISTINCT ON (connection_id) connection_id, administration_id, id, state, status,
                            requested_at
                     FROM run WHERE NOT small ORDER BY connection_id, requested_at DESC) l""",
            Jsonb([{"code": NOT_ADAPTED}]),
        )
        by_id = {row["connection_id"]: row for row in rows}
        return {one.place: by_id[one.connection_id] for one in self.customers if one.connection_id in by_id}

    async def left_open(self) -> tuple[int, int]:
        """Runs that have not ended, and outcomes and ends that are not told."""
        row = await self.db.one(
            """SELECT (SELECT count(*) FROM run WHERE state <> 'ended') AS runs,
                      (SELECT count(*) FROM item WHERE outcome_at IS NOT NULL AND reported_at IS NULL)
                    + (SELECT count(*) FROM run_event WHERE reported_at IS NULL)
                    + (SELECT count(*) FROM link WHERE state IN ('intent', 'accepted')) AS rest"""
        )
        assert row is not None
        return row["runs"], row["rest"]

    async def statuses(self) -> dict[str, int]:
        """How the runs ended."""
        rows = await self.db.all("SELECT coalesce(status, state) AS name, count(*) AS number FROM run GROUP BY 1")
        return {row["name"]: row["number"] for row in rows}

    async def finish(self, entries: Sequence[Mapping[str, Any]]) -> None:
        """Notes when everything was booked, and when runs were open."""
        for entry in entries:
            self.flow.booked[str(entry["dossier"])].append(datetime.fromisoformat(entry["booked"]).timestamp())
        rows = await self.db.all(
            """SELECT connection_id, requested_at, coalesce(finished_at, now()) AS finished_at FROM run"""
        )
        books = {one.connection_id: one.books for one in self.customers}
        for row in rows:
            span = row["requested_at"].timestamp(), row["finished_at"].timestamp()
            self.flow.runs[books[row["connection_id"]]].append(span)

    async def doubled(self) -> list[str]:
        """Books with more relations than there are parties: one was made twice."""
        now, parties = await self._relations(), dict[str, set[int]]()
        for paper in self.papers.values():
            parties.setdefault(self.customers[paper.connection].books, set()).add(paper.party)
        made = {books: now[books] - self.relations[books] for books in parties}
        return [
            f"{books}: {made[books]} relations of {len(mine)} parties"
            for books, mine in parties.items()
            if made[books] > len(mine)
        ]

    async def _relations(self) -> dict[str, int]:
        return {books: number for tool in self.tools for books, number in (await tool.relations()).items()}

    def asked(self) -> Asked:
        """What must stand in the books."""
        documents: dict[str, list[Wanted]] = {one.books: [] for one in self.customers}
        for (place, _), paper in sorted(self.papers.items()):
            documents[self.customers[place].books].append(Wanted(paper.number, paper.total, paper.earlier))
        return Asked(documents, {one.connection_id: one.books for one in self.customers})

    @property
    def given_out(self) -> int:
        """How many documents were given out so far."""
        return len(self.papers)

    @property
    def wanted(self) -> int:
        """How many there are in all."""
        return sum(documents_of(self.wishes, place) for place in range(self.wishes.connections))


def _write(papers: Sequence[Paper], folder: Path) -> None:
    for paper in papers:
        paper.write(folder)
