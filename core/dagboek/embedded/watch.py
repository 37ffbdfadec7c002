"""Runs one service for a parent process and stops it when that parent is gone, however it went.

Started by `process.py` as a script of its own, with the standard library only, so that it is up in
milliseconds. The parent holds the other end of standard input: end of file means "stop". The first
line on standard output is the service's process id.
"""

import contextlib
import ctypes
import json
import os
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

PR_SET_PDEATHSIG = 1


def _signal_when_parent_dies(number: int) -> Callable[[], None] | None:
    """For the case that this watcher itself is killed; Linux only, elsewhere the pid file has to do."""
    if not sys.platform.startswith("linux"):
        return None
    prctl = ctypes.CDLL(None).prctl

    def arrange() -> None:
        prctl(PR_SET_PDEATHSIG, number)

    return arrange


def _await_parent_end(parent: int) -> None:
    # A process that the parent forked may hold the pipe open after the parent died: so look at both.
    while os.getppid() == parent:
        readable, _, _ = select.select([sys.stdin], [], [], 1.0)
        if readable and not os.read(sys.stdin.fileno(), 4096):
            return


def _stop(child: "subprocess.Popen[bytes]", stop_signal: int, grace: float) -> None:
    with contextlib.suppress(ProcessLookupError):
        child.send_signal(stop_signal)
    try:
        child.wait(grace)
    except subprocess.TimeoutExpired:
        child.kill()


def main() -> int:
    """Runs the service described by the JSON object in the first argument; returns its exit status."""
    spec: dict[str, Any] = json.loads(sys.argv[1])
    parent, pid_file = os.getppid(), Path(spec["pid_file"])
    with Path(spec["log_file"]).open("ab") as log:
        child = subprocess.Popen(  # noqa: S603  # the service that process.py describes
            spec["command"],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=spec["environment"],
            start_new_session=True,
            preexec_fn=_signal_when_parent_dies(spec["stop_signal"]),  # noqa: PLW1509  # no threads yet
            **({"user": spec["user"], "group": spec["group"], "extra_groups": []} if spec["user"] else {}),
        )
    pid_file.write_text(f"{child.pid}\n")
    sys.stdout.write(f"{child.pid}\n")
    sys.stdout.flush()

    def stop(*_: object) -> None:
        threading.Thread(target=_stop, args=(child, spec["stop_signal"], spec["grace"]), daemon=True).start()

    def stop_with_parent() -> None:
        _await_parent_end(parent)
        stop()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=stop_with_parent, daemon=True).start()
    status = child.wait()
    pid_file.unlink(missing_ok=True)
    return status if status >= 0 else 128 - status


if __name__ == "__main__":
    sys.exit(main())
