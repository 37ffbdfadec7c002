"""`dagboek migrate`: brings the database to the newest revision and makes the topics."""

import typer

from dagboek.cli.running import found_services
from dagboek.cli.session import BROKER_SECONDS
from dagboek.cli.tables import console
from dagboek.database import migrate
from dagboek.embedded.answers import require_kafka
from dagboek.settings import load_settings
from dagboek.topics import ensure_topics


def register(app: typer.Typer) -> None:
    """Adds the command."""

    @app.command("migrate")
    def command() -> None:
        """Bring the database to the newest revision and make the topics; safe to repeat, also from several machines."""
        settings = load_settings()
        with found_services(settings, broker=False) as services:
            assert services is not None
            console().print(f"The database is at revision {migrate(services.database_url)}.")
            if services.kafka_bootstrap:  # else the embedded one, for which `dagboek up` makes them
                require_kafka(services.kafka_bootstrap, security=services.kafka_security, seconds=BROKER_SECONDS)
                report = ensure_topics(services.kafka_bootstrap, settings, security=services.kafka_security)
                console().print(f"Topics: {len(report.created)} made, {len(report.existing)} were there.")
                for difference in report.differences:
                    console().print(difference)
