"""A process of Dagboek whose wall clock is wrong: `python shifted_clock.py FILE COMMAND ...`.

FILE says by how many seconds, and is read each time, so that the clock can be made to jump.
"""

import runpy
import subprocess
import sys
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from dagboek_sdk import clock

if TYPE_CHECKING:
    from end_to_end.harness import Installation


def start(dagboek: "Installation", clock_file: Path, *command: str) -> "subprocess.Popen[bytes]":
    """Starts it as a process of an installation."""
    log = (dagboek.folder / f"shifted-{'-'.join(command)}-{len(dagboek.processes)}.log").open("wb")
    process = subprocess.Popen(
        [sys.executable, __file__, str(clock_file), *command],
        env=dagboek.environment(),
        stdout=log,
        stderr=subprocess.STDOUT,
    )
    dagboek.processes.append(process)
    return process


def set_clock(clock_file: Path, seconds: float) -> None:
    """Sets the clock of the process, at once."""
    new = clock_file.with_suffix(".new")
    new.write_text(str(seconds))
    new.replace(clock_file)


def main() -> None:
    """Runs the command under the wrong clock."""
    clock_file, real = Path(sys.argv[1]), clock.now

    def now() -> datetime:
        return real() + timedelta(seconds=float(clock_file.read_text()))

    clock.now = now
    sys.argv = ["dagboek", *sys.argv[2:]]
    runpy.run_module("dagboek", run_name="__main__")


if __name__ == "__main__":
    main()
