"""Child processes that do not outlive their parent, and are never mistaken for a stranger's."""

import subprocess
import sys
import zipfile
from pathlib import Path

import psutil  # type: ignore[import-untyped]
import pytest
from dagboek.embedded import EmbeddedError
from dagboek.embedded.jars import _drop_halves, _intact_jar, _remembered
from dagboek.embedded.process import ServiceProcess
from dagboek.embedded.threads import in_threads

SLEEPER = "import sys, time; print('ready', flush=True); time.sleep(600)"
DEAF = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('ready', flush=True); time.sleep(600)"


def service(folder: Path, program: str = SLEEPER, **options: float) -> ServiceProcess:
    marker = f"marker={folder}"
    return ServiceProcess(
        "sleeper",
        command=[sys.executable, "-c", program, marker],
        marker=marker,
        folder=folder,
        **options,  # type: ignore[arg-type]
    )


def await_ready(process: ServiceProcess) -> None:
    while "ready" not in process.log_file.read_text():
        assert process.running


def test_start_and_stop(tmp_path: Path) -> None:
    process = service(tmp_path)
    process.start()
    pid = process.pid
    assert pid is not None and process.running
    process.start()  # is running: nothing happens
    assert process.pid == pid
    process.stop()
    process.stop()
    assert not process.running and not psutil.pid_exists(pid)
    assert not (tmp_path / "sleeper.pid").exists()


def test_deaf_service_is_killed_after_its_grace_time(tmp_path: Path) -> None:
    process = service(tmp_path, DEAF, grace=0.3)
    process.start()
    await_ready(process)
    process.stop()
    assert not process.running


def test_program_that_is_not_there_is_named(tmp_path: Path) -> None:
    process = ServiceProcess("sleeper", command=[tmp_path / "nothing"], marker="x", folder=tmp_path)
    with pytest.raises(EmbeddedError, match=r"sleeper cannot be run.*nothing"):
        process.start()
    assert not process.running


def test_leftover_of_an_earlier_parent_is_stopped(tmp_path: Path) -> None:
    command = [sys.executable, "-c", SLEEPER, f"marker={tmp_path}"]
    orphan = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    (tmp_path / "sleeper.pid").write_text(f"{orphan.pid}\n")
    assert service(tmp_path, grace=5).stop_leftover()
    orphan.wait(5)
    assert not service(tmp_path).stop_leftover()


def test_stranger_with_the_same_number_is_left_alone(tmp_path: Path) -> None:
    stranger = subprocess.Popen([sys.executable, "-c", SLEEPER], stdout=subprocess.DEVNULL)
    try:
        pid_file = tmp_path / "sleeper.pid"
        pid_file.write_text(f"{stranger.pid}\n")
        assert not service(tmp_path).stop_leftover()
        assert stranger.poll() is None
        assert not pid_file.exists()  # or PostgreSQL would take the stranger for itself and refuse to start
    finally:
        stranger.kill()
        stranger.wait()


@pytest.mark.parametrize("content", ["", "no number", "-1", "99999999999"])
def test_spoilt_pid_file_does_no_harm(tmp_path: Path, content: str) -> None:
    (tmp_path / "sleeper.pid").write_text(content)
    assert not service(tmp_path).stop_leftover()


def test_secrets_of_the_parent_are_not_passed_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DAGBOEK_DATABASE_URL", "postgresql://u:hidden-word@localhost/x")
    process = service(tmp_path)
    process.start()
    await_ready(process)
    try:
        assert "hidden-word" not in str(psutil.Process(process.pid).environ())
    finally:
        process.kill()
    assert not process.running


class Artifact:
    """As jgo's: `resolve` fetches the file unless something is there."""

    def __init__(self, path: Path, contents: list[bytes]) -> None:
        self.path = path
        self.contents = contents

    def resolve(self) -> Path:
        if not self.path.exists():
            self.path.write_bytes(self.contents.pop(0))
        return self.path


def jar_bytes(folder: Path) -> bytes:
    file = folder / "whole.zip"
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("a/B.class", b"x" * 1000)
    return file.read_bytes()


def test_half_a_jar_is_fetched_again(tmp_path: Path) -> None:
    whole = jar_bytes(tmp_path)
    artifact = Artifact(tmp_path / "kafka.jar", [whole[:300], whole])
    assert _intact_jar(artifact).read_bytes() == whole


def test_error_page_instead_of_a_jar_is_refused_and_not_kept(tmp_path: Path) -> None:
    artifact = Artifact(tmp_path / "kafka.jar", [b"<html>proxy</html>"] * 2)
    with pytest.raises(EmbeddedError, match="no jar file"):
        _intact_jar(artifact)
    assert not artifact.path.exists()


def test_half_a_description_is_dropped_whole_ones_stay(tmp_path: Path) -> None:
    folder = tmp_path / "org" / "example"
    folder.mkdir(parents=True)
    (folder / "whole.pom").write_text("<project><name>x</name></project>")
    (folder / "half.pom").write_text("<project><name>x</na")
    (folder / "empty.pom").write_text("")
    _drop_halves(tmp_path)
    assert [path.name for path in folder.iterdir()] == ["whole.pom"]


def test_list_of_jars_holds_only_while_all_are_there(tmp_path: Path) -> None:
    jar, listed = tmp_path / "a.jar", tmp_path / "list.json"
    jar.write_bytes(b"12345")
    listed.write_text(f'[["{jar}", 5]]')
    assert _remembered(listed) == [jar]
    jar.write_bytes(b"1234")
    assert _remembered(listed) is None
    jar.unlink()
    assert _remembered(listed) is None
    listed.write_text("[]")
    assert _remembered(listed) is None
    listed.write_text("{broken")
    assert _remembered(listed) is None


def test_threads_give_all_results_or_the_first_error() -> None:
    assert sorted(in_threads(lambda n: n * n, [1, 2, 3, 4, 5], 3)) == [1, 4, 9, 16, 25]
    assert list(in_threads(str, [], 4)) == []
    with pytest.raises(ZeroDivisionError):
        list(in_threads(lambda n: 1 // n, [1, 0, 2], 1))
