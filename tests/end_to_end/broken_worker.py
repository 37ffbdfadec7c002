"""A worker whose Octopus plugin has bugs, each met by the documents whose number names it.

Run as a process by `start_broken_worker`: it takes the place of `dagboek worker`.
"""

import asyncio
import os
import re
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import dagboek_ubl.hooks
from dagboek.logs import configure
from dagboek.plugins import Plugins
from dagboek.settings import load_settings
from dagboek.vault import vault_for
from dagboek_octopus.plugin import OctopusPlugin
from dagboek_schemas.documents import Document
from dagboek_sdk.accounting import AccountingPlugin, MappingContext
from dagboek_sdk.attempt import Accepted, Attempt, Booked, Booking
from dagboek_sdk.catalogue import read_catalogue
from dagboek_sdk.hooks import hookimpl
from dagboek_workers import blocked
from dagboek_workers.app import WorkerOptions, run_worker

if TYPE_CHECKING:
    from end_to_end.harness import Installation


MOST_MEMORY = 900 * 1024 * 1024
"""Bytes at which the process is killed, as the system's out-of-memory killer would."""


def _stop(number: str) -> None:
    """KILL, EAT (memory), HANG, PAUSE (three seconds), BACKTRACK (holds the interpreter)."""
    if "KILL" in number:
        os.kill(os.getpid(), signal.SIGKILL)
    if "EAT" in number:
        eaten = []
        while True:
            eaten.append(bytes(range(256)) * 40_000)
    if "HANG" in number:
        while True:
            pass
    if "PAUSE" in number:
        time.sleep(3)
    if "BACKTRACK" in number:
        re.match("(a+)+$", "a" * 40 + "b")


def _kill_when_out_of_memory() -> None:
    while True:
        time.sleep(0.02)
        if int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() > MOST_MEMORY:
            os.kill(os.getpid(), signal.SIGKILL)


class BrokenOctopus(OctopusPlugin):
    """Octopus with bugs."""

    def map_document(self, document: Document, component: Any, context: MappingContext) -> Booking:
        """MAP, COIN (another currency): bugs before anything is sent. What stops the process, or its loop: `_stop`."""
        _stop(document.number)
        if document.number.startswith("MAP"):
            raise ZeroDivisionError(f"a bug that quotes {document.other_party.name}")
        booking = super().map_document(document, component, context)
        if document.number.startswith("COIN"):
            return replace(booking, currency="USD", payload={**booking.payload, "currencyCode": "USD"})
        if "HUGE" in document.number:
            return replace(booking, payload={**booking.payload, "more": "x" * 200_000_000})
        return booking

    def operation_group(self, attempt: Attempt) -> str | None:
        """GROUP: a bug where the attempt is being prepared."""
        if (attempt.booking.reference or "").startswith("GROUP"):
            raise AttributeError("group")
        return super().operation_group(attempt)

    async def push(self, attempt: Attempt) -> Any:
        """BEFORE, CANCEL, KEY, NONE, EMPTY, EXIT, SENT, SLOW, STRAY: bugs around the one write."""
        number = attempt.booking.reference or ""
        if number.startswith("BEFORE"):
            raise KeyError("externalRelationId")
        if number.startswith("CANCEL"):
            raise asyncio.CancelledError
        booked: Booked | Accepted = await super().push(attempt)
        if "SENT" in number:
            os.kill(os.getpid(), signal.SIGKILL)
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
    return read_catalogue("dagboek_octopus", tool="octopus")


def start_broken_worker(dagboek: "Installation", log: Path, **environment: str) -> subprocess.Popen[bytes]:
    """Starts it as a process of an installation, with its output added to `log`."""
    with log.open("ab") as file:
        command, given = [sys.executable, __file__, "1"], dagboek.environment(**environment)
        process = subprocess.Popen(command, env=given, stdout=file, stderr=subprocess.STDOUT)
    dagboek.processes.append(process)
    return process


@asynccontextmanager
async def kept_running(dagboek: "Installation", log: Path, **environment: str) -> AsyncIterator[list[int]]:
    """A broken worker that is started again whenever it ends, as a supervisor does: the statuses it ended with."""
    ends: list[int] = []

    async def keep() -> None:
        while True:
            process = start_broken_worker(dagboek, log, **environment)
            while process.poll() is None:
                await asyncio.sleep(0.1)
            ends.append(process.returncode)

    keeping = asyncio.create_task(keep())
    try:
        yield ends
    finally:
        keeping.cancel()


def main() -> None:
    """Serves until TERM."""
    threading.Thread(target=_kill_when_out_of_memory, daemon=True).start()
    blocked.STARVED = int(os.environ.get("STARVED", blocked.STARVED))  # type: ignore[misc]
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
