"""A child process that loads what it needs, waits to be told its environment, and then is a `dagboek` command.

`python -m dagboek.cli.warmed PARENT MODULE COMMAND ...`: one line of JSON on standard input starts it, end of file
ends it, and so does the end of the process PARENT.
"""

import contextlib
import ctypes
import importlib
import json
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def main() -> None:
    """Loads the module, waits for the environment, runs the command."""
    parent, preload, *arguments = sys.argv[1:]
    _end_with(int(parent))
    with contextlib.suppress(ImportError):  # the command itself says what is missing
        importlib.import_module(preload)
    command_line = importlib.import_module("dagboek.cli.main")
    line = sys.stdin.readline()
    if not line:
        return
    os.environ.update(json.loads(line))
    command_line.main(arguments)


def _end_with(parent: int) -> None:
    """Has the system stop this process when its parent is killed (Linux; elsewhere only while it waits)."""
    if sys.platform.startswith("linux"):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:
        sys.exit(0)


if __name__ == "__main__":
    main()
