"""`dagboek up`: found by other commands while it runs, restarts what dies, leaves nothing behind."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil  # type: ignore[import-untyped]
import pytest
from conftest import temporary_folder
from end_to_end.demo_command import outlived


@pytest.fixture
def home() -> Iterator[Path]:
    """A data folder of this test's own."""
    with temporary_folder() as folder:
        yield folder


def environment(home: Path) -> dict[str, str]:
    """Nothing of ours but the data folder."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("DAGBOEK_")}
    return {**clean, "DAGBOEK_DATA_DIR": str(home), "LANG": "C.UTF-8", "DAGBOEK_PARTITIONS": "4"}


def dagboek(home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Another terminal."""
    return subprocess.run(
        [sys.executable, "-m", "dagboek.cli.main", *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=90,
        env=environment(home),
    )


def wait_for(condition: Callable[[], bool], what: str, seconds: float = 90) -> None:
    """Fails with `what` when it does not come true."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.2)


def answers(address: str) -> bool:
    """Whether something is there."""
    try:
        with urllib.request.urlopen(address, timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def workers(up: "subprocess.Popen[str]") -> list[psutil.Process]:
    """The worker processes of `up` that are alive."""
    found = []
    for child in psutil.Process(up.pid).children():
        with contextlib.suppress(psutil.Error):
            if "worker" in child.cmdline():
                found.append(child)
    return found


def test_up_serves_other_commands_and_stops_in_order(home: Path) -> None:
    output = home / "up.out"
    with output.open("w") as file:
        up = subprocess.Popen(
            [sys.executable, "-m", "dagboek.cli.main", "up", "--workers", "1"],
            stdout=file,
            stderr=subprocess.STDOUT,
            env=environment(home),
            text=True,
        )
    try:
        wait_for(lambda: "Ready." in output.read_text() or up.poll() is not None, "it never became ready")
        assert up.poll() is None, output.read_text()
        assert (home / "services.json").stat().st_mode & 0o077 == 0

        seen = dagboek(home, "doctor", "--json")
        health = {one["subject"]: one["health"] for one in json.loads(seen.stdout)}
        assert (health["Kafka"], health["topics"], health["database"], health["migrations"]) == ("ok",) * 4
        assert dagboek(home, "history").returncode == 0
        web = json.loads((home / "services.json").read_text())["web"]
        wait_for(lambda: answers(f"{web}/health"), "console and API do not answer")
        told = dagboek(home, "user", "add", "anna@example.com", "--operator", "--json")
        assert json.loads(told.stdout)["link"].startswith(f"{web}/sign-in/link/")
        assert dagboek(home, "up").returncode == 2

        (first,) = workers(up)
        first.kill()
        wait_for(lambda: any(one.pid != first.pid for one in workers(up)), "the worker was not started again")

        family = psutil.Process(up.pid).children(recursive=True)
        up.send_signal(signal.SIGINT)
        assert up.wait(60) == 0, output.read_text()
        assert outlived(family) == []
        assert not (home / "services.json").exists()
        assert "Traceback" not in output.read_text()
    finally:
        if up.poll() is None:
            up.terminate()
            up.wait(60)


def test_children_do_not_outlive_a_parent_that_is_killed(home: Path) -> None:
    output = home / "up.out"
    with output.open("w") as file:
        up = subprocess.Popen(
            [sys.executable, "-m", "dagboek.cli.main", "up", "--workers", "1"],
            stdout=file,
            stderr=subprocess.STDOUT,
            env=environment(home),
            text=True,
        )
    try:
        wait_for(lambda: "Ready." in output.read_text(), "it never became ready")
        family = psutil.Process(up.pid).children(recursive=True)
    finally:
        up.kill()
        up.wait()
    _, alive = psutil.wait_procs(family, timeout=60)
    assert alive == []
    again = dagboek(home, "history")
    assert again.returncode == 0, again.stderr
