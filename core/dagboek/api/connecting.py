"""Connecting an entity: a login that the tool accepts, the books to write into, the rights that are there."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any, Final
from uuid import UUID

from dagboek_sdk.accounting import AccountingPlugin
from dagboek_sdk.oauth import OAuthPlugin
from pydantic import BaseModel, Field

from dagboek import connections, contexts
from dagboek.api.connections import ConnectionShown, ListsShown, shown_lists, shown_one
from dagboek.api.fields import Shown
from dagboek.api.texts import IssueShown, Words
from dagboek.tenants import find_entity_by_id
from dagboek.web.caller import Caller, Connector
from dagboek.web.problems import Fault, Problem, answers
from dagboek.web.rights import Right
from dagboek.web.routes import api_router

router = api_router("connections")

TOOL: Final = answers(409, 424, 429)
"""What calls can answer that ask the tool."""
AT_ONCE: Final = 4
"""Calls of tools that a process makes for its users at a time."""
LONGEST: Final = 90.0
"""Seconds that one may take."""
ADDRESSES: Final = frozenset({"address", "base_url", "authorize_url", "token_url", "redirect_uri"})
"""Settings of logins that say where the tool is: whoever sets them has this machine call there."""


class AdministrationShown(Shown):
    """A set of books that the login reaches."""

    id: str
    name: str
    vat_number: str | None
    country: str | None
    currency: str
    disabled: bool


class NewConnection(BaseModel):
    """A login to be tried."""

    entity_id: UUID
    tool: Annotated[str, Field(max_length=100)]
    login: dict[str, Any] = Field(description="settings of the tool, by the schema of `GET /plugins`")


class Begun(BaseModel):
    """A login that the tool has accepted. Choose the administration next."""

    connection_id: UUID
    administrations: list[AdministrationShown]


class Chosen(BaseModel):
    """The books to write into."""

    id: Annotated[str, Field(max_length=200)] = Field(description="the tool's own id, one of those that were listed")


class Checked(BaseModel):
    """What the tool says of the login."""

    missing_rights: list[IssueShown]


@router.post("/connections", status_code=201, responses=TOOL | answers(404))
async def connect(caller: Connector, given: NewConnection) -> Begun:
    """Try a login, and begin a connection with it. Nothing is stored before the tool has accepted it.

    A tool that wants a person's consent is asked by `POST /consents`.
    """
    entity = await find_entity_by_id(caller.db, caller.tenant, given.entity_id)
    tool = caller.web.plugins.tool(given.tool)
    if issubclass(tool, OAuthPlugin):
        raise Problem(409, "consent_needed", f"{tool.about.title} is connected by a person: POST /consents.")
    refuse_addresses(caller, given.login)
    web = caller.web
    async with asking():
        begun = await connections.connect(
            web.core,
            web.plugins,
            web.vault,
            tenant_id=caller.tenant,
            entity_id=entity.id,
            plugin=given.tool,
            given=given.login,
        )
    await caller.note("connection.begin", begun.connection_id, tool=given.tool, entity=str(entity.id))
    return begun_as(begun)


@router.get("/connections/{connection_id}/administrations", responses=TOOL)
async def administrations(caller: Connector, connection_id: UUID) -> list[AdministrationShown]:
    """The books that its login reaches, asked of the tool."""
    async with _tool(caller, connection_id) as tool:
        return [AdministrationShown.model_validate(one) for one in await tool.administrations()]


@router.put("/connections/{connection_id}/administration", responses=TOOL)
async def choose_administration(caller: Connector, words: Words, connection_id: UUID, given: Chosen) -> ConnectionShown:
    """Choose the books. Where the entity has a connection to them already, that one gets the login and is returned."""
    web = caller.web
    async with _tool(caller, connection_id) as tool:
        reached = {one.id: one for one in await tool.administrations()}
    if given.id not in reached:
        fault = Fault(field="body.id", message="the login does not reach these books")
        raise Problem(422, "unknown_administration", "Choose one of those that the login reaches.", errors=[fault])
    row = await connections.choose_administration(web.core, web.plugins, web.vault, connection_id, reached[given.id])
    async with _tool(caller, row.id) as tool:
        await contexts.refresh(web.core, row.id, tool, older_than=contexts.FRESH)
    await caller.note("connection.administration", row.id, administration=given.id)
    return await shown_one(caller, words, row.id)


@router.post("/connections/{connection_id}/lists/refresh", responses=TOOL)
async def refresh_lists(caller: Connector, connection_id: UUID) -> ListsShown:
    """Read the lists from the tool again, as after a journal was added there."""
    async with _tool(caller, connection_id) as tool:
        await contexts.refresh(caller.web.core, connection_id, tool)
    return await shown_lists(caller, connection_id)


@router.post("/connections/{connection_id}/check", responses=TOOL)
async def check(caller: Connector, words: Words, connection_id: UUID) -> Checked:
    """Ask the tool whether the login works, and which rights it lacks."""
    async with _tool(caller, connection_id) as tool:
        return Checked(missing_rights=[words.of(issue) for issue in await tool.missing_rights()])


def begun_as(begun: connections.Connecting) -> Begun:
    """As it is shown."""
    found = [AdministrationShown.model_validate(one) for one in begun.administrations]
    return Begun(connection_id=begun.connection_id, administrations=found)


def refuse_addresses(caller: Caller, login: dict[str, Any]) -> None:
    """Problem 422 where somebody who is no operator says where the tool is."""
    given = sorted(ADDRESSES & login.keys())
    if given and Right.OPERATE not in caller.rights:
        faults = [Fault(field=f"body.login.{name}", message="only an operator may set it") for name in given]
        raise Problem(422, "address", "Where a tool is, is an operator's matter. Leave it out.", errors=faults)


_places = asyncio.Semaphore(AT_ONCE)


@asynccontextmanager
async def asking() -> AsyncIterator[None]:
    """A place for work with a tool, which may take long. Problem 429 where all are taken, 424 after the deadline."""
    try:
        async with asyncio.timeout(5):
            await _places.acquire()
    except TimeoutError:
        raise Problem(429, "busy", "Others are asking their tools. Try again.", headers={"Retry-After": "5"}) from None
    try:
        async with asyncio.timeout(LONGEST):
            yield
    except TimeoutError:
        raise Problem(424, "tool", f"The tool did not answer within {LONGEST:.0f} seconds. Try again later.") from None
    finally:
        _places.release()


@asynccontextmanager
async def _tool(caller: Caller, connection_id: UUID) -> AsyncIterator[AccountingPlugin]:
    """The plugin object of a connection of the caller's."""
    await connections.find(caller.db, connection_id, caller.tenant)
    web = caller.web
    async with asking():
        tool = await connections.open_tool(web.core, web.plugins, web.vault, connection_id)
        try:
            yield tool
        finally:
            await tool.close()
