"""What a person decides touches the documents of one tenant alone, and nothing is decided on a guess."""

from collections.abc import AsyncIterator
from typing import Any, cast
from uuid import UUID, uuid4

import pytest
from dagboek import database, resolve
from dagboek.cli import selecting
from dagboek.cli.failures import CommandFailed
from dagboek.database import Database
from dagboek.runs import NotReadyToSync
from dagboek.tenants import ensure_entity, ensure_tenant

IDENTITY = "d1:the-same-in-both"
no_publisher: Any = None


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


async def tenant_of(db: Database, link: int) -> UUID:
    row = await db.one("SELECT tenant_id FROM link WHERE id = %s", link)
    assert row is not None
    return UUID(str(row["tenant_id"]))


async def column(db: Database, name: str, of: int) -> str | None:
    row = await db.one(f"SELECT {name} AS it FROM link WHERE id = %s", of)
    assert row is not None
    return row["it"]  # type: ignore[no-any-return]


async def test_a_change_is_seen_at_the_revision_of_its_own_tenant(db: Database) -> None:
    links = {tenant: await document(db, tenant, f"rev1:{tenant}") for tenant in ("North", "South", "West")}
    for tenant, one in reversed(links.items()):
        await resolve.acknowledge_change(db, await tenant_of(db, one), one)
        assert await column(db, "acknowledged_revision", one) == f"rev1:{tenant}"
    await resolve.acknowledge_change(db, await tenant_of(db, links["North"]), links["North"])
    assert await column(db, "acknowledged_revision", links["South"]) == "rev1:South"


async def test_what_a_person_found_is_booked_at_the_revision_of_its_own_tenant(db: Database) -> None:
    links = {tenant: await document(db, tenant, f"rev1:{tenant}") for tenant in ("North", "South")}
    await db.run("UPDATE link SET state = 'needs_person'")
    for number, (tenant, one) in enumerate(links.items()):
        await resolve.mark_as_booked(db, await tenant_of(db, one), one, str(number))
        assert await column(db, "revision", one) == f"rev1:{tenant}"


async def test_only_of_a_booked_document_a_change_is_seen(db: Database) -> None:
    one = await document(db, "North", "rev1:new")
    await db.run("UPDATE link SET state = 'needs_person'")
    for number in (one, one + 1000):
        with pytest.raises(resolve.CannotResolve, match="no booked document"):
            await resolve.acknowledge_change(db, await tenant_of(db, one), number)
    assert await column(db, "acknowledged_revision", one) is None


async def test_what_is_another_tenants_is_not_decided_about(db: Database) -> None:
    north, south = await document(db, "North", "rev1:a"), await document(db, "South", "rev1:b")
    stranger = await tenant_of(db, south)

    with pytest.raises(resolve.CannotResolve, match="no such document"):
        await resolve.send_again(db, no_publisher, stranger, north)
    with pytest.raises(resolve.CannotResolve, match="no booked document"):
        await resolve.acknowledge_change(db, stranger, north)
    await db.run("UPDATE link SET state = 'needs_person'")
    with pytest.raises(resolve.CannotResolve, match="no such document"):
        await resolve.mark_as_booked(db, stranger, north, "43")

    assert await column(db, "state || current || coalesce(entry_number, '')", north) == "needs_persontrue"


async def test_what_was_seen_before_something_happened_is_not_sent_again(db: Database) -> None:
    """It was booked after all while the person looked."""
    one = await document(db, "North", "rev1:a")
    seen = (await selecting.decidable(db, "7", None)).link_version
    await db.run("UPDATE link SET link_version = link_version + 1, state = 'booked'")

    with pytest.raises(resolve.CannotResolve, match="happened to it meanwhile"):
        await resolve.send_again(db, no_publisher, await tenant_of(db, one), one, seen=seen)


async def test_what_may_still_arrive_is_not_sent_again(db: Database) -> None:
    one = await document(db, "North", "rev1:a")
    await db.run("UPDATE link SET attempt = 1, settle_due = clock_timestamp() + interval '30 seconds'")

    with pytest.raises(resolve.CannotResolve, match=r"may still arrive\. Look again after \d\d:\d\d:\d\d UTC"):
        await resolve.send_again(db, no_publisher, await tenant_of(db, one), one)

    assert await column(db, "current::text", one) == "true"


class Sent:
    """Keeps what is published."""

    def __init__(self) -> None:
        self.records: list[Any] = []

    async def publish(self, topic: str, records: list[Any]) -> None:
        self.records += records


async def test_sending_again_is_done_whole_or_not_at_all(db: Database) -> None:
    one, publisher = await document(db, "North", "rev1:a"), Sent()
    owner, sent = await tenant_of(db, one), cast("Any", publisher)
    await db.run("UPDATE administration SET next_link_no = 100")

    with pytest.raises(resolve.CannotResolve, match="No connection brings this document"):
        await resolve.send_again(db, sent, owner, one)
    assert await column(db, "state || current || incarnation", one) == "bookedtrue1"

    await db.run(
        """WITH n AS (INSERT INTO login (tenant_id, plugin, tool_user, settings) VALUES (%s, 'x', 'u', '') RETURNING id)
           INSERT INTO connection (tenant_id, entity_id, administration_id, login_id, plugin, state)
           SELECT l.tenant_id, d.entity_id, l.administration_id, n.id, 'x', 'reconnect' FROM n, link l
           JOIN document d ON d.tenant_id = l.tenant_id AND d.identity = l.identity WHERE l.id = %s""",
        owner,
        one,
    )
    with pytest.raises(NotReadyToSync, match="Connect it again"):
        await resolve.send_again(db, sent, owner, one)
    assert await column(db, "state || current || incarnation", one) == "bookedtrue1"
    assert publisher.records == await db.all("SELECT 1 FROM run WHERE tenant_id = %s", owner) == []

    await db.run("UPDATE connection SET state = 'connected' WHERE tenant_id = %s", owner)
    run = await resolve.send_again(db, sent, owner, one, "Anna")
    assert await column(db, "state || current", one) == "bookedfalse"
    assert await db.all("SELECT id, scope, trigger, requested_by FROM run WHERE tenant_id = %s", owner) == [
        {"id": run, "scope": [IDENTITY], "trigger": "resend", "requested_by": "Anna"}
    ]
    assert len(publisher.records) == 1


async def test_a_customer_that_a_person_decided_about_may_be_named_by_documents(db: Database) -> None:
    one = await document(db, "North", "rev1:a")
    row = await db.one("SELECT tenant_id, administration_id FROM link WHERE id = %s", one)
    assert row is not None
    parties = [await link(db, row["tenant_id"], row["administration_id"], f"p1:{at}", "party") for at in range(2)]
    await db.run("UPDATE link SET state = 'needs_person' WHERE kind = 'party'")
    await db.run("UPDATE administration SET next_link_no = 100")

    await resolve.mark_as_booked(db, row["tenant_id"], parties[0], "17")
    assert await resolve.send_again(db, no_publisher, row["tenant_id"], parties[1]) is None

    assert await column(db, "state || entry_id", parties[0]) == "booked17"
    assert await column(db, "current::text", parties[1]) == "false"


async def test_a_document_is_named_by_its_number_and_shown_before_it_is_decided_about(db: Database) -> None:
    north, south = await document(db, "North", "rev1:a"), await document(db, "South", "rev1:b")
    await db.run("UPDATE link SET entry_number = '43' WHERE id = %s", south)

    of_south = await selecting.decidable(db, "7", None, "South")

    assert (of_south.link_id, of_south.tenant_id) == (south, await tenant_of(db, south))
    assert of_south.label == "sales invoice 7, x, 2026-03-02, 121.00 EUR: booked as 43"
    with pytest.raises(CommandFailed, match=rf"certain document 7.*\n  --link {north} .*\n  --link {south} "):
        await selecting.decidable(db, "7", None)
    assert (await selecting.decidable(db, None, north)).link_id == north
    with pytest.raises(CommandFailed, match="no link"):
        await selecting.decidable(db, None, north, "South")


async def test_the_number_of_a_document_never_names_the_link_of_another(db: Database) -> None:
    """Also where no document bears it: who types 43 means document 43, and that is all."""
    one = await document(db, "North", "rev1:a", number="2026/1")

    with pytest.raises(CommandFailed, match=rf"no certain document {one}\..*\n  --link {one}  sales invoice 2026/1"):
        await selecting.decidable(db, str(one), None)
    with pytest.raises(CommandFailed, match="no document 2026/9"):
        await selecting.decidable(db, "2026/9", None)

    # and where both are there
    two = await document(db, "North", "rev1:c", number=str(one), identity="d1:another")
    with pytest.raises(CommandFailed, match=rf"--link {one} .* 2026/1.*\n  --link {two} .* {one},"):
        await selecting.decidable(db, str(one), None)
    assert (await selecting.decidable(db, None, two)).link_id == two

    row = await db.one("SELECT tenant_id, administration_id FROM link WHERE id = %s", one)
    assert row is not None
    party = await link(db, row["tenant_id"], row["administration_id"], "p1:x", "party")
    assert (await selecting.decidable(db, None, party)).label == "customer or supplier, x: booked as ?"
