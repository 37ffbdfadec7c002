"""Two entities in one set of books and one journal, synchronised at the same time by two workers."""

import asyncio
from pathlib import Path

from dagboek.chaos.ubl import Ubl, UblLine
from end_to_end.harness import Installation, octopus, write_files

FRANCHISES = {"BE0403019261": "Noordzee Koffie BV", "BE0400378485": "Zuidzee Koffie BV"}
HOW_MANY = 60


async def test_numbers_stay_gapless_and_no_entry_is_lost(house: Installation, tmp_path: Path) -> None:
    async with octopus() as shared, octopus() as other:
        runs = []
        for sandbox, vat, name in (
            *((shared, vat, name) for vat, name in FRANCHISES.items()),
            (other, "BE0401574852", "Westzee Koffie BV"),
        ):
            write_files(
                tmp_path / vat,
                [
                    # both number their invoices alike, and one customer bought the same from both on one day
                    Ubl(f"2026/{at:03}", supplier=vat, supplier_name=name, lines=(UblLine(f"{at}.00"),))
                    for at in range(1, HOW_MANY + 1)
                ],
            )
            runs.append(
                await house.connection(
                    sandbox,
                    tenant="Shared" if sandbox is shared else "Apart",
                    entity=name,
                    vat=vat,
                    folder=tmp_path if sandbox is shared else tmp_path / vat,
                )
            )

        ended = await asyncio.gather(*(house.sync(connection) for connection in runs))

        assert [run["status"] for run in ended] == ["Success"] * 3
        entries = shared.books.entries(1001, journal="V1")
        assert [entry["number"] for entry in entries] == list(range(1, 2 * HOW_MANY + 1))
        assert sorted(entry["comment"] for entry in entries) == sorted(
            [f"2026/{at:03}" for at in range(1, HOW_MANY + 1)] * 2
        )
        assert [entry["comment"] for entry in other.books.entries(1001, journal="V1")] == [
            f"2026/{at:03}" for at in range(1, HOW_MANY + 1)
        ]
        assert len(shared.control.relations(1001)) == 1
        for run in ended:
            rows = await house.db.all(
                """SELECT d.number, l.entry_number FROM item i JOIN link l ON l.id = i.link_id
                   JOIN document d ON d.identity = l.identity AND d.tenant_id = l.tenant_id
                   WHERE i.run_id = %s AND i.kind = 'document' ORDER BY i.sequence""",
                run["id"],
            )
            # each entity's invoices are booked in the order of their numbers
            booked = [int(row["entry_number"]) for row in rows]
            assert booked == sorted(booked) and len(booked) == HOW_MANY
            told = [data for type_, data in await house.told(run["id"]) if type_ == "dagboek.document.booked.v1"]
            assert [data["document_number"] for data in told] == [row["number"] for row in rows]
        assert shared.books.ledger(1001)["difference"] == 0
