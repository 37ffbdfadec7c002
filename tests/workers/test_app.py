"""The worker's process: one whose consumer has crashed ends, and is started anew by whoever looks after it."""

import asyncio
import os
from pathlib import Path
from typing import Any

import pytest
from cryptography.fernet import Fernet
from dagboek.database import Database, migrate
from dagboek.embedded import EmbeddedServices, Services
from dagboek.plugins import Plugins
from dagboek.settings import Settings
from dagboek.topics import ensure_topics
from dagboek.vault import Vault
from dagboek_workers import app
from end_to_end.harness import GUARD


@pytest.mark.parametrize(("taken", "status"), [(False, 70), (True, app.SLOT_LOST)])
async def test_a_worker_whose_consumer_crashes_ends(
    services: Services,
    database_url: str,
    topic_prefix: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    taken: bool,
    status: int,
) -> None:
    """With the status of one whose slot was taken, where that is why: it is not to be started anew."""
    monkeypatch.setattr("dagboek.slots.LOOK", 10.0)  # the crash is seen before the slot is looked at
    options, vault = await ready(services.kafka_bootstrap, database_url, topic_prefix, tmp_path)
    made: list[Any] = []
    ended: list[int] = []
    stop = asyncio.Event()
    real = app.make_app

    def make(*given: Any) -> Any:
        both = real(*given)
        made.append(both[0])
        return both

    def end(code: int) -> None:
        ended.append(code)
        stop.set()

    monkeypatch.setattr(app, "make_app", make)
    monkeypatch.setattr(os, "_exit", end)
    serving = asyncio.create_task(app.serve(options, Plugins(entry_points=False), vault, stop))
    async with asyncio.timeout(GUARD):
        while not (made and made[0].started and made[0].consumer.started):
            await asyncio.sleep(0.1)

    if taken:
        async with Database(database_url) as db:
            assert await db.run("UPDATE worker_slot SET holder = gen_random_uuid()") == 1
    await made[0].consumer.crash(RuntimeError("as Faust does when its fetcher fails"))

    async with asyncio.timeout(GUARD):
        while not ended:
            await asyncio.sleep(0.1)
    assert ended[0] == status
    assert not made[0].conf.datadir.exists(), "each worker that is killed would leave a folder behind"
    serving.cancel()
    await asyncio.wait([serving], timeout=20)


async def test_a_worker_whose_broker_dies_as_it_starts_waits_for_it(
    own_services: EmbeddedServices, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options, vault = await ready(own_services.kafka_bootstrap, own_services.database_url, "late", tmp_path)
    made: list[Any] = []
    real = app.make_app

    def make(*given: Any) -> Any:
        if not made:
            own_services.kill_kafka()  # it has just answered
        both = real(*given)
        made.append(both[0])
        return both

    monkeypatch.setattr(app, "make_app", make)
    stop = asyncio.Event()
    serving = asyncio.create_task(app.serve(options, Plugins(entry_points=False), vault, stop))
    async with asyncio.timeout(GUARD):
        while not (made and made[0].should_stop):
            assert not serving.done(), serving
            await asyncio.sleep(0.1)
    await asyncio.to_thread(own_services.start_kafka)

    async with asyncio.timeout(90):
        while len(made) < 2 or made[-1].conf.datadir.exists():  # which it removes when it has started
            assert not serving.done(), serving
            await asyncio.sleep(0.1)
    stop.set()
    async with asyncio.timeout(GUARD):
        await serving


async def ready(bootstrap: str, database_url: str, prefix: str, folder: Path) -> tuple[app.WorkerOptions, Vault]:
    """Tables and topics for a worker."""
    key = Fernet.generate_key().decode()
    settings = Settings(topic_prefix=prefix, partitions=4, data_dir=folder, secret_keys=[key])
    await asyncio.to_thread(migrate, database_url)
    await asyncio.to_thread(ensure_topics, bootstrap, settings)
    return app.WorkerOptions(bootstrap, database_url, prefix, partitions=4), Vault([key])
