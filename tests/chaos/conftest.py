"""Fixtures of the chaos tests: an installation of a test's own, on shared services."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from dagboek.embedded import Services
from end_to_end.harness import Installation, installation


@pytest.fixture
async def dagboek(
    services: Services, database_url: str, topic_prefix: str, tmp_path: Path
) -> AsyncIterator[Installation]:
    """An installation with its own database and topics; no processes yet."""
    async with installation(services, database_url, topic_prefix, tmp_path) as made:
        yield made
