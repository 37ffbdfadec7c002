"""`dagboek core`: planner, settling, sweeper and watchdog, as a process of its own."""

import asyncio
import signal

import typer

from dagboek.cli.failures import CommandFailed
from dagboek.cli.running import found_services
from dagboek.cli.session import NOT_RUNNING, run
from dagboek.logs import configure
from dagboek.settings import load_settings


def register(app: typer.Typer) -> None:
    """Adds the command."""

    @app.command("core")
    def command() -> None:
        """Run the core process: plans runs, settles what is uncertain, delivers results, watches. `up` starts it."""
        import uvloop  # noqa: PLC0415  # no other command needs it

        asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
        run(_serve)


async def _serve() -> None:
    from dagboek.service import serve  # noqa: PLC0415  # loads all plugins

    settings = load_settings()
    configure(settings.log_level)
    with found_services(settings, broker=True) as services:
        if services is None:
            raise CommandFailed(NOT_RUNNING.format(folder=settings.data_dir))
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, stop.set)
        await serve(settings, services, stop)
