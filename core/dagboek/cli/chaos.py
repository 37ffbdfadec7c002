"""`dagboek chaos`: kills processes and misleads the tool while documents are booked, and counts what stands there."""

import asyncio
import logging
import secrets
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer
from rich.console import Console
from rich.live import Live
from rich.text import Text

from dagboek.cli import tables
from dagboek.cli.failures import CommandFailed, tell
from dagboek.cli.session import stoppable
from dagboek.settings import Settings, load_settings

if TYPE_CHECKING:
    from dagboek.chaos.report import Report
    from dagboek.chaos.schedule import Wishes
    from dagboek.chaos.trial import Progress

T = TypeVar("T")

TOLD_EVERY = 10.0
"""Seconds between two lines of progress where there is no terminal."""


def register(app: typer.Typer) -> None:
    """Adds the command."""

    @app.command("chaos")
    def command(
        documents: Annotated[int, typer.Option(min=1, help="how many are to be booked")] = 2000,
        connections: Annotated[int, typer.Option(min=1, max=5000, help="by how many connections")] = 40,
        minutes: Annotated[float, typer.Option(min=0.05, help="how long the chaos lasts")] = 3,
        workers: Annotated[int, typer.Option(min=1, max=64, help="worker processes")] = 2,
        seed: Annotated[int | None, typer.Option(help="the same seed does the same again")] = None,
        tool: Annotated[
            list[str] | None, typer.Option(help="whose sandbox, octopus by default; repeated: connections in turn")
        ] = None,
        kill: Annotated[
            str | None, typer.Option(help="of workers,core,kafka,postgres; none. Default: all that are our own")
        ] = None,
        kills: Annotated[int | None, typer.Option(min=0, help="how many; default: one each nine seconds")] = None,
        faults: Annotated[str, typer.Option(help="all, none, or kinds that the sandbox knows")] = "all",
        sandbox: Annotated[
            Path | None,
            typer.Option(metavar="FILE", help="a sandbox that runs: what `dagboek sandbox NAME --json` printed"),
        ] = None,
        keep_logs: Annotated[bool, typer.Option("--keep", help="keep the logs, also when all is well")] = False,
        as_json: Annotated[bool, typer.Option("--json", help="the report, for programs")] = False,
    ) -> None:
        """Prove it: crashes and a misbehaving tool on purpose, then the sandbox's own books against what was asked.

        Exit status 1 when anything is lost, booked twice, or told otherwise than it is.
        """
        base = load_settings()
        if documents < connections:
            raise typer.BadParameter(
                "each connection needs a document: --documents must not be less than --connections"
            )
        tools = tuple(dict.fromkeys(tool or ("octopus",)))
        if sandbox and len(tools) > 1:
            raise typer.BadParameter("--sandbox tells of the sandbox of one --tool")
        wishes = _wishes(base, documents, connections, minutes, workers, seed, tools, kill, kills, faults, sandbox)
        raise typer.Exit(_perform(wishes, base, sandbox, as_json, keep_logs=keep_logs))


def _wishes(
    base: Settings,
    documents: int,
    connections: int,
    minutes: float,
    workers: int,
    seed: int | None,
    tools: tuple[str, ...],
    kill: str | None,
    kills: int | None,
    faults: str,
    sandbox: Path | None,
) -> "Wishes":
    from dagboek.chaos.schedule import Wishes, usual_kills  # noqa: PLC0415

    return Wishes(
        documents=documents,
        connections=connections,
        minutes=minutes,
        workers=workers,
        seed=secrets.randbelow(1_000_000) if seed is None else seed,
        tools=tools,
        kill=_victims(base, kill),
        faults=_kinds(faults, asyncio.run(_known_faults(tools, sandbox))),
        kills=usual_kills(minutes) if kills is None else kills,
    )


def _victims(base: Settings, given: str | None) -> tuple[str, ...]:
    """What may be killed: never a server that was given to us."""
    from dagboek.chaos.schedule import VICTIMS  # noqa: PLC0415

    theirs = {
        name: variable
        for name, variable, value in (
            ("kafka", "DAGBOEK_KAFKA_BOOTSTRAP", base.kafka_bootstrap),
            ("postgres", "DAGBOEK_DATABASE_URL", base.database_url),
        )
        if value
    }
    if given is None:
        return tuple(name for name in VICTIMS if name not in theirs)
    names = _words(given)
    for name in names:
        if name not in VICTIMS:
            raise typer.BadParameter(f"--kill {name}: there is {', '.join(VICTIMS)}, or none")
        if name in theirs:
            raise CommandFailed(
                f"--kill {name}: {theirs[name]} names a server that was not started here, and such a one is never "
                f"killed. Leave {name} out, or unset {theirs[name]}: chaos then starts one of its own."
            )
    return tuple(name for name in VICTIMS if name in names)


def _kinds(given: str, known: tuple[str, ...]) -> tuple[str, ...]:
    if given == "all":
        return known
    names = _words(given)
    if unknown := [name for name in names if name not in known]:
        raise typer.BadParameter(f"--faults {unknown[0]}: this sandbox knows {', '.join(known)}")
    return tuple(name for name in known if name in names)


def _words(given: str) -> list[str]:
    return [] if given == "none" else [word.strip() for word in given.split(",") if word.strip()]


async def _known_faults(tools: tuple[str, ...], sandbox: Path | None) -> tuple[str, ...]:
    """Asked before anything is started: what is no sandbox is refused at once."""
    from dagboek.chaos.sandboxes import sandboxes_of  # noqa: PLC0415
    from dagboek.plugins import Plugins  # noqa: PLC0415

    async with sandboxes_of(Plugins(), tools, sandbox) as found:
        return tuple(dict.fromkeys(kind for one in found for kind in one.target.faults))


def _perform(wishes: "Wishes", base: Settings, sandbox: Path | None, as_json: bool, *, keep_logs: bool) -> int:
    from dagboek.chaos.ground import folder_of_its_own, keep, settings_of, swept  # noqa: PLC0415
    from dagboek.chaos.report import command, show  # noqa: PLC0415
    from dagboek.chaos.trial import trial  # noqa: PLC0415
    from dagboek.cli.children import crew  # noqa: PLC0415
    from dagboek.cli.up import warmed_up  # noqa: PLC0415
    from dagboek.embedded import services_for  # noqa: PLC0415

    out = Console(file=sys.stderr, highlight=False) if as_json else tables.console()
    out.print(tables.cell(f"Seed {wishes.seed}. Again: {command(wishes)}"), soft_wrap=True)
    logging.getLogger("psycopg.pool").setLevel(logging.CRITICAL)  # that servers are away is no news here
    ended: list[str] = []
    with folder_of_its_own() as folder:
        settings = settings_of(base, folder)
        children = crew(wishes.workers, folder / "logs", ended.append)
        try:
            with (
                warmed_up(children),
                services_for(settings, lambda words: out.print(tables.cell(words))) as services,
                swept(settings, services) as own,
                _Shown(out) as shown,
            ):
                told: Report = asyncio.run(
                    stoppable(trial(wishes, settings, own, children, sandbox, shown.update, ended))
                )
        except BaseException:
            keep(folder)
            tell(f"It did not come to an end. The logs are in {folder / 'logs'}; again: {command(wishes)}")
            raise
        if keep_logs or not told.ok or told.ended_by_themselves:
            keep(folder)
            tell(f"The logs are in {folder / 'logs'}.")
    if as_json:
        tables.print_json(told.json())
    else:
        show(out, told)
    return 0 if told.ok else 1


class _Shown:
    """Progress: one line that changes on a terminal, else a line every few seconds."""

    def __init__(self, out: Console) -> None:
        self._out = out
        self._live = Live(console=out, transient=True, refresh_per_second=4) if out.is_terminal else None
        self._last = 0.0

    def __enter__(self) -> "_Shown":
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live is not None:
            self._live.stop()

    def update(self, now: "Progress") -> None:
        """Shows how far it is."""
        line = Text.assemble(
            (f"{now.seconds:6.0f} s  {now.phase:<10}", "bold"),
            f"  {now.booked} booked of {now.given_out} given out of {now.documents}",
            f"  {now.kills} kills",
        )
        if self._live is not None:
            self._live.update(line)
        elif time.monotonic() - self._last > TOLD_EVERY:
            self._last = time.monotonic()
            self._out.print(line)
