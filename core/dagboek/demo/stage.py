"""What the demo plays on: embedded services, a fresh database, topics of its own, sandboxes, child processes."""

import asyncio
import re
import secrets
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final

import psycopg
from dagboek_sdk.sandbox import RunningSandbox
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from dagboek.cli.children import Child, Tell, child_environment
from dagboek.cli.running import address_of, announce
from dagboek.cli.up import working
from dagboek.database import Database, beside_it, migrate
from dagboek.demo.books import Books
from dagboek.embedded import Services
from dagboek.plugins import Plugins
from dagboek.publisher import Publisher
from dagboek.settings import Settings
from dagboek.topics import delete_topics, ensure_topics
from dagboek.vault import Vault, vault_for

PREFIX: Final = "dagboek-demo"
PARTITIONS: Final = 6
TOOL: Final = "octopus"
"""What anyone's files are booked in."""
SETTINGS_FILE: Final = "dagboek.toml"


@dataclass
class Stage:
    """Everything that runs while the demo plays."""

    settings: Settings
    services: Services
    plugins: Plugins
    vault: Vault
    db: Database
    publisher: Publisher
    sandboxes: Mapping[str, RunningSandbox]
    """By tool."""
    books: Mapping[str, Books]
    """By tool, what stands in its sandbox."""
    tell: Tell
    children: list[Child]
    address: str
    """Of the console."""
    environment: Mapping[str, str] = field(repr=False)
    """Of the children."""
    console: Child | None = None
    """Begins later than the other children: nobody needs it before there is something to see."""

    def begin_console(self) -> None:
        """Has it load and answer, beside whatever goes on. Safe to repeat."""
        if self.console is not None and self.console.pid is None:
            self.console.begin(self.environment)


def demo_settings(base: Settings) -> Settings:
    """Settings of the demo: a data folder of its own, topics under a prefix that nobody used before."""
    given: dict[str, Any] = {
        "data_dir": base.data_dir / "demo",
        "topic_prefix": f"{PREFIX}-{secrets.token_hex(4)}",
        "partitions": PARTITIONS,
        "topic_replication": 1 if base.kafka_bootstrap is None else base.topic_replication,
        "kafka_bootstrap": base.kafka_bootstrap,
        "kafka_security": base.kafka_security,
        "database_url": base.database_url,
        "maven_repository": base.maven_repository,
        "log_level": base.log_level,
        "web_host": base.web_host,
        "web_port": base.web_port,
        "web_url": base.web_url,
        "web_proxies": base.web_proxies,
    }
    return Settings(**given)


@asynccontextmanager
async def stage(
    settings: Settings,
    services: Services,
    plugins: Plugins,
    tell: Tell,
    children: list[Child],
    tools: Sequence[str] = (TOOL,),
    console: Child | None = None,
    **sandbox: Any,
) -> AsyncIterator[Stage]:
    """A stage that is set; left, nothing of it runs. `services` must answer, `children` may be warmed up already."""
    services = await asyncio.to_thread(fresh_database, settings, services)
    async with AsyncExitStack() as stack:
        await asyncio.gather(asyncio.to_thread(migrate, services.database_url), _topics(settings, services))
        _leave_settings(settings)
        environment = child_environment(settings, services)
        await stack.enter_async_context(working(children, environment))
        if console is not None:
            stack.push_async_callback(console.stop)
        running: dict[str, RunningSandbox] = {}
        books: dict[str, Books] = {}
        for tool in tools:
            running[tool] = await plugins.sandbox(tool).start(host="127.0.0.1", port=0, **sandbox)
            stack.push_async_callback(running[tool].stop)
            books[tool] = Books(running[tool])
            stack.push_async_callback(books[tool].close)
        address = address_of(settings, int(environment["DAGBOEK_WEB_PORT"]))
        file = announce(settings, services, address if console else None)
        stack.callback(lambda: file.unlink(missing_ok=True))
        db = await stack.enter_async_context(Database(services.database_url, size=10))
        publisher = Publisher(services.kafka_bootstrap, settings.topic_prefix, services.kafka_security)
        stack.push_async_callback(asyncio.to_thread, publisher.close)
        vault = vault_for(settings)
        # fmt: off
        yield Stage(
            settings, services, plugins, vault, db, publisher, running, books, tell, children, address, environment,
            console,
        )
        # fmt: on
    if services.embedded is None:
        await asyncio.to_thread(delete_topics, services.kafka_bootstrap, services.kafka_security, settings.topic_prefix)


def fresh_database(settings: Settings, services: Services) -> Services:
    """An empty database: the embedded one made anew, or one called `..._demo` on the server that was given."""
    parts = conninfo_to_dict(services.database_url)
    name = str(parts.get("dbname") or "dagboek")
    embedded = services.embedded is not None and settings.database_url is None
    wanted, beside = (name, "postgres") if embedded else (re.sub(r"(_demo)?$", "_demo", name, count=1), name)
    with psycopg.connect(make_conninfo(services.database_url, dbname=beside), autocommit=True) as connection:
        connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(wanted)))
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(wanted)))
    url = beside_it(services.database_url, wanted)
    return Services(services.kafka_bootstrap, url, services.kafka_security, services.embedded)


async def _topics(settings: Settings, services: Services) -> None:
    if services.embedded is not None:
        await asyncio.to_thread(
            delete_topics, services.kafka_bootstrap, services.kafka_security, PREFIX, keep=settings.topic_prefix
        )
    await asyncio.to_thread(ensure_topics, services.kafka_bootstrap, settings, security=dict(services.kafka_security))


def _leave_settings(settings: Settings) -> None:
    """A settings file with which other commands look at the demo's data afterwards."""
    lines = [
        f'data_dir = "{settings.data_dir}"',
        f'topic_prefix = "{settings.topic_prefix}"',
        f"partitions = {settings.partitions}",
    ]
    (settings.data_dir / SETTINGS_FILE).write_text("\n".join(lines) + "\n", encoding="utf-8")
