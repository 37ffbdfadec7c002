"""Core and worker in processes of their own, as the product runs them, with the plugins of the benches.

python bench/processes.py worker|core         started by a bench, which says in BENCH where everything is
"""

import argparse
import asyncio
import json
import os
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

import instant
import stub_plugin
import uvloop
from dagboek.logs import configure
from dagboek.plugins import Plugins
from dagboek.service import CoreService
from dagboek.settings import Settings
from dagboek.vault import Vault
from dagboek_octopus import hooks as octopus
from dagboek_workers.app import WorkerOptions, run_worker

HERE = Path(__file__).parent


def plugins() -> Plugins:
    """The tools and the source of the benches, and Octopus for its sandbox."""
    made = Plugins(entry_points=False)
    made.register(instant, "instant")
    made.register(stub_plugin, "stub")
    made.register(octopus, "octopus")
    return made


@dataclass(frozen=True)
class Addresses:
    """Where broker and database are, and the key of the vault."""

    kafka_bootstrap: str
    database_url: str
    key: str
    prefix: str = "bench"
    partitions: int = 48

    @property
    def settings(self) -> Settings:
        """Settings of the processes."""
        return Settings(
            topic_prefix=self.prefix,
            partitions=self.partitions,
            kafka_bootstrap=self.kafka_bootstrap,
            database_url=self.database_url,
            secret_keys=[self.key],
        )

    @property
    def vault(self) -> Vault:
        """Opens what `tenants_of_bench` has closed."""
        return Vault([self.key])

    def start(self, role: str, slot: str = "1", calls: int = 256, **environment: str) -> subprocess.Popen[bytes]:
        """Starts core or worker."""
        command = [sys.executable, __file__, role, "--slot", slot, "--calls", str(calls)]
        return subprocess.Popen(command, env={**os.environ, **environment, "BENCH": json.dumps(asdict(self))})


@dataclass(frozen=True)
class Cost:
    """What a process has taken so far."""

    cpu: float
    """Seconds."""
    memory: int
    """Resident, in MB."""
    most_memory: int

    @classmethod
    def of(cls, pid: int) -> "Cost":
        """FileNotFoundError when it is gone."""
        status = Path(f"/proc/{pid}/status").read_text()
        memory, most = (int(status.partition(f"{name}:")[2].split()[0]) // 1024 for name in ("VmRSS", "VmHWM"))
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return cls((int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK"), memory, most)


def busy() -> float:
    """Seconds that all processors of the machine have been busy, since it was started."""
    user, nice, system, _idle, _waiting, *interrupts = Path("/proc/stat").read_text().split(maxsplit=9)[1:8]
    return sum(map(int, (user, nice, system, *interrupts))) / os.sysconf("SC_CLK_TCK")


def main() -> None:
    """Core or worker, until TERM."""
    parser = argparse.ArgumentParser()
    parser.add_argument("role", choices=("core", "worker"))
    parser.add_argument("--slot", default="1")
    parser.add_argument("--calls", type=int, default=256)
    given = parser.parse_args()
    configure("WARNING")
    here = Addresses(**json.loads(os.environ["BENCH"]))
    if given.role == "core":
        uvloop.run(CoreService(here.settings, here, plugins(), here.vault).run(asyncio.Event()))
        return
    options = WorkerOptions(
        bootstrap=here.kafka_bootstrap,
        database_url=here.database_url,
        topic_prefix=here.prefix,
        slot=given.slot,
        partitions=here.partitions,
        calls=given.calls,
    )
    run_worker(options, plugins(), here.vault)


if __name__ == "__main__":
    main()
