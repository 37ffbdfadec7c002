"""Whose rows a request sees: one tenant's, by the database itself (docs/decisions/0026).

Requests are served on connections that have given up their own role for `dagboek_web`, under which row-level security
shows the rows of the tenant that the transaction names, and none where it names none. Operators look at all tenants
under the service's own role, in transactions that cannot write (docs/decisions/0031).
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final, Self
from uuid import UUID

from dagboek.database import Connection, Database
from dagboek.migrations.isolation import ROLE, SETTING

LONGEST: Final = 20
"""Seconds that a statement of a request may take."""

_LOOK: Final = (
    f"SET TRANSACTION READ ONLY; SET LOCAL statement_timeout = '{LONGEST}s'; "
    "SET LOCAL plan_cache_mode = force_custom_plan"
)

# A plan that was made for a small tenant is not kept for a large one.
_BECOME: Final = f"SET ROLE {ROLE}; SET statement_timeout = '{LONGEST}s'; SET plan_cache_mode = force_custom_plan"


class RequestDatabase(Database):
    """The pool of connections for requests; it shows nothing but through `of`."""

    async def _configured(self, connection: Connection) -> None:
        await super()._configured(connection)
        await connection.execute(_BECOME)

    def of(self, tenant_id: UUID | None) -> "TenantDatabase":
        """The database as this tenant sees it; None sees nothing."""
        return TenantDatabase(self, tenant_id)


class TenantDatabase(Database):
    """The database as one tenant sees it. Each use of a connection is one transaction."""

    def __init__(self, requests: RequestDatabase, tenant_id: UUID | None) -> None:
        self.url = requests.url
        self.tenant_id = tenant_id
        self._pool = requests._pool

    async def open(self) -> Self:
        """It uses what is open."""
        return self

    async def close(self) -> None:
        """The pool is others' too."""

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """A connection in a transaction that names the tenant."""
        async with self._pool.connection() as connection, connection.transaction():
            await connection.execute(f"SELECT set_config('{SETTING}', %s, true)", (str(self.tenant_id or ""),))
            yield connection


class InstallationDatabase(Database):
    """The database as operators see it: all tenants, and nothing can be written."""

    def __init__(self, core: Database) -> None:
        self.url = core.url
        self._pool = core._pool

    async def open(self) -> Self:
        """It uses what is open."""
        return self

    async def close(self) -> None:
        """The pool is others' too."""

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """A connection in a transaction that can only read."""
        async with self._pool.connection() as connection, connection.transaction():
            await connection.execute(_LOOK)
            yield connection
