"""What a command works with: settings, services, database, plugins, vault, catalogue."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cached_property
from types import FrameType
from typing import TYPE_CHECKING, Any, TypeVar

import typer
from rich.console import Console

from dagboek.cli.failures import CommandFailed, tell
from dagboek.cli.interrupts import on_interrupt
from dagboek.cli.running import found_services
from dagboek.database import Database, migrate
from dagboek.doctor import newest_revision, revision_of
from dagboek.embedded import Services
from dagboek.embedded.answers import require_kafka
from dagboek.publisher import Publisher
from dagboek.settings import Settings, load_settings

if TYPE_CHECKING:
    from dagboek.plugins import Plugins
    from dagboek.vault import Vault

T = TypeVar("T")

LANGUAGES = ("nl", "fr", "en")
BROKER_SECONDS = 6.0
"""How long a command waits for the broker that it needs; one that starts takes less."""

NOT_RUNNING = (
    "Dagboek is not running here: no broker is set and no `dagboek up` was found in {folder}. Start `dagboek up` in "
    "another terminal, or set DAGBOEK_KAFKA_BOOTSTRAP and DAGBOEK_DATABASE_URL to servers that are there."
)


@dataclass
class Session:
    """One command's hold on everything; closed when the command ends."""

    settings: Settings
    services: Services
    db: Database
    _publisher: list[Publisher] = field(default_factory=list, repr=False)

    @cached_property
    def plugins(self) -> "Plugins":
        """Everything that is installed."""
        from dagboek.plugins import Plugins  # noqa: PLC0415  # importing plugins takes time; few commands need it

        return Plugins()

    @cached_property
    def vault(self) -> "Vault":
        """Opens what is stored of logins."""
        from dagboek.vault import vault_for  # noqa: PLC0415

        return vault_for(self.settings)

    @property
    def publisher(self) -> Publisher:
        """A producer for this command."""
        if not self._publisher:
            made = Publisher(self.services.kafka_bootstrap, self.settings.topic_prefix, self.services.kafka_security)
            self._publisher.append(made)
        return self._publisher[0]

    async def close(self) -> None:
        """Delivers what was published and gives everything back."""
        for publisher in self._publisher:
            await asyncio.to_thread(publisher.close)
        await self.db.close()


@asynccontextmanager
async def open_session(*, broker: bool = False, settings: Settings | None = None) -> AsyncIterator[Session]:
    """Settings, services and database for a command. `broker`: the command writes to Kafka.

    Known errors come as they are (`failures`); CommandFailed where nothing runs that a broker could be taken from.
    """
    settings = settings or load_settings()
    with found_services(settings, broker=broker) as services:
        if services is None:
            raise CommandFailed(NOT_RUNNING.format(folder=settings.data_dir))
        db = await Database(services.database_url, size=4).open()
        if services.embedded is not None and await revision_of(db) != newest_revision():
            await asyncio.to_thread(migrate, services.database_url)
        session = Session(settings, services, db)
        try:
            if broker:
                await _reach_broker(services)
            yield session
        finally:
            await session.close()


async def _reach_broker(services: Services) -> None:
    """EmbeddedError where none answers. Otherwise the command would wait for ever: what is sent is sent for certain."""
    with Console(stderr=True).status(f"Asking Kafka at {services.kafka_bootstrap} ..."):
        await asyncio.to_thread(
            require_kafka, services.kafka_bootstrap, security=services.kafka_security, seconds=BROKER_SECONDS
        )


def run(program: Callable[[], Awaitable[T]]) -> T:
    """Runs the asynchronous part of a command; the first Ctrl-C ends it, also where it asks something."""
    try:
        return _interruptible(program)
    except typer.Abort:
        tell("Stopped; nothing more was stored.")
        raise KeyboardInterrupt from None


def _interruptible(program: Callable[[], Awaitable[T]]) -> T:
    begun: list[asyncio.Task[Any]] = []
    before: list[int] = []

    async def whole() -> T:
        begun.extend(filter(None, [asyncio.current_task()]))
        return await program()

    with asyncio.Runner() as runner:
        loop = runner.get_loop()

        def interrupt(number: int, _frame: FrameType | None) -> None:
            # asyncio alone would mark the task as cancelled, and notice that only when a question was answered
            before.append(number)
            if len(before) > 1 or not begun or asyncio.current_task(loop) is not None:
                raise KeyboardInterrupt
            loop.call_soon_threadsafe(begun[0].cancel)

        with on_interrupt(interrupt):
            try:
                return runner.run(whole())
            except asyncio.CancelledError:
                raise KeyboardInterrupt from None


def language_of(option: str | None) -> str:
    """The language asked for, else that of the terminal, else English."""
    if option is not None:
        wanted = option.lower()[:2]
        if wanted not in LANGUAGES:
            raise CommandFailed(f"There are no texts in {option}. Choose one of: {', '.join(LANGUAGES)}.")
        return wanted
    for variable in ("LC_ALL", "LC_MESSAGES", "LANG"):
        if value := os.environ.get(variable):
            return value[:2].lower() if value[:2].lower() in LANGUAGES else "en"
    return "en"


def who() -> str | None:
    """Who gave the command, as far as the system knows."""
    return os.environ.get("USER") or os.environ.get("LOGNAME")


async def stoppable(performance: Coroutine[Any, Any, T]) -> T:
    """Ctrl-C and TERM end it in order: everything that it started is stopped."""
    task = asyncio.ensure_future(performance)
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    try:
        return await task
    except asyncio.CancelledError:
        raise KeyboardInterrupt from None
