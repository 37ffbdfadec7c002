"""The servers that core and workers need: waited for at the start, and named in the log whenever they do not answer.

The parts of a deployment start in any order, and a process that ends because another one is late helps nobody.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Final

import structlog
from confluent_kafka.admin import AdminClient

from dagboek.database import place_of
from dagboek.embedded.answers import wait_for_kafka, wait_for_postgres

log = structlog.get_logger()

PATIENCE: Final = 4.0
"""Seconds without an answer after which a server is said to be away, and said again."""
PAUSE: Final = 5.0
"""Seconds between two looks at a server that answers."""


@dataclass(frozen=True, slots=True)
class Server:
    """One of them, with a blocking question: why it does not answer, or None."""

    name: str
    place: str
    ask: Callable[..., str | None]


def servers(bootstrap: str, security: Mapping[str, str], database_url: str) -> list[Server]:
    """Broker and database. KafkaException for security properties that no broker could be reached with."""
    AdminClient({**security, "bootstrap.servers": bootstrap, "log_level": 0})
    return [
        Server("kafka", bootstrap, partial(wait_for_kafka, bootstrap, security=security)),
        Server("database", place_of(database_url), partial(wait_for_postgres, database_url)),
    ]


async def all_answer(needed: Sequence[Server], stop: asyncio.Event) -> bool:
    """Waits until all answer, and says every few seconds which does not. False when `stop` was set first."""
    await asyncio.gather(*(_follow(one, stop, only_until_it_answers=True) for one in needed))
    return not stop.is_set()


@asynccontextmanager
async def watched(needed: Sequence[Server], stop: asyncio.Event) -> AsyncIterator[None]:
    """Says meanwhile which of them has gone away, every few seconds, and that it is back."""
    following = [asyncio.create_task(_follow(one, stop)) for one in needed]
    try:
        yield
    finally:
        for task in following:
            task.cancel()


async def _follow(server: Server, stop: asyncio.Event, *, only_until_it_answers: bool = False) -> None:
    away = False
    while not stop.is_set():
        fault = await asyncio.to_thread(server.ask, seconds=PATIENCE, alive=lambda: not stop.is_set())
        if fault is not None and not stop.is_set():
            away = True
            log.warning(f"{server.name}.away", address=server.place, reason=fault)
        elif fault is None and away:
            away = False
            log.info(f"{server.name}.back", address=server.place)
        if fault is None and only_until_it_answers:
            return
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), 1.0 if away else PAUSE)
