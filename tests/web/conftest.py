"""Console and API on a real server, before a real database and broker."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import aiohttp
import pytest
from cryptography.fernet import Fernet
from dagboek.database import Database
from dagboek.embedded import Services
from dagboek.plugins import Plugins
from dagboek.settings import Settings
from dagboek.topics import ensure_topics
from dagboek.vault import Vault
from dagboek.web.rights import Right, Role
from dagboek.web.server import listening, opened
from dagboek.web.signin import keys, people, sessions
from dagboek.web.signin.tokens import csrf_of
from dagboek.web.state import Web
from web.tenants import TenantRows, filled


@dataclass
class Site:
    """A running web process, with two tenants."""

    web: Web
    address: str
    db: Database
    """As the owner of the tables sees it."""
    north: TenantRows
    south: TenantRows

    async def key(self, of: TenantRows, *scopes: Right) -> dict[str, str]:
        """Headers of a program with these rights."""
        secret, _ = await keys.make_key(self.db, of.tenant, "a program", scopes or tuple(Right)[:-1], "a test")
        return {"Authorization": f"Bearer {secret}"}

    async def person(self, of: TenantRows, role: Role, *, operator: bool = False) -> dict[str, str]:
        """Headers of a browser in which somebody is signed in."""
        name = f"{role}{'-operator' if operator else ''}@{of.name}.example"
        person = await people.ensure_person(self.db, name, operator=operator)
        await people.set_role(self.db, of.tenant, person.id, role)
        token = await sessions.begin(self.db, person, "a test")
        return {"Cookie": f"dagboek={token}", "X-CSRF-Token": csrf_of(token)}


@pytest.fixture(scope="module")
async def site(services: Services, database: Database) -> AsyncIterator[Site]:
    url = database.url
    key = Fernet.generate_key().decode()
    prefix = url.rpartition("/")[2].replace("_", "-")
    settings = Settings(
        topic_prefix=prefix,
        partitions=2,
        kafka_bootstrap=services.kafka_bootstrap,
        kafka_security=dict(services.kafka_security),
        database_url=url,
        secret_keys=[key],
        webhook_networks="127.0.0.0/8",
    )
    ensure_topics(services.kafka_bootstrap, settings, security=services.kafka_security)
    here = Services(services.kafka_bootstrap, url, services.kafka_security)
    north, south = await filled(database, "north"), await filled(database, "south")
    async with opened(settings, here, Plugins(), Vault([key])) as web, listening(web, "127.0.0.1", 0) as address:
        yield Site(web, address, database, north, south)


@pytest.fixture(scope="module")
async def http(site: Site) -> AsyncIterator[aiohttp.ClientSession]:
    """A client without cookies of its own."""
    async with aiohttp.ClientSession(site.address, cookie_jar=aiohttp.DummyCookieJar()) as session:
        yield session


@pytest.fixture(scope="module")
async def description(http: aiohttp.ClientSession) -> dict[str, Any]:
    """The description of the API."""
    async with http.get("/api/v1/openapi.json") as answer:
        assert answer.status == 200
        found: dict[str, Any] = await answer.json()
        return found
