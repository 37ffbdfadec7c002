"""`dagboek doctor`: what is wrong, and how to fix it."""

from typing import Annotated

import typer
from rich.text import Text

from dagboek.cli import tables
from dagboek.cli.failures import explained, listed
from dagboek.cli.running import found_services, running
from dagboek.cli.session import run
from dagboek.doctor import Finding, Health, examine
from dagboek.embedded import Services
from dagboek.settings import Settings, load_settings

_MARKS = {Health.OK: ("✓", "green"), Health.NOTE: ("-", "cyan"), Health.WRONG: ("✗", "bold red")}


def register(app: typer.Typer) -> None:
    """Adds the command."""

    @app.command("doctor")
    def command(as_json: Annotated[bool, typer.Option("--json", help="for programs")] = False) -> None:
        """Look at settings, services, topics, keys, plugins and work, and ask all tools. Exit status 1: a fault."""
        findings = _findings(load_settings(), as_json)
        if as_json:
            tables.print_json(findings)
        wrong = sum(one.health is Health.WRONG for one in findings)
        if not as_json:
            notes = list(dict.fromkeys(one.subject for one in findings if one.health is Health.NOTE))
            words = "All is well." if not notes else f"No fault was found. Look at: {listed(notes)}."
            words, style = (f"{wrong} to fix.", "red") if wrong else (words, "cyan" if notes else "green")
            tables.console().print("\n" + words, style=style)
        raise typer.Exit(1 if wrong else 0)


def _findings(settings: Settings, quiet: bool) -> list[Finding]:
    try:
        # The broker of `dagboek up` is found too where the database is another.
        with found_services(
            settings, broker=bool(settings.kafka_bootstrap) or running(settings) is not None
        ) as services:
            return run(lambda: _collected(settings, services, None, quiet))
    except Exception as error:
        trouble = explained(error)[0]
        return run(lambda: _collected(settings, None, trouble, quiet))


async def _collected(settings: Settings, services: Services | None, trouble: str | None, quiet: bool) -> list[Finding]:
    found: list[Finding] = []
    async for one in examine(settings, services, trouble):
        found.append(one)
        if not quiet:
            _print(one)
    return found


def _print(one: Finding) -> None:
    mark, style = _MARKS[one.health]
    line = Text.assemble((mark, style), f" {one.subject}: {tables.cell(one.what).plain}")
    if one.fix and one.health is not Health.OK:
        line.append(f"\n    {tables.cell(one.fix).plain}", style="dim")
    tables.console().print(line)
