"""How other commands find the services that `dagboek up` started: a file in the data folder, checked for life."""

import contextlib
import json
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from psycopg.conninfo import conninfo_to_dict

from dagboek.embedded import DataDirInUseError, EmbeddedServices, Services
from dagboek.settings import Settings

FILE = "services.json"
PATIENCE = 12.0
"""Seconds that a command waits for another one that has the embedded database for a moment."""


@dataclass(frozen=True)
class Running:
    """What runs, and since when."""

    pid: int
    kafka_bootstrap: str
    database_url: str
    topic_prefix: str = "dagboek"
    web: str | None = None
    """Address of console and API."""

    @property
    def alive(self) -> bool:
        """Whether the process is there and its database takes connections."""
        try:
            os.kill(self.pid, 0)
        except PermissionError:
            pass
        except OSError:
            return False
        address = conninfo_to_dict(self.database_url)
        return _answers(str(address.get("host", "127.0.0.1")), int(address.get("port") or 5432))


def _answers(host: str, port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection((host, port), timeout=2):
        return True
    return False


DEFAULT_PORT = 8420
"""Of console and API, where neither settings nor `dagboek up` say another."""


def address_of(settings: Settings, port: int) -> str:
    """Where browsers reach console and API: as the settings say, else at this machine's port."""
    host = settings.web_host if settings.web_host not in ("0.0.0.0", "::") else "127.0.0.1"  # noqa: S104
    return settings.web_url or f"http://{f'[{host}]' if ':' in host else host}:{port}"


def web_address(settings: Settings) -> str:
    """Where console and API are: of a running `dagboek up`, else as the settings say."""
    found = None if settings.web_url or settings.web_port else running(settings)
    return (found.web if found else None) or address_of(settings, settings.web_port or DEFAULT_PORT)


def announce(settings: Settings, services: Services, web: str | None = None) -> Path:
    """Writes where the services are, and console and API (`web`), for this user alone.

    The caller removes the file when it stops.
    """
    file = settings.data_dir / FILE
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    content = {
        "pid": os.getpid(),
        "kafka_bootstrap": services.kafka_bootstrap,
        "database_url": services.database_url,
        "topic_prefix": settings.topic_prefix,
        "web": web,
    }
    draft = file.with_name(f"{FILE}.{os.getpid()}")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "w") as text:
        json.dump(content, text)
    draft.replace(file)
    return file


def running(settings: Settings) -> Running | None:
    """What another process announced and still holds; None when there is nothing, or it is dead."""
    try:
        content = json.loads((settings.data_dir / FILE).read_text())
        found = Running(
            int(content["pid"]),
            content["kafka_bootstrap"],
            content["database_url"],
            content["topic_prefix"],
            content.get("web"),
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return found if found.alive else None


@contextmanager
def found_services(settings: Settings, *, broker: bool) -> Iterator[Services | None]:
    """The services that the settings name or that another process runs; else an embedded database for a moment.

    With `broker`, None where there is no broker: the embedded one lives only as long as `dagboek up` does.
    """
    given = settings.database_url.get_secret_value() if settings.database_url else None
    if given and (settings.kafka_bootstrap or not broker):
        yield Services(settings.kafka_bootstrap or "", given, settings.kafka_security)
        return
    other = running(settings)
    if other is not None:
        yield _merged(settings, other)
    elif broker:
        yield None
    else:
        with _own_database(settings) as services:
            yield services


def _merged(settings: Settings, other: Running) -> Services:
    given = settings.database_url.get_secret_value() if settings.database_url else None
    return Services(
        settings.kafka_bootstrap or other.kafka_bootstrap,
        given or other.database_url,
        settings.kafka_security if settings.kafka_bootstrap else {},
    )


@contextmanager
def _own_database(settings: Settings) -> Iterator[Services]:
    deadline = time.monotonic() + PATIENCE
    while True:
        embedded = EmbeddedServices(settings.data_dir, kafka=False)
        try:
            embedded.__enter__()
            break
        except DataDirInUseError:
            # Another command, which ends soon, or `dagboek up` on its way.
            other = running(settings)
            if other is not None:
                yield _merged(settings, other)
                return
            if time.monotonic() >= deadline:
                raise
            time.sleep(0.3)
    try:
        yield Services("", embedded.database_url, {}, embedded)
    finally:
        embedded.stop()
