"""Every way in which the tool can fail, at every call that matters: one entry a document, and the truth about it.

All cells run at the same time on one installation, each with a tenant and a tool of its own; each is judged alone.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from dagboek.chaos.told import Told, told
from dagboek_schemas.topics import Topic
from end_to_end.harness import Installation, octopus
from fault_matrix.cells import BOOKING, CUSTOMER, Cell, Parked, cell, nobody_waits

FAULTS: Mapping[str, Mapping[str, Any]] = {
    "time-out after commit": {"kind": "timeout_after_commit", "seconds": 3},
    "5xx after commit": {"kind": "error_503_after"},
    "reset after commit": {"kind": "reset_after_commit"},
    "repeated by a gateway": {"kind": "repeated"},
    "answered twice": {"kind": "answered_twice", "seconds": 0},
    "wrong body": {"kind": "wrong_body"},
    "wrong page": {"kind": "wrong_body", "body": "<html>ok</html>"},
    "slow drip": {"kind": "slow_drip", "seconds": 3},
    "time-out before commit": {"kind": "timeout_before", "seconds": 3},
    "5xx before commit": {"kind": "error_503_before"},
    "reset before commit": {"kind": "reset"},
    "maintenance page": {"kind": "maintenance_page"},
    "429 with Retry-After": {"kind": "rate_limited", "seconds": 1},
    "429 without Retry-After": {"kind": "rate_limited"},
    "401": {"kind": "token_expired"},
}
MOMENTS: Mapping[str, tuple[Mapping[str, Any], ...]] = {
    "log in": ({"operation": "authenticateUser", "times": 1},),
    "read": ({"operation": "getModifiedRelations", "times": 1},),
    "write the customer": ({"operation": CUSTOMER, "times": 1},),
    "book": ({"operation": BOOKING, "after": 1, "times": 1}, {"operation": BOOKING, "after": 3, "times": 1}),
    "settle": ({"operation": "getBuySellBooking", "times": 1},),
}
"""The calls of a run, and which of them the fault strikes."""
CELLS = [(moment, fault) for moment in MOMENTS for fault in FAULTS if (moment, fault) != ("log in", "401")]
"""All but one: a log-in that is refused says that the password is wrong, which ends the run (test_own_trouble.py)."""

STALLED = Parked("Stalled", "tool_unavailable", "B06")
LIMITED = Parked("In progress", "limit", "B05")
AWAY = ("5xx after commit", "wrong page", "5xx before commit", "maintenance page")
SHOWN: Mapping[tuple[str, str], Parked] = {
    **{("log in", fault): STALLED for fault in (*AWAY, "wrong body", "slow drip", "time-out before commit")},
    **{("read", fault): STALLED for fault in AWAY},
    **{(moment, "429 without Retry-After"): LIMITED for moment in ("write the customer", "book")},
}
"""Cells whose run has to wait, and how it is shown meanwhile."""


@dataclass
class Result:
    """What came of a cell."""

    cell: Cell
    run: Mapping[str, Any]
    parked: set[Parked]


@pytest.fixture(scope="module")
async def results(
    house: Installation, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[tuple[dict[tuple[str, str], Result], Told]]:
    """All cells that are asked for, run."""
    folder = tmp_path_factory.mktemp("tools")
    ours = [item.callspec.params for item in request.session.items if item.path == request.path]  # type: ignore[attr-defined]
    wanted = [(one["moment"], one["fault"]) for one in ours]
    async with AsyncExitStack() as stack, nobody_waits(house) as seen:
        tools = [await stack.enter_async_context(octopus()) for _ in wanted]
        turns = asyncio.Semaphore(2)  # this process is all the tools, and a set-up waits a call's deadline for them

        async def begin(tool: Any, moment: str, fault: str) -> Cell:
            async with turns:
                return await _begin(house, tool, folder, moment, fault)

        begun = [begin(tool, *at) for tool, at in zip(tools, wanted, strict=True)]
        made = dict(zip(wanted, await asyncio.gather(*begun), strict=True))
        ended = {at: (await one.ended(house, 150))[0] for at, one in made.items()}
        heard = told(await asyncio.to_thread(house.events, Topic.RESULTS))
        yield {at: Result(made[at], run, seen.get(run["id"], set())) for at, run in ended.items()}, heard


async def _begin(house: Installation, sandbox: Any, folder: Path, moment: str, fault: str) -> Cell:
    name = f"{moment}, {fault}"
    made = await cell(house, sandbox, folder / name, name, call_deadline=2.0)
    (connection,) = made.connections.values()
    if moment == "log in":
        await _forget_tokens(house, connection)
    if moment == "settle":  # the books are known, and a booking that is not answered has to be asked about
        await house.db.run(
            """UPDATE administration SET looked_up_at = now()
               WHERE id = (SELECT administration_id FROM connection WHERE id = %s)""",
            connection,
        )
        sandbox.control.faults(kind="error_503_before", operation=BOOKING, after=1, times=2)
    for where in MOMENTS[moment]:
        sandbox.control.faults(**where, **FAULTS[fault])
    await made.start(house)
    return made


async def _forget_tokens(house: Installation, connection: UUID) -> None:
    await house.db.run(
        "DELETE FROM login_token WHERE login_id = (SELECT login_id FROM connection WHERE id = %s)", connection
    )


@pytest.mark.parametrize(("moment", "fault"), CELLS, ids=[" - ".join(one) for one in CELLS])
async def test_a_tool_that_fails(
    house: Installation, results: tuple[dict[tuple[str, str], Result], Told], moment: str, fault: str
) -> None:
    """One entry a document, in order, told as it is; and what has to wait says why."""
    found, heard = results
    result = found[moment, fault]

    assert result.run["status"] == "Success"
    assert (await result.cell.audit(house, heard)).faults() == {}
    if (moment, fault) in SHOWN:
        assert SHOWN[moment, fault] in result.parked
    unanswered = 2 if moment == "settle" else 0
    assert result.cell.struck()[unanswered:] == [FAULTS[fault]["kind"]] * len(MOMENTS[moment])
    assert not result.cell.sandbox.faults.current
    assert len(result.cell.sandbox.control.relations(1001)) == 1
    assert result.cell.sandbox.books.ledger(1001)["difference"] == 0
