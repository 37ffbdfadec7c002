"""Tenants and their entities (companies with books of their own)."""

from dataclasses import dataclass
from uuid import UUID

import psycopg
from dagboek_schemas.identity import normal_number
from psycopg.rows import DictRow

from dagboek.database import Database


class Unusable(Exception):
    """What was asked for cannot be found or used as it is. The text says why and what to do."""


@dataclass(frozen=True, slots=True)
class Tenant:
    """A customer account."""

    id: UUID
    name: str


@dataclass(frozen=True, slots=True)
class Entity:
    """One of a tenant's companies. Its numbers are normalised: `BE0123456749`."""

    id: UUID
    tenant_id: UUID
    name: str
    vat_number: str | None
    company_number: str | None
    country: str
    fiscal_year_start: int
    """Month, 1 to 12."""


async def ensure_tenant(db: Database, name: str) -> Tenant:
    """The tenant called `name`, made if there is none. Unusable for an empty name."""
    if not name.strip():
        raise Unusable("A tenant needs a name.")
    await db.run("INSERT INTO tenant (name) VALUES (%s) ON CONFLICT (name) DO NOTHING", name.strip())
    return await find_tenant(db, name.strip())


async def find_tenant(db: Database, name: str) -> Tenant:
    """The tenant with this name. Unusable when there is none."""
    row = await db.one("SELECT id, name FROM tenant WHERE name = %s", name)
    if row is None:
        names = ", ".join(found["name"] for found in await db.all("SELECT name FROM tenant ORDER BY name LIMIT 20"))
        raise Unusable(f"There is no tenant {name!r}. Known: {names or 'none'}.")
    return Tenant(**row)


async def ensure_entity(
    db: Database,
    tenant_id: UUID,
    name: str,
    *,
    vat_number: str | None = None,
    company_number: str | None = None,
    country: str | None = None,
    fiscal_year_start: int | None = None,
) -> Entity:
    """The tenant's entity called `name`, made if there is none; what is given is filled in where nothing stood.

    The identity of every document rests on the entity's number and fiscal year, so one that is there is not
    changed: Unusable when `name` has another number, or `vat_number` is another entity's.
    """
    name, vat = name.strip(), normal_number(vat_number or "") or None
    company = normal_number(company_number or "") or None
    _check(name, country, fiscal_year_start)
    try:
        row = await db.one(
            """INSERT INTO entity AS e (tenant_id, name, vat_number, company_number, country, fiscal_year_start)
               VALUES (%s, %s, %s, %s, %s, %s)
               ON CONFLICT (tenant_id, name) DO UPDATE SET
                   vat_number = coalesce(e.vat_number, excluded.vat_number),
                   company_number = coalesce(e.company_number, excluded.company_number)
               RETURNING id, tenant_id, name, vat_number, company_number, country, fiscal_year_start""",
            tenant_id,
            name,
            vat,
            company,
            country or _country_of(vat),
            fiscal_year_start or 1,
        )
    except psycopg.errors.ForeignKeyViolation as missing:
        raise Unusable(f"There is no tenant {tenant_id}.") from missing
    assert row is not None
    entity = _entity(row)
    _refuse_changes(
        entity,
        {
            "VAT number": (entity.vat_number, vat),
            "company number": (entity.company_number, company),
            "country": (entity.country, country),
            "first month of the fiscal year": (entity.fiscal_year_start, fiscal_year_start),
        },
    )
    return entity


async def find_entity(db: Database, tenant_id: UUID, name: str) -> Entity:
    """The tenant's entity with this name or VAT number. Unusable when there is none."""
    row = await db.one(
        """SELECT id, tenant_id, name, vat_number, company_number, country, fiscal_year_start FROM entity
           WHERE tenant_id = %s AND (name = %s OR vat_number = %s) ORDER BY name = %s DESC LIMIT 1""",
        tenant_id,
        name,
        normal_number(name),
        name,
    )
    if row is None:
        known = ", ".join(entity.name for entity in await entities(db, tenant_id))
        raise Unusable(f"The tenant has no entity {name!r}. Known: {known or 'none'}.")
    return _entity(row)


async def entities(db: Database, tenant_id: UUID) -> list[Entity]:
    """All entities of the tenant, by name."""
    rows = await db.all(
        """SELECT id, tenant_id, name, vat_number, company_number, country, fiscal_year_start FROM entity
           WHERE tenant_id = %s ORDER BY name""",
        tenant_id,
    )
    return [_entity(row) for row in rows]


def _entity(row: DictRow) -> Entity:
    return Entity(**row)


def _check(name: str, country: str | None, fiscal_year_start: int | None) -> None:
    if not name:
        raise Unusable("An entity needs a name.")
    if country is not None and not (len(country) == 2 and country.isascii() and country.isupper()):
        raise Unusable(f"{country!r} is no country code of two capital letters, such as BE.")
    if fiscal_year_start is not None and not 1 <= fiscal_year_start <= 12:
        raise Unusable(f"The fiscal year starts in a month from 1 to 12, not {fiscal_year_start}.")


def _country_of(vat_number: str | None) -> str:
    """The country that a VAT number begins with; Belgium where there is none."""
    prefix = (vat_number or "")[:2]
    return {"EL": "GR", "XI": "GB"}.get(prefix, prefix) if prefix.isalpha() and len(prefix) == 2 else "BE"


def _refuse_changes(entity: Entity, wanted: dict[str, tuple[object, object]]) -> None:
    for what, (has, given) in wanted.items():
        if given is not None and has != given:
            raise Unusable(
                f"{entity.name} is there already, with {what} {has}, not {given}. Documents are recognised by it, "
                "so it is never changed: use another name for another company."
            )
