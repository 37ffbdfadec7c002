"""Entities: the companies of a tenant."""

from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, Field

from dagboek.api.fields import Text
from dagboek.tenants import Entity, ensure_entity, entities_page, find_entity_by_id, vat_number_fault
from dagboek.web.caller import Connector, Reader
from dagboek.web.paging import Page, Paging, identifier, words
from dagboek.web.problems import Fault, Problem
from dagboek.web.routes import api_router

router = api_router("entities")

Number = Annotated[str, Field(max_length=40, pattern=r"^[^\x00]*$")]


class EntityShown(BaseModel):
    """A company of the tenant."""

    id: UUID
    name: str
    vat_number: str | None
    company_number: str | None
    country: str
    fiscal_year_start: int = Field(description="month, 1 to 12")


class NewEntity(BaseModel):
    """A company to be added, or to be completed."""

    name: Text
    vat_number: Number | None = None
    company_number: Number | None = None
    country: Annotated[str, Field(pattern="^[A-Z]{2}$")] | None = None
    fiscal_year_start: Annotated[int, Field(ge=1, le=12)] | None = None
    accept_number: bool = Field(
        False, strict=True, description="the VAT number is right although its check digit is not"
    )


def _shown(entity: Entity) -> EntityShown:
    return EntityShown(
        id=entity.id,
        name=entity.name,
        vat_number=entity.vat_number,
        company_number=entity.company_number,
        country=entity.country,
        fiscal_year_start=entity.fiscal_year_start,
    )


@router.get("/entities")
async def entities(caller: Reader, paged: Paging) -> Page[EntityShown]:
    """Companies of the tenant, by name."""
    after = paged.after(words, identifier)
    rows = await entities_page(
        caller.db, caller.tenant, after=(after[0], after[1]) if after else None, limit=paged.limit + 1
    )
    return paged.page(rows, _shown, lambda one: (one.name, one.id))


@router.get("/entities/{entity_id}")
async def entity(caller: Reader, entity_id: UUID) -> EntityShown:
    """One of them."""
    return _shown(await find_entity_by_id(caller.db, caller.tenant, entity_id))


@router.post("/entities", status_code=201)
async def add_entity(caller: Connector, given: NewEntity) -> EntityShown:
    """Add a company. One with this name is completed where nothing stood; what documents rest on is never changed."""
    fault = vat_number_fault(given.vat_number) if given.vat_number else None
    if fault is not None and (fault.certain or not given.accept_number):
        errors = [Fault(field="body.vat_number", message=fault.what)]
        raise Problem(422, "vat_number", fault.what, errors=errors, why=[fault.reason])
    made = await ensure_entity(
        caller.db,
        caller.tenant,
        given.name,
        vat_number=given.vat_number,
        company_number=given.company_number,
        country=given.country,
        fiscal_year_start=given.fiscal_year_start,
    )
    await caller.note("entity.add", made.id, name=made.name)
    return _shown(made)
