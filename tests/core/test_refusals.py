"""What was skipped is not tried again each night: until something changes, or some nights have passed."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from dagboek.database import Database
from dagboek.push_record import Group, ItemOutcome, Outcome, write
from dagboek.refusals import skip_known
from dagboek_schemas.statuses import ItemKind, ItemState
from push_books import Books, new_books

ISSUES = b'[{"code": "B04", "severity": "warning", "facts": {}}]'
RELEASES = "dagboek 1, dagboek-x 1"


@pytest.fixture
async def books(database: Database) -> AsyncIterator[Books]:
    """An automatic run with one document, as a source has it, and its party."""
    async with new_books(database) as made:
        await made.db.run("UPDATE run SET trigger = 'automatic', context_version = 1 WHERE id = %s", made.run)
        await made.links(identity="p1:party", kind="party", state="booked", revision="rev1:p", entry_id="7")
        (link,) = await made.links(identity="d1:0")
        source = await made.db.one(
            "INSERT INTO source (tenant_id, plugin, name) VALUES (%s, 'x', 's') RETURNING id", made.tenant
        )
        assert source is not None
        await made.db.run(
            """INSERT INTO origin (source_id, entity_id, origin_id, fingerprint, party_revision)
               SELECT %s, entity_id, 'o', 'f', 'rev1:p' FROM run WHERE id = %s""",
            source["id"],
            made.run,
        )
        await made.item(
            revision="rev1:a", party_identity="p1:party", source_id=source["id"], origin_id="o", link_id=link
        )
        yield made


async def link_of(books: Books) -> dict[str, Any]:
    row = await books.db.one(
        """SELECT *, extract(epoch FROM retry_at - now()) / 86400 + 0.5 AS nights FROM link
           WHERE administration_id = %s AND identity = 'd1:0'""",
        books.administration,
    )
    assert row is not None
    return row


async def skipped(books: Books) -> None:
    """The lane says that the document is skipped."""
    link = await link_of(books)
    row = ItemOutcome(books.run, 0, ItemState.SKIPPED, b"{}", ISSUES, link_id=link["id"], releases=RELEASES)
    await write(books.connection, Group(items=[row]))


async def next_night(books: Books, trigger: str = "automatic") -> None:
    """The same document, planned anew."""
    await books.db.run(
        "UPDATE item SET state = 'planned', issues = '[]', repeated = false, outcome_at = NULL, event = NULL"
    )
    await books.db.run("UPDATE run SET trigger = %s WHERE id = %s", trigger, books.run)


async def is_skipped_untried(books: Books, **changes: Any) -> bool:
    """Whether an automatic run skips it as known."""
    given = {"run": books.run, "administration": books.administration, "version": 1, "releases": RELEASES, **changes}
    await skip_known(books.connection, given, ItemKind.DOCUMENT)
    row = await books.item_row()
    assert row["repeated"] == (row["state"] == "skipped")
    return bool(row["repeated"])


async def test_the_nights_between_two_tries_grow_to_fourteen(books: Books) -> None:
    found = []
    for _ in range(7):
        await next_night(books)
        await skipped(books)
        found.append(round((await link_of(books))["nights"], 2))
    assert found == [1, 2, 4, 8, 14, 14, 14]


async def test_what_a_person_tries_begins_anew(books: Books) -> None:
    """Somebody is at it: tonight's run tries as well."""
    for trigger in ("automatic", "automatic", "automatic", "manual"):
        await next_night(books, trigger)
        await skipped(books)
    assert round((await link_of(books))["nights"], 2) == 1


async def test_a_redelivered_outcome_is_no_second_refusal(books: Books) -> None:
    await skipped(books)
    await skipped(books)
    assert (await link_of(books))["refusals"] == 1


async def test_what_has_not_changed_is_skipped_as_before_with_its_issues(books: Books) -> None:
    await skipped(books)
    await next_night(books)

    assert await is_skipped_untried(books)
    row, link = await books.item_row(), await link_of(books)
    assert [issue["code"] for issue in row["issues"]] == ["B04"]
    assert row["outcome_at"] is not None and row["event"] is None  # the sweeper tells it
    assert (row["link_id"], row["link_version"]) == (link["id"], link["link_version"])


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE item SET revision = 'rev1:b'",
        "UPDATE item SET party_identity = 'p1:another'",
        "UPDATE origin SET party_revision = 'rev1:q'",
        "UPDATE link SET revision = 'rev1:q' WHERE kind = 'party'",
        "UPDATE link SET state = 'free' WHERE kind = 'party'",
        "UPDATE link SET retry_at = now() WHERE kind = 'document'",
        "UPDATE link SET state = 'needs_person' WHERE kind = 'document'",
        "UPDATE link SET current = false WHERE kind = 'document'",
    ],
)
async def test_what_has_changed_or_is_due_is_tried(books: Books, change: str) -> None:
    await skipped(books)
    await next_night(books)
    await books.db.run(change)

    assert not await is_skipped_untried(books)


@pytest.mark.parametrize("changes", [{"version": 2}, {"releases": "dagboek 1, dagboek-x 2"}])
async def test_other_settings_lists_or_releases_are_a_reason_to_try(books: Books, changes: dict[str, Any]) -> None:
    await skipped(books)
    await next_night(books)

    assert not await is_skipped_untried(books, **changes)
    assert await is_skipped_untried(books)


async def test_a_change_begins_the_nights_anew(books: Books) -> None:
    for _ in range(3):
        await next_night(books)
        await skipped(books)
    await next_night(books)
    await books.db.run("UPDATE item SET revision = 'rev1:b'")
    await skipped(books)

    assert (await link_of(books))["refusals"] == 1


async def test_what_was_booked_in_the_end_is_not_held_back(books: Books) -> None:
    await skipped(books)
    await next_night(books)
    link = await link_of(books)
    await books.intend(books.intent(link["id"]))
    await books.came(link["id"], Outcome.BOOKED, entry_id="e1")

    assert (await link_of(books))["retry_at"] is None


async def test_a_change_of_what_is_booked_that_was_refused_is_held_back_too(books: Books) -> None:
    await books.db.run("UPDATE link SET state = 'booked', entry_id = 'e', entry_number = '5' WHERE kind = 'document'")
    await skipped(books)
    await next_night(books)

    assert await is_skipped_untried(books)
    assert (await books.item_row())["booking_number"] == "5"
