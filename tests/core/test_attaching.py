"""Files that follow a booking, on a real PostgreSQL, with a tool that keeps what it is given and fails as a test wants.

What counts is what the tool holds in the end: each file once, and nothing that belongs to no entry.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from dagboek import attaching, connections
from dagboek.attaching import GIVE_UP, NOT_BOOKED_YET, Attacher
from dagboek.booking_json import booking_json
from dagboek.database import Database
from dagboek.push_record import AttemptOutcome, Group, Outcome, write
from dagboek_schemas.documents import Attachment
from dagboek_schemas.issues import Issue
from dagboek_sdk.accounting import Attaching
from dagboek_sdk.attempt import Attempt, Booking
from dagboek_sdk.errors import Refused, ToolUnavailable, Uncertain
from push_books import Books, new_books

BOOKING = booking_json(Booking({}, reference="2026/1"))


class Tool:
    """Keeps files by entry; takes the same one twice, as Exact does."""

    resolve_deadline = 5.0
    call_deadline = 5.0
    settle_seconds = 60.0

    def __init__(self) -> None:
        self.about = SimpleNamespace(name="x", title="X")
        self.held: list[tuple[str, str, bytes]] = []
        self.trouble: Callable[[int], Awaitable[None]] | None = None
        """Called before and after each write, with how many there have been."""
        self.calls = 0

    async def attach(self, given: Attaching) -> None:
        there = {name for entry, name, _ in self.held if entry == given.entry_id} if given.again else set()
        for file in given.files:
            if file.file_name not in there:
                await self._write(await given.step(), given.entry_id, file.file_name, file.content)

    async def _write(self, attempt: Attempt, entry: str, name: str, content: bytes) -> None:
        assert attempt.may_start
        await self._happens()
        self.held.append((entry, name, content))
        await self._happens()

    async def _happens(self) -> None:
        self.calls += 1
        if self.trouble:
            await self.trouble(self.calls)

    async def close(self) -> None:
        return


@pytest.fixture
async def books(database: Database) -> AsyncIterator[Books]:
    await database.run("DELETE FROM attaching")
    async with new_books(database) as made:
        yield made


@pytest.fixture
def tool(monkeypatch: pytest.MonkeyPatch) -> Tool:
    made = Tool()

    async def open_tool(*_: Any) -> Any:
        return made

    monkeypatch.setattr(connections, "open_tool", open_tool)
    return made


class Source:
    """Files of a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def attachment(self, ref: str) -> bytes:
        return (self._folder / ref).read_bytes()

    async def close(self) -> None:
        return


@pytest.fixture
def attacher(books: Books, tool: Tool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Attacher:
    (tmp_path / "a.pdf").write_bytes(b"A")
    (tmp_path / "b.pdf").write_bytes(b"B")
    monkeypatch.setattr("dagboek.sources.open_source", lambda *_: Source(tmp_path))
    return Attacher(books.db, None, None)  # type: ignore[arg-type]  # only what is replaced looks at them


async def booked(books: Books, *names: str, outcome: Outcome = Outcome.BOOKED) -> int:
    """A document with files whose attempt has its outcome."""
    (link,) = await books.links()
    await books.item(0, link_id=link, state="synced", generation=1)
    source = await books.db.one(
        """INSERT INTO source (tenant_id, plugin, name, settings) SELECT tenant_id, 'x', %s, '{}' FROM run WHERE id = %s
           RETURNING id""",
        f"files {link}",
        books.run,
    )
    entity = await books.db.one("SELECT entity_id FROM run WHERE id = %s", books.run)
    assert source is not None
    assert entity is not None
    files = [Attachment(ref=name, file_name=name, media_type="application/pdf") for name in names]
    await attaching.remember(books.db, link, source["id"], entity["entity_id"], files)
    await books.intend(books.intent(link, sequence=0, booking=BOOKING))
    if outcome is not Outcome.UNCERTAIN:
        async with books.db.connection() as connection:
            await write(connection, Group(outcomes=[AttemptOutcome(link, 1, outcome, entry_id=f"e{link}")]))
    return link


async def rows(books: Books) -> Sequence[Mapping[str, Any]]:
    return await books.db.all("SELECT * FROM attaching")


async def pass_time(books: Books) -> None:
    """What was sent can no longer arrive."""
    await books.db.run("UPDATE attaching SET due = clock_timestamp() - interval '1 second'")


async def test_files_follow_what_is_booked_and_nothing_is_left_to_do(
    books: Books, tool: Tool, attacher: Attacher
) -> None:
    link = await booked(books, "a.pdf", "b.pdf")
    await attacher.attach_due(10)
    assert tool.held == [(f"e{link}", "a.pdf", b"A"), (f"e{link}", "b.pdf", b"B")]
    assert await rows(books) == []
    assert (await books.item_row())["issues"] == []


async def test_files_seen_before_their_intent_stands_follow_soon(
    books: Books, tool: Tool, attacher: Attacher, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are remembered first; a look between the two put them off for an hour."""
    intend = books.intend

    async def seen_first(*given: Any) -> Any:
        await attacher.attach_due(10)
        return await intend(*given)

    monkeypatch.setattr(books, "intend", seen_first)
    link = await booked(books, "a.pdf")
    (row,) = await books.db.all("SELECT due - clock_timestamp() AS wait FROM attaching")
    assert row["wait"] < NOT_BOOKED_YET

    # what stands longer is looked at less and less
    await books.db.run("UPDATE link SET state = 'free' WHERE id = %s", link)
    await books.db.run("UPDATE attaching SET made_at = made_at - interval '10 minutes'")
    await pass_time(books)
    await attacher.attach_due(10)
    (row,) = await books.db.all("SELECT due - clock_timestamp() AS wait FROM attaching")
    assert timedelta(minutes=9) < row["wait"] < timedelta(minutes=11)


@pytest.mark.parametrize("outcome", [Outcome.UNCERTAIN, Outcome.REFUSED, Outcome.NOT_PROCESSED])
async def test_what_is_not_booked_gets_no_files(books: Books, tool: Tool, attacher: Attacher, outcome: Outcome) -> None:
    await booked(books, "a.pdf", outcome=outcome)
    await attacher.attach_due(10)
    assert tool.held == []
    (row,) = await rows(books)
    assert row["attempt"] == 0
    again = await books.db.one("SELECT due > clock_timestamp() AS later FROM attaching")
    assert again == {"later": True}


async def test_files_follow_also_when_settling_or_a_late_answer_finds_the_entry(
    books: Books, tool: Tool, attacher: Attacher
) -> None:
    link = await booked(books, "a.pdf", outcome=Outcome.UNCERTAIN)
    await attacher.attach_due(10)
    async with books.db.connection() as connection:
        await write(connection, Group(outcomes=[AttemptOutcome(link, 1, Outcome.BOOKED, entry_id=f"e{link}")]))
    await pass_time(books)
    await attacher.attach_due(10)
    assert [name for _, name, _ in tool.held] == ["a.pdf"]


async def test_files_wait_until_the_outcome_of_their_item_is_written(
    books: Books, tool: Tool, attacher: Attacher
) -> None:
    """What is to be told of them would be lost with it."""
    await booked(books, "a.pdf")
    await books.db.run("UPDATE item SET state = 'planned' WHERE run_id = %s", books.run)
    await attacher.attach_due(10)
    assert tool.held == []
    await books.db.run("UPDATE item SET state = 'synced' WHERE run_id = %s", books.run)
    await attacher.attach_due(10)
    assert [name for _, name, _ in tool.held] == ["a.pdf"]


@pytest.mark.parametrize("at", [1, 2, 3, 4])
async def test_a_crash_at_any_moment_leaves_each_file_there_once(
    books: Books, tool: Tool, attacher: Attacher, at: int
) -> None:
    """Killed before or after each write: the claim stays, and whoever comes after its due time looks first."""
    await booked(books, "a.pdf", "b.pdf")

    async def killed(call: int) -> None:
        if call == at:
            raise asyncio.CancelledError

    tool.trouble = killed
    await attacher.attach_due(10)
    tool.trouble = None
    await Attacher(books.db, attacher.plugins, attacher.vault).attach_due(10)  # too early: what was sent may arrive
    assert len(tool.held) == at // 2
    await pass_time(books)
    await Attacher(books.db, attacher.plugins, attacher.vault).attach_due(10)
    assert sorted(name for _, name, _ in tool.held) == ["a.pdf", "b.pdf"]
    assert await rows(books) == []


async def test_an_uncertain_write_is_looked_up_before_it_is_sent_again(
    books: Books, tool: Tool, attacher: Attacher
) -> None:
    await booked(books, "a.pdf")

    async def lost(call: int) -> None:
        if call == 2:
            raise Uncertain

    tool.trouble = lost
    await attacher.attach_due(10)
    assert len(await rows(books)) == 1
    await pass_time(books)
    await attacher.attach_due(10)
    assert [name for _, name, _ in tool.held] == ["a.pdf"]
    assert await rows(books) == []


async def test_two_processes_attach_one_file_once(books: Books, tool: Tool, attacher: Attacher) -> None:
    await booked(books, "a.pdf")
    other = Attacher(books.db, attacher.plugins, attacher.vault)
    await asyncio.gather(attacher.attach_due(10), other.attach_due(10))
    assert [name for _, name, _ in tool.held] == ["a.pdf"]


async def test_of_two_that_saw_the_same_row_one_begins(books: Books, tool: Tool, attacher: Attacher) -> None:
    link = await booked(books, "a.pdf")
    seen = {"link_id": link, "attempt": 0}
    begun = [await attacher._begin(tool, seen) for _ in range(2)]  # type: ignore[arg-type]
    assert [claim is not None for claim in begun] == [True, False]
    await pass_time(books)
    assert await attacher._begin(tool, seen) is None, "it is another's attempt by now"  # type: ignore[arg-type]


async def test_who_lost_the_claim_writes_nothing_more(books: Books, tool: Tool, attacher: Attacher) -> None:
    """A process that was frozen between two writes finds that another has begun."""
    await booked(books, "a.pdf", "b.pdf")

    async def taken(call: int) -> None:
        if call == 2:
            await books.db.run("UPDATE attaching SET attempt = attempt + 1")

    tool.trouble = taken
    await attacher.attach_due(10)
    assert [name for _, name, _ in tool.held] == ["a.pdf"]
    tool.trouble = None
    await pass_time(books)
    await attacher.attach_due(10)
    assert [name for _, name, _ in tool.held] == ["a.pdf", "b.pdf"]


async def test_a_database_that_was_put_back_has_what_is_there_looked_up(
    books: Books, tool: Tool, attacher: Attacher
) -> None:
    link = await booked(books, "a.pdf")
    tool.held.append((f"e{link}", "a.pdf", b"A"))  # attached after the backup was made
    await books.db.run("UPDATE attaching SET made_at = made_at - interval '1 hour'")
    await attacher.attach_due(10)
    assert len(tool.held) == 1


async def test_what_the_tool_refuses_is_left_out_and_told(books: Books, tool: Tool, attacher: Attacher) -> None:
    await booked(books, "a.pdf")

    async def refuse(_: int) -> None:
        raise Refused(Issue(code="X41"), tool_words="Document Type not allowed")

    tool.trouble = refuse
    await attacher.attach_due(10)
    assert await rows(books) == []
    item = await books.item_row()
    assert item["state"] == "synced"
    assert [issue["code"] for issue in item["issues"]] == ["D24", "X41"]
    assert item["issues"][0]["facts"]["file"] == "a.pdf"


async def test_a_file_that_its_source_no_longer_has_is_left_out_and_the_others_follow(
    books: Books, tool: Tool, attacher: Attacher
) -> None:
    await booked(books, "gone.pdf", "b.pdf")
    await attacher.attach_due(10)
    assert [name for _, name, _ in tool.held] == ["b.pdf"]
    assert [issue["facts"]["file"] for issue in (await books.item_row())["issues"]] == ["gone.pdf"]


async def test_a_tool_that_is_down_is_asked_later(books: Books, tool: Tool, attacher: Attacher) -> None:
    await booked(books, "a.pdf")

    async def down(_: int) -> None:
        raise ToolUnavailable

    tool.trouble = down
    await attacher.attach_due(10)
    row = await books.db.one("SELECT due - clock_timestamp() AS wait FROM attaching")
    assert row is not None
    assert timedelta(seconds=30) < row["wait"] < timedelta(minutes=2)


async def test_what_is_tried_too_often_is_left_out(books: Books, tool: Tool, attacher: Attacher) -> None:
    await booked(books, "a.pdf")

    async def bug(_: int) -> None:
        raise ZeroDivisionError

    tool.trouble = bug
    await books.db.run("UPDATE attaching SET attempt = %s", GIVE_UP - 1)
    await attacher.attach_due(10)
    assert await rows(books) == []
    assert [issue["code"] for issue in (await books.item_row())["issues"]] == ["D24"]


async def test_a_new_intent_brings_the_newest_files(books: Books) -> None:
    link = await booked(books, "a.pdf", outcome=Outcome.REFUSED)
    (row,) = await rows(books)
    await books.db.run("UPDATE attaching SET due = 'infinity'")
    file = Attachment(ref="b.pdf", file_name="b.pdf", media_type="application/pdf")
    await attaching.remember(books.db, link, row["source_id"], row["entity_id"], [file])
    (row,) = await rows(books)
    assert [one["file_name"] for one in row["files"]] == ["b.pdf"]
    due = await books.db.one("SELECT due - clock_timestamp() < %s AS soon FROM attaching", NOT_BOOKED_YET)
    assert due == {"soon": True}
