"""Processes that `dagboek up` and the demo keep running: warmed up, started, started again, stopped in order.

A child loads its modules while the services still start, and begins when it is told where they are. It ends with
its parent: in order when that stops, by end of file before it began, and on Linux by a signal of the system when the
parent is killed.
"""

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from dagboek.cli import warmed
from dagboek.embedded import Services, ports
from dagboek.settings import Settings

GRACE = 20.0
"""Seconds that a child has to stop in order."""
STEADY = 30.0
"""A child that lived so long starts again at once; one that dies sooner waits, longer each time."""
LONGEST_WAIT = 15.0

Tell = Callable[[str], None]


def child_environment(settings: Settings, services: Services) -> dict[str, str]:
    """What the environment of a child says beyond our own: the same settings, and where the services are."""
    keys = " ".join(key.get_secret_value() for key in settings.secret_keys)
    security = json.dumps(dict(services.kafka_security)) if services.kafka_security else None
    return {
        "DAGBOEK_KAFKA_BOOTSTRAP": services.kafka_bootstrap,
        "DAGBOEK_DATABASE_URL": services.database_url,
        "DAGBOEK_DATA_DIR": str(settings.data_dir),
        "DAGBOEK_TOPIC_PREFIX": settings.topic_prefix,
        "DAGBOEK_PARTITIONS": str(settings.partitions),
        "DAGBOEK_TOPIC_REPLICATION": str(settings.topic_replication),
        "DAGBOEK_LOG_LEVEL": settings.log_level,
        "DAGBOEK_WEB_HOST": settings.web_host,
        "DAGBOEK_WEB_PORT": str(web_port(settings)),
        "DAGBOEK_WEB_PROXIES": settings.web_proxies,
        "DAGBOEK_WEBHOOK_NETWORKS": settings.webhook_networks,
        **({"DAGBOEK_WEB_URL": settings.web_url} if settings.web_url else {}),
        **({"DAGBOEK_SECRET_KEYS": keys} if keys else {}),
        **({"DAGBOEK_KAFKA_SECURITY": security} if security else {}),
    }


def web_port(settings: Settings) -> int:
    """The port of console and API: that of the settings, else a free one that stays the same between starts."""
    if settings.web_port:
        return settings.web_port
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    return ports.keep_or_choose(settings.data_dir / "web-port.json", ["web"])["web"]


@dataclass
class Child:
    """One process that is kept running until `stop`."""

    name: str
    arguments: tuple[str, ...]
    preload: str
    """A module that takes long to load and needs no services."""
    log_file: Path
    tell: Tell
    grace: float = GRACE
    environment: Mapping[str, str] | None = field(default=None, repr=False)
    _process: subprocess.Popen[bytes] | None = None
    _keeper: asyncio.Task[None] | None = None
    _stopping: bool = False
    _away: float | None = None
    """How long it stays away after it was killed on purpose."""

    @property
    def pid(self) -> int | None:
        """Its process id while it runs."""
        return self._process.pid if self._process and self._process.poll() is None else None

    def warm_up(self) -> None:
        """Has it load its modules; it does nothing else until `begin`."""
        self.log_file.parent.mkdir(parents=True, exist_ok=True)
        with self.log_file.open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603  # our own program
                [sys.executable, "-m", warmed.__name__, str(os.getpid()), self.preload, *self.arguments],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C goes to the parent alone, which stops things in order
            )

    def begin(self, environment: Mapping[str, str]) -> None:
        """Starts its work with `environment`, and goes on starting it whenever it ends by itself."""
        self.environment = environment
        if self._process is None:
            self.warm_up()
        self._let_go()
        self._keeper = asyncio.get_running_loop().create_task(self._keep(), name=f"keep {self.name}")

    def strike(self, number: signal.Signals, away: float) -> bool:
        """Signals it, to start again `away` seconds after it has ended; False when it does not run."""
        process = self._process
        if process is None or process.poll() is not None:
            return False
        self._away = away
        process.send_signal(number)
        return True

    async def stop(self) -> None:
        """Stops it in order; after its grace time it is killed. Safe to repeat."""
        self._stopping = True
        await asyncio.to_thread(self.end)
        if self._keeper is not None:
            self._keeper.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._keeper
            self._keeper = None

    def end(self) -> None:
        """The blocking part of `stop`; also for a child that never began."""
        process, self._process = self._process, None
        if process is None:
            return
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(self.grace)
            except subprocess.TimeoutExpired:
                self.tell(f"{self.name} did not stop within {self.grace:.0f} s and was killed.")
                process.kill()
        process.wait()
        if process.stdin is not None:
            with contextlib.suppress(OSError):
                process.stdin.close()

    def _let_go(self) -> None:
        assert self._process is not None and self._process.stdin is not None and self.environment is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.write(json.dumps(dict(self.environment)).encode() + b"\n")
            self._process.stdin.flush()

    async def _keep(self) -> None:
        wait = 0.5
        while not self._stopping and self._process is not None:
            started = time.monotonic()
            status = await asyncio.to_thread(self._process.wait)
            if self._stopping:
                return
            struck, self._away = self._away, None
            if struck is not None:
                await asyncio.sleep(struck)
                self._start_again()
                continue
            wait = 0.5 if time.monotonic() - started > STEADY else min(wait * 2, LONGEST_WAIT)
            how = f"was ended by signal {-status}" if status < 0 else f"ended with status {status}"
            self.tell(f"{self.name} {how}; it starts again in {wait:.0f} s. Its log: {self.log_file}")
            await asyncio.sleep(wait)
            self._start_again()

    def _start_again(self) -> None:
        if not self._stopping:
            self.warm_up()
            self._let_go()


def crew(workers: int, logs: Path, tell: Tell, grace: float = GRACE, *, web: bool = False) -> list[Child]:
    """The core process, `workers` worker processes and, with `web`, console and API; not warmed up yet."""
    found = [Child("core", ("core",), "dagboek.service", logs / "core.log", tell, grace)]
    if web:
        found.append(web_child(logs, tell, grace))
    return found + [
        Child(
            f"worker {slot}",
            ("worker", "--slot", str(slot)),
            "dagboek_workers.app",
            logs / f"worker-{slot}.log",
            tell,
            grace,
        )
        for slot in range(1, workers + 1)
    ]


def web_child(logs: Path, tell: Tell, grace: float = GRACE) -> Child:
    """Console and API."""
    return Child("web", ("web",), "dagboek.web.server", logs / "web.log", tell, grace)


async def stop_all(children: Sequence[Child]) -> None:
    """Stops the children at the same time: the workers give their partitions back, the core delivers what it has."""
    await asyncio.gather(*(child.stop() for child in children))
