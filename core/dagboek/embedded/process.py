"""A service as a child process that does not outlive its parent (see `watch.py`)."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil  # type: ignore[import-untyped]

from dagboek.embedded import watch
from dagboek.embedded.errors import EmbeddedError

PASSED_ON = ("PATH", "HOME", "TMPDIR", "LANG", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")


@dataclass(frozen=True)
class User:
    """The system user that a service runs as, where it must not run as the present one."""

    name: str
    uid: int
    gid: int


class ServiceProcess:
    """One service: starts it, stops it, kills it, and finds what an earlier parent left behind.

    `marker` is a part of the command line that no other program has (the data folder): a process is
    only ever signalled when a pid file names it *and* its command line holds the marker. `own_pid_file` is the
    one that the service itself writes.
    """

    def __init__(
        self,
        name: str,
        *,
        command: Sequence[str | Path],
        marker: str,
        folder: Path,
        stop_signal: signal.Signals = signal.SIGTERM,
        grace: float = 20.0,
        user: User | None = None,
        own_pid_file: Path | None = None,
    ) -> None:
        self.name = name
        self.log_file = folder / f"{name}.out"
        self._pid_file = folder / f"{name}.pid"
        self._command = [str(part) for part in command]
        self._marker = marker
        self._stop_signal = stop_signal
        self._grace = grace
        self._user = user
        self._pid_files = [self._pid_file, *([own_pid_file] if own_pid_file else [])]
        self._watcher: subprocess.Popen[bytes] | None = None
        self.pid: int | None = None

    @property
    def running(self) -> bool:
        """Whether the service's process is there (it may not answer yet)."""
        return self._watcher is not None and self._watcher.poll() is None

    def start(self) -> None:
        """Starts the service. Raises `EmbeddedError` when the program cannot be run."""
        if self.running:
            return
        self.log_file.write_bytes(b"")
        spec = {
            "command": self._command,
            "environment": {name: os.environ[name] for name in PASSED_ON if name in os.environ},
            "pid_file": str(self._pid_file),
            "log_file": str(self.log_file),
            "stop_signal": int(self._stop_signal),
            "grace": self._grace,
            "user": self._user.uid if self._user else None,
            "group": self._user.gid if self._user else None,
        }
        with self.log_file.open("ab") as log:
            self._watcher = subprocess.Popen(  # noqa: S603  # our own script
                [sys.executable, "-I", "-S", watch.__file__, json.dumps(spec)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                start_new_session=True,  # Ctrl-C goes to the parent alone, which then stops things in order
            )
        line = self._watcher.stdout.readline() if self._watcher.stdout else b""
        if not line:
            self.stop()
            raise EmbeddedError(f"{self.name} cannot be run: {self.last_words()}")
        self.pid = int(line)

    def stop(self) -> None:
        """Stops the service in order, waiting for it; after its grace time it is killed. Safe to repeat."""
        if self._watcher is None:
            return
        self._watcher.communicate()  # closes its standard input, which means "stop", and waits
        self._watcher = self.pid = None

    def kill(self) -> None:
        """Kills the service and its own children at once (kill -9), as a crash would."""
        if self._watcher is None or self.pid is None:
            return
        with contextlib.suppress(psutil.NoSuchProcess):
            service = psutil.Process(self.pid)
            family = [service, *service.children(recursive=True)]
            for member in family:
                with contextlib.suppress(psutil.NoSuchProcess):
                    member.kill()
            for member in family:
                _await_end(member, 10)
        self.stop()

    def stop_leftover(self) -> bool:
        """Waits for, then stops, the process of a parent that was killed. Returns whether there was one."""
        leftover = self._leftover()
        if leftover is None:
            return False
        # Its watcher has seen the parent go and is stopping it; where the watcher was killed, nobody is.
        with contextlib.suppress(psutil.NoSuchProcess):
            leftover.send_signal(self._stop_signal)
            if not _await_end(leftover, self._grace):
                leftover.kill()
                _await_end(leftover, 5)
        deadline = time.monotonic() + 2
        while self._pid_file.exists() and time.monotonic() < deadline:
            time.sleep(0.05)  # the watcher removes it as its last act
        self._pid_file.unlink(missing_ok=True)
        return True

    def last_words(self) -> str:
        """The end of what the service wrote, for an error message."""
        with contextlib.suppress(OSError):
            lines = [line for line in self.log_file.read_text(errors="replace").splitlines() if line.strip()]
            if lines:
                return " / ".join(lines[-5:])[-1_000:]
        return f"it left no message (see the files in {self.log_file.parent})"

    def _leftover(self) -> psutil.Process | None:
        for file in self._pid_files:
            with contextlib.suppress(OSError, ValueError, IndexError, psutil.Error):
                process = psutil.Process(int(file.read_text().split()[0]))
                if any(self._marker in part for part in process.cmdline()):
                    return process
                # The number now belongs to a stranger. PostgreSQL would refuse to start because of it.
                file.unlink()
        return None


def _await_end(process: psutil.Process, seconds: float) -> bool:
    """Whether it ended in time. In a container nobody may collect the dead: a zombie has ended, too."""
    deadline = time.monotonic() + seconds
    with contextlib.suppress(psutil.NoSuchProcess):
        while process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
            if time.monotonic() > deadline:
                return False
            time.sleep(0.05)
    return True
