"""The trail: who did what, in which tenant. Rows are only ever added."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from dagboek.database import Database, Jsonb


@dataclass(frozen=True, slots=True)
class Deed:
    """A line of the trail."""

    id: int
    at: datetime
    who: str
    action: str
    """Such as `run.start`, `document.mark_booked`, `connection.settings`."""
    subject: str
    """Id of what it was done to."""
    details: dict[str, Any]


async def note(
    db: Database, tenant_id: UUID | None, who: str, action: str, subject: object = "", **details: Any
) -> None:
    """Adds a line; without a tenant it is for operators alone. No secrets, and of documents only their identity."""
    await db.run(
        "INSERT INTO trail (tenant_id, who, action, subject, details) VALUES (%s, %s, %s, %s, %s)",
        tenant_id,
        who,
        action,
        str(subject),
        Jsonb(details),
    )


async def deeds(db: Database, *, before: int | None = None, limit: int) -> list[Deed]:
    """Lines of the tenant that `db` shows, newest first."""
    rows = await db.all(
        """SELECT id, at, who, action, subject, details FROM trail
           WHERE %(before)s::bigint IS NULL OR id < %(before)s ORDER BY id DESC LIMIT %(limit)s""",
        {"before": before, "limit": limit},
    )
    return [Deed(**row) for row in rows]


@dataclass(frozen=True, slots=True)
class TenantDeed:
    """A line of the trail, and in which tenant it was done."""

    deed: Deed
    tenant_id: UUID | None
    tenant: str
    """Empty for what was done for none."""


async def all_deeds(db: Database, *, before: int | None = None, limit: int) -> list[TenantDeed]:
    """Lines of all tenants and of none, newest first; for operators."""
    rows = await db.all(
        """SELECT d.id, d.at, d.who, d.action, d.subject, d.details, d.tenant_id, coalesce(t.name, '') AS tenant
           FROM trail d LEFT JOIN tenant t ON t.id = d.tenant_id
           WHERE %(before)s::bigint IS NULL OR d.id < %(before)s
           ORDER BY d.id DESC LIMIT %(limit)s""",
        {"before": before, "limit": limit},
    )
    names = ("id", "at", "who", "action", "subject", "details")
    return [TenantDeed(Deed(**{name: row[name] for name in names}), row["tenant_id"], row["tenant"]) for row in rows]
