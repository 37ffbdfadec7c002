"""Every trouble a command may meet: one clear line on stderr, an exit status, never a traceback."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

TIMEOUT = 60


def dagboek(*arguments: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Runs the command line in a process of its own, with nothing of ours in its environment."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("DAGBOEK_", "LC_"))}
    return subprocess.run(
        [sys.executable, "-m", "dagboek.cli.main", *arguments],
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
        timeout=TIMEOUT,
        env={**clean, "LANG": "C.UTF-8", "DAGBOEK_DATA_DIR": str(folder / "data"), **environment},
    )


@pytest.mark.parametrize(
    ("environment", "words"),
    [
        ({"DAGBOEK_DATABASE_URL": "mysql://x"}, "DAGBOEK_DATABASE_URL"),
        ({"DAGBOEK_DATABSE_URL": "postgresql://x"}, "did you mean DAGBOEK_DATABASE_URL?"),
        ({"DAGBOEK_SETTINGS": "/nowhere/dagboek.toml"}, "which is no file"),
        (
            {"DAGBOEK_DATABASE_URL": "postgresql://me:secret-word@127.0.0.1:1/x"},
            "The database x at 127.0.0.1:1 does not answer",
        ),
    ],
)
def test_wrong_settings_are_named(tmp_path: Path, environment: dict[str, str], words: str) -> None:
    done = dagboek("history", folder=tmp_path, **environment)
    assert (done.returncode, done.stdout) == (2, "")
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    assert "secret-word" not in done.stderr


def test_a_settings_file_that_is_no_toml(tmp_path: Path) -> None:
    (tmp_path / "dagboek.toml").write_text("partitions = [")
    done = dagboek("history", folder=tmp_path)
    assert done.returncode == 2
    assert "is not valid TOML" in done.stderr


def test_without_a_broker_sync_says_how_to_start_one(tmp_path: Path) -> None:
    done = dagboek("sync", "--all", folder=tmp_path)
    assert done.returncode == 2
    assert "dagboek up" in done.stderr


def test_a_broker_that_does_not_answer(tmp_path: Path) -> None:
    done = dagboek(
        "up",
        folder=tmp_path,
        DAGBOEK_KAFKA_BOOTSTRAP="127.0.0.1:1",
        DAGBOEK_DATABASE_URL="postgresql://x@127.0.0.1:1/x",
    )
    assert done.returncode == 2
    assert "Kafka at 127.0.0.1:1 does not answer" in done.stderr
    assert "PostgreSQL does not answer" in done.stderr
    assert "Traceback" not in done.stderr


def test_unknown_sandbox_and_wrong_arguments(tmp_path: Path) -> None:
    unknown = dagboek("sandbox", "nonesuch", folder=tmp_path)
    assert unknown.returncode == 2
    assert "nonesuch" in unknown.stderr
    assert "Traceback" not in unknown.stderr
    assert dagboek("sync", folder=tmp_path).returncode == 2
    assert dagboek("no-such-command", folder=tmp_path).returncode == 2


def test_a_bug_leaves_a_reference_and_its_details_in_a_file(tmp_path: Path) -> None:
    program = (
        "from dagboek.cli.failures import run_guarded\n"
        "def bug(): raise KeyError('hidden')\n"
        "raise SystemExit(run_guarded(bug))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "DAGBOEK_DATA_DIR": str(tmp_path)},
    )
    assert done.returncode == 70
    assert len(done.stderr.splitlines()) == 1
    log = (tmp_path / "logs" / "errors.log").read_text()
    reference = done.stderr.split("Reference ")[1].split(":")[0]
    assert reference in log
    assert "KeyError" in log


def test_plugins_as_json_is_json_alone(tmp_path: Path) -> None:
    done = dagboek("plugins", "--json", folder=tmp_path)
    names = [one["name"] for one in json.loads(done.stdout)["installed"]]
    assert "issues" in names
