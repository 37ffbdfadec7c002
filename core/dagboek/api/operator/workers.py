"""Workers and lanes; limits of tools and their use."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import Query
from pydantic import BaseModel, Field

from dagboek.api.fields import Shown
from dagboek.installation import quotas, workers
from dagboek.web.caller import Operator
from dagboek.web.paging import Page, Paging, identifier, number, words
from dagboek.web.routes import api_router

router = api_router("operator")

Name = Annotated[str, Query(min_length=1, max_length=300, pattern=r"^[^\x00]*$")]
Slot = Annotated[str | None, Query(max_length=100, pattern=r"^[^\x00]*$", description="of one worker")]


class WorkerShown(Shown):
    """A worker's slot, and the process that took it last."""

    slot: str
    lives: bool = Field(description="it was seen in the last half minute, and has not ended")
    taken_at: datetime = Field(description="when the process took the slot")
    seen_at: datetime = Field(description="when it said last that it lives; it does every few seconds")
    ended_at: datetime | None = Field(description="when it ended in order")
    lanes: int = Field(description="administrations that it holds")


class WorkersShown(BaseModel):
    """All workers."""

    items: list[WorkerShown]


class LaneShown(Shown):
    """An administration in the hands of a worker."""

    administration_id: UUID
    administration: str
    tool: str
    tenant_id: UUID
    tenant: str
    slot: str
    taken_at: datetime
    epoch: int = Field(description="how often it was taken")
    suspect: bool = Field(description="whoever held it before did not give it back")
    run_id: UUID | None = Field(description="the run at work in it; null between two")
    run_state: str | None
    sending: int = Field(description="attempts without an answer yet")
    sending_since: datetime | None
    to_settle: int = Field(description="attempts of which nobody knows what came")


class QuotaShown(Shown):
    """A limit of a tool, and what is used of it."""

    key: str = Field(description="who shares it")
    group: str = Field(description="the calls that count; `*` for all")
    period: str
    used: int
    amount: int | None
    ends: datetime = Field(description="when all of it is back")
    errors: int = Field(description="answers of the last hour that the tool counts as errors")
    low: bool = Field(description="four fifths are used")


class ShareShown(Shown):
    """What an administration has had of a limit."""

    administration_id: UUID
    administration: str
    tenant_id: UUID
    tenant: str
    used: int
    at_work: bool


@router.get("/workers")
async def all_workers(caller: Operator) -> WorkersShown:
    """Workers, and whether they live."""
    found = await workers.workers(caller.installation, caller.web.settings.topic_prefix)
    return WorkersShown(items=[WorkerShown.model_validate(one) for one in found])


@router.get("/lanes")
async def lanes(caller: Operator, paged: Paging, slot: Slot = None) -> Page[LaneShown]:
    """Lanes that workers hold, and what is done in each."""
    after = paged.after(identifier)
    rows = await workers.held_lanes(
        caller.installation, slot=slot or None, after=after[0] if after else None, limit=paged.limit + 1
    )
    return paged.page(rows, LaneShown.model_validate, lambda row: (row.administration_id,))


@router.get("/quotas")
async def all_quotas(
    caller: Operator, paged: Paging, low: Annotated[bool, Query(description="only those that are nearly used")] = False
) -> Page[QuotaShown]:
    """Limits of tools that something is used of just now."""
    after = paged.after(words, words, words)
    rows = await quotas.quotas(
        caller.installation, low=low, after=(after[0], after[1], after[2]) if after else None, limit=paged.limit + 1
    )
    return paged.page(rows, QuotaShown.model_validate, lambda row: (row.key, row.group, row.period))


@router.get("/quotas/shares")
async def shares(caller: Operator, paged: Paging, key: Name, group: Name, period: Name) -> Page[ShareShown]:
    """Who has had how much of a limit that is shared, the most first."""
    after = paged.after(number, identifier)
    rows = await quotas.shares(
        caller.installation,
        key,
        group,
        period,
        after=(after[0], after[1]) if after else None,
        limit=paged.limit + 1,
    )
    return paged.page(rows, ShareShown.model_validate, lambda row: (row.used, row.administration_id))
