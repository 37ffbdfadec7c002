"""`kill -9` of Kafka and of PostgreSQL in the middle of runs, and a tool that restarts: nothing lost, nothing twice."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from crash.books import audit, dossiers, ended, prepare, request, until_booked
from dagboek.embedded import EmbeddedServices, Services
from end_to_end.harness import Installation, installation, octopus

CONNECTIONS, DOCUMENTS = 10, 30


@pytest.fixture
async def own(own_services: EmbeddedServices, tmp_path: Path) -> AsyncIterator[Installation]:
    """An installation on services of its own, which may be killed."""
    services = Services(own_services.kafka_bootstrap, own_services.database_url, {}, own_services)
    async with installation(services, services.database_url, f"own-{secrets.token_hex(4)}", tmp_path) as made:
        yield made


async def test_kafka_killed_and_restarted(own: Installation, own_services: EmbeddedServices, tmp_path: Path) -> None:
    async with octopus(dossiers=dossiers(CONNECTIONS)) as sandbox:
        asked = await prepare(own, sandbox, tmp_path / "ubl", CONNECTIONS, DOCUMENTS)
        sandbox.control.faults(kind="latency", operation="insertBuySellBooking", seconds=0.2)
        own.core()
        own.worker()
        await request(own, asked)

        await until_booked(sandbox, asked.documents // 3)
        at_the_kill = len(sandbox.books.entries())
        await asyncio.to_thread(own_services.kill_kafka)
        await asyncio.sleep(2)
        await asyncio.to_thread(own_services.start_kafka)
        runs = await ended(own, asked, 120)

        assert at_the_kill < asked.documents
        assert {run["status"] for run in runs} == {"Success"}
        found = await audit(own, sandbox, asked)
        assert found.faults() == {}


async def test_postgres_killed_and_restarted(own: Installation, own_services: EmbeddedServices, tmp_path: Path) -> None:
    async with octopus(dossiers=dossiers(CONNECTIONS)) as sandbox:
        asked = await prepare(own, sandbox, tmp_path / "ubl", CONNECTIONS, DOCUMENTS)
        sandbox.control.faults(kind="latency", operation="insertBuySellBooking", seconds=0.2)
        own.core()
        own.worker()
        await request(own, asked)

        await until_booked(sandbox, asked.documents // 3)
        at_the_kill = len(sandbox.books.entries())
        await asyncio.to_thread(own_services.kill_postgres)
        await asyncio.sleep(2)
        await asyncio.to_thread(own_services.start_postgres)
        runs = await ended(own, asked, 120)

        assert at_the_kill < asked.documents
        assert {run["status"] for run in runs} == {"Success"}
        found = await audit(own, sandbox, asked)
        assert found.faults() == {}
