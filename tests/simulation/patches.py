"""What of production is led into the simulation: the clock, the way to the database, the brokers, threads.

Installed once in a process that does nothing else.
"""

import asyncio
import os
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg
import structlog
from dagboek import commands, database, outcome_events, planner, runs, service, sweeper, watchdog
from dagboek.database import AWAY
from dagboek.plugins import unexpected
from dagboek_sdk import clock
from dagboek_workers import attempting, batching, dispatcher, exchanges, quarantine, recorder, tool_loop
from simulation.database import Pool
from simulation.jobs import ANYWAY, LEFT_OUT, SLOWER, SLOWEST
from simulation.log import SimConsumer, SimPublisher, SimReader
from simulation.world import EPOCH, WORLDS, SimToolLoop


def install() -> None:
    """From now on production lives in `WORLDS`."""
    structlog.configure(processors=[_logged])
    for place, name, value in _PATCHES:
        assert hasattr(place, name), f"{place} has no {name} any more: the simulation must be led into it otherwise"
        setattr(place, name, value)


def _now() -> datetime:
    return EPOCH + timedelta(seconds=WORLDS["it"].loop.time())


def _boot_time() -> float:
    return 1000.0 + WORLDS["it"].loop.time()


def _logged(_: Any, __: str, event: Any) -> Any:
    WORLDS["it"].logged(event.pop("event"), event)
    raise structlog.DropEvent


async def _connect(kind: Any, url: str, **options: Any) -> Any:
    return await WORLDS["it"].lines.connect(kind, url, **options)


async def _nothing(_: Any) -> None:
    return


class _Session:
    """Nobody sends anything through it."""

    async def close(self) -> None:
        return


async def _every(name: str, seconds: float, job: Callable[[], Awaitable[Any]], stop: asyncio.Event) -> None:
    """As production's, but only where a look would find something (see `jobs`): the others cost real time."""
    world = WORLDS["it"]
    if name in LEFT_OUT:
        return
    called = world.called[name] = asyncio.Event()
    while not stop.is_set():
        try:
            await job()
        except AWAY:
            await asyncio.sleep(1)
        except Exception as bug:
            unexpected(f"job {name}", bug)
            await asyncio.sleep(1)
        await asyncio.sleep(min(seconds * SLOWER, SLOWEST))
        with suppress(TimeoutError):
            async with asyncio.timeout(ANYWAY):
                await called.wait()
        called.clear()


def _told_by_core(run: Any, item: Any) -> Any:
    WORLDS["it"].left_to_core.add((str(item["run_id"]), item["sequence"]))
    return outcome_events.item_event(run, item)


def _exit(status: int) -> None:
    WORLDS["it"].exited(status)


def _reached(name: str) -> None:
    WORLDS["it"].reached(name)


def _wait(connection: Any, work: Any, *_: Any, **__: Any) -> Any:
    return WORLDS["it"].lines.wait(connection, work)


def _close(connection: Any) -> Any:
    return WORLDS["it"].lines.close(connection)


_PATCHES: list[tuple[Any, str, Any]] = [
    (clock, "now", _now),
    (clock, "boot_time", _boot_time),
    (runs, "uuid4", lambda: UUID(int=WORLDS["it"].rng.getrandbits(128), version=4)),
    (os, "_exit", _exit),
    (sweeper, "item_event", _told_by_core),
    (psycopg.AsyncConnection, "wait", _wait),
    (psycopg.AsyncConnection, "close", _close),
    (psycopg.AsyncConnection, "__del__", lambda _: None),
    (database.Connection, "connect", classmethod(_connect)),  # type: ignore[arg-type]
    (database, "AsyncConnectionPool", Pool),
    (database, "_configure", _nothing),
    (watchdog, "Consumer", SimConsumer),
    (commands, "Consumer", SimConsumer),
    (service, "Publisher", SimPublisher),
    (service, "CommandReader", SimReader),
    (service, "_every", _every),
    (dispatcher, "ToolLoop", SimToolLoop),
    (quarantine, "monotonic", _boot_time),
    (exchanges, "SECONDS", 60.0),
    (tool_loop, "new_session", lambda *_, **__: _Session()),
    *((module, "reached", _reached) for module in (attempting, batching, planner, recorder, runs)),
]
"""Where production looks for what is of this world."""
