"""What mappings look at, frozen by version: settings and look-up lists of a connection (design section 8).

A version is written only when something changed, and never altered, so that preview, replay and "where did this
account come from" read the same. Parsed contexts are kept per process: mapping caches hang on their identity.
"""

import json
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime, timedelta
from decimal import Decimal
from threading import Lock
from typing import Any, Final, Protocol
from uuid import UUID

import orjson
from dagboek_sdk.accounting import Lists, MappingContext, Row
from dagboek_sdk.settings import ConnectionSettings
from psycopg.rows import DictRow

from dagboek.database import Connection, Database, Jsonb
from dagboek.tenants import Unusable

REFERENCE: Final = "Dagboek"
"""Our mark, put where a tool keeps free text."""

FRESH: Final = timedelta(hours=1)
"""Lists that were read within that time need not be read again when books are connected."""

KEPT_ROWS: Final = 500_000
"""List rows of all parsed contexts of a process together, about 150 MB."""


class NoContext(Unusable):
    """There is no such context: the look-up lists of the connection were not read yet. Says what to do."""


class HasLists(Protocol):
    """The part of an `AccountingPlugin` that is needed here."""

    async def lists(self) -> Lists:
        """All look-up lists of the administration."""


async def refresh(db: Database, connection_id: UUID, tool: HasLists, older_than: timedelta | None = None) -> int:
    """Reads the tool's lists and returns the version of the context; a new one only if something changed.

    With `older_than` the tool is asked only when nobody read the lists of these books within that time: some tools
    give each list twice a day. Raises what the tool raises.
    """
    known = await _known_lists(db, connection_id, older_than) if older_than is not None else None
    lists = known["lists"] if known else stored_lists(await tool.lists())
    async with db.transaction() as connection:
        return await record(connection, connection_id, lists, known["lists_at"] if known else None)


async def _known_lists(db: Database, connection_id: UUID, older_than: timedelta) -> DictRow | None:
    """The freshest lists of the connection's books, by whichever of their connections they were read."""
    return await db.one(
        """SELECT m.lists, m.lists_at FROM connection c
           JOIN connection same ON same.id = c.id OR same.administration_id = c.administration_id
           JOIN mapping_context m ON m.connection_id = same.id
           WHERE c.id = %s AND m.lists_at > now() - %s ORDER BY m.lists_at DESC LIMIT 1""",
        connection_id,
        older_than,
    )


async def record(
    connection: Connection,
    connection_id: UUID,
    lists: Mapping[str, Any] | None = None,
    lists_at: datetime | None = None,
) -> int:
    """Writes a version of the connection's present settings with `lists` (None: those of the last version).

    `lists_at` says when they were read, None for just now.
    Within a transaction; the connection's row is locked. `lists` as `stored_lists` gives them. The version then
    current: an unchanged one only learns that its lists are fresh. NoContext without lists and an earlier version.
    """
    locked = await connection.execute("SELECT settings FROM connection WHERE id = %s FOR UPDATE", (connection_id,))
    row = await locked.fetchone()
    if row is None:
        raise NoContext(f"There is no connection {connection_id}.", "not_found")
    settings = ConnectionSettings.model_validate(row["settings"]).model_dump(mode="json")
    last = await _last(connection, connection_id)
    if last is None and lists is None:
        raise _never_read(connection_id)
    if last and last["settings"] == settings and (lists is None or _same(last["lists"], lists)):
        if lists is not None:
            await connection.execute(
                """UPDATE mapping_context SET lists_at = greatest(lists_at, coalesce(%s, now()))
                   WHERE connection_id = %s AND version = %s""",
                (lists_at, connection_id, last["version"]),
            )
        return int(last["version"])
    version = last["version"] + 1 if last else 1
    await connection.execute(
        """INSERT INTO mapping_context (connection_id, version, settings, lists, lists_at)
           VALUES (%s, %s, %s, %s, coalesce(%s, now()))""",
        (
            connection_id,
            version,
            Jsonb(settings),
            Jsonb(last["lists"] if last and lists is None else lists),
            last["lists_at"] if last and lists is None else lists_at,
        ),
    )
    return version


async def newest(db: Database, connection_id: UUID) -> int:
    """The newest version. NoContext when the lists were never read."""
    row = await db.one("SELECT max(version) AS version FROM mapping_context WHERE connection_id = %s", connection_id)
    if row is None or row["version"] is None:
        raise _never_read(connection_id)
    return int(row["version"])


async def current(db: Database, connection_id: UUID) -> tuple[int, MappingContext]:
    """The newest version and its context. NoContext when the lists were never read."""
    version = await newest(db, connection_id)
    return version, await load(db, connection_id, version)


async def load(db: Database, connection_id: UUID, version: int) -> MappingContext:
    """The context of `version`; the same object for the same version while the process keeps it. NoContext."""
    if found := _parsed.get((connection_id, version)):
        return found
    row = await db.one(
        "SELECT settings, lists, lists_at FROM mapping_context WHERE connection_id = %s AND version = %s",
        connection_id,
        version,
    )
    if row is None:
        raise NoContext(f"Connection {connection_id} has no mapping context {version}.", "not_found")
    context = MappingContext(
        settings=ConnectionSettings.model_validate(row["settings"]),
        lists=_parsed_lists(row["lists"]),
        lists_at=row["lists_at"],
        reference=REFERENCE,
    )
    return _parsed.put((connection_id, version), context)


def stored_lists(lists: Lists) -> dict[str, Any]:
    """Lists as they are stored: JSON, decimals as text, without characters that the database cannot hold."""
    stored: dict[str, Any] = json.loads(
        orjson.dumps({name: [asdict(row) for row in rows] for name, rows in lists.items()}, default=_plain)
    )
    return {name: _cleaned(rows) for name, rows in stored.items()}


def _parsed_lists(stored: Mapping[str, Any]) -> Lists:
    return {name: tuple(_parsed_row(row) for row in rows) for name, rows in stored.items()}


def _parsed_row(row: Mapping[str, Any]) -> Row:
    rate = row.get("rate")
    return Row(
        code=row["code"],
        name=row["name"],
        kind=row.get("kind"),
        active=row.get("active", True),
        rate=None if rate is None else Decimal(rate),
        details=row.get("details") or {},
    )


def _plain(value: Any) -> Any:
    return dict(value) if isinstance(value, Mapping) else str(value)


def _cleaned(value: Any) -> Any:
    if isinstance(value, str):
        return value.replace("\x00", "")
    if isinstance(value, list):
        return [_cleaned(one) for one in value]
    if isinstance(value, dict):
        return {key: _cleaned(one) for key, one in value.items()}
    return value


def _same(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether the lists hold the same rows; tools give them in any order."""
    return one.keys() == other.keys() and all(_sorted(one[name]) == _sorted(other[name]) for name in one)


def _sorted(rows: list[dict[str, Any]]) -> list[bytes]:
    return sorted(orjson.dumps(row, option=orjson.OPT_SORT_KEYS) for row in rows)


async def _last(connection: Connection, connection_id: UUID) -> DictRow | None:
    found = await connection.execute(
        "SELECT * FROM mapping_context WHERE connection_id = %s ORDER BY version DESC LIMIT 1", (connection_id,)
    )
    return await found.fetchone()


def _never_read(connection_id: UUID) -> NoContext:
    return NoContext(
        f"The look-up lists of connection {connection_id} were not read from the tool yet. "
        "Choose its administration first, or run `dagboek settings refresh`.",
        "lists_not_read",
    )


class _ParsedContexts:
    """The contexts used last, of all threads of the process; bounded by the rows of their lists."""

    def __init__(self, rows: int) -> None:
        self._rows = rows
        self._held = 0
        self._lock = Lock()
        self._contexts: OrderedDict[tuple[UUID, int], MappingContext] = OrderedDict()

    def get(self, key: tuple[UUID, int]) -> MappingContext | None:
        with self._lock:
            context = self._contexts.get(key)
            if context is not None:
                self._contexts.move_to_end(key)
            return context

    def put(self, key: tuple[UUID, int], context: MappingContext) -> MappingContext:
        """The context kept under `key`, which may be one that another thread put there meanwhile."""
        with self._lock:
            if key in self._contexts:
                return self._contexts[key]
            self._contexts[key] = context
            self._held += _weight(context)
            while self._held > self._rows and len(self._contexts) > 1:
                _, dropped = self._contexts.popitem(last=False)
                self._held -= _weight(dropped)
            return context


def _weight(context: MappingContext) -> int:
    return 50 + sum(len(rows) for rows in context.lists.values())


_parsed = _ParsedContexts(KEPT_ROWS)
