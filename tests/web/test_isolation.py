"""The database itself keeps tenants apart: walked over all tables, under the role of requests."""

import asyncio
import json
import secrets
from collections.abc import AsyncIterator
from typing import Any

import psycopg
import pytest
from dagboek.database import Database, MigrationRefused, migrate
from dagboek.embedded import Services
from dagboek.migrations.isolation import ROLE
from dagboek.web.tenancy import RequestDatabase
from psycopg import sql
from web.tenants import OF_LINKS, ROWS, TenantRows, filled

OF_NOBODY = {"alembic_version", "stamp", "worker_slot", "limit_use", "limit_error", "dead_letter"}
"""Tables that hold no tenant's rows. The role of requests has no right on them."""
HIDDEN = {
    "web_session",
    "person_login",
    "one_time_link",
    "sign_in_failure",
    "login_token",
    "lane",
    "series",
    "run_event",
    "limit_share",
    "number_once",
    "audit_entry",
    "webhook_event",
}
"""Tables that it has no business in."""


@pytest.fixture(scope="module")
async def north(database: Database) -> TenantRows:
    return await filled(database, "north")


@pytest.fixture(scope="module")
async def south(database: Database) -> TenantRows:
    return await filled(database, "south")


@pytest.fixture(scope="module")
async def requests(database: Database) -> AsyncIterator[RequestDatabase]:
    async with RequestDatabase(database.url, size=2) as opened:
        yield opened


async def tables(db: Database) -> set[str]:
    rows = await db.all(
        "SELECT relname FROM pg_class WHERE relkind IN ('r', 'p') AND relnamespace = 'public'::regnamespace"
    )
    return {row["relname"] for row in rows}


async def columns(db: Database, table: str, right: str) -> list[str]:
    rows = await db.all(
        """SELECT attname FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped
           AND has_column_privilege(%s, attrelid, attnum, %s) ORDER BY attnum""",
        table,
        ROLE,
        right,
    )
    return [row["attname"] for row in rows]


async def test_every_table_is_filled_for_both_or_is_of_nobody(
    database: Database, north: TenantRows, south: TenantRows
) -> None:
    """A new table fails here until it is secured, and has rows in `tenants.py` to be looked for."""
    assert await tables(database) - OF_NOBODY == {*ROWS, *OF_LINKS, "link", "sign_in_failure"}
    for table in OF_NOBODY:
        for right in ("SELECT", "INSERT", "UPDATE"):
            assert await columns(database, table, right) == [], table
    rows = await database.all(
        """SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace
           AND NOT relrowsecurity"""
    )
    assert {row["relname"] for row in rows} == OF_NOBODY


async def test_nothing_of_another_tenant_is_seen(
    database: Database, requests: RequestDatabase, north: TenantRows, south: TenantRows
) -> None:
    nobody, seen = requests.of(None), set()
    for table in sorted(await tables(database) - OF_NOBODY):
        names = await columns(database, table, "SELECT")
        if not names:
            continue
        seen.add(table)
        query = f"SELECT {', '.join(names)} FROM {table}"
        everything = json.dumps(await database.all(query), default=str)
        assert "north" in everything or str(north.tenant) in everything or table not in ("document", "entity")
        ours = await requests.of(north.tenant).all(query)
        theirs = await requests.of(south.tenant).all(query)
        assert len(ours) == len(theirs) >= 1, table
        assert len(await database.all(query)) == len(ours) + len(theirs), table
        assert not [row for row in ours if row in theirs] or table in ALIKE, table
        assert await nobody.all(query) == await requests.all(query) == [], table
    assert seen | HIDDEN == await tables(database) - OF_NOBODY | {"login_token"}


ALIKE = {"series", "lane"}


async def test_nothing_of_another_tenant_is_changed_or_deleted(
    database: Database, requests: RequestDatabase, north: TenantRows, south: TenantRows
) -> None:
    changed, deleted = set(), set()
    for table in sorted(await tables(database)):
        before = await snapshot(database, table)
        for name in await columns(database, table, "UPDATE"):
            same = name if name in await columns(database, table, "SELECT") else "''"
            async with undone(requests, north) as connection:
                try:
                    found = await connection.execute(f"UPDATE {table} SET {name} = {same}")
                except psycopg.errors.GeneratedAlways:
                    continue
                assert 0 < found.rowcount < len(before), (table, name)
                changed.add(table)
        if await can_delete(database, table):
            async with undone(requests, north) as connection:
                await connection.execute("SET CONSTRAINTS ALL DEFERRED")
                found = await connection.execute(f"DELETE FROM {table}")
                assert 0 < found.rowcount < len(before), table
                deleted.add(table)
        assert await snapshot(database, table) == before
    assert {"connection", "run", "link", "api_key", "administration", "attempt", "item", "login"} <= changed
    assert "sent_document" in changed
    assert deleted == {"membership", "idempotency_key", "login_token", "night_watch"}


async def test_no_row_is_written_for_another_tenant(
    database: Database, requests: RequestDatabase, north: TenantRows, south: TenantRows
) -> None:
    written = set()
    for table in sorted(await tables(database)):
        if not await columns(database, table, "INSERT"):
            continue
        written.add(table)
        names = [
            row["attname"]
            for row in await database.all(
                """SELECT attname FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0
                   AND attidentity = '' AND attgenerated = ''""",
                table,
            )
        ]
        (row, *_) = [one for one in await database.all(f"SELECT * FROM {table} t") if is_of(one, south, table)]
        text = json.dumps(row, default=as_text)
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match="row-level security"):
            async with undone(requests, north) as connection:
                await connection.execute(
                    f"INSERT INTO {table} ({', '.join(names)}) "
                    f"SELECT {', '.join(names)} FROM json_populate_record(NULL::{table}, %s::json)",
                    (text,),
                )
    assert written == {
        "entity", "source", "connection", "run", "link", "mapping_context", "trail", "api_key", "idempotency_key",
        "membership", "audit", "email", "night_watch", "sent_document", "sent_version", "sent_file",
        "webhook", "webhook_delivery",
    }  # fmt: skip


async def test_a_row_cannot_be_given_to_another_tenant(
    requests: RequestDatabase, north: TenantRows, south: TenantRows
) -> None:
    for table in ("entity", "source", "connection", "run", "link"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match="row-level security"):
            async with undone(requests, north) as connection:
                await connection.execute(f"UPDATE {table} SET tenant_id = %s", (south.tenant,))


async def test_the_role_cannot_be_left_by_accident(requests: RequestDatabase, north: TenantRows) -> None:
    async with requests.of(north.tenant).connection() as connection:
        row = await (
            await connection.execute("SELECT current_user AS name, current_setting('dagboek.tenant') AS of")
        ).fetchone()
        assert row == {"name": ROLE, "of": str(north.tenant)}
    async with requests.connection() as connection:
        row = await (
            await connection.execute("SELECT current_user AS name, current_setting('dagboek.tenant', true) AS of")
        ).fetchone()
        assert row is not None
        assert row["name"] == ROLE
        assert not row["of"], "it ends with its transaction"


async def test_who_may_make_no_role_is_told_what_an_administrator_does(services: Services) -> None:
    """Roles are of the server, so this one is told under another name."""
    name = f"owner_{secrets.token_hex(4)}"
    with psycopg.connect(services.database_url, autocommit=True) as server:
        server.execute(sql.SQL("CREATE ROLE {} LOGIN PASSWORD 'p'").format(sql.Identifier(name)))
        server.execute(sql.SQL("CREATE DATABASE {} OWNER {}").format(sql.Identifier(name), sql.Identifier(name)))
        address = psycopg.conninfo.make_conninfo(services.database_url, user=name, password="p", dbname=name)
        try:
            with pytest.raises(MigrationRefused, match=f"GRANT {ROLE} TO {name}"):
                await asyncio.to_thread(migrate, address)
            server.execute(sql.SQL("GRANT {} TO {}").format(sql.Identifier(ROLE), sql.Identifier(name)))
            await asyncio.to_thread(migrate, address)
            url = f"postgresql://{name}:p@{server.info.host}:{server.info.port}/{name}"
            async with RequestDatabase(url, size=1) as opened:
                assert await opened.all("SELECT * FROM tenant") == [], "as no superuser"
        finally:
            server.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))
            server.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(name)))


class undone:  # noqa: N801  # reads as a word
    """A transaction as the tenant, rolled back."""

    def __init__(self, requests: RequestDatabase, of: TenantRows) -> None:
        self._held = requests.of(of.tenant).connection()

    async def __aenter__(self) -> Any:
        self._connection = await self._held.__aenter__()
        return self._connection

    async def __aexit__(self, kind: Any, error: Any, trace: Any) -> bool:
        ending = error or psycopg.Rollback()
        try:
            return bool(await self._held.__aexit__(type(ending), ending, trace))
        except psycopg.Rollback:
            return True


async def snapshot(db: Database, table: str) -> list[str]:
    rows = await db.all(f"SELECT t::text AS row FROM {table} t ORDER BY 1")
    return [row["row"] for row in rows]


async def can_delete(db: Database, table: str) -> bool:
    row = await db.one("SELECT has_table_privilege(%s, %s, 'DELETE') AS may", ROLE, table)
    return bool(row and row["may"])


def is_of(row: dict[str, Any], tenant: TenantRows, table: str) -> bool:
    ids = {tenant.id(what) for what in ("tenant", "connection")}
    return bool(ids & {value for value in row.values() if not isinstance(value, list | dict)})


def as_text(value: Any) -> str:
    return "\\x" + value.hex() if isinstance(value, bytes) else str(value)
