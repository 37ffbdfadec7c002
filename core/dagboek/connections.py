"""Connections: an entity linked to an administration through a login, with settings ("integration" on screen).

Set-up goes `try_login` (credentials, what they reach) → `begin` → `choose_administration` → `save_settings`. The
administration outlives its connections and the push record is its own, so that deleting and adding an integration
again books nothing twice (design section 2).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

import aiohttp
import psycopg
from dagboek_schemas.issues import Issue
from dagboek_sdk.accounting import AccountingPlugin, Administration, Link, Secrets
from dagboek_sdk.errors import LoginBroken
from dagboek_sdk.http import Recorder
from dagboek_sdk.oauth import GROUP as TOKENS
from dagboek_sdk.oauth import Identity, OAuthPlugin
from dagboek_sdk.settings import ConnectionSettings
from psycopg.rows import DictRow
from pydantic import BaseModel

from dagboek import administrations, contexts, logins
from dagboek.connection_settings import Problem, faults, unfinished
from dagboek.consent import Consenting
from dagboek.database import Connection, Database, Jsonb
from dagboek.logins import HeldSecrets, LoginProblem, LoginSecrets
from dagboek.permits import CallsLeft, RowPermits
from dagboek.permits import calls_left as permits_left
from dagboek.plugins import Plugins, UnknownPlugin
from dagboek.tenants import Unusable
from dagboek.vault import Vault, VaultError


class State(StrEnum):
    """Where a connection stands (product.md section 1.3)."""

    CONNECTING = "connecting"
    CONFIGURATION_NEEDED = "configuration_needed"
    CONNECTED = "connected"
    RECONNECT = "reconnect"
    """The tool refuses the credentials; runs wait for a person."""


class ConnectionProblem(Unusable):
    """A connection cannot be set up, found or used. The text says why and what to do."""


class UnknownConnection(ConnectionProblem):
    """There is no such connection, or it was deleted."""


@dataclass(frozen=True, slots=True)
class ConnectionRow:
    """A connection with what it links."""

    id: UUID
    tenant_id: UUID
    tenant_name: str
    entity_id: UUID
    entity_name: str
    login_id: UUID
    tool_user: str
    plugin: str
    state: State
    settings: ConnectionSettings
    administration_id: UUID | None
    """None while none is chosen."""
    administration_name: str
    host: str
    tool_id: str
    """The tool's own id of the books; empty while none is chosen."""
    deleted: bool
    next_run_at: datetime | None
    """When the next automatic run is due (UTC). None also while the connection waits for a person."""
    broken: Issue | None
    """Why its login must be made again."""
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Tried:
    """A login that the tool has accepted, and what it reaches. Nothing of it is stored yet."""

    plugin: str
    settings: BaseModel
    administrations: Sequence[Administration]
    held: HeldSecrets
    identity: Identity | None = None
    """Who has consented, where a login is made so."""
    login_id: UUID | None = None
    """A login that the tenant has already."""


@dataclass(frozen=True, slots=True)
class Connecting:
    """A login that works, and what it reaches."""

    connection_id: UUID
    administrations: Sequence[Administration]


@dataclass
class OpenedTools:
    """Plugin objects by connection; `close` gives all of them back."""

    tools: dict[UUID, AccountingPlugin] = field(default_factory=dict)
    unusable: dict[UUID, ConnectionProblem] = field(default_factory=dict)
    """Connections that could not be opened, and why; the others are not held up by them."""

    async def close(self) -> None:
        """Closes all plugin objects."""
        for tool in self.tools.values():
            await tool.close()


@dataclass(frozen=True, slots=True)
class Books:
    """The administration of a connection: ours, the tool's own id, and the tool's id of its domain."""

    id: UUID | None
    tool_id: str
    domain: str


NO_BOOKS: Final = Books(None, "", "")
"""While none is chosen."""

_COLUMNS: Final = """
    c.id, c.tenant_id, t.name AS tenant_name, c.entity_id, e.name AS entity_name, c.login_id, c.plugin,
    coalesce(nullif(l.user_name, ''), l.tool_user) AS tool_user, l.broken_issue AS broken,
    c.state, c.settings, c.administration_id, coalesce(a.name, '') AS administration_name, coalesce(a.host, '') AS host,
    coalesce(a.tool_id, '') AS tool_id, c.deleted_at IS NOT NULL AS deleted, c.created_at,
    CASE WHEN c.state = 'connected' THEN c.next_run_at END AS next_run_at
"""

_TABLES: Final = """
    connection c JOIN tenant t ON t.id = c.tenant_id JOIN entity e ON e.id = c.entity_id
    JOIN login l ON l.id = c.login_id LEFT JOIN administration a ON a.id = c.administration_id
"""


# set-up


async def try_login(
    db: Database, plugins: Plugins, plugin: str, given: Mapping[str, Any], consent: Consenting | None = None
) -> Tried:
    """Logs in with the credentials `given` and lists the books that they reach; stores nothing.

    `consent` sends a person to where they consent, for tools that want it. Raises LoginProblem for settings of the
    wrong shape, UnknownPlugin, and what the tool raises (LoginBroken for wrong credentials).
    """
    tool_class = plugins.tool(plugin)
    settings = logins.check_settings(tool_class.about.settings, given, tool_class.about.title)
    held, identity = HeldSecrets(), None
    tool = _made(db, tool_class, settings, NO_BOOKS, held)
    try:
        if isinstance(tool, OAuthPlugin):
            if consent is None:
                text = f"{tool.about.title} is connected by a person's consent in a browser."
                raise ConnectionProblem(text, "consent_needed", tool=tool.about.title)
            given_consent = await consent(tool.tokens.oauth)
            await tool.tokens.exchange(given_consent.code, given_consent.redirect_uri)
            identity = await tool.identity()
        reached = await tool.administrations()
    finally:
        await tool.close()
    return Tried(plugin, settings, reached, held, identity)


async def try_again(
    db: Database, plugins: Plugins, vault: Vault, tenant_id: UUID, plugin: str, given: Mapping[str, Any]
) -> Tried | None:
    """With the consent that the tenant has for the app `given` already, as another would end its tokens.

    None where it has none that works. Raises what the tool raises.
    """
    tool_class = plugins.tool(plugin)
    settings = logins.check_settings(tool_class.about.settings, given, tool_class.about.title)
    login_id = await logins.usable_login(db, vault, tenant_id, plugin, settings)
    if login_id is None:
        return None
    tool = _made(db, tool_class, settings, NO_BOOKS, LoginSecrets(db, vault, login_id), login_id)
    try:
        return Tried(plugin, settings, await tool.administrations(), HeldSecrets(), login_id=login_id)
    except LoginBroken:
        return None
    finally:
        await tool.close()


async def refuse_another(db: Database, vault: Vault, tried: Tried, tenant_id: UUID | None) -> None:
    """`logins.BelongsToAnother` where the user has consented for a tenant other than this one; None: a new one."""
    if tried.identity is not None:
        app = logins.app_of(tried.settings)
        await logins.refuse_another(db, vault, tenant_id, tried.plugin, app, tried.identity, tried.held)


async def begin(db: Database, vault: Vault, tried: Tried, tenant_id: UUID, entity_id: UUID) -> UUID:
    """Stores a login that was tried, encrypted, and begins a connection with it: its id.

    An unfinished connection of the entity is taken up again.
    """
    if tried.login_id is not None:
        return await _begun(db, tenant_id, entity_id, tried.login_id, tried.plugin)
    await refuse_another(db, vault, tried, tenant_id)
    login = await logins.save_login(
        db, vault, tenant_id, tried.plugin, tried.settings, held=tried.held, identity=tried.identity
    )
    return await _begun(db, tenant_id, entity_id, login.id, tried.plugin)


async def connect(
    db: Database,
    plugins: Plugins,
    vault: Vault,
    *,
    tenant_id: UUID,
    entity_id: UUID,
    plugin: str,
    given: Mapping[str, Any],
    consent: Consenting | None = None,
) -> Connecting:
    """`try_login`, then `begin`: nothing is stored before the tool has accepted the credentials."""
    tried = await try_login(db, plugins, plugin, given, consent)
    return Connecting(await begin(db, vault, tried, tenant_id, entity_id), tried.administrations)


async def choose_administration(
    db: Database, plugins: Plugins, vault: Vault, connection_id: UUID, chosen: Administration
) -> ConnectionRow:
    """Ties the connection to the books `chosen`, found or created by (plugin, host, the tool's own id).

    Where the entity has a connection to these books already, that one gets the new login and is returned: this is
    how one connects again. ConnectionProblem when the books belong to another tenant, or are disabled in the tool.
    """
    row = await find(db, connection_id)
    if chosen.disabled:
        text = f"{chosen.name} ({chosen.id}) is disabled in the tool. Choose another administration."
        raise ConnectionProblem(text, "books_disabled", books=chosen.name)
    host = await _host(db, plugins, vault, row)
    countries = plugins.tool(row.plugin).about.countries
    country = chosen.country or (next(iter(countries)) if len(countries) == 1 else None)
    try:
        async with db.transaction() as connection:
            administration_id = await administrations.find_or_create(
                connection, row.tenant_id, row.plugin, host, chosen
            )
            connection_id = await _tied(connection, row, administration_id, country, chosen.currency)
    except psycopg.errors.UniqueViolation as raced:
        text = f"{chosen.name} is being connected by somebody else right now. Try again."
        raise ConnectionProblem(text, "books_being_connected", books=chosen.name) from raced
    except administrations.BelongsToAnother as taken:
        raise ConnectionProblem.because(taken) from taken
    return await find(db, connection_id)


class Changed(ConnectionProblem):
    """Somebody else has changed the settings meanwhile."""


async def save_settings(
    db: Database,
    plugins: Plugins,
    connection_id: UUID,
    settings: ConnectionSettings,
    *,
    tenant_id: UUID | None = None,
    seen: ConnectionSettings | None = None,
) -> list[Problem]:
    """Checks the settings against the tool's lists and stores them if there is nothing wrong; else what is wrong.

    The connection becomes `connected` when nothing is missing. NoContext while the lists were never read; Changed when
    the settings are not those any more that were `seen`.
    """
    row = await find(db, connection_id, tenant_id)
    about = plugins.tool(row.plugin).about
    _, context = await contexts.current(db, connection_id)
    if problems := faults(settings, context.lists, about):
        return problems
    state = State.CONFIGURATION_NEEDED if unfinished(settings, about) else State.CONNECTED
    async with db.transaction() as connection:
        if seen is not None:
            held = await connection.execute(
                "SELECT settings FROM connection WHERE id = %s FOR UPDATE", (connection_id,)
            )
            stored = await held.fetchone()
            if stored is None or ConnectionSettings.model_validate(stored["settings"]) != seen:
                raise Changed("The settings were changed meanwhile by somebody else. Read them again.", "changed")
        await connection.execute(
            """UPDATE connection SET settings = %s, state = CASE WHEN state = 'reconnect' THEN state ELSE %s END,
                      next_run_at = CASE WHEN %s THEN next_run_at END
               WHERE id = %s AND deleted_at IS NULL""",
            (Jsonb(settings.model_dump(mode="json")), state, settings.automatic, connection_id),
        )
        await contexts.record(connection, connection_id)
    return []


async def missing_rights(db: Database, plugins: Plugins, vault: Vault, connection_id: UUID) -> Sequence[Issue]:
    """Rights and modules that the login lacks, as the tool says."""
    tool = await open_tool(db, plugins, vault, connection_id)
    try:
        return await tool.missing_rights()
    finally:
        await tool.close()


async def delete_connection(db: Database, connection_id: UUID, tenant_id: UUID | None = None) -> list[str]:
    """Deletes the connection and says what that means, in sentences. ConnectionProblem while a run is open.

    The administration keeps the push record; credentials go with the last connection that used them.
    """
    row = await find(db, connection_id, tenant_id)
    async with db.transaction() as connection:
        # Requesting a run takes the row too, by its foreign key.
        await connection.execute("SELECT 1 FROM connection WHERE id = %s FOR UPDATE", (connection_id,))
        found = await connection.execute(
            "SELECT id FROM run WHERE connection_id = %s AND state <> 'ended' LIMIT 1", (connection_id,)
        )
        if busy := await found.fetchone():
            raise ConnectionProblem(
                f"Run {busy['id']} of this connection has not ended. Wait for it, or cancel it first: "
                f"dagboek cancel {busy['id']}",
                "run_open",
            )
        await connection.execute(
            "UPDATE connection SET deleted_at = now(), next_run_at = NULL WHERE id = %s", (connection_id,)
        )
        forgotten = await _forgotten_login(connection, row.login_id)
        booked = await administrations.booked(connection, row.administration_id)
    return _consequences(row, booked, forgotten)


async def _begun(db: Database, tenant_id: UUID, entity_id: UUID, login_id: UUID, plugin: str) -> UUID:
    """A connection of the entity without administration yet: one left unfinished, or a new one."""
    async with db.transaction() as connection:
        entity = await connection.execute(
            "SELECT 1 FROM entity WHERE id = %s AND tenant_id = %s FOR UPDATE", (entity_id, tenant_id)
        )
        if await entity.fetchone() is None:
            raise ConnectionProblem(f"The tenant has no entity {entity_id}.", "not_found")
        found = await connection.execute(
            """UPDATE connection SET login_id = %s WHERE id = (
                   SELECT id FROM connection WHERE entity_id = %s AND plugin = %s AND administration_id IS NULL
                   AND deleted_at IS NULL ORDER BY created_at LIMIT 1
               ) RETURNING id""",
            (login_id, entity_id, plugin),
        )
        row = await found.fetchone()
        if row is None:
            made = await connection.execute(
                "INSERT INTO connection (tenant_id, entity_id, login_id, plugin) VALUES (%s, %s, %s, %s) RETURNING id",
                (tenant_id, entity_id, login_id, plugin),
            )
            row = await made.fetchone()
        assert row is not None
        return UUID(str(row["id"]))


async def _tied(
    connection: Connection, row: ConnectionRow, administration_id: UUID, country: str | None, currency: str
) -> UUID:
    """The entity's connection to the administration: one that is there already, with the new login, or this one.

    `country` and `currency` are those of the books; without a country that of the entity is taken.
    """
    found = await connection.execute(
        """UPDATE connection c SET login_id = %s, state = CASE WHEN state = 'reconnect' THEN 'connected' ELSE state END
           WHERE entity_id = %s AND administration_id = %s AND deleted_at IS NULL RETURNING id""",
        (row.login_id, row.entity_id, administration_id),
    )
    if there := await found.fetchone():
        if there["id"] != row.id and row.administration_id is None:
            await connection.execute("DELETE FROM connection WHERE id = %s", (row.id,))
        return UUID(str(there["id"]))
    if row.administration_id is not None:
        raise ConnectionProblem(
            f"This connection writes to {row.administration_name} already, and its history stays there. "
            f"Connect {row.entity_name} once more to use other books.",
            "books_stay",
            books=row.administration_name,
            company=row.entity_name,
        )
    await connection.execute(
        """UPDATE connection c SET administration_id = %s, state = 'configuration_needed',
                  settings = jsonb_build_object('country', coalesce(%s::text, e.country), 'currency', %s::text)
           FROM entity e WHERE e.id = c.entity_id AND c.id = %s""",
        (administration_id, country, currency, row.id),
    )
    return row.id


async def _host(db: Database, plugins: Plugins, vault: Vault, row: ConnectionRow) -> str:
    stored = await db.one("SELECT settings FROM login WHERE id = %s", row.login_id)
    assert stored is not None
    about = plugins.tool(row.plugin).about
    return logins.host_of(logins.opened(vault, about.settings, stored["settings"], about.title))


async def _forgotten_login(connection: Connection, login_id: UUID) -> bool:
    """Deletes the credentials when no connection uses them any more."""
    forgotten = await connection.execute(
        """UPDATE login SET settings = '' WHERE id = %s
           AND NOT EXISTS (SELECT 1 FROM connection WHERE login_id = login.id AND deleted_at IS NULL)""",
        (login_id,),
    )
    if not forgotten.rowcount:
        return False
    await connection.execute("DELETE FROM login_token WHERE login_id = %s", (login_id,))
    return True


def _consequences(row: ConnectionRow, booked: int, forgotten: bool) -> list[str]:
    books = row.administration_name or "the tool"
    said = [f"{row.entity_name} is no longer synchronised with {books}."]
    if row.administration_id:
        said.append(f"The {booked} documents booked in {books} stay there; nothing is removed from the tool.")
        said.append("What was booked is remembered: if the same books are connected again, it is not booked twice.")
        said.append("Journals, VAT codes and accounts of this connection must be chosen again then.")
    said.append(
        "The credentials were deleted."
        if forgotten
        else "The credentials are kept, because another connection uses the same login."
    )
    return said


async def break_login(connection: Connection, connection_id: UUID, issue: Issue) -> None:
    """The tool refuses the credentials of this connection: it and all others of the login wait for a person.

    Within a transaction of the caller.
    """
    found = await connection.execute("SELECT login_id FROM connection WHERE id = %s", (connection_id,))
    if row := await found.fetchone():
        await logins.mark_broken(connection, row["login_id"], issue)


# look-ups


async def find(db: Database, connection_id: UUID, tenant_id: UUID | None = None) -> ConnectionRow:
    """The connection; ConnectionProblem when there is none (of `tenant_id`), or it was deleted."""
    found = await db.one(
        f"SELECT {_COLUMNS} FROM {_TABLES} WHERE c.id = %s AND coalesce(c.tenant_id = %s, true)",
        connection_id,
        tenant_id,
    )
    if found is None:
        text = f"There is no connection {connection_id}. `dagboek connection list` shows all."
        raise UnknownConnection(text, "not_found")
    row = _row(found)
    if row.deleted:
        text = f"Connection {connection_id} was deleted. Connect {row.entity_name} again to go on."
        raise UnknownConnection(text, "connection_deleted", company=row.entity_name)
    return row


async def listed(db: Database, tenant_id: UUID | None = None) -> list[ConnectionRow]:
    """Connections that are not deleted, of one tenant or of all, by tenant, entity and tool."""
    rows = await db.all(
        f"""SELECT {_COLUMNS} FROM {_TABLES} WHERE c.deleted_at IS NULL AND coalesce(c.tenant_id = %s, true)
            ORDER BY t.name, e.name, c.plugin, a.name, c.created_at""",
        tenant_id,
    )
    return [_row(row) for row in rows]


async def page(
    db: Database,
    tenant_id: UUID,
    *,
    entity_id: UUID | None = None,
    state: State | None = None,
    search: str | None = None,
    after: tuple[datetime, UUID] | None = None,
    limit: int,
) -> list[ConnectionRow]:
    """Connections of a tenant that are not deleted, oldest first, that come after the one made then.

    `search`: those whose entity or books have this in their name.
    """
    rows = await db.all(
        f"""SELECT {_COLUMNS} FROM {_TABLES} WHERE c.deleted_at IS NULL AND c.tenant_id = %(tenant)s
              AND (%(entity)s::uuid IS NULL OR c.entity_id = %(entity)s)
              AND (%(state)s::text IS NULL OR c.state = %(state)s)
              AND (%(search)s::text IS NULL OR strpos(lower(e.name), lower(%(search)s)) > 0
                   OR strpos(lower(a.name), lower(%(search)s)) > 0)
              AND (%(at)s::timestamptz IS NULL OR (c.created_at, c.id) > (%(at)s, %(id)s::uuid))
            ORDER BY c.created_at, c.id LIMIT %(limit)s""",
        {
            "tenant": tenant_id,
            "search": search,
            "entity": entity_id,
            "state": state,
            "at": after[0] if after else None,
            "id": after[1] if after else None,
            "limit": limit,
        },
    )
    return [_row(row) for row in rows]


# plugin objects


async def open_tool(
    db: Database,
    plugins: Plugins,
    vault: Vault,
    connection_id: UUID,
    *,
    session: aiohttp.ClientSession | None = None,
    record: Recorder | None = None,
) -> AccountingPlugin:
    """The plugin object of a connection; the caller closes it. ConnectionProblem when it cannot be made.

    A `session` given stays open when the object is closed.
    """
    opened = await open_tools(db, plugins, vault, [connection_id], session=session, record=record)
    if connection_id in opened.unusable:
        raise opened.unusable[connection_id]
    return opened.tools[connection_id]


async def open_tools(
    db: Database,
    plugins: Plugins,
    vault: Vault,
    connection_ids: Iterable[UUID],
    *,
    session: aiohttp.ClientSession | None = None,
    record: Recorder | None = None,
) -> OpenedTools:
    """Plugin objects of many connections, with one query. One that cannot be made does not hold up the others."""
    wanted = list(connection_ids)
    rows = await db.all(
        """SELECT c.id, c.plugin, c.login_id, c.deleted_at, l.settings, coalesce(a.tool_id, '') AS tool_id,
                  coalesce(a.domain, '') AS domain, a.id AS administration_id
           FROM connection c JOIN login l ON l.id = c.login_id
           LEFT JOIN administration a ON a.id = c.administration_id WHERE c.id = ANY(%s)""",
        wanted,
    )
    opened = OpenedTools()
    for row in rows:
        try:
            opened.tools[row["id"]] = _opened(db, plugins, vault, row, session, record)
        except ConnectionProblem as problem:
            opened.unusable[row["id"]] = problem
    for missing in set(wanted) - {row["id"] for row in rows}:
        opened.unusable[missing] = ConnectionProblem(f"There is no connection {missing}.", "not_found")
    return opened


async def calls_left(
    db: Database, plugins: Plugins, vault: Vault, connection_ids: Iterable[UUID]
) -> dict[UUID, list[CallsLeft]]:
    """What is left of the day's calls of each connection that can be opened."""
    opened = await open_tools(db, plugins, vault, connection_ids)
    try:
        permits = {one: tool.link.permits for one, tool in opened.tools.items()}
        return await permits_left(
            db, {one: own.of_a_day for one, own in permits.items() if isinstance(own, RowPermits)}
        )
    finally:
        await opened.close()


def _opened(
    db: Database,
    plugins: Plugins,
    vault: Vault,
    row: DictRow,
    session: aiohttp.ClientSession | None,
    record: Recorder | None,
) -> AccountingPlugin:
    if row["deleted_at"]:
        raise ConnectionProblem(f"Connection {row['id']} was deleted.", "not_found")
    try:
        tool_class = plugins.tool(row["plugin"])
        settings = logins.opened(vault, tool_class.about.settings, row["settings"], tool_class.about.title)
        service = f"{row['plugin']} {logins.host_of(settings)}"
        secrets = LoginSecrets(db, vault, row["login_id"], service)
        login_id = row["login_id"]
        books = Books(row["administration_id"], row["tool_id"], row["domain"])
        return _made(db, tool_class, settings, books, secrets, login_id, session=session, record=record)
    except (UnknownPlugin, LoginProblem) as problem:
        raise ConnectionProblem.because(problem) from problem
    except VaultError as problem:
        raise ConnectionProblem(str(problem), "login_unreadable") from problem
    except Exception as bug:
        text = f"{row['plugin']} cannot be opened: {type(bug).__name__} in the plugin."
        raise ConnectionProblem(text, "plugin_broken", plugin=row["plugin"]) from bug


def _made(
    db: Database,
    tool_class: type[AccountingPlugin],
    settings: BaseModel,
    books: "Books",
    secrets: Secrets,
    login_id: UUID | None = None,
    *,
    session: aiohttp.ClientSession | None = None,
    record: Recorder | None = None,
) -> AccountingPlugin:
    # A limit of calls for tokens is one of each login, which the plugin does not know; one that is tried has none yet.
    limits = [
        replace(limit, key=f"{limit.key}:{login_id}") if limit.group == TOKENS else limit
        for limit in tool_class.limits(settings, books.tool_id, books.domain)
        if limit.group != TOKENS or login_id is not None
    ]
    return tool_class(
        Link(
            settings=settings,
            administration=books.tool_id,
            domain=books.domain,
            secrets=secrets,
            permits=RowPermits(db, limits, books.id),
            client_options={
                "session": session,
                "record": record,
                "secrets": logins.secrets_of(settings),
                "keep_connections": tool_class.about.keeps_connections,
            },
        )
    )


def _row(found: DictRow) -> ConnectionRow:
    return ConnectionRow(
        **{
            **found,
            "state": State(found["state"]),
            "settings": ConnectionSettings.model_validate(found["settings"]),
            "broken": Issue.model_validate(found["broken"]) if found["broken"] else None,
        }
    )
