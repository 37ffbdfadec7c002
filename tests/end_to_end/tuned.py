"""A process of an installation with other constants than a release has, so that little work shows what much would.

Run by `start_tuned`: it takes the place of `dagboek COMMAND`.
"""

import importlib
import json
import subprocess
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from end_to_end.harness import Installation


def start_tuned(dagboek: "Installation", constants: dict[str, float], *command: str) -> None:
    """Starts a command with `constants` by name, such as `dagboek.admission.ROOM`."""
    log = (dagboek.folder / f"tuned-{'-'.join(command)}-{len(dagboek.processes)}.log").open("wb")
    dagboek.processes.append(
        subprocess.Popen(
            [sys.executable, __file__, json.dumps(constants), *command],
            env=dagboek.environment(),
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    )


def main() -> None:
    """Sets the constants, before anything that uses them is loaded, and goes on as the command."""
    for name, value in json.loads(sys.argv.pop(1)).items():
        module, _, constant = name.rpartition(".")
        found = importlib.import_module(module)
        assert hasattr(found, constant), name
        setattr(found, constant, value)
    importlib.import_module("dagboek.cli.main").main()


if __name__ == "__main__":
    main()
