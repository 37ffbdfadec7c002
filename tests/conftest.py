"""Broker and database for the tests: embedded by default, in Docker or given on request.

    uv run pytest                        Kafka and PostgreSQL from Python packages, started when a test asks
    uv run pytest --services=docker      containers, where a Docker engine answers
    uv run pytest --services=given       servers of DAGBOEK_KAFKA_BOOTSTRAP and DAGBOEK_DATABASE_URL

All tests of a process share one broker and one database server; `topic_prefix` and `database_url` keep them apart.
The whole suite runs in several processes (`side_by_side.py`), a part of it in one.
"""

import os
import re
import secrets
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psycopg
import pytest
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient
from dagboek.database import AWAY, Database
from dagboek.embedded import EmbeddedServices, Services, ports, services_for
from dagboek.embedded.answers import wait_for_kafka
from dagboek.embedded.jars import KAFKA_VERSION
from dagboek.embedded.postgres import MAJOR_VERSION
from dagboek.settings import SettingsError, load_settings
from end_to_end.harness import Installation, installation
from psycopg import sql
from push_books import Books, migrated, new_books
from side_by_side import PROCESSES, Scheduling, begun_first

KAFKA_IMAGE = f"apache/kafka:{KAFKA_VERSION}"
POSTGRES_IMAGE = f"postgres:{MAJOR_VERSION}"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--services",
        choices=("embedded", "docker", "given"),
        default="embedded",
        help="where Kafka and PostgreSQL for the tests come from (default: embedded)",
    )
    parser.addoption("--pictures", action="store_true", help="take the pictures of the guide for bookkeepers anew")
    parser.addoption(
        "--seeds", type=int, default=2000, help="seeds of the simulation, as far as a minute goes (default: 2000)"
    )


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Several processes where no file or folder was named, as little is not worth their start, and each can have
    servers of its own."""
    everything = config.args_source is pytest.Config.ArgsSource.TESTPATHS
    return PROCESSES if everything and config.getoption("--services") != "given" else 0


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Scheduling:
    """Tests of a module stay in one process."""
    return Scheduling(config, log)


def pytest_configure(config: pytest.Config) -> None:
    """Processes that start at the same time must not choose the same port: each has its own share of them."""
    name = os.environ.get("PYTEST_XDIST_WORKER")
    if name:
        ports.RANGE = ports.RANGE[int(name.removeprefix("gw")) % PROCESSES :: PROCESSES]


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """In several processes, what takes longest begins first."""
    if "PYTEST_XDIST_WORKER" in os.environ:
        items[:] = begun_first(items)


@pytest.fixture(scope="session")
def services(request: pytest.FixtureRequest) -> Iterator[Services]:
    """Where Kafka and PostgreSQL are: `.kafka_bootstrap`, `.database_url` (shared by the whole session)."""
    kind = request.config.getoption("--services")
    start = {"embedded": embedded_services, "docker": docker_services, "given": given_services}[kind]
    with start() as running:
        yield running


@pytest.fixture
def own_services(data_dir: Path) -> Iterator[EmbeddedServices]:
    """Embedded services for one test alone, which may kill and restart them (`kill_kafka()` ...)."""
    with EmbeddedServices(data_dir) as running:
        yield running


@pytest.fixture
def data_dir() -> Iterator[Path]:
    """A folder for embedded services. Not below `tmp_path`: where we are root, PostgreSQL runs as another user,
    and each new pytest session closes that folder's parents to others."""
    with temporary_folder() as folder:
        yield folder


@pytest.fixture
def database_url(services: Services) -> Iterator[str]:
    """Address of an empty database for this test, dropped afterwards with whatever is connected to it."""
    name = f"test_{secrets.token_hex(8)}"
    with psycopg.connect(services.database_url, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    yield re.sub(r"/[^/?]*(\?.*)?$", rf"/{name}\1", services.database_url)
    with psycopg.connect(services.database_url, autocommit=True) as connection:
        connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@pytest.fixture
def topic_prefix(services: Services) -> Iterator[str]:
    """A prefix for this test's topics (`ensure_topics`), which are deleted afterwards."""
    prefix = f"test-{secrets.token_hex(8)}"
    yield prefix
    delete_topics(services, prefix)


def delete_topics(services: Services, prefix: str) -> None:
    """Deletes what begins with `prefix`, so that a long session does not fill the broker."""
    admin = AdminClient({**services.kafka_security, "bootstrap.servers": services.kafka_bootstrap, "log_level": 0})
    try:
        names = [name for name in admin.list_topics(timeout=60).topics if name.startswith(prefix)]
        for answer in admin.delete_topics(names).values() if names else ():
            answer.result(timeout=60)
    except KafkaException:
        pass  # a broker that a test has stopped


@contextmanager
def temporary_folder() -> Iterator[Path]:
    """A short path (the data of a service), removed afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="dagboek-test-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def embedded_services() -> Iterator[Services]:
    """Servers of our own; their data goes to a temporary folder, the jars stay in the user's cache."""
    with temporary_folder() as folder, EmbeddedServices(folder) as running:
        yield Services(running.kafka_bootstrap, running.database_url, {}, running)


@contextmanager
def given_services() -> Iterator[Services]:
    """Servers that are there. Not naming them is a failure: nobody asks for them by accident."""
    try:
        settings = load_settings()
    except SettingsError as error:
        pytest.fail(f"--services=given: {error}", pytrace=False)
    if not settings.kafka_bootstrap or not settings.database_url:
        pytest.fail("--services=given needs DAGBOEK_KAFKA_BOOTSTRAP and DAGBOEK_DATABASE_URL", pytrace=False)
    with services_for(settings) as running:
        yield running


@contextmanager
def docker_services() -> Iterator[Services]:
    """Containers. Without a Docker engine the tests are skipped, in CI they fail."""
    from docker.errors import DockerException  # type: ignore[import-untyped]
    from testcontainers.core.container import DockerContainer
    from testcontainers.core.docker_client import DockerClient
    from testcontainers.postgres import PostgresContainer

    try:
        engine = DockerClient()
        engine.client.ping()
    except DockerException as error:
        unavailable(f"--services=docker: no Docker engine answers ({error})")
    with temporary_folder() as folder:
        port = ports.keep_or_choose(folder / "ports.json", ["kafka"])["kafka"]
    kafka = DockerContainer(KAFKA_IMAGE).with_bind_ports(9092, port)
    for name, value in kafka_in_docker(f"{engine.host()}:{port}").items():
        kafka.with_env(name, value)
    postgres = PostgresContainer(POSTGRES_IMAGE, driver=None).with_command("postgres -c max_connections=200")
    with kafka, postgres:
        fault = wait_for_kafka(f"{engine.host()}:{port}", seconds=60)
        if fault:
            pytest.fail(f"--services=docker: Kafka does not answer: {fault}", pytrace=False)
        yield Services(f"{engine.host()}:{port}", postgres.get_connection_url())


def kafka_in_docker(address: str) -> dict[str, str]:
    """Environment of the broker's image. It tells clients `address`, and reaches itself inside."""
    return {
        "KAFKA_NODE_ID": "1",
        "KAFKA_PROCESS_ROLES": "broker,controller",
        "KAFKA_CONTROLLER_QUORUM_VOTERS": "1@localhost:9093",
        "KAFKA_LISTENERS": "PLAINTEXT://0.0.0.0:9092,INTERNAL://localhost:9094,CONTROLLER://localhost:9093",
        "KAFKA_ADVERTISED_LISTENERS": f"PLAINTEXT://{address},INTERNAL://localhost:9094",
        "KAFKA_LISTENER_SECURITY_PROTOCOL_MAP": "PLAINTEXT:PLAINTEXT,INTERNAL:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "KAFKA_CONTROLLER_LISTENER_NAMES": "CONTROLLER",
        "KAFKA_INTER_BROKER_LISTENER_NAME": "INTERNAL",
        "KAFKA_AUTO_CREATE_TOPICS_ENABLE": "false",
        "KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR": "1",
        "KAFKA_TRANSACTION_STATE_LOG_REPLICATION_FACTOR": "1",
        "KAFKA_TRANSACTION_STATE_LOG_MIN_ISR": "1",
        "KAFKA_SHARE_COORDINATOR_STATE_TOPIC_REPLICATION_FACTOR": "1",
        "KAFKA_SHARE_COORDINATOR_STATE_TOPIC_MIN_ISR": "1",
        "KAFKA_GROUP_INITIAL_REBALANCE_DELAY_MS": "0",
        "KAFKA_GROUP_MIN_SESSION_TIMEOUT_MS": "1000",
    }


def unavailable(reason: str) -> None:
    """Skips, but fails where CI=true: a missing server must not pass for a green run."""
    if os.environ.get("CI", "").lower() in ("true", "1"):
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)


@pytest.fixture(scope="module")
async def database(services: Services) -> AsyncIterator[Database]:
    """A migrated database of the module's own."""
    async with migrated(services) as db:
        yield db


@pytest.fixture
async def books(database: Database) -> AsyncIterator[Books]:
    """A run of one connection, ready for links and attempts."""
    async with new_books(database) as made:
        yield made


@pytest.fixture
async def dagboek(
    services: Services, database_url: str, topic_prefix: str, tmp_path: Path
) -> AsyncIterator[Installation]:
    """An installation with its own database and topics; no processes yet."""
    async with installation(services, database_url, topic_prefix, tmp_path) as made:
        yield made
        print(made.logs())  # shown where the test has failed
        with suppress(*AWAY):
            print(*await made.standing(), sep="\n")
