"""What the next synchronisation of a connection would do."""

from datetime import date
from decimal import Decimal
from typing import Annotated
from uuid import UUID

from dagboek_schemas.statuses import Component, ItemKind
from fastapi import Query
from pydantic import BaseModel, Field

from dagboek import connections, preview
from dagboek.api.connecting import TOOL, asking
from dagboek.api.fields import Shown
from dagboek.api.texts import IssueShown, Words
from dagboek.preview import PreviewRow, Would
from dagboek.web.caller import Syncer
from dagboek.web.routes import api_router

router = api_router("connections")


class LineShown(Shown):
    """A journal line as it would stand in the ledger."""

    account: str
    debit: Decimal
    credit: Decimal
    vat_code: str | None
    text: str
    because: str = Field(description="where account and VAT code came from")


class PreviewShown(BaseModel):
    """What would become of a document or party."""

    component: Component | None = Field(description="null for what could not be read")
    kind: ItemKind
    title: str
    would: Would
    party: str | None
    issue_date: date | None
    gross: Decimal | None
    currency: str | None
    journal: str | None
    booking_number: str | None = Field(description="of the entry that is there already")
    lines: list[LineShown]
    issues: list[IssueShown]


class Previewed(BaseModel):
    """What the next synchronisation would do. Nothing was sent."""

    counts: dict[Would, int]
    rows: list[PreviewShown]


@router.post("/connections/{connection_id}/preview", responses=TOOL)
async def preview_next(
    caller: Syncer,
    words: Words,
    connection_id: UUID,
    limit: Annotated[int, Query(ge=1, le=1000, description="rows at most; the counts are of all")] = 200,
) -> Previewed:
    """What the next synchronisation would book, as journal lines, and what it would skip. Nothing is sent."""
    await connections.find(caller.db, connection_id, caller.tenant)
    web = caller.web
    async with asking():
        found = await preview.preview(web.core, web.plugins, web.vault, connection_id)
    counts = {would: sum(row.would is would for row in found.rows) for would in Would}
    return Previewed(counts=counts, rows=[_previewed(row, words, connection_id) for row in found.rows[:limit]])


def _previewed(row: PreviewRow, words: Words, connection_id: UUID) -> PreviewShown:
    return PreviewShown(
        component=row.component,
        kind=row.kind,
        title=row.title,
        would=row.would,
        party=row.party,
        issue_date=row.issue_date,
        gross=row.gross,
        currency=row.currency,
        journal=row.journal,
        booking_number=row.booking_number,
        lines=[LineShown.model_validate(line) for line in row.lines],
        issues=[words.of(issue, connection_id) for issue in row.issues],
    )
