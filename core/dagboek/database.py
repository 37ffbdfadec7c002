"""The database: connections, transactions, migrations.

Plain SQL through psycopg; rows are named by their columns. No ORM: see docs/decisions.
"""

import json
import re
import select
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Self

import orjson
import psycopg
from psycopg import AsyncConnection, conninfo
from psycopg.rows import DictRow, dict_row
from psycopg.types.json import Jsonb, JsonbDumper, set_json_dumps, set_json_loads
from psycopg_pool import AsyncConnectionPool

from dagboek import stamp

_MIGRATIONS = Path(__file__).parent / "migrations"
_MIGRATION_LOCK = 7_316_001


class DatabaseUnavailable(Exception):
    """No database answers: what was tried, and what to set."""


class MigrationRefused(Exception):
    """The database's user may not make what a migration needs: what, and what an administrator is to do."""


AWAY = (psycopg.OperationalError, psycopg.InterfaceError, DatabaseUnavailable)
"""What is raised while the database cannot be reached, or others are in the way: to be tried again."""

_PASSES = ("08", "40", "53", "55P03", "57P", "58")
"""SQLSTATEs of trouble that ends: connection, deadlock, lack of room, lock, shutdown, the server's own disk."""


REST_SECONDS = 5
"""After how long unused a connection is asked whether it still is one."""
IDLE_SECONDS = 10
"""How long a transaction may wait for its own process; then the server ends it."""
TOGETHER_SECONDS = 30
"""How long a transaction may take whose statements go out together (`Connection.together`)."""
_HAS_TRANSACTION_TIMEOUT = 17_00_00
"""The first version of the server that can end a transaction by its age."""


class StatementRefused(psycopg.DatabaseError):
    """The server does not take a statement, and would not take it the next time either: too long, too complex."""

    def __init__(self, error: psycopg.Error) -> None:
        super().__init__(*error.args)
        self.sqlstate = error.sqlstate


class Connection(AsyncConnection[DictRow]):
    """A connection whose `OperationalError` stands for trouble that ends, and for nothing else."""

    used = 0.0
    """When it was used last, in seconds of a clock that only rises."""

    def rested(self) -> bool:
        """Whether it lay unused for a while."""
        return time.monotonic() - self.used > REST_SECONDS

    @asynccontextmanager
    async def together(self) -> AsyncIterator[None]:
        """A transaction whose statements do not wait for each other's answers.

        Of a process that is frozen in the middle of it, the server expects the next statement and calls it busy, not
        idle: its age is what ends it.
        """
        async with self.pipeline(), self.transaction():
            if self.info.server_version >= _HAS_TRANSACTION_TIMEOUT:
                await self.execute(f"SET LOCAL transaction_timeout = '{TOGETHER_SECONDS}s'")
            yield

    async def wait(self, *given: Any, **options: Any) -> Any:
        """As of psycopg, through which all statements go."""
        self.used = time.monotonic()
        try:
            return await super().wait(*given, **options)
        except (psycopg.errors.IdleInTransactionSessionTimeout, psycopg.errors.TransactionTimeout) as ended:
            raise psycopg.OperationalError(*ended.args) from ended
        except psycopg.OperationalError as error:
            if error.sqlstate is None or error.sqlstate.startswith(_PASSES):
                raise
            raise StatementRefused(error) from error


def _dumps(value: Any) -> bytes:
    return orjson.dumps(value, default=str)


set_json_dumps(_dumps)
set_json_loads(json.loads)

__all__ = [
    "AWAY",
    "Connection",
    "Database",
    "DatabaseUnavailable",
    "Jsonb",
    "JsonbDumper",
    "MigrationRefused",
    "StatementRefused",
    "beside_it",
    "connect",
    "migrate",
    "place_of",
]


async def connect(url: str, **options: Any) -> Connection:
    """One connection, in autocommit; transactions are opened where they are needed.

    DatabaseUnavailable when nothing answers.
    """
    try:
        connection = await Connection.connect(
            url, autocommit=True, row_factory=dict_row, application_name="dagboek", **options
        )
        await _configure(connection)
    except psycopg.OperationalError as error:
        raise DatabaseUnavailable(_unavailable(url, error)) from error
    return connection


class Database:
    """A pool of connections to one database, for one event loop."""

    def __init__(self, url: str, size: int = 8) -> None:
        self.url = url
        self._pool: AsyncConnectionPool[Connection] = AsyncConnectionPool(
            url,
            min_size=1,
            max_size=size,
            open=False,
            connection_class=Connection,
            kwargs={"autocommit": True, "row_factory": dict_row, "application_name": "dagboek"},
            configure=self._configured,
            check=_check,
            timeout=20,
        )

    async def _configured(self, connection: Connection) -> None:
        """What a new connection of the pool is told first."""
        await _configure(connection)

    async def open(self) -> Self:
        """Opens the pool. DatabaseUnavailable when nothing answers."""
        await (await connect(self.url, connect_timeout=10)).close()
        await self._pool.open()
        return self

    async def close(self) -> None:
        """Closes all connections."""
        await self._pool.close(timeout=5)

    async def __aenter__(self) -> Self:
        return await self.open()

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """A connection in autocommit."""
        async with self._pool.connection() as connection:
            yield connection

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Connection]:
        """A connection in a transaction, committed at the end, rolled back on an exception."""
        async with self.connection() as connection, connection.transaction():
            yield connection

    async def all(self, query: str, *params: Any) -> list[DictRow]:
        """All rows of a query."""
        async with self.connection() as connection:
            return await (await connection.execute(query, _given(params))).fetchall()

    async def one(self, query: str, *params: Any) -> DictRow | None:
        """The first row of a query, or None."""
        async with self.connection() as connection:
            return await (await connection.execute(query, _given(params))).fetchone()

    async def run(self, query: str, *params: Any) -> int:
        """Executes a statement; the number of rows that it touched."""
        async with self.connection() as connection:
            return (await connection.execute(query, _given(params))).rowcount


def _given(params: tuple[Any, ...]) -> Any:
    """Parameters by position, or the one mapping of parameters by name."""
    return params[0] if len(params) == 1 and isinstance(params[0], dict) else params


async def _check(connection: Connection) -> None:
    """Raises for a connection that is of no use any more; asks the server only where that may be.

    A server that goes says so on its sockets, and an idle connection has nothing else to say: looking at that costs a
    fraction of a question. One that lay for long is asked, as what lies between may have forgotten it.
    """
    if connection.rested() or _has_something_to_say(connection.fileno()):
        await AsyncConnectionPool.check_connection(connection)


def _has_something_to_say(socket: int) -> bool:
    looked = select.poll()
    looked.register(socket, select.POLLIN)
    return bool(looked.poll(0))


async def _configure(connection: Connection) -> None:
    # A frozen process, or one whose network is gone, must not keep the locks of its open transaction.
    await connection.execute(f"SET lock_timeout = '5s'; SET idle_in_transaction_session_timeout = '{IDLE_SECONDS}s'")
    await stamp.look(connection)


def migrate(url: str) -> str:
    """Brings the database to the newest revision, one process at a time. The revision it is at then.

    DatabaseUnavailable; MigrationRefused.
    """
    # Half of the time that a process takes to start would go into these, and few processes migrate.
    import sqlalchemy  # noqa: PLC0415
    from alembic import command  # noqa: PLC0415
    from alembic.config import Config  # noqa: PLC0415

    engine = sqlalchemy.create_engine("postgresql+psycopg://", creator=lambda: psycopg.connect(url, connect_timeout=10))
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS))
    try:
        with engine.connect() as connection:
            connection.execute(sqlalchemy.text("SELECT pg_advisory_lock(:key)"), {"key": _MIGRATION_LOCK})
            connection.commit()
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
            connection.commit()
            connection.execute(sqlalchemy.text("SELECT pg_advisory_unlock(:key)"), {"key": _MIGRATION_LOCK})
            found = connection.execute(sqlalchemy.text("SELECT version_num FROM alembic_version"))
            return str(found.scalar_one())
    except sqlalchemy.exc.OperationalError as error:
        raise DatabaseUnavailable(_unavailable(url, error.orig or error)) from error
    except sqlalchemy.exc.ProgrammingError as error:
        if isinstance(error.orig, psycopg.errors.InsufficientPrivilege):
            raise MigrationRefused(error.orig.diag.message_primary or str(error.orig)) from error
        raise
    finally:
        engine.dispose()


def beside_it(url: str, name: str) -> str:
    """Address of another database on the same server."""
    return re.sub(r"(?<=/)[^/?]*(\?.*)?$", lambda found: name + (found[1] or ""), url)


def place_of(url: str) -> str:
    """Where a database is, for messages: `name at host:port`, without user and password."""
    try:
        parts = conninfo.conninfo_to_dict(url)
    except psycopg.ProgrammingError:
        return "the address in the settings, which is no PostgreSQL address"
    return f"{parts.get('dbname', '?')} at {parts.get('host', 'the local socket')}:{parts.get('port', '5432')}"


def _unavailable(url: str, error: BaseException) -> str:
    reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    return (
        f"The database {place_of(url)} does not answer ({reason}). "
        "Check DAGBOEK_DATABASE_URL, or leave it out to use the embedded one."
    )
