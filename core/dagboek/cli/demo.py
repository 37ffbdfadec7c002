"""`dagboek demo`: everything on this machine, from nothing, and nothing left running."""

import asyncio
import shutil
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Annotated, TypeVar

import typer

from dagboek.cli import tables
from dagboek.cli.failures import CommandFailed, tell
from dagboek.cli.session import language_of, stoppable
from dagboek.demo.wishes import Wishes
from dagboek.settings import load_settings

T = TypeVar("T")

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
    ) -> None:
        """See it work: embedded services, sandboxes of two tools, two tenants, a skipped document, the fix."""
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
        )
        raise typer.Exit(_perform(wishes))


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
    from dagboek.cli.children import crew  # noqa: PLC0415
    from dagboek.cli.up import warmed_up  # noqa: PLC0415
    from dagboek.demo.performance import perform  # noqa: PLC0415  # loads all of Dagboek
    from dagboek.demo.stage import demo_settings  # noqa: PLC0415
    from dagboek.demo.telling import Teller  # noqa: PLC0415
    from dagboek.embedded import services_for  # noqa: PLC0415
    from dagboek.plugins import Plugins  # noqa: PLC0415

    teller = Teller(tables.console(), quiet=wishes.as_json)
    settings = demo_settings(load_settings())
    logs = settings.data_dir / "logs"
    shutil.rmtree(logs, ignore_errors=True)
    children = crew(wishes.workers, logs, teller.step, GRACE)
    # Processes and plugins load while the services start.
    try:
        with ThreadPoolExecutor(1) as thread, warmed_up(children):
            plugins = thread.submit(Plugins)
            with services_for(settings, teller.step) as services:
                performance = perform(wishes, settings, services, plugins.result(), children, teller)
                outcome = asyncio.run(stoppable(performance))
    except KeyboardInterrupt:
        teller.step("Interrupted. Everything is stopped.")
        raise
    teller.step("Everything is stopped.")
    if wishes.as_json:
        tables.print_json({**outcome.summary, "seconds": round(teller.seconds, 1)})
    else:
        teller.chapter("What to try next")
        teller.note(outcome.advice)
    for fault in outcome.faults:
        tell(fault)
    return 1 if outcome.faults else 0
