"""All tenants at a glance, and the people of the installation."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from dagboek_schemas.statuses import RunStatus

from dagboek.database import Database
from dagboek.status import run_status
from dagboek.web.rights import Role
from dagboek.web.signin.people import Belonging


@dataclass(frozen=True, slots=True)
class LatestRun:
    """The latest run of a tenant, of whatever connection."""

    id: UUID
    status: RunStatus
    at: datetime


@dataclass(frozen=True, slots=True)
class TenantSummary:
    """A line of the list of tenants."""

    id: UUID
    name: str
    created_at: datetime
    entities: int
    people: int
    connections: Mapping[str, int]
    """How many, by state."""
    open_runs: int
    person: int
    """Documents and parties that need a person."""
    last: LatestRun | None


@dataclass(frozen=True, slots=True)
class PersonRow:
    """Somebody who can sign in, or could."""

    id: UUID
    email: str
    name: str
    operator: bool
    disabled: bool
    has_password: bool
    tenants: tuple[Belonging, ...]


_TENANTS: Final = """
WITH page AS MATERIALIZED (
    SELECT id, name, created_at FROM tenant
    WHERE (%(id)s::uuid IS NULL OR id = %(id)s)
      AND (%(search)s::text IS NULL OR strpos(lower(name), lower(%(search)s)) > 0)
      AND (%(after)s::text IS NULL OR name > %(after)s)
    ORDER BY name LIMIT %(limit)s
)
SELECT page.*, r.number AS open_runs, n.number AS person, coalesce(c.states, '{}') AS connections,
       (SELECT count(*) FROM entity WHERE tenant_id = page.id) AS entities,
       (SELECT count(*) FROM membership WHERE tenant_id = page.id) AS people
FROM page
CROSS JOIN LATERAL (SELECT count(*) AS number FROM run WHERE tenant_id = page.id AND state <> 'ended') r
CROSS JOIN LATERAL (SELECT count(*) AS number FROM link
                    WHERE tenant_id = page.id AND current AND state = 'needs_person') n
LEFT JOIN LATERAL (SELECT jsonb_object_agg(state, number) AS states FROM (
    SELECT state, count(*) AS number FROM connection
    WHERE tenant_id = page.id AND deleted_at IS NULL GROUP BY state) s) c ON true
ORDER BY page.name
"""

_LATEST: Final = """
SELECT r.* FROM unnest(%s::uuid[]) AS t(id) CROSS JOIN LATERAL (
    SELECT * FROM run WHERE tenant_id = t.id ORDER BY requested_at DESC, id DESC LIMIT 1) r
"""


async def tenants_page(
    db: Database, *, search: str | None = None, after: str | None = None, limit: int
) -> list[TenantSummary]:
    """Tenants by name, after one of them. `search`: those with this in their name."""
    return await _summaries(db, {"id": None, "search": search, "after": after, "limit": limit})


async def one_tenant(db: Database, tenant_id: UUID) -> TenantSummary | None:
    """One of them; None where there is none."""
    found = await _summaries(db, {"id": tenant_id, "search": None, "after": None, "limit": 1})
    return found[0] if found else None


async def _summaries(db: Database, wanted: Mapping[str, Any]) -> list[TenantSummary]:
    rows = await db.all(_TENANTS, wanted)
    latest = {
        row["tenant_id"]: LatestRun(row["id"], run_status(row), row["finished_at"] or row["requested_at"])
        for row in await db.all(_LATEST, [row["id"] for row in rows])
    }
    return [TenantSummary(**row, last=latest.get(row["id"])) for row in rows]


_PEOPLE: Final = """
WITH page AS MATERIALIZED (
    SELECT id, email, name, operator, disabled_at IS NOT NULL AS disabled, password IS NOT NULL AS has_password
    FROM person {of}
    WHERE (%(id)s::uuid IS NULL OR id = %(id)s)
      AND (%(search)s::text IS NULL OR strpos(email, lower(%(search)s)) > 0
           OR strpos(lower(name), lower(%(search)s)) > 0)
      AND (%(after)s::text IS NULL OR email > %(after)s)
    ORDER BY email LIMIT %(limit)s
)
SELECT page.*, coalesce(m.tenants, '[]') AS tenants FROM page LEFT JOIN LATERAL (
    SELECT jsonb_agg(jsonb_build_array(t.id, t.name, m.role) ORDER BY t.name) AS tenants
    FROM membership m JOIN tenant t ON t.id = m.tenant_id WHERE m.person_id = page.id) m ON true
ORDER BY page.email
"""
_OF_TENANT: Final = "JOIN membership m ON m.person_id = person.id AND m.tenant_id = %(tenant)s"


async def people_page(
    db: Database,
    *,
    tenant_id: UUID | None = None,
    search: str | None = None,
    after: str | None = None,
    limit: int,
) -> list[PersonRow]:
    """People of all tenants or of one, by e-mail address, with everything that they are."""
    wanted = {"id": None, "tenant": tenant_id, "search": search, "after": after, "limit": limit}
    query = _PEOPLE.format(of=_OF_TENANT if tenant_id else "")
    return [_person(row) for row in await db.all(query, wanted)]


async def one_person(db: Database, person_id: UUID) -> PersonRow | None:
    """One of them; None where there is none."""
    row = await db.one(_PEOPLE.format(of=""), {"id": person_id, "search": None, "after": None, "limit": 1})
    return _person(row) if row else None


def _person(row: Mapping[str, Any]) -> PersonRow:
    tenants = tuple(Belonging(UUID(id_), name, Role(role)) for id_, name, role in row["tenants"])
    return PersonRow(**{**row, "tenants": tenants})
