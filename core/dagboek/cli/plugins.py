"""`dagboek plugins`: what is installed, and what cannot be used."""

from typing import Annotated

import typer

from dagboek.cli import tables


def register(app: typer.Typer) -> None:
    """Adds the command."""

    @app.command("plugins")
    def command(as_json: Annotated[bool, typer.Option("--json", help="for programs")] = False) -> None:
        """Accounting tools, sources, sandboxes, rules and issue texts that are installed."""
        from dagboek.plugins import Plugins  # noqa: PLC0415  # loads all plugins

        found = Plugins()
        if as_json:
            tables.print_json({"installed": found.installed, "broken": found.broken})
            raise typer.Exit(1 if found.broken else 0)
        shown = tables.table("plugin", "from", "tools", "sources", "sandboxes", "rules", "issues", right=("issues",))
        for one in found.installed:
            shown.add_row(
                tables.cell(one.name),
                tables.cell(one.origin),
                *(tables.cell(", ".join(names)) for names in (one.tools, one.sources, one.sandboxes)),
                str(one.document_rules + one.party_rules or ""),
                str(len(one.issues) or ""),
            )
        out = tables.console()
        out.print(shown)
        for fault in found.broken:
            words = f"{fault.name} ({fault.origin}) cannot be used: {fault.reason}"
            out.print(tables.cell(words), style="bold red")
        raise typer.Exit(1 if found.broken else 0)
