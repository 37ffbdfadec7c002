"""`dagboek up`: everything on one machine, until Ctrl-C."""

import asyncio
import contextlib
import signal
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Annotated

import typer
from rich.console import Console

from dagboek.cli import tables
from dagboek.cli.children import Child, Tell, child_environment, crew, stop_all
from dagboek.cli.running import address_of, announce
from dagboek.cli.session import run
from dagboek.database import migrate
from dagboek.embedded import Services, services_for
from dagboek.settings import Settings, load_settings
from dagboek.topics import ensure_topics


def register(app: typer.Typer) -> None:
    """Adds the command."""

    @app.command("up")
    def command(
        workers: Annotated[int, typer.Option(min=1, max=64, help="number of worker processes")] = 2,
    ) -> None:
        """Start embedded services (where none are set), the core and the workers; Ctrl-C stops them in order."""
        settings = load_settings()
        tell = teller(tables.console())
        children = crew(workers, settings.data_dir / "logs", tell, web=True)
        # Services start and stop outside of the loop: until the processes run, Ctrl-C ends things at once.
        with warmed_up(children), services_for(settings, tell) as services:
            run(lambda: _up(settings, services, children, tell))
        tell("Stopped.")


async def _up(settings: Settings, services: Services, children: list[Child], tell: Tell) -> None:
    stop = stop_signal()
    await prepare(settings, services, tell)
    environment = child_environment(settings, services)
    address = address_of(settings, int(environment["DAGBOEK_WEB_PORT"]))
    file = announce(settings, services, address)
    try:
        async with working(children, environment):
            started = ", ".join(f"{child.name} (process {child.pid})" for child in children)
            tell(f"Started: {started}. Logs are in {settings.data_dir / 'logs'}.")
            tell(f"Console and API: {address}. `dagboek user add` makes the first user.")
            tell("Ready. Try `dagboek connect`, `dagboek sync --all`, `dagboek history`. Ctrl-C stops.")
            await watch_services(services, stop)
            tell("Stopping ...")
    finally:
        file.unlink(missing_ok=True)


async def prepare(settings: Settings, services: Services, tell: Tell) -> None:
    """Brings database and topics to what this release needs."""
    revision = await asyncio.to_thread(migrate, services.database_url)
    report = await asyncio.to_thread(
        ensure_topics, services.kafka_bootstrap, settings, security=dict(services.kafka_security)
    )
    made = f", {len(report.created)} topics made" if report.created else ""
    tell(f"Kafka at {services.kafka_bootstrap}, database at revision {revision}{made}.")
    for difference in report.differences:
        tell(f"Note: {difference}")


@contextmanager
def warmed_up(children: Sequence[Child]) -> Iterator[None]:
    """The children load their modules meanwhile; in the end none of them runs, whatever happened."""
    try:
        for child in children:
            child.warm_up()
        yield
    finally:
        for child in children:
            child.end()


@asynccontextmanager
async def working(children: Sequence[Child], environment: Mapping[str, str]) -> AsyncIterator[None]:
    """The children work and are kept running; all are stopped in the end."""
    try:
        for child in children:
            child.begin(environment)
        yield
    finally:
        await stop_all(children)


async def watch_services(services: Services, stop: asyncio.Event) -> None:
    """Waits for the end; an embedded service that dies meanwhile is started again."""
    embedded = services.embedded
    while not stop.is_set():
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), 2.0)
        if embedded is None or stop.is_set():
            continue
        for name in embedded.failed():
            restart = embedded.start_kafka if name == "Kafka" else embedded.start_postgres
            await asyncio.to_thread(restart)


def teller(out: Console) -> Tell:
    """Prints what goes on, with the seconds since the start."""
    begun = time.monotonic()

    def tell(words: str) -> None:
        out.print(f"[dim]{time.monotonic() - begun:6.1f} s[/dim]  ", end="")
        out.print(tables.cell(words))

    return tell


def stop_signal() -> asyncio.Event:
    """Set by Ctrl-C and TERM."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    return stop
