"""Ctrl-C at moments when Python would answer with a traceback, or not at all."""

import os
import pty
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from dagboek.database import migrate

BY_MODULE = (sys.executable, "-m", "dagboek")
BY_NAME = (str(Path(sys.executable).with_name("dagboek")),)
LOADED = ("typer._click", "typer.main", "psycopg", "pydantic")


def started(command: Sequence[str], folder: Path, **options: Any) -> "subprocess.Popen[bytes]":
    """A process that hears Ctrl-C; one that a shell starts in the background, as tests may be, is born deaf."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("DAGBOEK_", "LC_"))}
    given = {**clean, "LANG": "C.UTF-8", "DAGBOEK_DATA_DIR": str(folder / "data"), **options.pop("env", {})}
    return subprocess.Popen(
        command,
        env=given,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),  # noqa: PLW1509
        **options,
    )


@pytest.mark.parametrize("module", LOADED)
@pytest.mark.parametrize("command", [(*BY_NAME, "history"), (*BY_MODULE, "demo"), (*BY_MODULE, "up"), BY_NAME], ids=str)
def test_while_modules_load_a_command_just_ends(tmp_path: Path, command: tuple[str, ...], module: str) -> None:
    tell = {"PYTHONPROFILEIMPORTTIME": "1"}  # Python says on stderr which module it has just loaded
    process = started(command, tmp_path, env=tell, stderr=subprocess.PIPE)
    assert process.stderr is not None
    for line in process.stderr:
        if line.rpartition(b"|")[2].strip() == module.encode():
            break
    process.send_signal(signal.SIGINT)
    _, rest = process.communicate(timeout=60)
    said = [line for line in rest.decode().splitlines() if not line.startswith("import time:")]
    assert (process.returncode, said) == (130, [])


def test_at_a_question_the_first_one_ends_the_command(tmp_path: Path, database_url: str) -> None:
    migrate(database_url)
    ours, theirs = pty.openpty()
    words = ("connect", "octopus", "--tenant", "North", "--entity", "North", "--vat", "BE0403019261")
    environment = {"DAGBOEK_DATABASE_URL": database_url}
    process = started([*BY_MODULE, *words], tmp_path, env=environment, stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    try:
        said = b""
        while not said.rstrip().endswith(b":"):
            said += os.read(ours, 4096)
        time.sleep(0.3)
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 130
        said = b""
        with suppress(OSError):  # EIO: all was read
            while more := os.read(ours, 4096):
                said += more
    finally:
        process.kill()
        process.wait()
        os.close(ours)
    assert b"Stopped; nothing more was stored." in said
    assert b"Traceback" not in said
