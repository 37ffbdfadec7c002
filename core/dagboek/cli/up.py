"""`dagboek up`: everything on one machine, until Ctrl-C."""

import asyncio
import contextlib
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from dagboek.cli import tables
from dagboek.cli.children import Child, Tell, child_environment, stop_all
from dagboek.cli.running import announce
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
        # Services start and stop outside of the loop: until the processes run, Ctrl-C ends things at once.
        with services_for(settings, tell) as services:
            run(lambda: _up(settings, services, workers, tell))
        tell("Stopped.")


async def _up(settings: Settings, services: Services, workers: int, tell: Tell) -> None:
    stop = _stop_signal()
    await prepare(settings, services, tell)
    file = announce(settings, services)
    try:
        async with processes(settings, services, workers, tell):
            tell(f"Ready: {workers} worker{'s' if workers > 1 else ''}. Logs are in {settings.data_dir / 'logs'}.")
            tell("Try `dagboek connect`, `dagboek sync --all`, `dagboek history`. Ctrl-C stops.")
            await _watch_services(services, stop)
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


@asynccontextmanager
async def processes(
    settings: Settings, services: Services, workers: int, tell: Tell, log_folder: Path | None = None
) -> AsyncIterator[list[Child]]:
    """The core process and `workers` worker processes, kept running; all stopped in the end."""
    environment = child_environment(settings, services)
    logs = log_folder or settings.data_dir / "logs"
    children = [Child("core", ("core",), environment, logs / "core.log", tell)]
    children += [
        Child(f"worker {slot}", ("worker", "--slot", str(slot)), environment, logs / f"worker-{slot}.log", tell)
        for slot in range(1, workers + 1)
    ]
    try:
        for child in children:
            await child.start()
            tell(f"{child.name} started (process {child.pid}).")
        yield children
    finally:
        await stop_all(children)


async def _watch_services(services: Services, stop: asyncio.Event) -> None:
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


def _stop_signal() -> asyncio.Event:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    return stop
