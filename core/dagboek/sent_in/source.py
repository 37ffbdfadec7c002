"""What was sent in, as a source: listed and read like the documents of any other."""

import asyncio
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime
from typing import Any, ClassVar, Final
from uuid import UUID

from dagboek_schemas.documents import Attachment, Direction, Document
from dagboek_schemas.issues import Issue, Severity
from dagboek_sdk.source import DocumentReader, DocumentSource, EntityRef, Fetched, Listed, SourceAbout
from pydantic import BaseModel, ConfigDict

from dagboek.database import Database
from dagboek.sent_in import PLUGIN

LISTED_AT_ONCE: Final = 1000
READ_AT_ONCE: Final = 10
"""Documents whose bytes are held at a time."""
_REF: Final = re.compile(r"([0-9a-f-]{36})/(\d{1,9})([#+])(\d{1,9})", re.ASCII)
"""`DOCUMENT/VERSION#n`: the n-th file within it. With `+`: beside it."""


class NoSettings(BaseModel):
    """There is nothing to be set."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class SentIn(DocumentSource):
    """Documents that were sent in for one entity."""

    about: ClassVar[SourceAbout] = SourceAbout(name=PLUGIN, title="Sent in by API, or uploaded", settings=NoSettings)

    def __init__(
        self,
        settings: Any,
        entity: EntityRef,
        db: Database | None = None,
        readers: Mapping[str, type[DocumentReader]] | None = None,
        entity_id: UUID | None = None,
    ) -> None:
        """Core's own: it is given the database. An entity that is none yet was sent nothing."""
        super().__init__(settings, entity)
        self._db = db
        self._readers = readers or {}
        self._entity_id = entity_id

    async def list(self, since: datetime | None) -> AsyncIterator[Sequence[Listed]]:
        """Pages of all documents that were not withdrawn, in the order in which they came first."""
        if self._db is None or self._entity_id is None:
            return
        after = (None, None)
        while rows := await self._db.all(_LIST, {"entity": self._entity_id, "at": after[0], "id": after[1]}):
            yield [Listed(row["origin_id"], str(row["version"]), title=row["number"]) for row in rows]
            after = (rows[-1]["created_at"], rows[-1]["id"])

    async def fetch(self, origin_ids: Sequence[str]) -> Sequence[Fetched]:
        """The documents themselves; those that were withdrawn meanwhile are left out."""
        assert self._db is not None
        fetched: list[Fetched] = []
        for start in range(0, len(origin_ids), READ_AT_ONCE):
            part = list(origin_ids[start : start + READ_AT_ONCE])
            rows = await self._db.all(_FETCH, self._entity_id, part)
            by_id = {row["origin_id"]: row for row in rows}
            asked = [by_id[one] for one in part if one in by_id]
            fetched += await asyncio.to_thread(self._read_all, asked)
        return fetched

    async def attachment(self, ref: str) -> bytes:
        """The bytes of a file within or beside a document, in the version that it was booked from."""
        match = _REF.fullmatch(ref)
        if match is None or self._db is None:
            raise FileNotFoundError(ref)
        document, version, where, number = match.groups()
        query = _FILE if where == "+" else _BODY
        values = {"document": document, "version": int(version), "entity": self._entity_id, "position": int(number)}
        row = await self._db.one(query, values)
        if row is None:
            raise FileNotFoundError(ref)
        if where == "+":
            return bytes(row["body"])
        reader = self._readers.get(row["format"])
        if reader is None:
            raise FileNotFoundError(ref)
        return await asyncio.to_thread(reader().attachment, bytes(row["body"]), int(number))

    def _read_all(self, rows: Sequence[Mapping[str, Any]]) -> tuple[Fetched, ...]:
        return tuple(map(self._read, rows))

    def _read(self, row: Mapping[str, Any]) -> Fetched:
        reader = self._readers.get(row["format"])
        if reader is None:
            missing = Issue(code="D30", severity=Severity.ERROR, facts={"plugin": row["format"]})
            return Fetched(row["origin_id"], issues=(missing,))
        read = reader().read(bytes(row["body"]), row["file_name"] or row["number"])
        if read.document is None:
            return Fetched(row["origin_id"], issues=read.issues)
        given = {"direction": Direction(row["direction"]), "attachments": _files(row, read.document)}
        return Fetched(row["origin_id"], read.document.model_copy(update=given), read.issues)


def _files(row: Mapping[str, Any], document: Document) -> tuple[Attachment, ...]:
    """Files within a document and beside it, by their places in this version."""
    place = f"{row['id']}/{row['version']}"
    within = [one.model_copy(update={"ref": f"{place}#{one.ref.rpartition('#')[2]}"}) for one in document.attachments]
    beside = [
        Attachment(
            ref=f"{place}+{one['position']}", file_name=one["name"], media_type=one["media_type"], size=one["size"]
        )
        for one in row["files"]
    ]
    return (*within, *beside)


_LIST: Final = f"""
SELECT id, origin_id, version, number, created_at FROM sent_document
WHERE entity_id = %(entity)s AND withdrawn_at IS NULL
  AND (%(at)s::timestamptz IS NULL OR (created_at, id) > (%(at)s, %(id)s::uuid))
ORDER BY created_at, id LIMIT {LISTED_AT_ONCE}
"""

_FETCH: Final = """
SELECT s.id, s.origin_id, s.version, s.number, v.file_name, v.format, v.body, v.direction,
       coalesce(f.files, '[]') AS files
FROM sent_document s
JOIN sent_version v ON v.document_id = s.id AND v.version = s.version
LEFT JOIN LATERAL (
    SELECT json_agg(json_build_object('position', position, 'name', name, 'media_type', media_type, 'size', size)
                    ORDER BY position) AS files
    FROM sent_file WHERE document_id = s.id AND version = s.version
) f ON true
WHERE s.entity_id = %s AND s.origin_id = ANY(%s) AND s.withdrawn_at IS NULL
"""

_BODY: Final = """
SELECT v.format, v.body FROM sent_version v JOIN sent_document s ON s.id = v.document_id
WHERE v.document_id = %(document)s::uuid AND v.version = %(version)s AND s.entity_id = %(entity)s
"""

_FILE: Final = """
SELECT f.body FROM sent_file f JOIN sent_document s ON s.id = f.document_id
WHERE f.document_id = %(document)s::uuid AND f.version = %(version)s AND f.position = %(position)s
  AND s.entity_id = %(entity)s
"""
