"""`dagboek chaos` as an operator runs it."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from conftest import temporary_folder
from end_to_end.demo_command import left_running


def chaos(*arguments: str, **more: str) -> dict[str, Any]:
    """Runs it; its report. Fails when a process that it started is still there."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("DAGBOEK_")}
    with temporary_folder() as folder:
        done = subprocess.run(
            [sys.executable, "-m", "dagboek", "chaos", *arguments, "--json"],
            capture_output=True,
            text=True,
            check=False,
            timeout=400,
            env={**environment, "TMPDIR": str(folder), **more},
        )
        assert left_running(folder) == []
        assert done.returncode in (0, 1), done.stderr + logs(folder)
        told: dict[str, Any] = json.loads(done.stdout)
        assert done.returncode == (0 if told["ok"] else 1)
        if not told["ok"]:
            print(done.stderr, logs(folder))
        elif not told["ended_by_themselves"]:
            assert [path.name for path in folder.iterdir()] == [], "it leaves nothing when all is well"
        return told


def logs(folder: Path) -> str:
    """The ends of what the processes said."""
    return "\n".join(f"== {path.name}\n{path.read_text()[-4000:]}" for path in sorted(folder.glob("*/logs/*.log")))
