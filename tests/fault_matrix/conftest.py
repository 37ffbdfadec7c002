"""Fixtures of the fault matrix: installations that all cells of a module share, each cell with tenants of its own."""

import secrets
from collections.abc import AsyncIterator

import pytest
from dagboek.embedded import Services
from end_to_end.harness import Installation, installation, new_database, topics_deleted


@pytest.fixture(scope="module")
async def bare(services: Services, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Installation]:
    """An installation without processes, for tests that start and end them themselves."""
    prefix = f"matrix-{secrets.token_hex(4)}"
    with new_database(services) as url, topics_deleted(services, prefix):
        async with installation(services, url, prefix, tmp_path_factory.mktemp("matrix")) as made:
            yield made


@pytest.fixture(scope="module")
async def house(bare: Installation) -> Installation:
    """The same with a core and two workers, for tests that harm no process."""
    bare.core()
    bare.worker(1)
    bare.worker(2)
    await bare.ready()
    return bare
