"""A worker whose Octopus plugin has bugs, each met by the documents whose number names it.

Run as a process by `start_broken_worker`: it takes the place of `dagboek worker`.
"""

import asyncio
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import dagboek_octopus.issues
import dagboek_ubl.hooks
from dagboek.logs import configure
from dagboek.plugins import Plugins
from dagboek.settings import load_settings
from dagboek.vault import vault_for
from dagboek_octopus.plugin import OctopusPlugin
from dagboek_schemas.documents import Document
from dagboek_sdk.accounting import AccountingPlugin, MappingContext
from dagboek_sdk.attempt import Accepted, Attempt, Booked, Booking
from dagboek_sdk.hooks import hookimpl
from dagboek_workers.app import WorkerOptions, run_worker

if TYPE_CHECKING:
    from end_to_end.harness import Installation


class BrokenOctopus(OctopusPlugin):
    """Octopus with bugs."""

    def map_document(self, document: Document, component: Any, context: MappingContext) -> Booking:
        """MAP: a bug before anything is sent."""
        if document.number.startswith("MAP"):
            raise ZeroDivisionError(f"a bug that quotes {document.other_party.name}")
        return super().map_document(document, component, context)

    def operation_group(self, attempt: Attempt) -> str | None:
        """GROUP: a bug where the attempt is being prepared."""
        if (attempt.booking.reference or "").startswith("GROUP"):
            raise AttributeError("group")
        return super().operation_group(attempt)

    async def push(self, attempt: Attempt) -> Any:
        """BEFORE, CANCEL, KEY, NONE, EMPTY, EXIT, SLOW, STRAY: bugs around the one write."""
        number = attempt.booking.reference or ""
        if number.startswith("BEFORE"):
            raise KeyError("externalRelationId")
        if number.startswith("CANCEL"):
            raise asyncio.CancelledError
        booked: Booked | Accepted = await super().push(attempt)
        if number.startswith("KEY"):
            raise KeyError("documentSequenceNr")
        if number.startswith("NONE"):
            return None
        if number.startswith("EMPTY"):
            return Booked("")
        if number.startswith("EXIT"):
            raise SystemExit(3)
        if number.startswith("STRAY"):
            raise asyncio.CancelledError
        if number.startswith("SLOW"):
            await asyncio.sleep(600)
        return booked


@hookimpl
def dagboek_accounting_plugins() -> list[type[AccountingPlugin]]:
    """The broken one, under Octopus' name."""
    return [BrokenOctopus]


def plugins() -> Plugins:
    """Our own rules, the UBL source, and the broken tool."""
    found = Plugins(entry_points=False)
    found.register(dagboek_ubl.hooks, "ubl")
    found.register(
        SimpleNamespace(
            dagboek_accounting_plugins=dagboek_accounting_plugins, dagboek_issue_catalogue=octopus_catalogue
        ),
        "octopus",
    )
    return found


@hookimpl(specname="dagboek_issue_catalogue")
def octopus_catalogue() -> Any:
    """The texts of Octopus' own issues."""
    return dagboek_octopus.issues.catalogue()


def start_broken_worker(dagboek: "Installation", log: Path) -> None:
    """Starts it as a process of an installation, with its output in `log`."""
    with log.open("wb") as file:
        command = [sys.executable, __file__, "1"]
        dagboek.processes.append(
            subprocess.Popen(command, env=dagboek.environment(), stdout=file, stderr=subprocess.STDOUT)
        )


def main() -> None:
    """Serves until TERM."""
    settings = load_settings()
    configure(settings.log_level)
    assert settings.kafka_bootstrap and settings.database_url
    options = WorkerOptions(
        bootstrap=settings.kafka_bootstrap,
        database_url=settings.database_url.get_secret_value(),
        topic_prefix=settings.topic_prefix,
        slot=sys.argv[1],
        partitions=settings.partitions,
        security=settings.kafka_security,
    )
    run_worker(options, plugins(), vault_for(settings))


if __name__ == "__main__":
    main()
