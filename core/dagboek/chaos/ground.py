"""Where a trial takes place: a folder, topics and a database of its own, on servers of its own or on given ones.

Never in the database of an installation: a second core would look after the runs that it finds there.
"""

import secrets
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import psycopg
from cryptography.fernet import Fernet
from psycopg import sql
from pydantic import SecretStr

from dagboek.database import beside_it, place_of
from dagboek.embedded import Services
from dagboek.settings import Settings, SettingsError
from dagboek.topics import delete_topics

PARTITIONS: Final = 12


@contextmanager
def folder_of_its_own() -> Iterator[Path]:
    """A temporary folder. It is kept when something is left in it that a person should see."""
    folder = Path(tempfile.mkdtemp(prefix="dagboek-chaos-"))
    try:
        yield folder
    finally:
        if not (folder / KEPT).exists():
            shutil.rmtree(folder, ignore_errors=True)


KEPT: Final = "keep"


def keep(folder: Path) -> None:
    """The folder stays: its logs tell what went wrong."""
    (folder / KEPT).touch()


def settings_of(base: Settings, folder: Path) -> Settings:
    """Settings of a trial: given servers are used, and nothing else of an installation."""
    return Settings(
        data_dir=folder,
        topic_prefix=f"dagboek-chaos-{secrets.token_hex(4)}",
        partitions=PARTITIONS,
        topic_replication=1 if base.kafka_bootstrap is None else base.topic_replication,
        kafka_bootstrap=base.kafka_bootstrap,
        kafka_security=base.kafka_security,
        database_url=base.database_url,
        maven_repository=base.maven_repository,
        secret_keys=[SecretStr(Fernet.generate_key().decode())],
        log_level=base.log_level,
    )


@contextmanager
def swept(settings: Settings, services: Services) -> Iterator[Services]:
    """The services with a database of the trial's own; database and topics are deleted on servers that stay."""
    if settings.database_url is None:
        yield services
    else:
        name = f"dagboek_chaos_{secrets.token_hex(4)}"
        _execute(services.database_url, "CREATE DATABASE {}", name)
        try:
            url = beside_it(services.database_url, name)
            yield Services(services.kafka_bootstrap, url, services.kafka_security, services.embedded)
        finally:
            _execute(services.database_url, "DROP DATABASE IF EXISTS {} WITH (FORCE)", name)
    if settings.kafka_bootstrap is not None:
        delete_topics(services.kafka_bootstrap, services.kafka_security, settings.topic_prefix)


def _execute(url: str, statement: str, name: str) -> None:
    try:
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(sql.SQL(statement).format(sql.Identifier(name)))
    except psycopg.errors.InsufficientPrivilege:
        raise SettingsError(
            f"The user of DAGBOEK_DATABASE_URL may not make a database beside {place_of(url)}. Chaos works in one of "
            "its own, so that it touches nothing of yours: let the user do so (ALTER ROLE ... CREATEDB), or unset "
            "DAGBOEK_DATABASE_URL for an embedded server."
        ) from None
