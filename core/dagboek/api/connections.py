"""Connections: an entity linked to its books in a tool ("integration" on screen)."""

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any
from uuid import UUID

from dagboek_schemas.issues import Issue
from dagboek_schemas.statuses import RunStatus
from dagboek_sdk.settings import ConnectionSettings
from fastapi import Header, Query, Response
from pydantic import BaseModel, Field

from dagboek import connections, contexts
from dagboek.api.fields import Shown
from dagboek.api.texts import IssueShown, Words
from dagboek.connection_settings import Problem as SettingsProblem
from dagboek.connection_settings import unfinished
from dagboek.connections import ConnectionRow, State
from dagboek.history import LastRun, last_runs
from dagboek.settings_edits import checked
from dagboek.web.caller import Caller, Connector, Reader
from dagboek.web.paging import Page, Paging, identifier, moment
from dagboek.web.problems import Fault, Problem, answers
from dagboek.web.routes import api_router, etag_of, require_match

router = api_router("connections")


class LastRunShown(BaseModel):
    """The latest synchronisation."""

    id: UUID
    status: RunStatus
    requested_at: datetime
    finished_at: datetime | None


class ConnectionShown(BaseModel):
    """An entity with its books in a tool."""

    id: UUID
    entity_id: UUID
    entity: str
    tool: str
    installed: bool = Field(description="whether the tool's plugin is; without it nothing can be done with the tool")
    state: State
    tool_user: str
    administration_id: UUID | None = Field(None, description="null while none is chosen")
    administration: str
    tool_id: str = Field(description="the tool's own id of the books; empty while none are chosen")
    automatic: bool
    next_run_at: datetime | None = Field(None, description="when the next automatic synchronisation is due")
    last_run: LastRunShown | None = None
    broken: IssueShown | None = Field(None, description="why it must be connected again")
    created_at: datetime


class SettingsShown(BaseModel):
    """Settings of a connection."""

    settings: ConnectionSettings
    missing: list[Fault] = Field(description="what must be set before the first synchronisation")


class NewSettings(BaseModel):
    """All settings of a connection; what is left out has its default."""

    settings: dict[str, Any] = Field(description="as of `GET`")


class RowShown(Shown):
    """A row of a list of the tool."""

    code: str
    name: str
    kind: str | None
    active: bool
    rate: Decimal | None


class ListsShown(BaseModel):
    """Lists to choose from."""

    lists: dict[str, list[RowShown]] = Field(description="such as `journals`, `vat_codes`, `ledger_accounts`")
    read_at: datetime | None = Field(description="when they were read from the tool")


class Disconnected(BaseModel):
    """What deleting the connection means."""

    consequences: list[str]


# looking


@router.get("/connections")
async def list_connections(
    caller: Reader,
    words: Words,
    paged: Paging,
    entity_id: Annotated[UUID | None, Query(description="of one entity")] = None,
    state: Annotated[State | None, Query()] = None,
) -> Page[ConnectionShown]:
    """Connections of the tenant, oldest first."""
    after = paged.after(moment, identifier)
    rows = await connections.page(
        caller.db,
        caller.tenant,
        entity_id=entity_id,
        state=state,
        after=(after[0], after[1]) if after else None,
        limit=paged.limit + 1,
    )
    latest = await last_runs(caller.db, [row.id for row in rows])
    return paged.page(
        rows, lambda row: _shown(caller, row, latest.get(row.id), words), lambda row: (row.created_at, row.id)
    )


@router.get("/connections/{connection_id}")
async def one_connection(caller: Reader, words: Words, connection_id: UUID) -> ConnectionShown:
    """One of them."""
    return await shown_one(caller, words, connection_id)


@router.get("/connections/{connection_id}/settings")
async def settings(caller: Reader, response: Response, connection_id: UUID) -> SettingsShown:
    """Its settings, with the ETag that changing them needs."""
    row = await connections.find(caller.db, connection_id, caller.tenant)
    response.headers["ETag"] = settings_etag(row.settings)
    return _settings(caller, row, row.settings)


@router.get("/connections/{connection_id}/lists", responses=answers(409))
async def lists(caller: Reader, connection_id: UUID) -> ListsShown:
    """The tool's lists to choose from, as they were read last."""
    await connections.find(caller.db, connection_id, caller.tenant)
    return await shown_lists(caller, connection_id)


# changing


@router.put("/connections/{connection_id}/settings", responses=answers(409, 412, 428))
async def change_settings(
    caller: Connector,
    response: Response,
    connection_id: UUID,
    given: NewSettings,
    if_match: Annotated[str | None, Header(description="ETag of the settings that were read")] = None,
) -> SettingsShown:
    """Change its settings. They are checked against the tool's lists, and stored if nothing is wrong with them."""
    row = await connections.find(caller.db, connection_id, caller.tenant)
    require_match(if_match, settings_etag(row.settings))
    wanted = checked(given.settings)
    found = await connections.save_settings(
        caller.db, caller.web.plugins, connection_id, wanted, tenant_id=caller.tenant, seen=row.settings
    )
    if found:
        errors = [Fault(field=f"body.settings.{one.field}", message=one.message) for one in found]
        raise Problem(422, "settings", "These settings do not fit the books.", errors=errors)
    changed = sorted(
        name for name in ConnectionSettings.model_fields if getattr(row.settings, name) != getattr(wanted, name)
    )
    await caller.note("connection.settings", connection_id, changed=changed)
    response.headers["ETag"] = settings_etag(wanted)
    return _settings(caller, row, wanted)


@router.delete("/connections/{connection_id}", responses=answers(409))
async def disconnect(caller: Connector, connection_id: UUID) -> Disconnected:
    """Delete it, and say what that means. What was booked stays, and is remembered."""
    said = await connections.delete_connection(caller.db, connection_id, caller.tenant)
    await caller.note("connection.delete", connection_id)
    return Disconnected(consequences=said)


def settings_etag(settings: ConnectionSettings) -> str:
    """The ETag of settings, whatever else is shown with them."""
    return etag_of(settings.model_dump_json().encode())


# showing


async def shown_one(caller: Caller, words: Words, connection_id: UUID) -> ConnectionShown:
    """One of the caller's, as it is shown. UnknownConnection."""
    row = await connections.find(caller.db, connection_id, caller.tenant)
    latest = await last_runs(caller.db, [row.id])
    return _shown(caller, row, latest.get(row.id), words)


def _shown(caller: Caller, row: ConnectionRow, last: LastRun | None, words: Words) -> ConnectionShown:
    return ConnectionShown(
        id=row.id,
        entity_id=row.entity_id,
        entity=row.entity_name,
        tool=row.plugin,
        installed=row.plugin in caller.web.plugins.tools,
        state=row.state,
        tool_user=row.tool_user,
        administration_id=row.administration_id,
        administration=row.administration_name,
        tool_id=row.tool_id,
        automatic=row.settings.automatic,
        next_run_at=row.next_run_at,
        last_run=last
        and LastRunShown(id=last.id, status=last.status, requested_at=last.requested_at, finished_at=last.finished_at),
        broken=_broken(row.broken, words),
        created_at=row.created_at,
    )


def _broken(issue: Issue | None, words: Words) -> IssueShown | None:
    return words.of(issue) if issue else None


def _settings(caller: Caller, row: ConnectionRow, settings: ConnectionSettings) -> SettingsShown:
    tool = caller.web.plugins.tools.get(row.plugin)
    missing: list[SettingsProblem] = unfinished(settings, tool.about) if tool else []
    return SettingsShown(settings=settings, missing=[Fault(field=one.field, message=one.message) for one in missing])


async def shown_lists(caller: Caller, connection_id: UUID) -> ListsShown:
    """Lists to choose from, as they were read last."""
    _, context = await contexts.current(caller.db, connection_id)
    lists = {name: [RowShown.model_validate(row) for row in rows] for name, rows in context.lists.items()}
    return ListsShown(lists=lists, read_at=context.lists_at)
