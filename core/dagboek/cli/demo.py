"""`dagboek demo`: everything on this machine, from nothing, then the console; in the end nothing is left running."""

import asyncio
import shutil
import sys
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from dagboek.cli import tables
from dagboek.cli.failures import CommandFailed, tell
from dagboek.cli.session import language_of, stoppable
from dagboek.demo.wishes import Ending, Wishes
from dagboek.settings import Settings, load_settings

if TYPE_CHECKING:
    from dagboek.demo.console import Door
    from dagboek.demo.performance import Outcome
    from dagboek.demo.telling import Teller

GRACE = 6.0
"""Seconds that the demo's processes have to stop in order; there is nothing to lose."""


def register(app: typer.Typer) -> None:
    """Adds the command."""

    @app.command("demo")
    def command(
        invoices: Annotated[Path | None, typer.Option(help="a folder of your own UBL files instead of samples")] = None,
        entity: Annotated[
            str | None, typer.Option(metavar="VAT-NUMBER", help="whose books; else each supplier's own")
        ] = None,
        apart: Annotated[
            bool,
            typer.Option(
                "--apart/--together",
                help="files with the number of another but other content: in books of their own, or told as an issue",
            ),
        ] = True,
        report: Annotated[Path | None, typer.Option(help="write one JSON object a file (JSON lines)")] = None,
        rates: Annotated[
            list[str] | None, typer.Option("--rate", metavar="SEK=0.09", help="euros for one unit, may be repeated")
        ] = None,
        workers: Annotated[int, typer.Option(min=1, max=8, help="worker processes")] = 2,
        language: Annotated[str | None, typer.Option(help="of causes and remedies: nl, fr or en")] = None,
        as_json: Annotated[bool, typer.Option("--json", help="a summary for programs")] = False,
        console: Annotated[
            bool | None,
            typer.Option(
                "--console/--no-console",
                help="leave all running, with the console open, until Ctrl-C; or have no console. Without either: "
                "open on a terminal; elsewhere, and with --json, its first pages are read as proof, then all ends",
            ),
        ] = None,
    ) -> None:
        """See it work: embedded services, sandboxes of three tools, two tenants, a skipped document, the fix.

        Then the console is open, filled with all that, and a link signs you in.
        """
        if invoices is None and (entity or report or rates or not apart):
            raise typer.BadParameter("--entity, --together, --report and --rate go with --invoices FOLDER")
        if invoices is not None and not invoices.is_dir():
            raise CommandFailed(f"{invoices} is no folder. Give the folder that holds the UBL files.")
        wishes = Wishes(
            invoices=invoices.absolute() if invoices else None,
            entity=entity,
            apart=apart,
            report=report,
            rates=_rates(rates or []),
            workers=workers,
            language=language_of(language),
            as_json=as_json,
            ending=_ending(console, as_json=as_json),
        )
        raise typer.Exit(_perform(wishes))


def _ending(console: bool | None, *, as_json: bool) -> Ending:
    if console is None:
        return Ending.STAYS if sys.stdout.isatty() and not as_json else Ending.LOOKS
    return Ending.STAYS if console else Ending.WITHOUT


def _rates(given: list[str]) -> dict[str, Decimal]:
    found: dict[str, Decimal] = {}
    for text in given:
        currency, _, number = text.partition("=")
        try:
            found[currency.strip().upper()] = rate = Decimal(number)
        except InvalidOperation:
            raise typer.BadParameter(f"--rate {text}: write CURRENCY=NUMBER, such as SEK=0.09") from None
        if len(currency.strip()) != 3 or not rate.is_finite() or rate <= 0:
            raise typer.BadParameter(f"--rate {text}: write CURRENCY=NUMBER, such as SEK=0.09")
    return found


def _perform(wishes: Wishes) -> int:
    from dagboek.cli.children import crew, web_child  # noqa: PLC0415
    from dagboek.cli.up import stop_signal, warmed_up, watch_services  # noqa: PLC0415
    from dagboek.demo.performance import performance  # noqa: PLC0415  # loads all of Dagboek
    from dagboek.demo.stage import demo_settings  # noqa: PLC0415
    from dagboek.demo.telling import Teller  # noqa: PLC0415
    from dagboek.embedded import services_for  # noqa: PLC0415
    from dagboek.plugins import Plugins  # noqa: PLC0415

    teller = Teller(tables.console(), quiet=wishes.as_json)
    settings = demo_settings(load_settings())
    logs = settings.data_dir / "logs"
    shutil.rmtree(logs, ignore_errors=True)
    children = crew(wishes.workers, logs, teller.step, GRACE)
    console = None if wishes.ending is Ending.WITHOUT else web_child(logs, teller.step, GRACE)

    async def whole() -> "Outcome":
        async with performance(wishes, settings, services, plugins.result(), children, console, teller) as outcome:
            if wishes.ending is Ending.STAYS:
                stop = stop_signal()
                _show(wishes, settings, teller, outcome)
                await watch_services(services, stop)
                teller.step("Stopping ...")
        return outcome

    # Processes and plugins load while the services start.
    try:
        with ThreadPoolExecutor(1) as thread, warmed_up(children):
            plugins = thread.submit(Plugins)
            with services_for(settings, teller.step) as services:
                outcome = asyncio.run(stoppable(whole()))
    except KeyboardInterrupt:
        teller.step("Interrupted. Everything is stopped.")
        raise
    teller.step("Everything is stopped.")
    if wishes.ending is not Ending.STAYS:
        _show(wishes, settings, teller, outcome)
    return 1 if outcome.faults else 0


def _show(wishes: Wishes, settings: Settings, teller: "Teller", outcome: "Outcome") -> None:
    if wishes.as_json:
        tables.print_json({**outcome.summary, "seconds": round(teller.seconds, 1)})
        sys.stdout.flush()
    else:
        if outcome.door is not None:
            _show_door(teller, outcome.door)
        teller.chapter("What to try next")
        teller.note(_advice(settings, wishes.ending))
    for fault in outcome.faults:
        tell(fault)
    if wishes.ending is Ending.STAYS:
        teller.chapter("Everything is running. Ctrl-C stops it.")


def _show_door(teller: "Teller", door: "Door") -> None:
    from dagboek.demo.company import EMAIL  # noqa: PLC0415
    from dagboek.demo.console import SPARE_BOOKS  # noqa: PLC0415

    if door.link is None:
        teller.chapter("The console")
        teller.note(
            f"It answered at {door.address}. The demo signed in by a one-time link and read {', '.join(door.pages)}.\n"
            "There is no terminal here, so it was closed; `dagboek demo --console` keeps it open until Ctrl-C."
        )
        return
    teller.chapter(f"The console is open at {door.address}")
    teller.note(f"This link signs you in, once, as {EMAIL}, who may do everything there:")
    teller.out.print(Text(door.link, style="bold"), soft_wrap=True)
    teller.note(
        "\nTo go through a set-up: Integrations, Add an integration. Each tool is a sandbox here, and has books that\n"
        f"nothing is connected to yet, called “{SPARE_BOOKS}”. What its form asks for:"
    )
    for tool in door.tools:
        teller.out.print(Text(f"  {tool.title}"))
        for label, value in tool.login.items():
            teller.out.print(Text(f"    {label}: {value}", style="dim"), soft_wrap=True)


def _advice(settings: Settings, ending: Ending) -> str:
    from dagboek.demo.stage import SETTINGS_FILE  # noqa: PLC0415

    here = "In another terminal:" if ending is Ending.STAYS else "The demo's data stays until the next one:"
    first = "Afterwards" if ending is Ending.STAYS else "Then"
    return (
        f"{here} look at it with its settings file:\n"
        f"  export DAGBOEK_SETTINGS={settings.data_dir / SETTINGS_FILE}\n"
        f"  dagboek history                     the runs; with a RUN and --details: what, why, how to fix it\n"
        f"  dagboek documents                   every document with its booking number\n"
        f"  dagboek documents --not-synced --language nl\n"
        f"{first}, without it:\n"
        f"  dagboek demo --invoices FOLDER      the same with your own UBL files\n"
        f"  dagboek sandbox octopus             a sandbox alone, for any client; also of exact, of yuki\n"
        f"  dagboek up                          everything for real; then `dagboek connect` in another terminal"
    )
