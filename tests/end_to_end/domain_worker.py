"""A worker whose Octopus counts all calls of a host together, as Yuki does those of a domain.

Run as a process by `start_domain_worker`: it takes the place of `dagboek worker`.
"""

import subprocess
import sys
from collections.abc import Sequence
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import dagboek_ubl.hooks
from dagboek.logs import configure
from dagboek.plugins import Plugins
from dagboek.settings import load_settings
from dagboek.vault import vault_for
from dagboek_octopus.plugin import OctopusPlugin
from dagboek_sdk.accounting import AccountingPlugin
from dagboek_sdk.catalogue import read_catalogue
from dagboek_sdk.hooks import hookimpl
from dagboek_sdk.limits import ALL, Limit, Window
from dagboek_workers.app import WorkerOptions, run_worker

if TYPE_CHECKING:
    from end_to_end.harness import Installation

CALLS = 600
RESERVE = 20


class SharedOctopus(OctopusPlugin):
    """Octopus with one budget a day for all its dossiers."""

    @classmethod
    def limits(cls, settings: Any, administration: str, domain: str) -> Sequence[Limit]:
        """Whatever the call is."""
        return [Limit(key_of(settings.base_url), ALL, CALLS, Window.DAY, reserve=RESERVE)]


def key_of(base_url: str) -> str:
    """What all connections to one host share."""
    return f"octopus:{urlsplit(base_url).netloc}"


@hookimpl
def dagboek_accounting_plugins() -> list[type[AccountingPlugin]]:
    """The one with the budget, under Octopus' name."""
    return [SharedOctopus]


@hookimpl
def dagboek_issue_catalogue() -> Any:
    """The texts of Octopus' own issues."""
    return read_catalogue("dagboek_octopus", tool="octopus")


def plugins() -> Plugins:
    """Our own rules, the UBL source, and the tool."""
    found = Plugins(entry_points=False)
    found.register(dagboek_ubl.hooks, "ubl")
    hooks = {one.__name__: one for one in (dagboek_accounting_plugins, dagboek_issue_catalogue)}
    found.register(SimpleNamespace(**hooks), "octopus")
    return found


def start_domain_worker(dagboek: "Installation", slot: int) -> subprocess.Popen[bytes]:
    """Starts it as a process of an installation."""
    with (dagboek.folder / f"domain-{slot}.log").open("wb") as file:
        command = [sys.executable, __file__, str(slot)]
        process = subprocess.Popen(command, env=dagboek.environment(), stdout=file, stderr=subprocess.STDOUT)
    dagboek.processes.append(process)
    return process


def main(slot: str) -> None:
    """Serves until TERM."""
    settings = load_settings()
    configure(settings.log_level)
    assert settings.kafka_bootstrap and settings.database_url
    options = WorkerOptions(
        bootstrap=settings.kafka_bootstrap,
        database_url=settings.database_url.get_secret_value(),
        topic_prefix=settings.topic_prefix,
        slot=slot,
        partitions=settings.partitions,
        security=settings.kafka_security,
    )
    run_worker(options, plugins(), vault_for(settings))


if __name__ == "__main__":
    main(sys.argv[1])
