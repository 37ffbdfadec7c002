"""Window, the second step of planning: the next items of a run, with what is pushed of them.

What is stored here is what goes out, even if its source changes meanwhile.
"""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from dagboek_schemas.cloudevents import Record, encode
from dagboek_schemas.events import ItemReady, stable_id
from dagboek_schemas.identity import party_identity
from dagboek_schemas.issues import Issue
from dagboek_schemas.revision import document_revision, party_revision
from dagboek_schemas.statuses import ItemKind
from dagboek_sdk.source import Fetched

from dagboek.database import Connection, Database, Jsonb
from dagboek.origins import identity_of
from dagboek.plugins import Plugins
from dagboek.runs import held_back
from dagboek.sources import fetched, reading

Row = Mapping[str, Any]
Snapshot = tuple[bytes, str]
"""Body and revision."""


async def store_window(db: Database, plugins: Plugins, run: Row, number: int, size: int, partition: int) -> bool:
    """Fetches and stores the next `size` items of a run, a row, as window `number`; False when there are none."""
    held = held_back(run["component_errors"])
    items = await db.all(_NEXT_ITEMS, {"run": run["id"], "generation": run["generation"], "held": held, "size": size})
    if not items:
        return False
    bodies, faults = await _bodies(db, plugins, run, items)
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
    return [_ready(run, number, item, at, len(items)) for at, item in enumerate(items)]


def _ready(run: Row, window: int, item: Row, at: int, size: int) -> Record:
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


async def _bodies(
    db: Database, plugins: Plugins, run: Row, items: Sequence[Row]
) -> tuple[dict[int, Snapshot], dict[int, Sequence[Issue]]]:
    """Snapshots by sequence, and the issues of what could not be fetched.

    What may stand in the tool by now is not fetched again: it keeps its snapshot, whatever became of its source.
    """
    bodies: dict[int, Snapshot] = {}
    faults: dict[int, Sequence[Issue]] = {}
    entity = await db.one("SELECT * FROM entity WHERE id = %s", run["entity_id"])
    assert entity is not None
    by_source: dict[UUID, list[Row]] = {}
    for item in items:
        if item["kind"] != ItemKind.PULL and not item["sent"]:
            by_source.setdefault(item["source_id"], []).append(item)
    for source_id, rows in by_source.items():
        brought = await _fetch(db, plugins, source_id, entity, rows)
        for row in rows:
            body, issues = _snapshot(entity, row, brought.get(row["origin_id"]))
            if body is None:
                faults[row["sequence"]] = issues
            else:
                bodies[row["sequence"]] = body
    return bodies, faults


async def _fetch(
    db: Database, plugins: Plugins, source_id: UUID, entity: Row, items: Sequence[Row]
) -> dict[str, Fetched]:
    """By origin, the documents of these items, which are all from one source."""
    source = await db.one("SELECT * FROM source WHERE id = %s", source_id)
    assert source is not None
    found: dict[str, Fetched] = {}
    async with reading(plugins, source, entity) as reader:
        origins = list(dict.fromkeys(item["origin_id"] for item in items))  # a party comes from a document
        async for lot in fetched(reader, origins):
            found |= {one.origin_id: one for one in lot}
    return found


def _snapshot(entity: Row, item: Row, brought: Fetched | None) -> tuple[Snapshot | None, Sequence[Issue]]:
    """What is pushed of an item, or why nothing can be."""
    if brought is None or brought.document is None:
        gone = Issue(code="D21", facts={"origin": item["title"] or item["origin_id"]})
        return None, brought.issues if brought and brought.issues else [gone]
    document = brought.document
    party = document.other_party
    if item["kind"] == ItemKind.PARTY:
        if party_identity(party) == item["identity"]:
            return (party.model_dump_json(exclude_defaults=True).encode(), party_revision(party)), ()
    elif identity_of(document, entity) == item["identity"]:
        return (document.model_dump_json(exclude_defaults=True).encode(), document_revision(document)), ()
    return None, [Issue(code="D22", facts={"origin": item["title"]})]


async def _store(
    connection: Connection, run: Row, number: int, items: Sequence[Row], bodies: Mapping[int, Snapshot]
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


async def _skip(connection: Connection, run: Row, sequence: int, issues: Sequence[Issue]) -> None:
    await connection.execute(
        "UPDATE item SET state = 'skipped', issues = %s, outcome_at = now() WHERE run_id = %s AND sequence = %s",
        (Jsonb([issue.model_dump(mode="json") for issue in issues]), run["id"], sequence),
    )


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
