"""Tokens that end when nobody expects it, and many who want a new one at once: one is asked for, nothing is lost."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from crash.books import dossiers, until_booked
from end_to_end.harness import Installation, octopus
from fault_matrix.cells import BOOKING, Cell, cell

CONNECTIONS, DOCUMENTS = 6, 12
LONGER_THAN_A_TOKEN = 700
"""Seconds."""


@pytest.fixture
async def sandbox() -> AsyncIterator[Any]:
    async with octopus(dossiers=dossiers(CONNECTIONS)) as running:
        running.control.faults(kind="latency", operation=BOOKING, seconds=0.5)
        yield running


async def both_workers(house: Installation, one: Cell) -> None:
    """Shows that the connections of a login were in the hands of two workers."""
    rows = await house.db.all(
        """SELECT DISTINCT slot FROM lane l JOIN connection c ON c.administration_id = l.administration_id
           WHERE c.id = ANY(%s)""",
        list(one.connections.values()),
    )
    assert len(rows) == 2, "one worker had all connections of the login"


async def test_a_token_that_ends_between_check_and_use(house: Installation, sandbox: Any, tmp_path: Path) -> None:
    """The tool's clock runs ahead of ours: in the middle of runs every token that we take for good has ended."""
    one = await cell(house, sandbox, tmp_path, "ends", connections=CONNECTIONS, documents=DOCUMENTS, one_login=True)
    await one.start(house)
    await until_booked(sandbox, one.documents // 3)
    logins, openings = one.calls("authenticateUser"), one.calls("connectDossier")
    sandbox.control.clock(advance_seconds=LONGER_THAN_A_TOKEN)
    runs = await one.ended(house)

    assert {run["status"] for run in runs} == {"Success"}
    assert (await one.audit(house)).faults() == {}
    refused = [row for row in sandbox.requests.last(10_000, BOOKING) if row["status"] == 401]
    assert 0 < len(refused) <= CONNECTIONS
    await both_workers(house, one)
    assert one.calls("authenticateUser") - logins == 1, "each worker, or each connection, logged in by itself"
    # an opening with the old login is refused once in each process
    assert CONNECTIONS <= one.calls("connectDossier") - openings <= 2 * CONNECTIONS


async def test_two_workers_that_want_one_token_at_once(house: Installation, sandbox: Any, tmp_path: Path) -> None:
    one = await cell(house, sandbox, tmp_path, "at once", connections=CONNECTIONS, documents=DOCUMENTS, one_login=True)
    await house.db.run(
        "DELETE FROM login_token WHERE login_id IN (SELECT login_id FROM connection WHERE id = ANY(%s))",
        list(one.connections.values()),
    )
    logins = one.calls("authenticateUser")
    sandbox.control.faults(kind="latency", operation="authenticateUser", seconds=0.5)
    await one.start(house)
    runs = await one.ended(house)

    assert {run["status"] for run in runs} == {"Success"}
    assert (await one.audit(house)).faults() == {}
    await both_workers(house, one)
    assert one.calls("authenticateUser") - logins == 1
