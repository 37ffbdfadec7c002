"""What a person decides touches the documents of one tenant alone, and nothing is decided on a guess."""

from collections.abc import AsyncIterator
from uuid import UUID, uuid4

import pytest
from dagboek import database, resolve
from dagboek.cli import selecting
from dagboek.cli.failures import CommandFailed
from dagboek.database import Database
from dagboek.tenants import ensure_entity, ensure_tenant

IDENTITY = "d1:the-same-in-both"


@pytest.fixture
async def db(database_url: str) -> AsyncIterator[Database]:
    database.migrate(database_url)
    async with Database(database_url, size=3) as opened:
        yield opened


async def document(db: Database, tenant: str, revision: str, *, number: str = "7", identity: str = IDENTITY) -> int:
    """A document of a tenant, booked at an older revision, that came from two files of which one differs: its link."""
    owner = await ensure_tenant(db, tenant)
    entity = await ensure_entity(db, owner.id, "Acme", vat_number="BE0123456749")
    source, books = uuid4(), uuid4()
    await db.run("INSERT INTO source (id, tenant_id, plugin, name) VALUES (%s, %s, 'x', %s)", source, owner.id, source)
    await db.run(
        "INSERT INTO administration (id, tenant_id, plugin, host, tool_id, name) VALUES (%s, %s, 'x', 'h', %s, 'b')",
        books, owner.id, str(books),
    )  # fmt: skip
    for origin, of_origin, duplicate in (("a copy", f"{revision} of a copy", "first"), ("first", revision, None)):
        await db.run(
            """INSERT INTO origin (source_id, entity_id, origin_id, fingerprint, identity, revision, duplicate_of)
               VALUES (%s, %s, %s, '', %s, %s, %s)""",
            source, entity.id, origin, identity, of_origin, duplicate,
        )  # fmt: skip
    await db.run(
        """INSERT INTO document (tenant_id, identity, entity_id, direction, kind, number, issue_date, currency, gross,
                                 party_identity, party_name, source_id, origin_id, revision)
           VALUES (%s, %s, %s, 'sales', 'invoice', %s, '2026-03-02', 'EUR', 121, 'p1:x', 'x', %s, 'first', %s)""",
        owner.id, identity, entity.id, number, source, revision,
    )  # fmt: skip
    return await link(db, owner.id, books, identity)


async def link(db: Database, tenant: UUID, books: UUID, identity: str, kind: str = "document") -> int:
    row = await db.one(
        """INSERT INTO link (tenant_id, administration_id, identity, kind, link_no, state, revision)
           VALUES (%s, %s, %s, %s, (SELECT count(*) FROM link), 'booked', 'rev1:old') RETURNING id""",
        tenant, books, identity, kind,
    )  # fmt: skip
    assert row is not None
    return int(row["id"])


async def column(db: Database, name: str, of: int) -> str | None:
    row = await db.one(f"SELECT {name} AS it FROM link WHERE id = %s", of)
    assert row is not None
    return row["it"]  # type: ignore[no-any-return]


async def test_a_change_is_seen_at_the_revision_of_its_own_tenant(db: Database) -> None:
    links = {tenant: await document(db, tenant, f"rev1:{tenant}") for tenant in ("North", "South", "West")}
    for tenant, one in reversed(links.items()):
        await resolve.acknowledge_change(db, one)
        assert await column(db, "acknowledged_revision", one) == f"rev1:{tenant}"
    await resolve.acknowledge_change(db, links["North"])
    assert await column(db, "acknowledged_revision", links["South"]) == "rev1:South"


async def test_what_a_person_found_is_booked_at_the_revision_of_its_own_tenant(db: Database) -> None:
    links = {tenant: await document(db, tenant, f"rev1:{tenant}") for tenant in ("North", "South")}
    await db.run("UPDATE link SET state = 'needs_person'")
    for number, (tenant, one) in enumerate(links.items()):
        await resolve.mark_as_booked(db, one, str(number))
        assert await column(db, "revision", one) == f"rev1:{tenant}"


async def test_only_of_a_booked_document_a_change_is_seen(db: Database) -> None:
    one = await document(db, "North", "rev1:new")
    await db.run("UPDATE link SET state = 'needs_person'")
    for number in (one, one + 1000):
        with pytest.raises(resolve.CannotResolve, match="no booked document"):
            await resolve.acknowledge_change(db, number)
    assert await column(db, "acknowledged_revision", one) is None


async def test_a_number_that_means_two_things_decides_nothing(db: Database) -> None:
    north, south = await document(db, "North", "rev1:a"), await document(db, "South", "rev1:b")
    assert await selecting.link(db, str(north)) == north
    assert await selecting.link(db, "7", "South") == south
    with pytest.raises(CommandFailed, match=rf"link {north} \(document 7\), link {south} \(document 7\).*--tenant"):
        await selecting.link(db, "7")
    with pytest.raises(CommandFailed, match="No document is called"):
        await selecting.link(db, str(north), "South")

    # one whose number is the link number of another document
    third = await document(db, "North", "rev1:c", number=str(south), identity="d1:another")
    with pytest.raises(CommandFailed, match=rf"{south} may mean"):
        await selecting.link(db, str(south))
    assert await selecting.link(db, str(third)) == third

    row = await db.one("SELECT tenant_id, administration_id FROM link WHERE id = %s", north)
    assert row is not None
    party = await link(db, row["tenant_id"], row["administration_id"], "p1:x", "party")
    assert await selecting.link(db, str(party)) == party
