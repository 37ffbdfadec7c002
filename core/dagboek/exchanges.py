"""Exchanges with a tool that were no plain success, kept for support. Redacted by the client that made them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from dagboek_sdk.http import Exchange

from dagboek.database import Database


@dataclass(frozen=True, slots=True)
class Kept:
    """An exchange of a run: when it was, for which document or party, what was asked and answered."""

    id: int
    at: datetime
    title: str | None
    method: str
    url: str
    status: int | None
    trouble: str | None
    request: str | None
    answer: str | None


async def store(db: Database, rows: Sequence[tuple[UUID, UUID, Exchange]]) -> None:
    """Stores exchanges of (administration, run)."""
    exchanges = [exchange for _, _, exchange in rows]
    await db.run(
        """INSERT INTO exchange (administration_id, run_id, link_id, method, url, status, request, answer, trouble)
           SELECT * FROM unnest(%s::uuid[], %s::uuid[], %s::bigint[], %s::text[], %s::text[], %s::int[], %s::text[],
                                %s::text[], %s::text[])""",
        [administration for administration, _, _ in rows],
        [run for _, run, _ in rows],
        [one.link_id for one in exchanges],
        [one.method for one in exchanges],
        [one.url for one in exchanges],
        [one.status for one in exchanges],
        *([_plain(getattr(one, name)) for one in exchanges] for name in ("request_body", "answer_body", "trouble")),
    )


async def of_run(
    db: Database, tenant_id: UUID, run_id: UUID, *, after: int = 0, limit: int | None = None
) -> list[Kept]:
    """What was kept of a run, in the order of time, after the exchange `after`."""
    rows = await db.all(
        """SELECT e.id, e.at, i.title, e.method, e.url, e.status, e.trouble, e.request, e.answer FROM exchange e
           JOIN run r ON r.id = e.run_id AND r.tenant_id = %s
           LEFT JOIN LATERAL (SELECT title FROM item WHERE run_id = e.run_id AND link_id = e.link_id LIMIT 1) i ON true
           WHERE e.run_id = %s AND e.id > %s ORDER BY e.id LIMIT %s""",
        tenant_id,
        run_id,
        after,
        limit,
    )
    return [Kept(**row) for row in rows]


async def of_document(db: Database, tenant_id: UUID, identity: str) -> list[Kept]:
    """What was kept of a document, newest first; the last hundred."""
    rows = await db.all(
        """SELECT e.id, e.at, d.number AS title, e.method, e.url, e.status, e.trouble, e.request, e.answer
           FROM document d JOIN connection c ON c.entity_id = d.entity_id
           JOIN link l ON l.administration_id = c.administration_id AND l.identity = d.identity
           JOIN exchange e ON e.link_id = l.id
           WHERE d.tenant_id = %s AND d.identity = %s ORDER BY e.id DESC LIMIT 100""",
        tenant_id,
        identity,
    )
    return list({row["id"]: Kept(**row) for row in rows}.values())


def _plain(text: str | None) -> str | None:
    """Text that PostgreSQL takes."""
    return text.replace("\x00", " ").encode("utf-8", "replace").decode() if text else text
