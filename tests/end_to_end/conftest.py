"""Fixtures of the end-to-end tests."""

import secrets
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import temporary_folder
from dagboek.embedded import Services
from end_to_end.harness import Installation, installation, new_database, octopus, topics_deleted


@pytest.fixture(scope="session")
async def house(services: Services, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Installation]:
    """One installation with a core and two workers for all tests that harm no process.

    Each of them brings its own tenant and sandbox; that they do not meet is a promise of the product.
    """
    prefix = f"house-{secrets.token_hex(4)}"
    folder = tmp_path_factory.mktemp("house")
    with new_database(services) as url, topics_deleted(services, prefix):
        async with installation(services, url, prefix, folder) as made:
            made.core()
            made.worker(1)
            made.worker(2)
            await made.ready()
            yield made


@pytest.fixture
async def sandbox() -> AsyncIterator[Any]:
    """An Octopus sandbox of this test's own."""
    async with octopus() as running:
        yield running


@pytest.fixture(scope="session")
def home() -> Iterator[Path]:
    """A data folder that all demos share: a second start is quicker."""
    with temporary_folder() as folder:
        yield folder
