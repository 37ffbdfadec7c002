"""What a source brought, written in lots: the rows are those of one document after the other."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from random import Random
from typing import Any
from uuid import UUID

import pytest
from dagboek.database import Connection, Database, migrate
from dagboek.embedded import Services
from dagboek.origins import identity_of, register
from dagboek_schemas.documents import Direction, Document, Kind, Line, Party, Totals
from dagboek_schemas.issues import Issue
from dagboek_sdk.source import Fetched, Listed
from end_to_end.harness import new_database

SEEDS = range(60)
ORIGINS, NUMBERS = 8, 6
Brought = tuple[Listed, Fetched]


@dataclass(frozen=True)
class Place:
    """An entity with an administration and two sources."""

    administration: UUID
    entity: dict[str, Any]
    sources: Sequence[dict[str, Any]]


@pytest.fixture(scope="module")
async def database(services: Services) -> AsyncIterator[Database]:
    with new_database(services) as url:
        await asyncio.to_thread(migrate, url)
        async with Database(url) as db:
            yield db


@pytest.fixture
async def connection(database: Database) -> AsyncIterator[Connection]:
    """A connection whose work leaves nothing behind."""
    async with database.connection() as made, made.transaction(force_rollback=True):
        yield made


@pytest.fixture
async def place(connection: Connection) -> Place:
    tenant = (await rows(connection, "INSERT INTO tenant (name) VALUES ('T') RETURNING id"))[0]["id"]
    (administration,) = await rows(
        connection,
        """INSERT INTO administration (tenant_id, plugin, host, tool_id, name) VALUES (%s, 'x', 'h', 't', 'A')
           RETURNING id""",
        tenant,
    )
    (entity,) = await rows(connection, "INSERT INTO entity (tenant_id, name) VALUES (%s, 'E') RETURNING *", tenant)
    sources = await rows(
        connection,
        "INSERT INTO source (tenant_id, plugin, name) VALUES (%s, 'x', 'a'), (%s, 'x', 'b') RETURNING *",
        tenant,
        tenant,
    )
    return Place(administration["id"], entity, sources)


async def rows(connection: Connection, query: str, *given: Any) -> list[dict[str, Any]]:
    return await (await connection.execute(query, given)).fetchall()


def document(number: str, net: str = "100.00") -> Document:
    return Document(
        kind=Kind.INVOICE,
        direction=Direction.SALES,
        number=number,
        issue_date=date(2026, 2, 3),
        currency="EUR",
        seller=Party(name="E"),
        buyer=Party(name="Bakkerij Zuid", vat_number="BE0123456749"),
        lines=(Line(id="1", name="Bread", net=Decimal(net), vat_category="S", vat_rate=Decimal(0)),),
        totals=Totals(**dict.fromkeys(("lines", "net", "gross", "payable"), Decimal(net)), vat=Decimal(0)),
    )


def brought(origin: str, found: Document | None, *issues: Issue) -> Brought:
    return Listed(origin, str(found), f"file {origin}"), Fetched(origin, found, issues)


async def link(connection: Connection, place: Place, found: Document, state: str, number: str | None = None) -> None:
    """Where a document stands in the books."""
    await connection.execute(
        """INSERT INTO link (tenant_id, administration_id, identity, kind, link_no, state, entry_number)
           SELECT %s, %s, %s, 'document', count(*), %s, %s FROM link""",
        (place.entity["tenant_id"], place.administration, identity_of(found, place.entity), state, number),
    )


# the same as one by one


@dataclass(frozen=True)
class Lot:
    """What a source brings at one time."""

    source: int
    documents: Sequence[Brought]


def history(random: Random) -> list[Lot]:
    """Files that are changed, turned into other documents, copied and spoiled."""
    return [Lot(random.randrange(2), [_any(random, origin) for origin in _some(random)]) for _ in range(4)]


def _some(random: Random) -> list[str]:
    return random.sample([f"o{at}" for at in range(ORIGINS)], random.randint(1, ORIGINS))


def _any(random: Random, origin: str) -> Brought:
    kind = random.random()
    if kind < 0.1:
        return brought(origin, None)
    if kind < 0.2:
        return brought(origin, None, Issue(code="U01"))
    found = document(f"F{random.randrange(NUMBERS)}", random.choice(["100.00", "250.00"]))
    return brought(origin, found, *([Issue(code="U02")] if kind < 0.4 else []))


async def written(connection: Connection, place: Place, lots: Sequence[Lot], size: int) -> list[dict[str, Any]]:
    """All rows after these lots, taken `size` at a time; instead of times, whether the last lot changed a document."""
    for lot in lots:
        await connection.execute("UPDATE document SET changed_at = '2000-01-01'")
        for at in range(0, len(lot.documents), size):
            part = lot.documents[at : at + size]
            await register(connection, place.administration, place.sources[lot.source], place.entity, part)
    documents = await rows(
        connection,
        """SELECT to_jsonb(d) - 'first_seen_at' - 'changed_at' AS row, changed_at > '2000-01-01' AS changed
           FROM document d ORDER BY identity""",
    )
    origins = "SELECT to_jsonb(o) - 'seen_at' AS row FROM origin o ORDER BY source_id, origin_id"
    return documents + await rows(connection, origins)


async def test_a_lot_writes_what_its_documents_would_one_after_the_other(connection: Connection, place: Place) -> None:
    """Copies, other revisions, files that became another document, before and after booking, in any order."""
    codes = set()
    for seed in SEEDS:
        random = Random(seed)
        lots = history(random)
        async with connection.transaction(force_rollback=True):
            for at in range(NUMBERS):
                await link(connection, place, document(f"F{at}"), random.choice(("free", "booked", "needs_person")))
            async with connection.transaction(force_rollback=True):
                one_by_one = await written(connection, place, lots, 1)
            assert await written(connection, place, lots, ORIGINS) == one_by_one, f"seed {seed}"
        codes |= {issue["code"] for row in one_by_one for issue in row["row"].get("issues", ())}
    assert codes == {"D05", "D06", "D07", "U01", "U02"}


# what becomes of a document


async def origin(connection: Connection, name: str) -> dict[str, Any]:
    (found,) = await rows(connection, "SELECT * FROM origin WHERE origin_id = %s", name)
    return found


async def test_two_copies_and_a_changed_one_in_a_single_lot_are_one_document(
    connection: Connection, place: Place
) -> None:
    lot = [brought("a", document("F1")), brought("b", document("F1")), brought("c", document("F1", "250.00"))]
    lot.append(brought("d1:e4b0", document("F1")))  # sent in without an id of its own

    await register(connection, place.administration, place.sources[0], place.entity, lot)

    documents = await rows(connection, "SELECT origin_id, gross FROM document")
    assert documents == [{"origin_id": "a", "gross": Decimal("100.00")}]
    found = [await origin(connection, name) for name in "abc"]
    assert [one["duplicate_of"] for one in found] == [None, "a", "a"]
    assert [[issue["code"] for issue in one["issues"]] for one in found] == [[], ["D05"], ["D06"]]
    assert found[2]["issues"][0]["severity"] == "warning"
    (told,) = (await origin(connection, "d1:e4b0"))["issues"]
    assert told["facts"] == {"number": "F1", "origin": "F1", "first": "a"}, "no name of ours is told to people"


async def test_a_document_is_free_for_a_copy_once_its_file_became_another_one_in_the_same_lot(
    connection: Connection, place: Place
) -> None:
    source = place.sources[0]
    await register(connection, place.administration, source, place.entity, [brought("a", document("F1"))])

    lot = [brought("a", document("F2")), brought("b", document("F1"))]
    await register(connection, place.administration, source, place.entity, lot)

    documents = await rows(connection, "SELECT number, origin_id FROM document ORDER BY number")
    assert [(row["number"], row["origin_id"]) for row in documents] == [("F1", "b"), ("F2", "a")]


async def test_a_booked_file_that_became_another_document_is_changed_and_stays_what_it_was(
    connection: Connection, place: Place
) -> None:
    source, first = place.sources[0], document("F1")
    await register(connection, place.administration, source, place.entity, [brought("a", first)])
    await link(connection, place, first, "booked", "2026/17")

    lot = [brought("a", document("F2")), brought("b", first)]
    await register(connection, place.administration, source, place.entity, lot)

    changed, copy = await origin(connection, "a"), await origin(connection, "b")
    assert changed["identity"] == identity_of(first, place.entity)
    facts = {"number": "F1", "booking_number": "2026/17", "origin": "a"}
    assert [(issue["code"], issue["facts"]) for issue in changed["issues"]] == [("D07", facts)]
    assert copy["duplicate_of"] == "a"
    assert len(await rows(connection, "SELECT 1 FROM document")) == 1


async def test_a_lot_costs_the_same_statements_however_large_it_is(connection: Connection, place: Place) -> None:
    executed = Counted(connection)
    lot = [brought(f"o{at}", document(f"F{at}")) for at in range(100)]

    await register(executed, place.administration, place.sources[0], place.entity, lot)  # type: ignore[arg-type]

    assert executed.statements == 4
    assert len(await rows(connection, "SELECT 1 FROM document")) == 100


class Counted:
    """A connection that counts."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.statements = 0

    async def execute(self, *given: Any) -> Any:
        self.statements += 1
        return await self._connection.execute(*given)
