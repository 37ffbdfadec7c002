"""Processes that `dagboek up` and the demo keep running: started, watched, started again, stopped in order.

A child ends with its parent: in order when that stops, and on Linux by a signal of the system when it is killed.
"""

import asyncio
import contextlib
import ctypes
import json
import os
import signal
import sys
import time
from asyncio.subprocess import Process
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from dagboek.embedded import Services
from dagboek.settings import Settings

GRACE = 20.0
"""Seconds that a child has to stop in order."""
STEADY = 30.0
"""A child that lived so long starts again at once; one that dies sooner waits, longer each time."""
LONGEST_WAIT = 15.0
_PR_SET_PDEATHSIG = 1

Tell = Callable[[str], None]


def child_environment(settings: Settings, services: Services) -> dict[str, str]:
    """The environment of a child: the same settings, and the services as they are now."""
    known = {name: value for name, value in os.environ.items() if not name.startswith("DAGBOEK_")}
    own = {name: value for name, value in os.environ.items() if name.startswith("DAGBOEK_")}
    keys = " ".join(key.get_secret_value() for key in settings.secret_keys)
    security = json.dumps(dict(services.kafka_security)) if services.kafka_security else None
    return (
        known
        | own
        | {
            "DAGBOEK_KAFKA_BOOTSTRAP": services.kafka_bootstrap,
            "DAGBOEK_DATABASE_URL": services.database_url,
            "DAGBOEK_DATA_DIR": str(settings.data_dir),
            "DAGBOEK_TOPIC_PREFIX": settings.topic_prefix,
            "DAGBOEK_PARTITIONS": str(settings.partitions),
            "DAGBOEK_TOPIC_REPLICATION": str(settings.topic_replication),
            "DAGBOEK_LOG_LEVEL": settings.log_level,
        }
        | ({"DAGBOEK_SECRET_KEYS": keys} if keys else {})
        | ({"DAGBOEK_KAFKA_SECURITY": security} if security else {})
    )


@dataclass
class Child:
    """One process that is kept running until `stop`."""

    name: str
    arguments: tuple[str, ...]
    environment: Mapping[str, str] = field(repr=False)
    log_file: Path
    tell: Tell
    starts: int = 0
    _process: Process | None = None
    _keeper: asyncio.Task[None] | None = None
    _stopping: bool = False

    @property
    def pid(self) -> int | None:
        """Its process id while it runs."""
        return self._process.pid if self._process and self._process.returncode is None else None

    async def start(self) -> None:
        """Starts it, and goes on starting it whenever it ends by itself."""
        await self._launch()
        self._keeper = asyncio.create_task(self._keep(), name=f"keep {self.name}")

    async def stop(self) -> None:
        """Stops it in order; after its grace time it is killed. Safe to repeat."""
        self._stopping = True
        process = self._process
        if process is not None and process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(signal.SIGTERM)
            try:
                await asyncio.wait_for(process.wait(), GRACE)
            except TimeoutError:
                self.tell(f"{self.name} did not stop within {GRACE:.0f} s and is killed.")
                with contextlib.suppress(ProcessLookupError):
                    process.kill()
                await process.wait()
        if self._keeper is not None:
            self._keeper.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._keeper

    def last_words(self) -> str:
        """The end of what it wrote."""
        with contextlib.suppress(OSError):
            lines = [line for line in self.log_file.read_text(errors="replace").splitlines() if line.strip()]
            return " / ".join(lines[-3:])[-800:]
        return ""

    async def _launch(self) -> None:
        self.log_file.parent.mkdir(parents=True, exist_ok=True)
        with self.log_file.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "dagboek.cli.main",
                *self.arguments,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=dict(self.environment),
                start_new_session=True,  # Ctrl-C goes to the parent alone, which stops things in order
                preexec_fn=_die_with_parent(),
            )
        self.starts += 1

    async def _keep(self) -> None:
        wait = 0.5
        while True:
            assert self._process is not None
            started = time.monotonic()
            status = await self._process.wait()
            if self._stopping:
                return
            wait = 0.5 if time.monotonic() - started > STEADY else min(wait * 2, LONGEST_WAIT)
            how = f"was ended by signal {-status}" if status < 0 else f"ended with status {status}"
            self.tell(f"{self.name} {how}; it starts again in {wait:.0f} s. Its log: {self.log_file}")
            await asyncio.sleep(wait)
            await self._launch()


def _die_with_parent() -> Callable[[], None] | None:
    """Has the system stop the child when the parent is killed (Linux)."""
    if not sys.platform.startswith("linux"):
        return None
    prctl = ctypes.CDLL(None).prctl

    def arrange() -> None:
        prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)

    return arrange


async def stop_all(children: list[Child]) -> None:
    """Stops the children at the same time: the workers give their partitions back, the core delivers what it has."""
    await asyncio.gather(*(child.stop() for child in children))
