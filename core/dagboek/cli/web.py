"""`dagboek web`: console and API, as a process of its own."""

import asyncio
import signal
from typing import Annotated

import typer

from dagboek.cli.failures import CommandFailed
from dagboek.cli.running import DEFAULT_PORT, found_services
from dagboek.cli.session import NOT_RUNNING, run
from dagboek.logs import configure
from dagboek.settings import load_settings


def register(app: typer.Typer) -> None:
    """Adds the command."""

    @app.command("web")
    def command(
        host: Annotated[str | None, typer.Option(help="address to listen on, instead of DAGBOEK_WEB_HOST")] = None,
        port: Annotated[int | None, typer.Option(min=0, max=65_535, help="instead of DAGBOEK_WEB_PORT")] = None,
    ) -> None:
        """Serve the console and the REST API. `up` starts it."""
        import uvloop  # noqa: PLC0415

        asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
        run(lambda: _serve(host, port))


async def _serve(host: str | None, port: int | None) -> None:
    from dagboek.web.server import serve  # noqa: PLC0415  # loads all plugins

    settings = load_settings()
    configure(settings.log_level)
    chosen = port if port is not None else settings.web_port
    with found_services(settings, broker=True) as services:
        if services is None:
            raise CommandFailed(NOT_RUNNING.format(folder=settings.data_dir))
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, stop.set)
        try:
            listen = host or settings.web_host
            await serve(settings, services, listen, chosen if chosen is not None else DEFAULT_PORT, stop)
        except OSError as refused:
            raise CommandFailed(str(refused)) from refused
