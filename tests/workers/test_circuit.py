"""A plugin that fails time after time: documents are kept, not skipped; one odd document among good ones is skipped."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack
from typing import Any
from uuid import uuid4

import pytest
from dagboek.database import Database
from dagboek.plugins import unexpected
from dagboek_schemas.documents import Document
from dagboek_schemas.issues import Issue
from dagboek_sdk.samples import document, line
from dagboek_workers import circuit
from dagboek_workers.circuit import APART, ERRORS, Circuit
from lane_books import Loop, Tool, again, event, planned, ready
from push_books import Books, new_books


@pytest.fixture
async def many(database: Database) -> AsyncIterator[list[Books]]:
    """Books of as many administrations as it takes, and two."""
    async with AsyncExitStack() as stack:
        made = [await stack.enter_async_context(new_books(database)) for _ in range(ERRORS + 2)]
        for books in made:
            await ready(books)
        yield made


@pytest.fixture
def books(many: list[Books]) -> Books:
    return many[0]


LoopOf = Callable[..., Loop]


@pytest.fixture
async def loop() -> AsyncIterator[LoopOf]:
    """Makes lanes of one tool in one process: they share its circuit."""
    made: list[Loop] = []
    shared = Circuit(APART)

    def make(books: Books, tool: Any, of: Circuit | None = None) -> Loop:
        made.append(Loop(books, tool, of or shared))
        return made[-1]

    yield make
    for one in made:
        await one.recorder.stop()


class Broken(Tool):
    """Fails on what its number says: BAD."""

    broken = True

    def map_document(self, given: Document, *more: Any) -> Any:
        if self.broken and given.number.startswith("BAD"):
            raise ZeroDivisionError
        return super().map_document(given, *more)


async def numbered(books: Books, *numbers: str) -> list[Any]:
    """Documents of these numbers, planned in this order: their events."""
    for at, number in enumerate(numbers):
        await planned(books, at, document(line("100.00"), number=number))
    return [event(books, at) for at in range(len(numbers))]


async def states(books: Books) -> list[str]:
    rows = await books.db.all("SELECT state FROM item WHERE run_id = %s ORDER BY sequence", books.run)
    return [row["state"] for row in rows]


async def run_of(books: Books) -> dict[str, Any]:
    row = await books.db.one("SELECT * FROM run WHERE id = %s", books.run)
    assert row is not None
    return row


async def test_the_error_that_opens_it_skips_nothing(books: Books, loop: LoopOf) -> None:
    events = await numbered(books, *["BAD"] * (ERRORS + 1))

    await loop(books, Broken()).work(*events)

    assert await states(books) == ["skipped"] * (ERRORS - 1) + ["planned"] * 2
    run = await run_of(books)
    assert (run["state"], run["park_reason"], run["park_issue"]["code"]) == ("parked", "circuit", "D16")
    assert run["park_issue"]["facts"]["reference"] != "?"
    assert run["half_open"]


async def test_odd_documents_among_good_ones_never_open_it(books: Books, loop: LoopOf) -> None:
    events = await numbered(books, *["BAD", "GOOD"] * (ERRORS + 1))

    await loop(books, Broken()).work(*events)

    assert await states(books) == ["skipped", "synced"] * (ERRORS + 1)


async def test_half_open_keeps_the_item_and_a_success_closes_it(books: Books, loop: LoopOf) -> None:
    """Also in another process, which knows of it from the run alone."""
    events = await numbered(books, *["BAD"] * ERRORS, "GOOD", "BAD")
    await loop(books, Broken()).work(*events)
    for generation in (2, 3):
        await again(books, generation)
        at = ERRORS - 1
        await loop(books, Broken(), Circuit(APART)).work(event(books, at, generation=generation))
        assert (await states(books))[at] == "planned"
        assert (await run_of(books))["state"] == "parked"

    await again(books, 4)
    mended = Broken()
    mended.broken = False
    lanes = loop(books, mended, Circuit(APART))
    await lanes.work(*(event(books, at, generation=4) for at in range(ERRORS - 1, ERRORS + 1)))
    assert not (await run_of(books))["half_open"]
    mended.broken = True
    await lanes.work(event(books, ERRORS + 1, generation=4))

    assert await states(books) == ["skipped"] * (ERRORS - 1) + ["synced"] * 2 + ["skipped"]
    assert (await run_of(books))["state"] == "active"


async def test_a_release_that_is_broken_everywhere_costs_a_few_warnings_and_not_some_of_each(
    many: list[Books], loop: LoopOf
) -> None:
    tool = Broken()
    for books in many:
        await loop(books, tool).work(*await numbered(books, "BAD", "BAD"))
        if (await run_of(books))["state"] == "active":
            assert await states(books) == ["skipped", "skipped"]

    found = [await states(books) for books in many]
    assert sum(state == "skipped" for one in found for state in one) == ERRORS - 1
    parked = [books for books in many if (await run_of(books))["park_reason"] == "circuit"]
    assert len(parked) == len(many) - 2
    assert tool.pushed == []


async def test_what_is_broken_for_one_administration_stops_no_other(many: list[Books], loop: LoopOf) -> None:
    await loop(many[0], Broken()).work(*await numbered(many[0], *["BAD"] * (ERRORS + 1)))
    await loop(many[1], Broken()).work(*await numbered(many[1], "GOOD", "BAD", "GOOD"))

    assert (await run_of(many[0]))["state"] == "parked"
    assert await states(many[1]) == ["synced", "skipped", "synced"]


async def test_all_come_back_half_open_and_the_first_success_closes_it_for_all(
    many: list[Books], loop: LoopOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    tool = Broken()
    monkeypatch.setattr(circuit, "SECONDS", 0.0)  # its time has passed at once
    loops = [loop(books, tool) for books in many]
    for books, one in zip(many, loops, strict=True):
        await one.work(*await numbered(books, "BAD", "BAD"))
    warnings = [state for books in many for state in await states(books)].count("skipped")
    assert warnings == ERRORS - 1

    tool.broken = False
    await again(many[-1], 2)
    await loops[-1].work(event(many[-1], 0, generation=2))
    tool.broken = True
    await loops[-1].work(event(many[-1], 1, generation=2))

    assert await states(many[-1]) == ["synced", "skipped"], "it is not closed"


async def test_a_rule_that_fails_counts_as_the_plugin_that_it_is(books: Books, loop: LoopOf) -> None:
    lanes = loop(books, Tool())

    def fails(*_: Any) -> Sequence[Issue]:
        return [unexpected("a rule", ZeroDivisionError())]

    lanes.parts.plugins.validate_document = fails
    await lanes.work(*await numbered(books, *["N"] * (ERRORS + 1)))

    assert await states(books) == ["skipped"] * (ERRORS - 1) + ["planned"] * 2


def test_an_open_circuit_waits_and_a_half_open_one_does_not() -> None:
    one, here = Circuit(), uuid4()
    for _ in range(ERRORS - 1):
        assert not one.failed(here, "r")
    assert one.wait == 0
    assert one.failed(here, "r5")
    assert one.wait == pytest.approx(circuit.SECONDS, abs=5)
    assert one.reference == "r5"
    one.worked()
    assert (one.wait, one.closed) == (0, True)
    one.half_open()
    assert one.wait == 0
    assert one.failed(here, "r6")
