"""The core's process: a database that dies just as it starts is waited for."""

import asyncio
from pathlib import Path

import pytest
from cryptography.fernet import Fernet
from dagboek import service
from dagboek.database import Database, migrate
from dagboek.embedded import EmbeddedServices, Services
from dagboek.settings import Settings
from dagboek.topics import ensure_topics


async def test_a_core_whose_database_dies_as_it_starts_waits_for_it(
    own_services: EmbeddedServices, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Settings(
        topic_prefix="late", partitions=4, data_dir=tmp_path, secret_keys=[Fernet.generate_key().decode()]
    )
    await asyncio.to_thread(migrate, own_services.database_url)
    await asyncio.to_thread(ensure_topics, own_services.kafka_bootstrap, settings)
    tries: list[bool] = []
    real = Database.open

    async def open_(self: Database) -> Database:
        if not tries:
            own_services.kill_postgres()  # it has just answered
        tries.append(False)
        opened = await real(self)
        tries[-1] = True
        return opened

    monkeypatch.setattr(Database, "open", open_)
    stop = asyncio.Event()
    serving = asyncio.create_task(
        service.serve(settings, Services(own_services.kafka_bootstrap, own_services.database_url), stop)
    )
    async with asyncio.timeout(60):
        while not tries:
            assert not serving.done(), serving
            await asyncio.sleep(0.1)
    await asyncio.to_thread(own_services.start_postgres)
    async with asyncio.timeout(90):
        while not tries[-1]:
            assert not serving.done(), serving
            await asyncio.sleep(0.1)
    stop.set()
    async with asyncio.timeout(60):
        await serving
    assert tries == [False, *[False] * (len(tries) - 2), True]
