"""Planning in two steps: select what a run consists of, then publish it window by window (design section 4).

Select lists the sources once and writes an item for what is new, changed or due. A window takes the next items,
fetches and stores their snapshots, and is published; what was planned is what is pushed.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, TypeVar
from uuid import UUID

import structlog
from confluent_kafka import KafkaException
from dagboek_schemas.cloudevents import Record, encode
from dagboek_schemas.events import ItemReady, stable_id
from dagboek_schemas.identity import party_identity
from dagboek_schemas.issues import Issue, Severity
from dagboek_schemas.revision import document_revision, party_revision
from dagboek_schemas.statuses import Component, ItemKind, Trigger
from dagboek_schemas.topics import Topic
from dagboek_sdk import clock
from dagboek_sdk.accounting import About
from dagboek_sdk.source import DocumentSource, Fetched, Listed, SourceUnavailable

from dagboek import contexts, sources
from dagboek.admission import admit
from dagboek.database import AWAY, Connection, Database, Jsonb
from dagboek.fault_points import reached
from dagboek.origins import identity_of, register
from dagboek.plugins import Plugins, UnknownPlugin, unexpected
from dagboek.publisher import Publisher, partition_of
from dagboek.refusals import skip_known
from dagboek.runs import Next, advance, finish_run, held_back, park

log = structlog.get_logger()

T = TypeVar("T")

WINDOW = 200
FETCHED_AT_ONCE = 100
FIRST_WINDOW = 50
"""The first window is small, so that the first result is there soon."""

RETRY = timedelta(minutes=5)
"""How long a run that could not be planned is parked."""
SOURCE_DEADLINE = 120.0
"""Seconds that a source may take for a page of its list, or for a hundred documents."""
MOVES = timedelta(seconds=5)
"""How often a run that is listed says that it moves."""
SOURCE_PATIENCE = 900.0
"""Seconds that a run waits for its source, all in all."""

_INFRASTRUCTURE = (*AWAY, KafkaException)


@dataclass
class Planner:
    """Plans runs. Every step may be repeated: each is a compare-and-set on what it goes on from."""

    db: Database
    plugins: Plugins
    publisher: Publisher
    window: int = WINDOW
    partitions: int = 48
    """Of the documents topic."""
    at_work: Counter[UUID] = field(default_factory=Counter)
    """Runs that are planned at this moment."""

    async def start(self, run_id: UUID) -> None:
        """Selects, if that is still to be done, and publishes the first window.

        What goes wrong stays with the run, which is parked or ended with the reason; only trouble of the database or
        the broker is raised, and then the step is to be repeated.
        """
        await self._step(run_id, self._start(run_id))

    async def publish_window(self, run_id: UUID, generation: int, after: int) -> None:
        """Publishes the window after `after`. A command for a window that is published already is dropped.

        Trouble as with `start`.
        """
        await self._step(run_id, self._publish_window(run_id, generation, after))

    async def _step(self, run_id: UUID, step: Coroutine[Any, Any, None]) -> None:
        self.at_work[run_id] += 1
        try:
            await step
        except Exception as trouble:
            await self._stop_for(run_id, trouble)
        finally:
            self.at_work -= Counter({run_id: 1})  # none is left of a run that is not planned

    async def _start(self, run_id: UUID) -> None:
        run = await self.db.one(_BEGIN, run_id) or await self.db.one(_RUN, run_id)
        if run is None or run["state"] != "active":
            return
        if not run["selected"] and not await self._select(run):
            reached("run_finished")
        elif run["window_no"] <= 1:  # 1: it may be stored and not published
            await self._publish_window(run_id, run["generation"], 0)

    # trouble

    async def _stop_for(self, run_id: UUID, trouble: Exception) -> None:
        if isinstance(trouble, _INFRASTRUCTURE):
            raise trouble
        if isinstance(trouble, SourceUnavailable):
            await self._park(run_id, "source_unavailable", _error("D20", reason=str(trouble)))
        elif isinstance(trouble, UnknownPlugin):
            run = await self.db.one(
                "SELECT c.plugin FROM run r JOIN connection c ON c.id = r.connection_id WHERE r.id = %s", run_id
            )
            await self._park(run_id, "plugin_missing", _error("D30", plugin=run["plugin"] if run else "?"))
        elif isinstance(trouble, contexts.NoContext):
            async with self.db.connection() as connection:
                await finish_run(connection, run_id, broken=_error("B11", missing=str(trouble)))
        else:
            issue = unexpected("planner", trouble)
            await self._park(run_id, "unexpected", issue.model_copy(update={"severity": Severity.ERROR}))

    async def _park(self, run_id: UUID, reason: str, issue: Issue) -> None:
        """Parks a run that cannot be planned; a source that stays away ends it sooner than other trouble."""
        run = await self.db.one("SELECT * FROM run WHERE id = %s", run_id)
        if run is None:
            return
        async with self.db.transaction() as connection:
            if reason == "source_unavailable" and run["parked_seconds"] >= SOURCE_PATIENCE:
                await finish_run(connection, run_id, broken=issue)
            else:
                await park(connection, run_id, run["generation"], until=clock.now() + RETRY, reason=reason, issue=issue)

    # select

    async def _select(self, run: Mapping[str, Any]) -> bool:
        """Writes the items of a run. False when there is nothing to do: it has ended."""
        version = await contexts.newest(self.db, run["connection_id"])
        entity = await self.db.one("SELECT * FROM entity WHERE id = %s", run["entity_id"])
        assert entity is not None
        listed = await self.db.all("SELECT * FROM source WHERE tenant_id = %s ORDER BY created_at", run["tenant_id"])
        away: dict[UUID, Exception] = {}
        for source in listed:
            try:
                await self._list(run, source, entity)
            except _INFRASTRUCTURE:
                raise
            except Exception as trouble:  # the others are not held up
                away[source["id"]] = trouble
        if listed and len(away) == len(listed):
            raise away[listed[0]["id"]]
        async with self.db.transaction() as connection:
            found = await self._write_items(connection, run, version, away)
            if not found:
                await finish_run(connection, run["id"])
        return found

    async def _list(self, run: Mapping[str, Any], source: Mapping[str, Any], entity: Mapping[str, Any]) -> None:
        rows = await self.db.all(_KNOWN, source["id"], entity["id"])
        known = {row["origin_id"]: row["fingerprint"] for row in rows}
        gone, copies = set(known), any(row["copy"] for row in rows)
        told = clock.now()
        async with self._reader(source, entity) as reader:
            pages = aiter(reader.list(None))
            while (page := await _in_time(anext(pages, None))) is not None:
                gone.difference_update(one.origin_id for one in page)
                new = [one for one in page if known.get(one.origin_id) != one.fingerprint]
                await self._take(run, source, entity, reader, new)
                known |= {one.origin_id: one.fingerprint for one in new}
                copies = copies or bool(new)
                if clock.now() - told > MOVES:
                    await self.db.run("UPDATE run SET moved_at = now() WHERE id = %s", run["id"])
                    told = clock.now()
            if gone:
                await self.db.run(_FORGET, source["id"], entity["id"], list(gone))
            if copies:
                await self._take_heirs(run, source, entity, reader)

    @asynccontextmanager
    async def _reader(self, source: Mapping[str, Any], entity: Mapping[str, Any]) -> AsyncIterator[DocumentSource]:
        reader = sources.open_source(self.plugins, source, entity)
        try:
            yield reader
        finally:
            with suppress(SourceUnavailable):
                await _in_time(reader.close())

    async def _take_heirs(
        self, run: Mapping[str, Any], source: Mapping[str, Any], entity: Mapping[str, Any], reader: DocumentSource
    ) -> None:
        """A document whose first origin is gone, or is another document now, is taken from where else it is."""
        heirs = await self.db.all(_HEIRS, source["id"], entity["id"])
        listed = [Listed(row["origin_id"], row["fingerprint"], row["title"]) for row in heirs]
        await self._take(run, source, entity, reader, listed)

    async def _take(
        self,
        run: Mapping[str, Any],
        source: Mapping[str, Any],
        entity: Mapping[str, Any],
        reader: DocumentSource,
        listed: Sequence[Listed],
    ) -> None:
        """Fetches and registers these."""
        by_id = {one.origin_id: one for one in listed}
        ids = list(by_id)
        for at in range(0, len(ids), FETCHED_AT_ONCE):
            fetched = await _in_time(reader.fetch(ids[at : at + FETCHED_AT_ONCE]))
            lot = [(by_id[one.origin_id], one) for one in fetched]
            async with self.db.transaction() as connection:
                await register(connection, run["administration_id"], source, entity, lot)

    async def _write_items(
        self, connection: Connection, run: Mapping[str, Any], version: int, away: Mapping[UUID, Exception]
    ) -> bool:
        """Items of what is known, without what comes from sources that are `away`: those are told themselves.

        False when there are none.
        """
        held = await connection.execute(
            "SELECT id FROM run WHERE id = %s AND state = 'active' AND NOT selected FOR UPDATE", (run["id"],)
        )
        if await held.fetchone() is None:
            return True
        given = {
            "run": run["id"],
            "entity": run["entity_id"],
            "administration": run["administration_id"],
            "tenant": run["tenant_id"],
            "connection": run["connection_id"],
            "scope": Jsonb(run["scope"]) if run["scope"] is not None else None,
            "asked": (asked := run["trigger"] != Trigger.AUTOMATIC),
            "releases": None if asked else self.plugins.releases(run["plugin"]),
            "version": version,
            "away": list(away),
        }
        found = await _write_found(connection, self.plugins.tool(run["plugin"]).about, given)
        for source_id, trouble in away.items():
            issue = _source_issue(trouble)
            told = await connection.execute(
                _AWAY, given | {"source": source_id, "issues": Jsonb([issue.model_dump(mode="json")])}
            )
            found += told.rowcount
        if found:
            await _make_links(connection, given)
            await connection.execute(_NUMBER_ITEMS, {**given, "components": list(Component)})
        await connection.execute(
            "UPDATE run SET selected = true, context_version = %(version)s, moved_at = now() WHERE id = %(run)s", given
        )
        return found > 0

    # window

    async def _publish_window(self, run_id: UUID, generation: int, after: int) -> None:
        run = await self.db.one(_RUN, run_id)
        if run is None or run["state"] != "active" or run["generation"] != generation or not run["selected"]:
            return
        if run["window_no"] == after:
            if not await self._prepare(run, after + 1):
                # what is published is the lane's; only it can tell that something of it was lost
                step = await advance(self.db, run_id, generation, 0)
                if step.next is Next.WINDOW and step.generation != generation:
                    await self._publish_window(run_id, step.generation, step.window)
                return
        elif run["window_no"] != after + 1 or run["published_at"] is not None:
            return
        await self._publish(run, after + 1)

    async def _prepare(self, run: Mapping[str, Any], number: int) -> bool:
        """Fetches and stores the next items as window `number`; False when there are none."""
        size = FIRST_WINDOW if number == 1 else self.window
        items = await self.db.all(
            _NEXT_ITEMS, {**_window_of(run), "held": held_back(run["component_errors"]), "size": size}
        )
        if not items:
            return False
        bodies, faults = await self._bodies(run, items)
        async with self.db.transaction() as connection:
            claimed = await connection.execute(
                """UPDATE run SET window_no = %s, published_at = NULL, partition = %s, moved_at = now()
                   WHERE id = %s AND generation = %s AND state = 'active' AND window_no = %s""",
                (number, self._partition(run), run["id"], run["generation"], number - 1),
            )
            if claimed.rowcount == 0:
                return True
            await _store_window(connection, run, number, items, bodies)
            for sequence, issues in faults.items():
                await _skip(connection, run, sequence, issues)
        return True

    async def _bodies(
        self, run: Mapping[str, Any], items: Sequence[Mapping[str, Any]]
    ) -> tuple[dict[int, tuple[bytes, str]], dict[int, list[Issue]]]:
        """Snapshots and revisions by sequence, and the issues of what could not be fetched.

        What may stand in the tool by now is not fetched again: it keeps its snapshot, whatever became of its source.
        """
        bodies: dict[int, tuple[bytes, str]] = {}
        faults: dict[int, list[Issue]] = {}
        entity = await self.db.one("SELECT * FROM entity WHERE id = %s", run["entity_id"])
        assert entity is not None
        by_source: dict[UUID, list[Mapping[str, Any]]] = {}
        for item in items:
            if item["kind"] != ItemKind.PULL and not item["sent"]:
                by_source.setdefault(item["source_id"], []).append(item)
        for source_id, rows in by_source.items():
            source = await self.db.one("SELECT * FROM source WHERE id = %s", source_id)
            assert source is not None
            fetched: dict[str, Fetched] = {}
            async with self._reader(source, entity) as reader:
                ids = list(dict.fromkeys(row["origin_id"] for row in rows))  # a party comes from a document
                for at in range(0, len(ids), FETCHED_AT_ONCE):
                    read = await _in_time(reader.fetch(ids[at : at + FETCHED_AT_ONCE]))
                    fetched |= {one.origin_id: one for one in read}
            for row in rows:
                body, issues = _snapshot(entity, row, fetched.get(row["origin_id"]))
                if body is None:
                    faults[row["sequence"]] = issues
                else:
                    bodies[row["sequence"]] = body
        return bodies, faults

    def _partition(self, run: Mapping[str, Any]) -> int:
        return partition_of(str(run["administration_id"]).encode(), self.partitions)

    async def _publish(self, run: Mapping[str, Any], number: int) -> None:
        """Puts a stored window on the log if its partition has room for it. If not, it waits to be admitted."""
        reached("window_stored")
        if run["admitted_no"] < number and not await admit(self.db, self._partition(run), run["id"]):
            return
        reached("window_admitted")
        items = await self.db.all(
            """SELECT sequence, component, kind, identity, revision FROM item
               WHERE run_id = %s AND window_no = %s AND generation = %s AND state = 'planned' ORDER BY sequence""",
            run["id"],
            number,
            run["generation"],
        )
        records = [_ready(run, number, item, at, len(items)) for at, item in enumerate(items)]
        offsets = await self.publisher.publish(Topic.DOCUMENTS, records)
        reached("window_published")
        partition, offset = offsets[-1] if offsets else (None, None)
        if partition not in (None, self._partition(run)):  # counted where it is, all the same
            log.error("partition.unexpected", partition=partition, expected=self._partition(run))
        await self.db.run(
            """UPDATE run SET published_at = now(), window_partition = coalesce(%s, window_partition),
                      partition = coalesce(%s, partition), window_offset = coalesce(%s, window_offset), moved_at = now()
               WHERE id = %s AND generation = %s AND window_no = %s""",
            partition,
            partition,
            offset,
            run["id"],
            run["generation"],
            number,
        )
        if not items:
            await self._publish_window(run["id"], run["generation"], number)


async def _in_time(answer: Awaitable[T]) -> T:
    """What a source answers; one that hangs is away."""
    try:
        async with asyncio.timeout(SOURCE_DEADLINE):
            return await answer
    except TimeoutError:
        raise SourceUnavailable(f"It did not answer within {SOURCE_DEADLINE:.0f} seconds.") from None


def _source_issue(trouble: Exception) -> Issue:
    """What a person reads about a source that could not be listed."""
    if isinstance(trouble, SourceUnavailable | UnknownPlugin):
        return Issue(code="D20", facts={"reason": str(trouble)})
    return unexpected("source", trouble)


def _error(code: str, **facts: str) -> Issue:
    return Issue(code=code, severity=Severity.ERROR, facts=facts)


def _ready(run: Mapping[str, Any], window: int, item: Mapping[str, Any], at: int, size: int) -> Record:
    data = ItemReady(
        run_id=run["id"],
        tenant_id=run["tenant_id"],
        connection_id=run["connection_id"],
        administration_id=run["administration_id"],
        tool=run["plugin"],
        generation=run["generation"],
        window=window,
        sequence=item["sequence"],
        component=item["component"],
        kind=item["kind"],
        identity=item["identity"],
        revision=item["revision"],
        ask_next=at == size // 2,
        window_end=at == size - 1,
    )
    event_id = stable_id(run["id"], run["generation"], item["sequence"])
    return encode(data, type_=ItemReady.TYPE, event_id=event_id, key=run["administration_id"])


def _window_of(run: Mapping[str, Any]) -> dict[str, Any]:
    return {"run": run["id"], "generation": run["generation"]}


# `sent`: its own attempt is open, and what that was made of stays what is planned. Written so that each item looks up
# one link: an index of what is open just now looks small, and would be read whole for each.
_NEXT_ITEMS = """
WITH unsettled AS MATERIALIZED (
    SELECT component, min(sequence) AS first FROM item
    WHERE run_id = %(run)s AND state = 'to_settle' AND component <> ALL(%(held)s) GROUP BY component
)
SELECT i.*, coalesce(l.state = 'intent' AND l.run_id = i.run_id AND l.sequence = i.sequence, false) AS sent
FROM item i LEFT JOIN link l ON l.id = i.link_id
WHERE i.run_id = %(run)s AND i.state = 'planned' AND i.generation IS DISTINCT FROM %(generation)s
  AND i.component <> ALL(%(held)s)
  AND NOT EXISTS (SELECT 1 FROM unsettled u WHERE u.component <> i.component AND u.first < i.sequence)
ORDER BY i.sequence LIMIT %(size)s
"""


async def _store_window(
    connection: Connection,
    run: Mapping[str, Any],
    number: int,
    items: Sequence[Mapping[str, Any]],
    bodies: Mapping[int, tuple[bytes, str]],
) -> None:
    sequences = [item["sequence"] for item in items]
    await connection.execute(
        """INSERT INTO snapshot (run_id, sequence, body)
           SELECT %s, s, b FROM unnest(%s::int[], %s::bytea[]) AS n(s, b)
           ON CONFLICT (run_id, sequence) DO UPDATE SET body = excluded.body""",
        (run["id"], list(bodies), [body for body, _ in bodies.values()]),
    )
    await connection.execute(
        """UPDATE item i SET window_no = %s, generation = %s, revision = coalesce(n.revision, i.revision),
                  -- a person may have sent it again meanwhile
                  link_id = coalesce((SELECT l.id FROM link l WHERE l.administration_id = %s
                                      AND l.identity = i.identity AND l.current), i.link_id)
           FROM unnest(%s::int[], %s::text[]) AS n(sequence, revision)
           WHERE i.run_id = %s AND i.sequence = ANY(%s) AND i.sequence = n.sequence""",
        (
            number,
            run["generation"],
            run["administration_id"],
            sequences,
            [bodies.get(sequence, (b"", None))[1] for sequence in sequences],
            run["id"],
            sequences,
        ),
    )


async def _skip(connection: Connection, run: Mapping[str, Any], sequence: int, issues: Sequence[Issue]) -> None:
    await connection.execute(
        "UPDATE item SET state = 'skipped', issues = %s, outcome_at = now() WHERE run_id = %s AND sequence = %s",
        (Jsonb([issue.model_dump(mode="json") for issue in issues]), run["id"], sequence),
    )


def _snapshot(
    entity: Mapping[str, Any], row: Mapping[str, Any], fetched: Fetched | None
) -> tuple[tuple[bytes, str] | None, list[Issue]]:
    if fetched is None or fetched.document is None:
        gone = Issue(code="D21", facts={"origin": row["title"] or row["origin_id"]})
        return None, list(fetched.issues) if fetched and fetched.issues else [gone]
    document = fetched.document
    if row["kind"] == ItemKind.PARTY:
        party = document.other_party
        if party_identity(party) != row["identity"]:
            return None, [Issue(code="D22", facts={"origin": row["title"]})]
        return (party.model_dump_json(exclude_defaults=True).encode(), party_revision(party)), []
    if identity_of(document, entity) != row["identity"]:
        return None, [Issue(code="D22", facts={"origin": row["title"]})]
    return (document.model_dump_json(exclude_defaults=True).encode(), document_revision(document)), []


_HEIRS = """
SELECT o.origin_id, o.fingerprint, o.title FROM origin o
WHERE o.source_id = %s AND o.entity_id = %s AND o.duplicate_of IS NOT NULL
  AND NOT EXISTS (SELECT 1 FROM origin f WHERE f.entity_id = o.entity_id AND f.identity = o.identity
                  AND f.duplicate_of IS NULL)
"""

_KNOWN = """
SELECT origin_id, fingerprint, duplicate_of IS NOT NULL AS copy FROM origin WHERE source_id = %s AND entity_id = %s
"""

_FORGET = "DELETE FROM origin WHERE source_id = %s AND entity_id = %s AND origin_id = ANY(%s)"

_RUN = "SELECT r.*, c.plugin FROM run r JOIN connection c ON c.id = r.connection_id WHERE r.id = %s"

_BEGIN = """
UPDATE run r SET state = 'active', started_at = now(), moved_at = now() FROM connection c
WHERE r.id = %s AND r.state = 'requested' AND c.id = r.connection_id RETURNING r.*, c.plugin
"""

# what a run consists of

_DUE_PULL = """
INSERT INTO item (run_id, component, identity, kind, title)
SELECT %(run)s, '{component}', '{component}', 'pull', '' WHERE %(scope)s::jsonb IS NULL AND {due}
ON CONFLICT DO NOTHING
"""

# Lists serve the documents that are mapped by them: a night without any needs none.
_LEDGER_DUE = """(
    (%(asked)s OR EXISTS (SELECT 1 FROM item WHERE run_id = %(run)s AND kind = 'document' AND state = 'planned'))
    AND NOT EXISTS (SELECT 1 FROM pull_cursor WHERE connection_id = %(connection)s
                    AND name = 'ledger_accounts' AND pulled_at > now() - interval '12 hours')
    OR EXISTS (SELECT 1 FROM administration WHERE id = %(administration)s AND looked_up_at IS NULL)
)"""

_PAYMENTS_DUE = """
    NOT EXISTS (SELECT 1 FROM pull_cursor WHERE connection_id = %(connection)s
                AND name = 'payment_statuses' AND pulled_at > now() - interval '1 hour')
    AND EXISTS (SELECT 1 FROM link l LEFT JOIN payment_status p ON p.link_id = l.id
                WHERE l.administration_id = %(administration)s AND l.kind = 'document' AND l.state = 'booked'
                  AND p.state IS DISTINCT FROM 'paid')
"""

_PULLS = ((Component.LEDGER_ACCOUNTS, _LEDGER_DUE), (Component.PAYMENT_STATUSES, _PAYMENTS_DUE))

_NEW_DOCUMENTS = """
INSERT INTO item (run_id, component, identity, kind, sort_key, source_id, origin_id, title, party_identity, revision,
                  issues)
SELECT %(run)s, o.component, o.identity, 'document', o.sort_key, o.source_id, o.origin_id, o.title, o.party_identity,
       o.revision, o.issues -- remarks of its source: they stand beside the booking
FROM origin o
JOIN source s ON s.id = o.source_id AND s.tenant_id = %(tenant)s AND s.id <> ALL(%(away)s)
LEFT JOIN link l ON l.administration_id = %(administration)s AND l.identity = o.identity AND l.current
WHERE o.entity_id = %(entity)s AND o.identity IS NOT NULL AND o.duplicate_of IS NULL AND o.revision IS NOT NULL
  AND (%(scope)s::jsonb IS NULL OR %(scope)s::jsonb ? o.identity)
  AND NOT (o.issues @> '[{"code": "D07"}]')
  AND (l.id IS NULL OR l.state IN ('free', 'intent', 'needs_person')
       OR (l.state = 'booked' AND l.revision IS DISTINCT FROM o.revision
           AND l.acknowledged_revision IS DISTINCT FROM o.revision))
ON CONFLICT DO NOTHING
"""

_UNSUPPORTED = "DELETE FROM item WHERE run_id = %(run)s AND component = ANY(%(unsupported)s)"

_NEW_PARTIES = """
INSERT INTO item (run_id, component, identity, kind, sort_key, source_id, origin_id, title, revision)
SELECT DISTINCT ON (component, party_identity)
       %(run)s, component, party_identity, 'party', '', source_id, origin_id, title, party_revision
FROM (
    SELECT CASE WHEN i.component IN ('sales_invoices', 'sales_credit_notes') THEN 'customers' ELSE 'suppliers' END
               AS component,
           o.party_identity, o.source_id, o.origin_id, d.party_name AS title, o.party_revision, o.sort_key
    FROM item i
    JOIN origin o ON o.source_id = i.source_id AND o.entity_id = %(entity)s AND o.origin_id = i.origin_id
    JOIN document d ON d.tenant_id = %(tenant)s AND d.identity = i.identity
    WHERE i.run_id = %(run)s AND i.kind = 'document' AND i.state = 'planned'
) p
LEFT JOIN LATERAL (
    SELECT * FROM link l WHERE l.administration_id = %(administration)s AND l.identity = p.party_identity AND l.current
) l ON true
WHERE l.id IS NULL OR l.state IN ('free', 'intent', 'needs_person') OR l.revision IS DISTINCT FROM p.party_revision
   OR NOT p.component = ANY(l.roles)
ORDER BY component, party_identity, p.sort_key DESC
ON CONFLICT DO NOTHING
"""

_UNREADABLE = """
INSERT INTO item (run_id, component, identity, kind, sort_key, source_id, origin_id, title, state, issues, outcome_at)
SELECT %(run)s, coalesce(o.component, 'sales_invoices'),
       'o1:' || left(encode(sha256(convert_to(o.source_id || '/' || o.origin_id, 'UTF8')), 'hex'), 40),
       'document', 'a' || o.origin_id, o.source_id, o.origin_id, o.title,
       CASE WHEN o.issues @> '[{"severity": "warning"}]' OR o.issues @> '[{"severity": "error"}]'
            THEN 'skipped' ELSE 'not_ready' END, o.issues, now()
FROM origin o JOIN source s ON s.id = o.source_id AND s.tenant_id = %(tenant)s AND s.id <> ALL(%(away)s)
WHERE o.entity_id = %(entity)s AND %(scope)s::jsonb IS NULL AND o.issues <> '[]'
  AND (o.identity IS NULL OR o.duplicate_of IS NOT NULL OR o.issues @> '[{"code": "D07"}]')
ON CONFLICT DO NOTHING
"""

_AWAY = """
INSERT INTO item (run_id, component, identity, kind, title, state, issues, outcome_at)
SELECT %(run)s, 'sales_invoices', 'o1:' || left(encode(sha256(convert_to(s.id::text, 'UTF8')), 'hex'), 40), 'document',
       s.name, 'skipped', %(issues)s, now()
FROM source s WHERE s.id = %(source)s
  AND (%(scope)s::jsonb IS NULL OR EXISTS (SELECT 1 FROM origin o WHERE o.source_id = s.id AND o.entity_id = %(entity)s
                                           AND %(scope)s::jsonb ? o.identity))
"""

# Through a list of places: joined by key, each item may be compared with each, as a new run is taken for a small one.
_NUMBER_ITEMS = """
WITH ordered AS (
    SELECT array_agg(i.ctid ORDER BY array_position(%(components)s::text[], i.component), i.sort_key, i.identity)
               AS places
    FROM item i WHERE i.run_id = %(run)s
)
UPDATE item i SET sequence = n.number - 1,
       link_id = coalesce(i.link_id, (SELECT l.id FROM link l WHERE l.administration_id = %(administration)s
                                      AND l.identity = i.identity AND l.current))
FROM ordered, unnest(places) WITH ORDINALITY AS n(place, number)
WHERE i.ctid = n.place
"""


async def _write_found(connection: Connection, about: About, given: Mapping[str, Any]) -> int:
    """Writes the items that a run consists of, as yet without links and order; how many."""
    new = await connection.execute(_NEW_DOCUMENTS, given)
    found = new.rowcount
    if found:
        unsupported = [component for component in Component if component not in about.components]
        dropped = await connection.execute(_UNSUPPORTED, {**given, "unsupported": unsupported})
        found -= dropped.rowcount
        if not given["asked"]:
            await skip_known(connection, given, ItemKind.DOCUMENT)
    if found and not about.parties_inside_documents:
        found += (await connection.execute(_NEW_PARTIES, given)).rowcount
        if not given["asked"]:
            await skip_known(connection, given, ItemKind.PARTY)
    found += (await connection.execute(_UNREADABLE, given)).rowcount
    for component, due in _PULLS:
        if component in about.components:
            found += (await connection.execute(_DUE_PULL.format(component=component, due=due), given)).rowcount
    return found


async def _make_links(connection: Connection, given: Mapping[str, Any]) -> None:
    """A link for every item that has none; its number is taken from the administration."""
    found = await connection.execute(
        """SELECT count(DISTINCT i.identity) AS missing FROM item i
           WHERE i.run_id = %(run)s AND i.kind <> 'pull' AND i.state = 'planned'
             AND NOT EXISTS (SELECT 1 FROM link l WHERE l.administration_id = %(administration)s
                             AND l.identity = i.identity AND l.current)""",
        given,
    )
    row = await found.fetchone()
    if not row or not row["missing"]:
        return
    taken = await connection.execute(
        """UPDATE administration SET next_link_no = next_link_no + %(missing)s WHERE id = %(administration)s
           RETURNING next_link_no - %(missing)s AS first""",
        {**given, "missing": row["missing"]},
    )
    first = await taken.fetchone()
    assert first is not None
    await connection.execute(
        """INSERT INTO link (tenant_id, administration_id, identity, kind, link_no)
           SELECT %(tenant)s, %(administration)s, identity, kind,
                  %(first)s + row_number() OVER (ORDER BY identity)::int - 1
           FROM (SELECT DISTINCT i.identity, i.kind FROM item i
                 WHERE i.run_id = %(run)s AND i.kind <> 'pull' AND i.state = 'planned'
                   AND NOT EXISTS (SELECT 1 FROM link l WHERE l.administration_id = %(administration)s
                                   AND l.identity = i.identity AND l.current)) missing
           ON CONFLICT DO NOTHING""",
        {**given, "first": first["first"]},
    )
