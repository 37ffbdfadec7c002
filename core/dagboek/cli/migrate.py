"""`dagboek migrate`: database at the newest revision, secrets under the newest key, topics made."""

from typing import Annotated

import typer

from dagboek.cli.running import found_services
from dagboek.cli.session import BROKER_SECONDS, run
from dagboek.cli.tables import console
from dagboek.database import Database, migrate
from dagboek.embedded.answers import require_kafka
from dagboek.logins import rotate_keys
from dagboek.settings import load_settings
from dagboek.topics import ensure_topics
from dagboek.vault import Vault, vault_for
from dagboek.webhooks import endpoints


def register(app: typer.Typer) -> None:
    """Adds the command."""

    @app.command("migrate")
    def command(
        rotate: Annotated[
            bool,
            typer.Option(
                "--rotate-keys", help="also encrypt what is stored of logins and webhooks again, with the newest key"
            ),
        ] = False,
    ) -> None:
        """Bring the database to the newest revision and make the topics of the broker, where there is one.

        Safe to repeat, also from several machines.
        """
        settings = load_settings()
        with found_services(settings, broker=False) as services:
            assert services is not None
            console().print(f"The database is at revision {migrate(services.database_url)}.")
            if rotate:
                url, vault = services.database_url, vault_for(settings)
                count = run(lambda: _rotated(url, vault))
                console().print(f"Credentials and tokens under the newest key: {count}. Older keys are needed no more.")
            if not services.kafka_bootstrap:
                console().print(
                    "No topics were made: DAGBOEK_KAFKA_BOOTSTRAP names no broker, and the embedded one does not run. "
                    "`dagboek up` starts it and makes them."
                )
            else:
                require_kafka(services.kafka_bootstrap, security=services.kafka_security, seconds=BROKER_SECONDS)
                report = ensure_topics(services.kafka_bootstrap, settings, security=services.kafka_security)
                console().print(f"Topics: {len(report.created)} made, {len(report.existing)} were there.")
                for difference in report.differences:
                    console().print(difference)


async def _rotated(url: str, vault: Vault) -> int:
    async with Database(url, size=2) as db:
        return await rotate_keys(db, vault) + await endpoints.rotate_keys(db, vault)
