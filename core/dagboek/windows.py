"""Window, the second step of planning: the next items of a run, with what is pushed of them.

What is stored here is what goes out, even if its source changes meanwhile.
"""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import orjson
from dagboek_schemas.cloudevents import Record, headers_of
from dagboek_schemas.events import ItemReady, stable_id
from dagboek_schemas.issues import Issue
from dagboek_schemas.statuses import ItemKind
from dagboek_sdk import clock
from pydantic import BaseModel

from dagboek.database import Connection, Database, Jsonb
from dagboek.numbers import number_of, take_numbers
from dagboek.origins import Identified
from dagboek.plugins import Plugins
from dagboek.refusals import Refusal, remember
from dagboek.runs import held_back
from dagboek.selection import Kept
from dagboek.sources import fetched, reading

Row = Mapping[str, Any]
Snapshot = tuple[bytes, str]
"""Body and revision."""


async def store_window(
    db: Database, plugins: Plugins, run: Row, number: int, size: int, partition: int, kept: Kept
) -> bool:
    """Fetches and stores the next `size` items of a run, a row, as window `number`; False when there are none.

    What was `kept` of its selection is not fetched again.
    """
    held = held_back(run["component_errors"])
    items = await db.all(_NEXT_ITEMS, {"run": run["id"], "generation": run["generation"], "held": held, "size": size})
    if not items:
        return False
    bodies, faults, documents = await _bodies(db, plugins, run, items, kept)
    tool = plugins.tool(run["plugin"])
    numbers = {
        sequence: (once, one.identity, one.document)
        for sequence, one in documents.items()
        if (once := number_of(tool, one.document)) is not None
    }
    async with db.transaction() as connection:
        claimed = await connection.execute(
            """UPDATE run SET window_no = %s, published_at = NULL, partition = %s, moved_at = now()
               WHERE id = %s AND generation = %s AND state = 'active' AND window_no = %s""",
            (number, partition, run["id"], run["generation"], number - 1),
        )
        if claimed.rowcount == 0:
            return True
        await _store(connection, run, number, items, bodies)
        for sequence, issues in faults.items():
            await _skip(connection, run, sequence, issues)
        for sequence, issue in (await take_numbers(connection, run, numbers)).items():
            await _refuse(connection, run, sequence, issue, plugins.releases(run["plugin"]))
    return True


async def window_records(db: Database, run: Row, number: int) -> list[Record]:
    """What goes onto the log of a stored window: an event for each item that is still planned."""
    items = await db.all(
        """SELECT sequence, component, kind, identity, revision FROM item
           WHERE run_id = %s AND window_no = %s AND generation = %s AND state = 'planned' ORDER BY sequence""",
        run["id"],
        number,
        run["generation"],
    )
    return _ready(run, number, items)


def _ready(run: Row, number: int, items: Sequence[Row]) -> list[Record]:
    """Events of `ItemReady`. What they share is looked at once, and the model makes sure of one of them."""
    if not items:
        return []
    shared = {"run_id": run["id"], "tenant_id": run["tenant_id"], "connection_id": run["connection_id"]}
    shared |= {"administration_id": run["administration_id"], "tool": run["plugin"]}
    shared |= {"generation": run["generation"], "window": number}
    ItemReady.model_validate({**shared, **items[0]})
    key, now = str(run["administration_id"]).encode(), clock.now()
    records = []
    for at, item in enumerate(items):
        own = {name: value for name, value in item.items() if value is not None}
        marks = {"ask_next": at == len(items) // 2, "window_end": at == len(items) - 1}
        event_id = stable_id(run["id"], run["generation"], item["sequence"])
        value = orjson.dumps({**shared, **own, **marks})
        records.append(Record(key, value, headers_of(ItemReady.TYPE, event_id, time=now)))
    return records


async def _bodies(
    db: Database, plugins: Plugins, run: Row, items: Sequence[Row], kept: Kept
) -> tuple[dict[int, Snapshot], dict[int, Sequence[Issue]], dict[int, Identified]]:
    """Snapshots by sequence, the issues of what could not be fetched, and the documents that were.

    What may stand in the tool by now is not fetched again: it keeps its snapshot, whatever became of its source.
    """
    bodies: dict[int, Snapshot] = {}
    faults: dict[int, Sequence[Issue]] = {}
    documents: dict[int, Identified] = {}
    by_source: dict[UUID, list[Row]] = {}
    for item in items:
        if item["kind"] != ItemKind.PULL and not item["sent"]:
            by_source.setdefault(item["source_id"], []).append(item)
    for source_id, rows in by_source.items():
        known = kept.get(source_id, {})
        origins = {row["origin_id"]: None for row in rows if row["origin_id"] not in known}  # a party is of a document
        brought = await _fetch(db, plugins, run, source_id, list(origins)) if origins else {}
        for row in rows:
            origin = row["origin_id"]
            found = known.get(origin) or brought.get(origin, ())
            if isinstance(found, Identified) and (body := _snapshot(found, row)):
                bodies[row["sequence"]] = body
                if row["kind"] == ItemKind.DOCUMENT:
                    documents[row["sequence"]] = found
            else:
                faults[row["sequence"]] = _fault(found, row)
    return bodies, faults, documents


async def _fetch(
    db: Database, plugins: Plugins, run: Row, source_id: UUID, origins: Sequence[str]
) -> dict[str, Identified | Sequence[Issue]]:
    """By origin, documents of a source, or the issues of what is none."""
    source = await db.one("SELECT * FROM source WHERE id = %s", source_id)
    entity = await db.one("SELECT * FROM entity WHERE id = %s", run["entity_id"])
    assert source is not None
    assert entity is not None
    found: dict[str, Identified | Sequence[Issue]] = {}
    async with reading(db, plugins, source, entity) as reader:
        async for lot in fetched(reader, origins):
            for one in lot:
                found[one.origin_id] = Identified.of(one.document, entity) if one.document else one.issues
    return found


def _snapshot(read: Identified, item: Row) -> Snapshot | None:
    """What is pushed of an item; None where the document is another by now."""
    party = item["kind"] == ItemKind.PARTY
    body: BaseModel = read.document.other_party if party else read.document
    identity, revision = (read.party, read.party_revision) if party else (read.identity, read.revision)
    return (body.model_dump_json(exclude_defaults=True).encode(), revision) if identity == item["identity"] else None


def _fault(found: Identified | Sequence[Issue], item: Row) -> Sequence[Issue]:
    """Why there is nothing to be pushed of an item."""
    if isinstance(found, Identified):
        return [Issue(code="D22", facts={"origin": item["title"]})]
    return found or [Issue(code="D21", facts={"origin": item["title"] or item["origin_id"]})]


async def _store(
    connection: Connection, run: Row, number: int, items: Sequence[Row], bodies: Mapping[int, Snapshot]
) -> None:
    await connection.execute(
        """INSERT INTO snapshot (run_id, sequence, body)
           SELECT %b, s, b FROM unnest(%b::int[], %b::bytea[]) AS n(s, b)
           ON CONFLICT (run_id, sequence) DO UPDATE SET body = excluded.body""",
        (run["id"], list(bodies), [body for body, _ in bodies.values()]),
    )
    sequences = [item["sequence"] for item in items]
    revisions = [bodies[sequence][1] if sequence in bodies else None for sequence in sequences]
    await connection.execute(
        """UPDATE item i SET window_no = %b, generation = %b, revision = coalesce(n.revision, i.revision),
                  -- a person may have sent it again meanwhile
                  link_id = coalesce((SELECT l.id FROM link l WHERE l.administration_id = %b
                                      AND l.identity = i.identity AND l.current), i.link_id)
           FROM unnest(%b::int[], %b::text[]) AS n(sequence, revision)
           WHERE i.run_id = %b AND i.sequence = ANY(%b) AND i.sequence = n.sequence""",
        (number, run["generation"], run["administration_id"], sequences, revisions, run["id"], sequences),
    )


async def _skip(connection: Connection, run: Row, sequence: int, issues: Sequence[Issue]) -> None:
    await connection.execute(
        "UPDATE item SET state = 'skipped', issues = %s, outcome_at = now() WHERE run_id = %s AND sequence = %s",
        (Jsonb([issue.model_dump(mode="json") for issue in issues]), run["id"], sequence),
    )


async def _refuse(connection: Connection, run: Row, sequence: int, issue: Issue, releases: str) -> None:
    """Skips what was looked at: it is told, and not warned of anew each night while nothing changes."""
    found = await connection.execute(
        "SELECT link_id FROM item WHERE run_id = %s AND sequence = %s", (run["id"], sequence)
    )
    item = await found.fetchone()
    if item is not None and item["link_id"] is not None:
        written = orjson.dumps([issue.model_dump(mode="json")])
        await remember(connection, [Refusal(run["id"], sequence, item["link_id"], written, releases)])
    await _skip(connection, run, sequence, [issue])


# `sent`: its own attempt is open, and what that was made of stays what is planned. Written so that each item looks up
# one link: an index of what is open just now looks small, and would be read whole for each.
_NEXT_ITEMS = """
WITH unsettled AS MATERIALIZED (
    SELECT component, min(sequence) AS first FROM item
    WHERE run_id = %(run)s AND state = 'to_settle' AND component <> ALL(%(held)s) GROUP BY component
)
SELECT i.sequence, i.kind, i.identity, i.source_id, i.origin_id, i.title,
       coalesce(l.state = 'intent' AND l.run_id = i.run_id AND l.sequence = i.sequence, false) AS sent
FROM item i LEFT JOIN link l ON l.id = i.link_id
WHERE i.run_id = %(run)s AND i.state = 'planned' AND i.generation IS DISTINCT FROM %(generation)s
  AND i.component <> ALL(%(held)s)
  AND NOT EXISTS (SELECT 1 FROM unsettled u WHERE u.component <> i.component AND u.first < i.sequence)
ORDER BY i.sequence LIMIT %(size)s
"""
