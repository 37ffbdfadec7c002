"""Core and worker that are there before their servers, and that see them go: they say so, wait, and go on."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from dagboek.chaos.ubl import Ubl
from dagboek.embedded import EmbeddedServices, Services
from end_to_end.harness import GUARD, Installation, installation, octopus, write_files


@pytest.fixture
async def own(own_services: EmbeddedServices, tmp_path: Path) -> AsyncIterator[Installation]:
    """An installation on services of its own, which may be stopped."""
    services = Services(own_services.kafka_bootstrap, own_services.database_url, {}, own_services)
    async with installation(services, services.database_url, f"own-{secrets.token_hex(4)}", tmp_path) as made:
        yield made


async def test_servers_that_come_late_and_go_again(
    own: Installation, own_services: EmbeddedServices, tmp_path: Path
) -> None:
    async with octopus() as sandbox:
        write_files(tmp_path / "ubl", [Ubl("2026/1")])
        connection = await own.connection(sandbox, folder=tmp_path / "ubl")
        await asyncio.to_thread(own_services.stop_kafka)
        await asyncio.to_thread(own_services.stop_postgres)
        own.core()
        own.worker()
        await said(own, "kafka.away", "database.away")
        await asyncio.to_thread(own_services.start_postgres)
        await said(own, "database.back")
        assert ".started" not in own.logs()
        await asyncio.to_thread(own_services.start_kafka)
        await own.ready()
        assert (await own.sync(connection))["status"] == "Success"

        for name, kill, start in (
            ("kafka", own_services.kill_kafka, own_services.start_kafka),
            ("database", own_services.kill_postgres, own_services.start_postgres),
        ):
            away, back = counts(own, f"{name}.away"), counts(own, f"{name}.back")
            await asyncio.to_thread(kill)
            await said(own, f"{name}.away", after=away)
            await asyncio.to_thread(start)
            await said(own, f"{name}.back", after=back)
        write_files(tmp_path / "ubl", [Ubl("2026/2")])
        assert (await own.sync(connection))["status"] == "Success"
        assert [entry["comment"] for entry in sandbox.books.entries(1001, journal="V1")] == ["2026/1", "2026/2"]
        told = "".join(path.read_text() for path in own.folder.glob("*.log"))
        assert "Traceback" not in told
        assert told.count("Unable connect to node") < 60, "our own line is lost among those of the client"


def counts(own: Installation, words: str) -> list[int]:
    """How often core and worker each have said it."""
    return [path.read_text().count(words) for path in sorted(own.folder.glob("*.log"))]


async def said(own: Installation, *all_words: str, after: list[int] | None = None) -> None:
    """Waits until core and worker both say it, more often than before."""
    before = after or [0, 0]
    try:
        async with asyncio.timeout(GUARD):
            while any(now <= then for words in all_words for now, then in zip(counts(own, words), before, strict=True)):
                assert all(process.poll() is None for process in own.processes), own.logs()
                await asyncio.sleep(0.2)
    except TimeoutError:
        raise AssertionError(own.logs()) from None
