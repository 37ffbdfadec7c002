"""Tenants and their entities (companies with books of their own)."""

from dataclasses import dataclass
from uuid import UUID

import psycopg
from dagboek_schemas.identity import normal_number
from psycopg.rows import DictRow

from dagboek.database import Connection, Database
from dagboek.reasons import COMMAND_LINE, Reason, Refusal
from dagboek.rules.vat_numbers import Fault, vat_number


class Unusable(Refusal):
    """What was asked for cannot be found or used as it is. The text says why and what to do."""


class UnknownEntity(Unusable):
    """The tenant has no such entity."""


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


@dataclass(frozen=True, slots=True)
class NumberFault:
    """What is wrong with a VAT number as somebody wrote it."""

    reason: Reason
    certain: bool
    """False: it may be right all the same, if a person says so."""

    @property
    def what(self) -> str:
        """In English."""
        return self.reason.text


def vat_number_fault(written: str) -> NumberFault | None:
    """What is wrong with the VAT number of an entity: its form or its check digit. None: nothing.

    All documents are recognised by it, and whether one is a sale or a purchase is decided by it.
    """
    number = normal_number(written)
    read = vat_number(number, None)
    if read is None:
        if number[:2].isalpha() and any(sign.isdigit() for sign in number[2:]):
            text = f"{written} cannot be checked: how {number[:2]} makes its VAT numbers is not known."
            return NumberFault(Reason(text, "vat_country", {"number": written, "country": number[:2]}), False)
        text = f"{written} is no VAT number: it begins with the two letters of its country, such as BE0123456749."
        return NumberFault(Reason(text, "vat_number", {"number": written}), True)
    match read.fault:
        case Fault.FORM:
            text = f"{written} is no VAT number of {read.country}: its form is {read.form}."
            facts = {"number": written, "country": read.country, "form": read.form}
            return NumberFault(Reason(text, "vat_form", facts), True)
        case Fault.CHECK_DIGIT:
            text = f"The check digit of {written} is wrong: at least one digit is mistyped."
            return NumberFault(Reason(text, "vat_check_digit", {"number": written}), False)
    return None


async def ensure_tenant(db: Database, name: str) -> Tenant:
    """The tenant called `name`, made if there is none. Unusable for an empty name."""
    if not name.strip():
        raise Unusable("A tenant needs a name.", "tenant_unnamed")
    await db.run("INSERT INTO tenant (name) VALUES (%s) ON CONFLICT (name) DO NOTHING", name.strip())
    return await find_tenant(db, name.strip())


async def add_tenant(db: Database, name: str) -> Tenant:
    """A new tenant called `name`. Unusable for an empty name, and for one that another tenant has."""
    if not name.strip():
        raise Unusable("A tenant needs a name.", "tenant_unnamed")
    row = await db.one(
        "INSERT INTO tenant (name) VALUES (%s) ON CONFLICT (name) DO NOTHING RETURNING id, name", name.strip()
    )
    if row is None:
        raise Unusable(
            f"There is a tenant {name.strip()} already. Choose another name.", "tenant_taken", tenant=name.strip()
        )
    return Tenant(**row)


async def find_tenant(db: Database, name: str) -> Tenant:
    """The tenant with this name. Unusable when there is none."""
    row = await db.one("SELECT id, name FROM tenant WHERE name = %s", name)
    if row is None:
        names = ", ".join(found["name"] for found in await db.all("SELECT name FROM tenant ORDER BY name LIMIT 20"))
        raise Unusable(f"There is no tenant {name!r}. Known: {names or 'none'}.", COMMAND_LINE)
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

    The identity of every document rests on the entity's number and fiscal year, so they can be corrected only as long
    as no run and no document is known by them: Unusable when `name` has another number by then.
    """
    name, vat = name.strip(), normal_number(vat_number or "") or None
    company = normal_number(company_number or "") or None
    _check(name, country, fiscal_year_start)
    values = (tenant_id, name, vat, company, country or _country_of(vat), fiscal_year_start or 1)
    try:
        async with db.transaction() as connection:
            # Requesting a run takes the row too, by its foreign key.
            await connection.execute("SELECT 1 FROM entity WHERE tenant_id = %s AND name = %s FOR UPDATE", values[:2])
            entity = await _written(connection, values)
            changes = _changes(entity, vat, company, country, fiscal_year_start)
            if not changes:
                return entity
            if await _is_used(connection, entity.id):
                raise _refusal(entity, changes)
            return await _corrected(connection, entity, vat, company, country, fiscal_year_start)
    except psycopg.errors.ForeignKeyViolation as missing:
        raise Unusable(f"There is no tenant {tenant_id}.", COMMAND_LINE) from missing


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
        raise Unusable(f"The tenant has no entity {name!r}. Known: {known or 'none'}.", COMMAND_LINE)
    return _entity(row)


async def find_entity_by_id(db: Database, tenant_id: UUID, entity_id: UUID) -> Entity:
    """The tenant's entity with this id. UnknownEntity when there is none."""
    row = await db.one(
        """SELECT id, tenant_id, name, vat_number, company_number, country, fiscal_year_start FROM entity
           WHERE tenant_id = %s AND id = %s""",
        tenant_id,
        entity_id,
    )
    if row is None:
        raise UnknownEntity("There is no such entity.", "not_found")
    return _entity(row)


async def entities(db: Database, tenant_id: UUID) -> list[Entity]:
    """All entities of the tenant, by name."""
    return await entities_page(db, tenant_id, limit=None)


async def entities_page(
    db: Database, tenant_id: UUID, *, after: tuple[str, UUID] | None = None, limit: int | None
) -> list[Entity]:
    """Entities of the tenant by name, that come after the one with this name and id."""
    rows = await db.all(
        """SELECT id, tenant_id, name, vat_number, company_number, country, fiscal_year_start FROM entity
           WHERE tenant_id = %(tenant)s AND (%(name)s::text IS NULL OR (name, id) > (%(name)s, %(id)s::uuid))
           ORDER BY name, id LIMIT %(limit)s""",
        {
            "tenant": tenant_id,
            "name": after[0] if after else None,
            "id": after[1] if after else None,
            "limit": limit,
        },
    )
    return [_entity(row) for row in rows]


def _entity(row: DictRow) -> Entity:
    return Entity(**row)


def _check(name: str, country: str | None, fiscal_year_start: int | None) -> None:
    if not name:
        raise Unusable("An entity needs a name.", "company_unnamed")
    if country is not None and not (len(country) == 2 and country.isascii() and country.isupper()):
        raise Unusable(f"{country!r} is no country code of two capital letters, such as BE.", "country")
    if fiscal_year_start is not None and not 1 <= fiscal_year_start <= 12:
        raise Unusable(f"The fiscal year starts in a month from 1 to 12, not {fiscal_year_start}.", "fiscal_month")


def _country_of(vat_number: str | None) -> str:
    """The country that a VAT number begins with; Belgium where there is none."""
    prefix = (vat_number or "")[:2]
    return {"EL": "GR", "XI": "GB"}.get(prefix, prefix) if prefix.isalpha() and len(prefix) == 2 else "BE"


async def _written(connection: Connection, values: tuple[object, ...]) -> Entity:
    found = await connection.execute(
        """INSERT INTO entity AS e (tenant_id, name, vat_number, company_number, country, fiscal_year_start)
           VALUES (%s, %s, %s, %s, %s, %s)
           ON CONFLICT (tenant_id, name) DO UPDATE SET
               vat_number = coalesce(e.vat_number, excluded.vat_number),
               company_number = coalesce(e.company_number, excluded.company_number)
           RETURNING id, tenant_id, name, vat_number, company_number, country, fiscal_year_start""",
        values,
    )
    row = await found.fetchone()
    assert row is not None
    return _entity(row)


def _changes(
    entity: Entity, vat: str | None, company: str | None, country: str | None, fiscal_year_start: int | None
) -> dict[str, tuple[object, object]]:
    """What is given and differs: what it is, and what it would be."""
    wanted: dict[str, tuple[object, object]] = {
        "VAT number": (entity.vat_number, vat),
        "company number": (entity.company_number, company),
        "country": (entity.country, country),
        "first month of the fiscal year": (entity.fiscal_year_start, fiscal_year_start),
    }
    return {what: (has, given) for what, (has, given) in wanted.items() if given is not None and has != given}


async def _is_used(connection: Connection, entity_id: UUID) -> bool:
    """Whether documents of the entity are known, or a run may be finding them."""
    found = await connection.execute(
        """SELECT 1 WHERE EXISTS (SELECT 1 FROM run WHERE entity_id = %(entity)s)
                       OR EXISTS (SELECT 1 FROM document WHERE entity_id = %(entity)s)""",
        {"entity": entity_id},
    )
    return await found.fetchone() is not None


async def _corrected(
    connection: Connection,
    entity: Entity,
    vat: str | None,
    company: str | None,
    country: str | None,
    fiscal_year_start: int | None,
) -> Entity:
    country = country or (_country_of(vat) if vat and vat != entity.vat_number else None)
    found = await connection.execute(
        """UPDATE entity SET vat_number = coalesce(%s, vat_number), company_number = coalesce(%s, company_number),
                  country = coalesce(%s, country), fiscal_year_start = coalesce(%s, fiscal_year_start)
           WHERE id = %s
           RETURNING id, tenant_id, name, vat_number, company_number, country, fiscal_year_start""",
        (vat, company, country, fiscal_year_start, entity.id),
    )
    row = await found.fetchone()
    assert row is not None
    return _entity(row)


def _refusal(entity: Entity, changes: dict[str, tuple[object, object]]) -> Unusable:
    what, (has, given) = next(iter(changes.items()))
    return Unusable(
        f"{entity.name} is there already, with {what} {has}, not {given}. It was synchronised before, and its "
        "documents are recognised by it, so it is never changed: use another name for another company.",
        "company_differs",
        company=entity.name,
        what=what.replace(" ", "_"),
        has=has,
        given=given,
    )
