"""Every trouble a command may meet: one clear line on stderr, an exit status, never a traceback."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from time import monotonic, sleep

import pytest
from dagboek.database import migrate
from dagboek.embedded import Services
from end_to_end.harness import GUARD

TIMEOUT = GUARD
NOBODY = "127.0.0.1:1"
NO_DATABASE = "postgresql://me:secret-word@127.0.0.1:1/x"


def dagboek(*arguments: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Runs the command line in a process of its own, with nothing of ours in its environment."""
    return subprocess.run(
        [sys.executable, "-m", "dagboek.cli.main", *arguments],
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
        timeout=TIMEOUT,
        env=environment_of(folder, environment),
    )


def environment_of(folder: Path, more: dict[str, str]) -> dict[str, str]:
    """Nothing of ours but the data folder, and `more`."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("DAGBOEK_", "LC_"))}
    return {**clean, "LANG": "C.UTF-8", "DAGBOEK_DATA_DIR": str(folder / "data"), **more}


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


@pytest.mark.parametrize(
    "arguments",
    [
        ("sync", "--all", "--no-wait"),
        ("retry", "2026/1"),
        ("resolve", "send-again", "2026/1", "--yes"),
        ("migrate",),
    ],
    ids=lambda arguments: arguments[0],
)
def test_a_command_that_needs_a_broker_ends_when_none_answers(
    tmp_path: Path, database_url: str, arguments: tuple[str, ...]
) -> None:
    migrate(database_url)
    done = dagboek(*arguments, folder=tmp_path, DAGBOEK_KAFKA_BOOTSTRAP=NOBODY, DAGBOEK_DATABASE_URL=database_url)
    assert done.returncode == 2
    assert done.stderr.startswith(f"Kafka at {NOBODY} does not answer: ")
    assert "Check DAGBOEK_KAFKA_BOOTSTRAP" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("arguments", [("sync", "--all"), ("cancel", "ffffffff")], ids=lambda arguments: arguments[0])
def test_a_command_ends_when_no_database_answers(
    tmp_path: Path, services: Services, arguments: tuple[str, ...]
) -> None:
    given = {"DAGBOEK_KAFKA_BOOTSTRAP": services.kafka_bootstrap, "DAGBOEK_DATABASE_URL": NO_DATABASE}
    done = dagboek(*arguments, folder=tmp_path, **given)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"The database x at {NOBODY} does not answer (")
    assert "secret-word" not in done.stderr


@pytest.mark.parametrize("missing", ["kafka", "database"])
@pytest.mark.parametrize("process", ["core", "worker"])
def test_a_process_waits_and_says_again_and_again_for_whom(
    tmp_path: Path, services: Services, database_url: str, process: str, missing: str
) -> None:
    given = {"DAGBOEK_KAFKA_BOOTSTRAP": services.kafka_bootstrap, "DAGBOEK_DATABASE_URL": database_url}
    given |= {"DAGBOEK_KAFKA_BOOTSTRAP": NOBODY} if missing == "kafka" else {"DAGBOEK_DATABASE_URL": NO_DATABASE}
    said = tmp_path / "said"
    with said.open("w") as file:
        running = subprocess.Popen(
            [sys.executable, "-m", "dagboek.cli.main", process],
            stdout=file,
            stderr=file,
            cwd=tmp_path,
            env=environment_of(tmp_path, given),
        )
    try:
        wait_for(lambda: said.read_text().count(f"{missing}.away") >= 2 or running.poll() is not None)
        assert running.poll() is None, said.read_text()
        running.terminate()
        assert running.wait(TIMEOUT) == 0
    finally:
        running.kill()
        running.wait()
    lines = said.read_text().splitlines()
    assert all(f"{missing}.away" in line and NOBODY in line and "refused" in line for line in lines), lines
    assert "secret-word" not in said.read_text()


def wait_for(condition: Callable[[], bool]) -> None:
    """Fails when it does not come true."""
    deadline = monotonic() + TIMEOUT
    while not condition():
        assert monotonic() < deadline
        sleep(0.1)


@pytest.mark.parametrize("process", ["core", "worker"])
def test_security_that_nobody_knows_is_told_at_the_start(tmp_path: Path, process: str) -> None:
    done = dagboek(
        process,
        folder=tmp_path,
        DAGBOEK_KAFKA_BOOTSTRAP=NOBODY,
        DAGBOEK_DATABASE_URL=NO_DATABASE,
        DAGBOEK_KAFKA_SECURITY="security.protocl=ssl",
    )
    assert done.returncode == 2
    assert "DAGBOEK_KAFKA_SECURITY" in done.stderr and "security.protocl" in done.stderr
    assert len(done.stderr.splitlines()) == 1


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
