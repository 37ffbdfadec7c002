"""What was sent in, kept: each document with all its versions, and what may still be withdrawn."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

from dagboek_schemas.documents import Direction, Kind
from dagboek_schemas.issues import Issue

from dagboek.database import Connection, Database
from dagboek.documents import LAST_OF_DOCUMENT, LINK_OF_DOCUMENT, STANDING
from dagboek.reasons import Refusal
from dagboek.sent_in import PLUGIN
from dagboek.sent_in.arriving import Arrived, Sent
from dagboek.tenants import Entity, Unusable


class UnknownSent(LookupError):
    """The entity was sent no such document, or not in this version."""


class NotWithdrawn(Refusal):
    """It is in the books, or on its way there. The text says which, and what to do."""


class Outcome(StrEnum):
    """What became of a document that arrived."""

    NEW = "new"
    UNCHANGED = "unchanged"
    """It is here already, with this content."""
    CHANGED = "changed"
    """A new version of one that is here already."""


@dataclass(frozen=True, slots=True)
class Stored:
    """A document that is kept."""

    id: UUID
    version: int
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class SentRow:
    """A document that was sent in, as it was sent last."""

    id: UUID
    entity_id: UUID
    origin_id: str
    version: int
    direction: Direction
    kind: Kind
    number: str
    issue_date: date
    party_name: str
    gross: Decimal
    currency: str
    format: str
    file_name: str
    files: int
    sent_by: str
    sent_at: datetime
    withdrawn_at: datetime | None
    planned: bool
    """A synchronisation has looked at this version."""
    identity: str | None
    """Of the document, once a synchronisation has found it."""
    standing: str
    """Of `documents.Standing`, or withdrawn."""
    booking_number: str | None
    issues: tuple[Issue, ...]


@dataclass(frozen=True, slots=True)
class Content:
    """Bytes as they came."""

    body: bytes
    format: str
    """Name of a reader; for a file beside the document, its media type."""
    file_name: str


async def store(db: Database, entity: Entity, arrived: Arrived, who: str) -> Stored:
    """Keeps a document: committed when this returns. The same id again is the same document, in a new version if it
    differs.
    """
    digest = _digest(arrived.sent, arrived.document.direction)
    async with db.transaction() as connection:
        await ensure_source(connection, entity.tenant_id)
        row = await _row(connection, entity, arrived)
        if row["digest"] == digest and row["withdrawn_at"] is None:
            return Stored(row["id"], row["version"], Outcome.UNCHANGED)
        version = row["version"] + 1
        await _write(connection, row["id"], entity, arrived, digest=digest, version=version, who=who)
    return Stored(row["id"], version, Outcome.NEW if version == 1 else Outcome.CHANGED)


async def ensure_source(connection: Connection, tenant_id: UUID) -> None:
    """The tenant's source of what is sent in, made if it has none yet."""
    await connection.execute(
        "INSERT INTO source (tenant_id, plugin, name) VALUES (%s, %s, %s) ON CONFLICT DO NOTHING",
        (tenant_id, PLUGIN, PLUGIN),
    )
    found = await connection.execute("SELECT 1 FROM source WHERE tenant_id = %s AND plugin = %s", (tenant_id, PLUGIN))
    if await found.fetchone() is None:
        text = f"Another source of this tenant is called {PLUGIN}. Have an operator give it another name."
        raise Unusable(text, "source_in_the_way", name=PLUGIN)


async def _row(connection: Connection, entity: Entity, arrived: Arrived) -> Mapping[str, Any]:
    """The document's row, locked until the end of the transaction, made with version 0 if there is none."""
    document = arrived.document
    found = await connection.execute(
        """INSERT INTO sent_document AS s (tenant_id, entity_id, origin_id, direction, kind, number, issue_date,
                                           party_name, gross, currency)
           VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
           ON CONFLICT (entity_id, origin_id) DO UPDATE SET origin_id = s.origin_id
           RETURNING id, version, withdrawn_at,
                     (SELECT v.digest FROM sent_version v WHERE v.document_id = s.id AND v.version = s.version)""",
        (entity.tenant_id, entity.id, arrived.origin_id, document.direction, document.kind, document.number,
         document.issue_date, document.other_party.name, document.totals.gross, document.currency),
    )  # fmt: skip
    row = await found.fetchone()
    assert row is not None
    return row


async def _write(
    connection: Connection, id_: UUID, entity: Entity, arrived: Arrived, *, digest: str, version: int, who: str
) -> None:
    document, sent = arrived.document, arrived.sent
    await connection.execute(
        """UPDATE sent_document SET version = %s, direction = %s, kind = %s, number = %s, issue_date = %s,
                  party_name = %s, gross = %s, currency = %s, sent_at = clock_timestamp(), withdrawn_at = NULL
           WHERE id = %s""",
        (version, document.direction, document.kind, document.number, document.issue_date, document.other_party.name,
         document.totals.gross, document.currency, id_),
    )  # fmt: skip
    await connection.execute(
        """INSERT INTO sent_version (tenant_id, document_id, version, format, file_name, body, digest, direction,
                                     sent_by)
           VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)""",
        (entity.tenant_id, id_, version, sent.format, sent.file_name, sent.body, digest, document.direction, who),
    )
    for position, file in enumerate(sent.files, 1):
        await connection.execute(
            """INSERT INTO sent_file (tenant_id, document_id, version, position, name, media_type, size, body)
               VALUES (%s, %s, %s, %s, %s, %s, %s, %s)""",
            (entity.tenant_id, id_, version, position, file.name, file.media_type, len(file.body), file.body),
        )


async def page(
    db: Database, entity_id: UUID, *, after: tuple[datetime, UUID] | None = None, limit: int
) -> list[SentRow]:
    """Documents of an entity that were sent in, the latest first, that come after the one sent then."""
    values = {"entity": entity_id, "id": None, "limit": limit,
              "after_at": after[0] if after else None, "after_id": after[1] if after else None}  # fmt: skip
    return [_shown(row) for row in await db.all(_SENT, values)]


async def one(db: Database, entity_id: UUID, id_: UUID) -> SentRow:
    """One of them. UnknownSent."""
    values = {"entity": entity_id, "id": id_, "limit": 1, "after_at": None, "after_id": None}
    row = await db.one(_SENT, values)
    if row is None:
        raise UnknownSent("There is no such document.")
    return _shown(row)


async def content(db: Database, entity_id: UUID, id_: UUID, version: int | None = None) -> Content:
    """What was sent, as it came; the latest version where none is named. UnknownSent."""
    row = await db.one(
        """SELECT v.body, v.format, v.file_name FROM sent_document s
           JOIN sent_version v ON v.document_id = s.id AND v.version = coalesce(%s, s.version)
           WHERE s.id = %s AND s.entity_id = %s""",
        version,
        id_,
        entity_id,
    )
    if row is None:
        raise UnknownSent("There is no such document, or it has no such version.")
    return Content(**row)


async def file(db: Database, entity_id: UUID, id_: UUID, position: int, version: int | None = None) -> Content:
    """A file that came beside it, from 1. UnknownSent."""
    row = await db.one(
        """SELECT f.body, f.media_type AS format, f.name AS file_name FROM sent_document s
           JOIN sent_file f ON f.document_id = s.id AND f.version = coalesce(%s, s.version) AND f.position = %s
           WHERE s.id = %s AND s.entity_id = %s""",
        version,
        position,
        id_,
        entity_id,
    )
    if row is None:
        raise UnknownSent("There is no such file.")
    return Content(**row)


async def withdraw(db: Database, entity_id: UUID, id_: UUID) -> SentRow:
    """Takes a document back that is not booked: the next synchronisation does not find it. UnknownSent, NotWithdrawn.

    The row of the entity is held meanwhile. Whoever requests a run takes it too, by its foreign key: a run that begins
    later does not find the document, and one that began before is seen here.
    """
    row = await one(db, entity_id, id_)
    async with db.transaction() as connection:
        await connection.execute("SELECT 1 FROM entity WHERE id = %s FOR UPDATE", (entity_id,))
        for query, key, text in _IN_THE_WAY:
            found = await connection.execute(query, {"entity": entity_id, "origin": row.origin_id, "plugin": PLUGIN})
            if await found.fetchone() is not None:
                raise NotWithdrawn(text.format(number=row.number), key, number=row.number)
        await connection.execute(
            "UPDATE sent_document SET withdrawn_at = coalesce(withdrawn_at, now()) WHERE id = %s", (id_,)
        )
    return await one(db, entity_id, id_)


def _digest(sent: Sent, direction: Direction) -> str:
    """What makes a version: the same JSON written in another way is the same."""
    body = sent.body
    if sent.format == "json":
        body = json.dumps(json.loads(body), sort_keys=True).encode()
    parts = [sent.format.encode(), direction.encode(), body]
    parts += [part for one in sent.files for part in (one.name.encode(), one.media_type.encode(), one.body)]
    found = hashlib.sha256()
    for part in parts:
        found.update(len(part).to_bytes(8) + part)
    return found.hexdigest()


def _shown(row: Mapping[str, Any]) -> SentRow:
    plain = {name: row[name] for name in SentRow.__slots__ if name not in ("direction", "kind", "issues")}
    issues: Sequence[Any] = row["issues"] or ()
    return SentRow(
        **plain,
        direction=Direction(row["direction"]),
        kind=Kind(row["kind"]),
        issues=tuple(map(Issue.model_validate, issues)),
    )


# Where it stands is said of the document that a synchronisation has found it to be.
_SENT: Final = f"""
SELECT s.id, s.entity_id, s.origin_id, s.version, s.direction, s.kind, s.number, s.issue_date, s.party_name, s.gross,
       s.currency, v.format, v.file_name, v.sent_by, s.sent_at, s.withdrawn_at,
       (SELECT count(*) FROM sent_file f WHERE f.document_id = s.id AND f.version = s.version) AS files,
       coalesce(origin.fingerprint = s.version::text, false) AS planned, document.identity,
       CASE WHEN s.withdrawn_at IS NOT NULL THEN 'withdrawn'
            WHEN origin.duplicate_of IS NOT NULL THEN 'duplicate'
            WHEN document.identity IS NULL THEN 'waiting' ELSE {STANDING} END AS standing,
       CASE link.state WHEN 'booked' THEN coalesce(link.entry_number, link.entry_id) END AS booking_number,
       coalesce(nullif(origin.issues, '[]'), last.issues) AS issues
  FROM sent_document s
  JOIN sent_version v ON v.document_id = s.id AND v.version = s.version
  LEFT JOIN source ON source.tenant_id = s.tenant_id AND source.plugin = '{PLUGIN}'
  LEFT JOIN origin ON origin.source_id = source.id AND origin.entity_id = s.entity_id
                      AND origin.origin_id = s.origin_id
  LEFT JOIN document ON document.tenant_id = s.tenant_id AND document.identity = origin.identity
  LEFT JOIN LATERAL ({LINK_OF_DOCUMENT}) AS link ON true
  LEFT JOIN LATERAL ({LAST_OF_DOCUMENT}) AS last ON true
 WHERE s.entity_id = %(entity)s AND (%(id)s::uuid IS NULL OR s.id = %(id)s)
   AND (%(after_at)s::timestamptz IS NULL OR (s.sent_at, s.id) < (%(after_at)s, %(after_id)s::uuid))
 ORDER BY s.sent_at DESC, s.id DESC
 LIMIT %(limit)s
"""

_IN_THE_WAY: Final = (
    (
        """SELECT 1 FROM source JOIN origin o ON o.source_id = source.id
           JOIN entity ON entity.id = o.entity_id AND entity.tenant_id = source.tenant_id
           JOIN link l ON l.tenant_id = entity.tenant_id AND l.identity = o.identity AND l.current
           WHERE source.plugin = %(plugin)s AND o.entity_id = %(entity)s AND o.origin_id = %(origin)s
             AND o.duplicate_of IS NULL AND l.state <> 'free'""",
        "in_the_books",
        "{number} is in the books, or was sent there. Book a credit note, or delete the entry in the accounting tool.",
    ),
    (
        """SELECT 1 FROM run WHERE entity_id = %(entity)s AND state <> 'ended' AND (NOT selected OR EXISTS (
               SELECT 1 FROM item JOIN source ON source.id = item.source_id
               WHERE item.run_id = run.id AND source.plugin = %(plugin)s AND item.origin_id = %(origin)s
                 AND item.kind = 'document' AND item.state IN ('planned', 'to_settle')))""",
        "being_synced",
        "A synchronisation is at {number} just now. Wait until it has ended, or cancel it, and withdraw it then.",
    ),
)
