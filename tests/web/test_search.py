"""Documents are found by what people type, page by page, and none of another tenant."""

from collections.abc import AsyncIterator
from datetime import date, timedelta

import pytest
from dagboek import documents
from dagboek.database import Database
from dagboek.documents import Standing, Wanted
from dagboek.web.tenancy import RequestDatabase, TenantDatabase
from dagboek_schemas.documents import Direction, Kind
from web.tenants import TenantRows, filled

NAMES = {
    "VF/2026-00042": "Bouwbedrijf Janssens N.V.",
    "VF/2026-00043": "Café d'Électro",
    "2025-7": "Jansen & Maes",
    "F100": "Dupont (Liège) <b>50%</b>",
    "A" * 300: "ﷺ" * 400 + " end",
    "0": "x" * 5_000,
    "'; --": "\\ ' :* & | ! <->",
}


@pytest.fixture(scope="module")
async def north(database: Database) -> TenantRows:
    rows = await filled(database, "north")
    await filled(database, "south")
    for at, (number, name) in enumerate(NAMES.items()):
        await written(database, rows, f"d1:n{at}", number, name, date(2026, 1, 1) + timedelta(days=at))
    for at in range(40):
        await written(database, rows, f"d1:many{at}", f"M{at}", "Many", date(2024, 1, 1) + timedelta(days=at // 4))
    await database.run("UPDATE document SET linked = true WHERE starts_with(identity, 'd1:many')")
    await database.run(
        """INSERT INTO link (tenant_id, administration_id, identity, kind, link_no, state, entry_id, entry_number)
           SELECT tenant_id, %s, identity, 'document', 100 + substr(number, 2)::int,
                  CASE mod(substr(number, 2)::int, 10) WHEN 0 THEN 'needs_person' WHEN 1 THEN 'free' ELSE 'booked' END,
                  number, 'B/' || number FROM document WHERE starts_with(identity, 'd1:many')""",
        rows.id("administration"),
    )
    return rows


async def written(db: Database, of: TenantRows, identity: str, number: str, name: str, issued: date) -> None:
    await db.run(
        """INSERT INTO document (tenant_id, identity, entity_id, direction, kind, number, issue_date, currency, gross,
                                 party_identity, party_name, source_id, origin_id, revision)
           SELECT tenant_id, %s, entity_id, direction, kind, %s, %s, currency, gross, party_identity, %s, source_id, %s,
                  revision FROM document WHERE identity = %s""",
        identity,
        number,
        issued,
        name,
        identity,
        of.identity,
    )


@pytest.fixture(scope="module")
async def seen(database: Database, north: TenantRows) -> AsyncIterator[TenantDatabase]:
    async with RequestDatabase(database.url, size=2) as requests:
        yield requests.of(north.tenant)


async def found(db: Database, north: TenantRows, wanted: Wanted, limit: int = 100) -> list[str]:
    return [row.title for row in await documents.page(db, north.tenant, wanted, limit=limit)]


@pytest.mark.parametrize(
    ("typed", "numbers"),
    [
        ("jans", ["2025-7", "VF/2026-00042"]),
        ("JANS bouw", ["VF/2026-00042"]),
        ("cafe", ["VF/2026-00043"]),
        ("électro", ["VF/2026-00043"]),
        ("n.v. bouw", ["VF/2026-00042"]),
        ("2026-42", ["VF/2026-00042"]),
        ("42", ["VF/2026-00042"]),
        ("0004", ["VF/2026-00043", "VF/2026-00042"]),
        ("vf202600043", ["VF/2026-00043"]),
        ("vf 2026 maes", []),
        ("f100 50% <b", ["F100"]),
        ("liege", ["F100"]),
        ("edrijf", []),
        ("%", []),
        ("jans:* | maes", ["2025-7"]),
        ("' \\ :", []),
        ("B/M7", ["M7"]),
        ("b/m", []),
        ("aaaa", ["A" * 300]),
        ("x" * 100, ["0"]),
    ],
)
async def test_beginnings_of_words_and_whole_booking_numbers(
    seen: TenantDatabase, north: TenantRows, typed: str, numbers: list[str]
) -> None:
    assert await found(seen, north, Wanted(search=typed)) == numbers


async def test_a_search_in_pages_is_the_search(seen: TenantDatabase, north: TenantRows) -> None:
    whole = await found(seen, north, Wanted(search="many"))
    assert len(whole) == 40
    rows = list[documents.DocumentRow]()
    while True:
        last = (rows[-1].issue_date or date.min, rows[-1].identity or "") if rows else None
        some = await documents.page(seen, north.tenant, Wanted(search="many"), after=last, limit=7)
        rows += some
        if len(some) < 7:
            break
    assert [row.title for row in rows] == whole


MONTHS = """
INSERT INTO document (tenant_id, identity, entity_id, direction, kind, number, issue_date, currency, gross,
                      party_identity, party_name, source_id, origin_id, revision)
SELECT tenant_id, 'd1:' || day || n, entity_id, CASE WHEN mod(n, 3) = 0 THEN 'purchase' ELSE 'sales' END,
       CASE WHEN mod(n, 50) = 0 THEN 'credit_note' ELSE 'invoice' END, day || '.' || n, day, currency, gross,
       party_identity, CASE WHEN day = '0999-12-31' OR mod(n, 7) = 0 THEN 'Zonnig Zes' ELSE 'Zonnig' END, source_id,
       'day' || day || n, revision
FROM document, (VALUES (date '1999-03-31', 1), ('2001-12-31', 30), ('2002-01-01', 30), ('2002-01-15', 700),
                       ('2002-01-31', 700), ('2002-02-01', 8), ('0999-12-31', 2)) days (day, many),
     generate_series(1, many) n
WHERE identity = %s
"""
"""Of several months, one of which has more than are read without their order."""


@pytest.fixture(scope="module")
async def sunny(database: Database, north: TenantRows) -> AsyncIterator[dict[str, Wanted]]:
    """What is asked for, by the SQL that says the same."""
    await database.run(MONTHS, north.identity)
    yield {
        "true": Wanted(search="zon"),
        "party_name LIKE '%% Zes'": Wanted(search="zes zon"),
        "direction = 'purchase'": Wanted(search="zonnig", direction=Direction.PURCHASE),
        "kind = 'credit_note' AND direction = 'sales'": Wanted(
            search="zon", kind=Kind.CREDIT_NOTE, direction=Direction.SALES
        ),
        "issue_date <= '2002-01-20'": Wanted(search="zonnig", until=date(2002, 1, 20)),
        "issue_date BETWEEN '2001-12-31' AND '2002-01-20'": Wanted(
            search="zonnig", since=date(2001, 12, 31), until=date(2002, 1, 20)
        ),
        "direction = 'sales' AND issue_date < '2002-02-01'": Wanted(
            search="zonnig", entity_id=north.id("entity"), direction=Direction.SALES, until=date(2002, 1, 31)
        ),
    }


@pytest.mark.parametrize("at", range(7))
@pytest.mark.parametrize("limit", [9, 400])
async def test_months_of_many_and_of_few_are_read_in_one_order(
    database: Database, seen: TenantDatabase, north: TenantRows, sunny: dict[str, Wanted], at: int, limit: int
) -> None:
    sql, wanted = list(sunny.items())[at]
    rows = await database.all(
        f"""SELECT issue_date, identity FROM document WHERE tenant_id = %s AND party_name LIKE 'Zonnig%%' AND {sql}
            ORDER BY issue_date DESC, identity DESC""",
        north.tenant,
    )
    expected = [(row["issue_date"], row["identity"]) for row in rows]
    assert expected

    places = list[tuple[date, str]]()
    while len(places) < 5 * limit:
        some = await documents.page(seen, north.tenant, wanted, after=places[-1] if places else None, limit=limit)
        places += [(row.issue_date or date.min, row.identity or "") for row in some]
        if len(some) < limit:
            break

    assert places == expected[: 5 * limit]


@pytest.mark.parametrize("search", [None, "many", "m"])
@pytest.mark.parametrize(
    ("standing", "number"), [(Standing.BOOKED, 32), (Standing.NEEDS_PERSON, 4), (Standing.WAITING, 4)]
)
async def test_few_of_many_are_found_lot_by_lot(
    seen: TenantDatabase, north: TenantRows, search: str | None, standing: Standing, number: int
) -> None:
    wanted = Wanted(search=search, standing=standing, since=date(2024, 1, 1), until=date(2024, 12, 31))
    whole = await found(seen, north, wanted)
    assert len(whole) == number
    assert await found(seen, north, wanted, limit=3) == whole[:3]


@pytest.mark.parametrize("search", [None, "many", "m"])
@pytest.mark.parametrize("standing", [Standing.BOOKED, Standing.NEEDS_PERSON, Standing.WAITING])
async def test_what_is_looked_for_a_lot_at_a_time_is_found_once(
    seen: TenantDatabase,
    north: TenantRows,
    monkeypatch: pytest.MonkeyPatch,
    search: str | None,
    standing: Standing,
) -> None:
    wanted = Wanted(search=search, standing=standing, since=date(2024, 1, 1), until=date(2024, 12, 31))
    whole = await found(seen, north, wanted)
    monkeypatch.setattr(documents, "PATIENCE", 0)
    assert await found(seen, north, wanted, limit=3) == whole[:3], "who asks for all waits for them"

    numbers, empty, after = list[str](), 0, None
    while True:
        some = await documents.part(seen, north.tenant, wanted, after=after, limit=1)
        numbers += [row.title for row in some.rows]
        empty += not some.rows and some.reached is not None
        after = some.rows[-1].place if some.rows else some.reached
        if after is None:
            break

    assert numbers == whole
    assert empty or standing is not Standing.BOOKED


async def test_what_else_is_asked_for_counts_too(seen: TenantDatabase, north: TenantRows) -> None:
    day = date(2024, 1, 3)
    assert len(await found(seen, north, Wanted(search="many", since=day, until=day))) == 4
    assert len(await found(seen, north, Wanted(search="many", entity_id=north.id("entity")))) == 40
    assert await found(seen, north, Wanted(search="many", entity_id=north.id("tenant"))) == []
    assert await found(seen, north, Wanted(search="many", direction=Direction.PURCHASE)) == []
    assert len(await found(seen, north, Wanted(search="many", not_synced=True))) == 8
    assert await found(seen, north, Wanted(search="B/M10", not_synced=True)) == ["M10"]


async def test_no_document_of_another_tenant_is_found(database: Database, north: TenantRows) -> None:
    async with RequestDatabase(database.url, size=1) as requests:
        everything = "SELECT * FROM documents_found('klant', NULL, NULL, NULL, NULL, NULL, NULL, NULL, 100)"
        rows = await requests.of(north.tenant).all(everything)
        assert [row["found_identity"] for row in rows] == [north.identity]
        assert await requests.of(None).all(everything) == []
