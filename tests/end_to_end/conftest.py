"""Fixtures of the end-to-end tests."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from dagboek.embedded import Services
from end_to_end.harness import Installation, installation, octopus


@pytest.fixture
async def dagboek(
    services: Services, database_url: str, topic_prefix: str, tmp_path: Path
) -> AsyncIterator[Installation]:
    """An installation with its own database and topics; no processes yet."""
    async with installation(services, database_url, topic_prefix, tmp_path) as made:
        yield made


@pytest.fixture
async def sandbox() -> AsyncIterator[Any]:
    """An Octopus sandbox of this test's own."""
    async with octopus() as running:
        yield running
