"""`dagboek demo` as a stranger runs it, and that it leaves nothing running."""

import fcntl
import json
import os
import re
import select
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import psutil  # type: ignore[import-untyped]


def demo(home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Runs the demo; fails when a process that it started is still there afterwards."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("DAGBOEK_")}
    try:
        done = subprocess.run(
            [sys.executable, "-m", "dagboek.cli.main", "demo", *arguments],
            capture_output=True,
            text=True,
            check=False,
            timeout=180,
            env={**environment, "DAGBOEK_DATA_DIR": str(home), "LANG": "C.UTF-8"},
        )
    except subprocess.TimeoutExpired as late:
        logs = [f"== {path.name}\n{path.read_text()[-4000:]}" for path in sorted((home / "demo" / "logs").glob("*"))]
        raise AssertionError(f"the demo did not end: {late.stdout!r} {late.stderr!r}\n" + "\n".join(logs)) from None
    assert left_running(home) == []
    return done


class Terminal:
    """A terminal in which the demo runs: what is shown there, and keys."""

    def __init__(self, process: "subprocess.Popen[bytes]", keys: int) -> None:
        self.process, self._keys, self._shown, self._read = process, keys, "", 0

    def until(self, wanted: str, seconds: float = 240) -> str:
        """Reads on until `wanted` is there: all that came since what was waited for before."""
        deadline = time.monotonic() + seconds
        while (found := re.search(wanted, self._shown[self._read :])) is None:
            ready, _, _ = select.select([self._keys], [], [], 1)
            try:
                more = os.read(self._keys, 65_536) if ready else b""
            except OSError:  # it has ended
                more = b"" if self.process.poll() is None else b"\n(ended)"
            self._shown += re.sub(r"\x1b\[[0-9;?]*[A-Za-z]|\r", "", more.decode(errors="replace"))
            late = time.monotonic() > deadline or "(ended)" in self._shown
            assert not late, f"{wanted} is not shown: ...{self._shown[-3000:]}"
        shown = self._shown[self._read : self._read + found.end()]
        self._read += found.end()
        return shown

    def type(self, keys: str) -> None:
        """Presses keys."""
        os.write(self._keys, keys.encode())


@contextmanager
def on_a_terminal(home: Path, *arguments: str) -> Iterator[Terminal]:
    """The demo as somebody runs it who looks at it; killed where it has not ended by itself."""
    keys, screen = os.openpty()

    def in_the_foreground() -> None:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        fcntl.ioctl(screen, termios.TIOCSCTTY, 0)

    environment = {name: value for name, value in os.environ.items() if not name.startswith("DAGBOEK_")}
    process = subprocess.Popen(
        [sys.executable, "-m", "dagboek.cli.main", "demo", *arguments],
        stdin=screen,
        stdout=screen,
        stderr=screen,
        env={**environment, "DAGBOEK_DATA_DIR": str(home), "LANG": "C.UTF-8", "TERM": "xterm", "COLUMNS": "200"},
        start_new_session=True,
        preexec_fn=in_the_foreground,  # noqa: PLW1509
    )
    os.close(screen)
    try:
        yield Terminal(process, keys)
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
        os.close(keys)


def left_running(home: Path) -> list[str]:
    """Command lines of processes that work in `home`."""
    found = []
    for process in psutil.process_iter(["cmdline", "pid", "environ"]):
        words = [*(process.info["cmdline"] or []), (process.info["environ"] or {}).get("DAGBOEK_DATA_DIR", "")]
        if process.info["pid"] != os.getpid() and any(str(home) in word for word in words):
            found.append(" ".join(words)[:200])
    return found


def reported(home: Path, folder: Path, report: Path, *arguments: str) -> dict[str, dict[str, Any]]:
    """What `demo --invoices FOLDER --report FILE` says of each file."""
    done = demo(home, "--invoices", str(folder), "--report", str(report), *arguments)
    assert done.returncode == 0, done.stdout + done.stderr
    rows = [json.loads(line) for line in report.read_text("utf-8").splitlines()]
    found = {row["file"]: row for row in rows}
    assert len(found) == len(rows), "a file has two lines"
    return found


def booked_amounts(row: dict[str, Any]) -> dict[str, Any]:
    """Number and amounts of a line of the report; `vat` is base and VAT by rate, without rates of which both are 0."""
    told = row["amounts"]
    rates = {Decimal(one["rate"]): (Decimal(one["base"]), Decimal(one["vat"])) for one in told["vat"]}
    assert len(rates) == len(told["vat"]), f"{row['file']} has a rate twice"
    return {
        "number": row["document_number"],
        "currency": told["currency"],
        "vat": {rate: both for rate, both in rates.items() if any(both)},
        **{name: Decimal(told[name]) for name in ("net", "vat_total", "rounding", "total")},
    }


def outlived(family: list[psutil.Process]) -> list[psutil.Process]:
    """Those of them that are still there: each has a moment to go, and what nobody waits for is gone as well."""
    return [one for one in psutil.wait_procs(family, timeout=20)[1] if not _is_gone(one)]


def _is_gone(process: psutil.Process) -> bool:
    try:
        return bool(process.status() == psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return True
