"""A real PostgreSQL in virtual time: statements run one at a time, in an order that the seed decides.

`now()`, `clock_timestamp()` and `gen_random_uuid()` of production's own SQL resolve to functions of the schema `sim`,
which stands before `pg_catalog` in the search path. The time is read from a file, which the loop's side writes.
"""

import asyncio
import os
import re
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, LiteralString

import psycopg
from dagboek import database as production
from dagboek.embedded import ports, postgres
from dagboek.embedded.postgres import EmbeddedPostgres
from psycopg import pq, waiting
from psycopg.rows import dict_row
from simulation.loop import PROCESS, Process

SETTINGS = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "autovacuum": "off",
    "jit": "off",
    "shared_buffers": "64MB",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_wal_size": "4GB",
    "checkpoint_timeout": "1d",
    "wal_writer_delay": "10s",
    "bgwriter_lru_maxpages": "0",
    "track_counts": "off",
    "update_process_title": "off",
}

_PLANS = {"plan_cache_mode": "force_generic_plan", "enable_seqscan": "off", "enable_bitmapscan": "off"}
"""A plan is made once and serves all seeds. Rows come in the order of an index, wherever they lie in their table."""
_STATEMENTS = 1000
"""More than production has: each is prepared by a connection once, and kept."""
_MADE_ANEW = "run, item, snapshot, run_event, link, attempt, payment_status, attaching, series, lane, origin"
"""Tables whose rows are changed often."""

_FUNCTIONS = """
CREATE SCHEMA sim;
CREATE FUNCTION sim.now() RETURNS timestamptz LANGUAGE plpgsql STABLE AS
    $$ BEGIN RETURN pg_catalog.to_timestamp(pg_catalog.pg_read_file('{clock}')::float8); END $$;
CREATE FUNCTION sim.clock_timestamp() RETURNS timestamptz LANGUAGE plpgsql VOLATILE AS
    $$ BEGIN RETURN pg_catalog.to_timestamp(pg_catalog.pg_read_file('{clock}')::float8); END $$;
CREATE SEQUENCE sim.uuids;
CREATE FUNCTION sim.gen_random_uuid() RETURNS uuid LANGUAGE sql VOLATILE AS
    $$ SELECT pg_catalog.md5(pg_catalog.nextval('sim.uuids')::text)::uuid $$;
"""


@contextmanager
def server() -> Iterator[str]:
    """A PostgreSQL of our own that writes nothing to the disk in a hurry; its address."""
    with tempfile.TemporaryDirectory(prefix="dagboek-sim-") as folder:
        Path(folder).chmod(0o755)
        before = dict(postgres.SETTINGS)
        sockets = Path(folder) / "sockets"
        sockets.mkdir()
        sockets.chmod(0o777)  # the server does not run as root
        postgres.SETTINGS.update(SETTINGS, unix_socket_directories=str(sockets))
        port = ports.keep_or_choose(Path(folder) / "ports.json", ["postgres"])["postgres"]
        running = EmbeddedPostgres(Path(folder) / "postgres", port=port, progress=lambda _: None)
        try:
            running.start()
        finally:  # whatever else this process starts must keep what it is told
            postgres.SETTINGS.clear()
            postgres.SETTINGS.update(before)
        try:
            yield re.sub(r"@[^/]*(/[^/]*)$", rf"@\1?host={sockets}&port={port}", running.url)
        finally:
            running.stop()


class Server:
    """The database of one simulating process: its tables, its clock, its real connections."""

    def __init__(self, url: str) -> None:
        name = f"sim_{os.getpid()}"
        self._folder = tempfile.mkdtemp(prefix="dagboek-clock-")
        Path(self._folder).chmod(0o755)
        clock = Path(self._folder) / "clock"
        self._clock = os.open(clock, os.O_RDWR | os.O_CREAT, 0o644)
        self._told = ""
        self.tell(0.0)
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(f"DROP DATABASE IF EXISTS {name}")
            connection.execute(f"CREATE DATABASE {name}")
        self.url = production.beside_it(url, name)
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(_FUNCTIONS.replace("{clock}", str(clock)))
            connection.execute(f"ALTER DATABASE {name} SET search_path = sim, pg_catalog")
            connection.execute(f"ALTER DATABASE {name} SET lock_timeout = '2ms'")
            connection.execute(f"ALTER DATABASE {name} SET deadlock_timeout = '1ms'")
            for setting, value in _PLANS.items():
                connection.execute(f"ALTER DATABASE {name} SET {setting} = {value}")
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute("SET lock_timeout = 0")
        production.migrate(self.url)
        self._idle: list[tuple[Any, Any]] = []
        self._admin = psycopg.connect(self.url, autocommit=True)
        self._admin.execute("SET lock_timeout = 0")
        self._admin.execute("SET session_replication_role = replica")  # no foreign keys are looked at
        tables = self._names(
            "SELECT tablename FROM pg_tables WHERE schemaname = 'sim' AND tablename <> 'alembic_version'"
        )
        sequences = self._names("SELECT sequencename FROM pg_sequences WHERE schemaname = 'sim'")
        steps = [f"DELETE FROM {one};" for one in tables]
        steps += [f"PERFORM setval('{one}', 1, false);" for one in sequences]
        self._admin.execute(
            f"CREATE FUNCTION sim.clear() RETURNS void LANGUAGE plpgsql AS $$ BEGIN {' '.join(steps)} END $$"
        )

    def _names(self, query: LiteralString) -> list[str]:
        return [row[0] for row in self._admin.execute(query).fetchall()]

    def tell(self, moment: float) -> None:
        """Sets the time of the database, in seconds since 1970."""
        text = f"{moment:020.6f}"
        if text != self._told:
            os.pwrite(self._clock, text.encode(), 0)
            self._told = text

    def clear(self) -> None:
        """Empties all tables. Not by TRUNCATE: that makes files, and each connection would make its plans again."""
        self._admin.execute("SELECT sim.clear()")

    def make_anew(self) -> None:
        """Takes away what deleted rows leave behind."""
        self._admin.execute(f"TRUNCATE {_MADE_ANEW}")

    def take(self) -> tuple[Any, Any]:
        """A real connection, perhaps one that was used before."""
        while self._idle:
            raw, prepared = self._idle.pop()
            if raw.status == pq.ConnStatus.OK:
                return raw, prepared
        raw = pq.PGconn.connect(self.url.encode())
        if raw.status != pq.ConnStatus.OK:
            raise psycopg.OperationalError(raw.get_error_message())
        raw.nonblocking = 1
        return raw, None

    def give_back(self, connection: Any) -> None:
        """What a server does when the other side is gone: what was not committed is rolled back."""
        raw = connection.pgconn
        connection._closed = True
        if raw.status != pq.ConnStatus.OK:
            return
        if raw.pipeline_status and not _leave_pipeline(raw):
            number = raw.backend_pid
            raw.finish()
            while self.look("SELECT 1 FROM pg_stat_activity WHERE pid = %s", number):
                time.sleep(0.0005)  # its locks are gone when it is, and not a moment of real time later
            return
        if raw.transaction_status != pq.TransactionStatus.IDLE:
            raw.exec_(b"ROLLBACK")
        connection.pgconn = _GONE
        self._idle.append((raw, connection._prepared))

    def look(self, query: str, *given: Any) -> Any:
        """A row of what is committed at this moment."""
        return self._admin.execute(query, given).fetchone()

    def end_idle(self, connections: list[Any], *, together: bool) -> None:
        """Ends those that are in a transaction; `together`: with statements that do not wait for each other."""
        for connection in connections:
            raw = connection.pgconn
            in_transaction = raw.pipeline_status or raw.transaction_status != pq.TransactionStatus.IDLE
            if in_transaction and bool(raw.pipeline_status) is together:
                self.give_back(connection)

    def close(self) -> None:
        """Closes all connections."""
        for raw, _ in self._idle:
            raw.finish()
        self._admin.close()
        os.close(self._clock)


def _leave_pipeline(raw: Any) -> bool:
    """What the server was sent, it has done; what its client had not sent yet is not sent any more."""
    raw.pipeline_sync()
    while (result := raw.get_result()) is None or result.status != pq.ExecStatus.PIPELINE_SYNC:
        if raw.status != pq.ConnStatus.OK:
            return False
    try:
        raw.exit_pipeline_mode()
    except psycopg.Error:
        return False
    return True


class _Gone:
    """A connection that is no more."""

    status = pq.ConnStatus.BAD
    transaction_status = pq.TransactionStatus.UNKNOWN
    pipeline_status = pq.PipelineStatus.OFF
    socket = -1

    def finish(self) -> None:
        return

    def __getattr__(self, name: str) -> Any:
        raise psycopg.OperationalError("the connection is closed")


_GONE: Any = _Gone()


class Lines:
    """The way of all simulated processes to the database. `latency` gives seconds; `arriving` may stop a statement."""

    def __init__(self, server: Server, moment: Callable[[], float]) -> None:
        self.server = server
        self._moment = moment
        self.latency: Callable[[], tuple[float, float]] = lambda: (0.0, 0.0)
        self.arriving: Callable[[Process, Any], None] = lambda *_: None
        self.answered: Callable[[Process, Any], None] = lambda *_: None
        self.away = False
        self.own: list[Any] = []
        """Connections of the world itself, which is no process."""
        self.over = False
        """The seed has ended: what is still cleaned up has no effect."""

    async def connect(self, kind: Any, url: str, **_: Any) -> Any:
        process = PROCESS.get()
        if process is not None:
            before, after = self.latency()
            await asyncio.sleep(before + after)
            if self.away:
                raise psycopg.OperationalError("the database is starting up")
        raw, prepared = self.server.take()
        made = kind(raw, row_factory=dict_row)
        made._autocommit = True
        if prepared is not None:
            made._prepared = prepared
        made._prepared.prepare_threshold, made._prepared.prepare_max = 0, _STATEMENTS
        (self.own if process is None else process.connections).append(made)
        return made

    async def wait(self, connection: Any, work: Any) -> Any:
        process = PROCESS.get()
        if self.over:
            raise psycopg.OperationalError("the connection is closed")
        if process is None:
            return self._run(connection, work)
        before, after = self.latency()
        if before:
            await asyncio.sleep(before)
        if process.dead or connection.closed:
            raise psycopg.OperationalError("the connection is closed")
        self.arriving(process, connection)
        if process.dead or connection.closed:
            raise psycopg.OperationalError("the connection is closed")
        result = self._run(connection, work)
        self.answered(process, connection)
        if after or process.dead:
            await asyncio.sleep(after)
        return result

    def _run(self, connection: Any, work: Any) -> Any:
        self.server.tell(self._moment())
        result = waiting.wait(work, connection.pgconn.socket, 10.0)
        pipeline = connection._pipeline
        if pipeline is not None and pipeline.result_queue:
            # Else how far the server has come, and when a refusal is heard of, would be a matter of real time.
            waiting.wait(pipeline._fetch_gen(flush=True), connection.pgconn.socket, 10.0)
        return result

    async def close(self, connection: Any) -> None:
        self.release(connection)

    def release(self, connection: Any) -> None:
        process = PROCESS.get()
        if process is not None and connection in process.connections:
            process.connections.remove(connection)
        if not connection._closed:
            self.server.give_back(connection)


class Pool:
    """As psycopg's pool, without its background tasks."""

    def __init__(self, url: str, *, max_size: int, **_: Any) -> None:
        self._url = url
        self._places = asyncio.Semaphore(max_size)
        self._idle: list[production.Connection] = []

    check_connection = None

    async def open(self) -> None:
        return

    async def close(self, timeout: float = 0) -> None:
        for connection in self._idle:
            await connection.close()
        self._idle.clear()

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[production.Connection]:
        async with self._places:
            while self._idle and self._idle[-1].closed:
                self._idle.pop()
            if self._idle:
                connection = self._idle.pop()
            else:
                connection = await production.Connection.connect(self._url)
            try:
                yield connection
            finally:
                if not connection.closed:
                    if connection.pgconn.transaction_status == pq.TransactionStatus.IDLE:
                        self._idle.append(connection)
                    else:
                        await connection.close()
