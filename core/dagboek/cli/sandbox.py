"""`dagboek sandbox NAME`: a server that behaves as an accounting tool, for any client."""

import asyncio
import signal
from typing import Annotated, Any

import typer

from dagboek.cli import tables
from dagboek.cli.failures import CommandFailed
from dagboek.cli.session import run


def register(app: typer.Typer) -> None:
    """Adds the command."""

    @app.command("sandbox")
    def command(
        name: Annotated[str, typer.Argument(help="such as octopus")],
        port: Annotated[int, typer.Option(min=0, max=65535, help="0: a free one")] = 0,
        host: Annotated[str, typer.Option(help="address to listen on")] = "127.0.0.1",
        as_json: Annotated[bool, typer.Option("--json", help="address and credentials as one JSON line")] = False,
    ) -> None:
        """Run the sandbox of an accounting tool until Ctrl-C; prints its address and sample credentials."""
        run(lambda: _serve(name, host, port, as_json))


async def _serve(name: str, host: str, port: int, as_json: bool) -> None:
    from dagboek.plugins import Plugins  # noqa: PLC0415  # loads all plugins

    command = Plugins().sandbox(name)
    try:
        running = await command.start(host=host, port=port)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise CommandFailed(f"The sandbox cannot listen on {host}:{port} ({reason}). Choose another --port.") from None
    try:
        _announce(name, running, as_json)
        await _stopped()
    finally:
        await running.stop()


def _announce(name: str, running: Any, as_json: bool) -> None:
    if as_json:
        content = {"sandbox": name, "base_url": running.base_url, "credentials": running.credentials}
        tables.print_json_line(content)
        return
    out = tables.console()
    out.print(f"The {name} sandbox answers at {running.base_url}")
    for key, value in running.credentials.items():
        out.print(tables.cell(f"  {key}: {value}"))
    out.print(
        "It counts calls as the tool does, and refuses what is too many.\n"
        f"With --json all this is what `dagboek connect {name} --credentials-file FILE` reads."
    )
    out.print("Ctrl-C stops it.", style="dim")


async def _stopped() -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    await stop.wait()
