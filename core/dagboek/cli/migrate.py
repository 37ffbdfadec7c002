"""`dagboek migrate`: brings the database to the newest revision."""

import typer

from dagboek.cli.running import found_services
from dagboek.cli.tables import console
from dagboek.database import migrate
from dagboek.settings import load_settings


def register(app: typer.Typer) -> None:
    """Adds the command."""

    @app.command("migrate")
    def command() -> None:
        """Bring the database to the newest revision; safe to repeat, and from several machines at once."""
        with found_services(load_settings(), broker=False) as services:
            assert services is not None
            console().print(f"The database is at revision {migrate(services.database_url)}.")
