"""What cannot be booked is named with its reason, and holds back only what depends on it."""

from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from dagboek import connections, contexts, sources, tenants
from dagboek.chaos.ubl import Ubl
from end_to_end.harness import Installation, octopus, settings_of, write_files

GOOD, WRONG_DIGIT, WRONG_FORM, OTHER = "BE0404616494", "BE0404616495", "BE04046164", "BE0400378485"
US = "BE0403019261"


async def test_a_customer_that_cannot_be_booked_holds_back_its_own_documents(
    house: Installation, sandbox: Any, tmp_path: Path
) -> None:
    write_files(
        tmp_path / "ubl",
        [
            Ubl("2026/001"),
            Ubl("2026/002", customer=WRONG_DIGIT, customer_name="Typfout BV"),
            Ubl("2026/003", customer=OTHER, customer_name="Geweigerd BV"),
            Ubl("2026/004"),
            Ubl("2026/005", customer=OTHER, customer_name="Geweigerd BV"),
            Ubl("2026/006", customer=WRONG_FORM, customer_name="Te Kort BV"),
        ],
    )
    settings = settings_of().model_copy(update={"check_vat_numbers": True})
    connection = await house.connection(sandbox, tenant="Held", folder=tmp_path / "ubl", settings=settings)
    # customers go in the order of their identities: refuse whichever is not the first customer's
    sandbox.control.faults(kind="refuse", operation="insertUpdateRelation", code=-16, status=400)

    run = await house.sync(connection)

    assert set((await house.states(run["id"])).values()) == {"skipped D08"}
    sandbox.control.faults(off=True)
    run = await house.sync(connection)

    assert run["status"] == "Warning"
    assert await house.states(run["id"]) == {
        "2026/001": "synced",
        "2026/002": "skipped D08",
        "2026/003": "synced",
        "2026/004": "synced",
        "2026/005": "synced",
        "2026/006": "skipped D08",
    }
    customers = {
        item["title"]: [issue["code"] for issue in item["issues"]]
        for item in await house.items(run["id"])
        if item["component"] == "customers"
    }
    assert customers["Typfout BV"] == ["D01"]
    assert customers["Te Kort BV"] == ["B03"]
    assert [entry["number"] for entry in sandbox.books.entries(1001, journal="V1")] == [1, 2, 3, 4]

    # somebody switches the check off: the rest goes
    assert await connections.save_settings(house.db, house.plugins, connection, settings_of()) == []
    run = await house.sync(connection)

    assert (await house.states(run["id"]))["2026/002"] == "synced"
    numbers = {entry["comment"]: entry["number"] for entry in sandbox.books.entries(1001, journal="V1")}
    assert numbers["2026/002"] == 5


async def test_a_purchase_waits_for_approval_under_success(house: Installation, sandbox: Any, tmp_path: Path) -> None:
    folder = tmp_path / "ubl"
    write_files(folder, [Ubl(f"A/{at}", supplier=OTHER, supplier_name="Brouwer NV", customer=US) for at in range(1, 4)])
    (folder / "A_2.xml.pending").touch()
    (folder / "A_3.xml.refused").touch()
    connection = await house.connection(sandbox, tenant="Approval", folder=folder)
    tenant = await tenants.ensure_tenant(house.db, "Approval")
    await sources.ensure_source(
        house.db, house.plugins, tenant.id, "ubl", "files of Approval",
        {"folder": str(folder), "approval": "from_folder"},
    )  # fmt: skip

    run = await house.sync(connection)

    assert run["status"] == "Success"
    assert await house.states(run["id"]) == {"A/1": "synced", "A/2": "not_ready B10", "A/3": "not_ready D17"}
    [end] = [
        data
        for type_, data in await house.told(run["id"])
        if type_ == "dagboek.component.finished.v1" and data["component"] == "purchase_invoices"
    ]
    assert (end["status"], end["counts"]["not_ready"]) == ("Success", 2)

    (folder / "A_2.xml.pending").unlink()
    (folder / "A_2.xml.approved").touch()
    run = await house.sync(connection)

    assert (await house.states(run["id"]))["A/2"] == "synced"
    assert [entry["comment"] for entry in sandbox.books.entries(1001, journal="A1")] == ["A/1", "A/2"]


async def test_what_the_books_do_not_have_is_named(house: Installation, tmp_path: Path) -> None:
    """A journal that is missing in a new year, a closed period, a year that is not there, a currency without rate."""
    async with octopus(years=(2025, 2026)) as sandbox:
        sandbox.control.journals(1001, journal="V1", closed_period=202601)
        sandbox.control.bookyears(1001, add=2027, journals=False)
        write_files(
            tmp_path / "ubl",
            [
                Ubl("1", date="2026-02-02"),
                Ubl("2", date="2026-05-05"),
                Ubl("3", date="2027-01-02"),
                Ubl("4", date="2028-01-02"),
                Ubl("5", date="2026-05-06", currency="USD"),
                Ubl("6", date="2026-05-07", currency="USD", rate="0.90"),
                Ubl("7", date="2026-05-08", currency="JPY"),
            ],
        )
        connection = await house.connection(sandbox, tenant="Named", folder=tmp_path / "ubl")

        run = await house.sync(connection)

        assert run["status"] == "Warning"
        assert await house.states(run["id"]) == {
            "1": "skipped O01",
            "2": "synced",
            "3": "skipped O11",
            "4": "skipped O10",
            "5": "skipped R01",
            "6": "synced",
            "7": "skipped R01 O17",
        }
        [missing] = [item for item in await house.items(run["id"]) if item["title"] == "3"]
        assert missing["issues"][0]["facts"]["journal"] == "V1"
        assert missing["issues"][0]["facts"]["book_year"]
        rates = {entry["comment"]: entry["rate"] for entry in sandbox.books.entries(1001, journal="V1")}
        assert rates["6"] == Decimal("0.9")

        # the year is set up, the period opened, a rate entered; the lists are read again when they are a day old
        sandbox.control.bookyears(1001, bookyear=3, remove=True)
        sandbox.control.journals(1001, journal="V1", closed_period=0)
        sandbox.control.bookyears(1001, add=2027, journals=True)
        settings = settings_of().model_copy(update={"exchange_rates": {"USD": Decimal("0.88")}})
        assert await connections.save_settings(house.db, house.plugins, connection, settings) == []
        tool = await connections.open_tool(house.db, house.plugins, house.vault, connection)
        await contexts.refresh(house.db, connection, tool)
        await tool.close()
        run = await house.sync(connection)

        states = await house.states(run["id"])
        assert {number for number, state in states.items() if state == "synced"} == {"1", "3", "5"}


@pytest.mark.parametrize("lift_limits", [True, False])
async def test_an_account_that_a_new_book_year_does_not_have_yet_is_named(
    house: Installation, tmp_path: Path, lift_limits: bool
) -> None:
    """The journal is there. With the daily limits, accounts of this year alone are read, and the tool names it."""
    year = datetime.now(UTC).year
    async with octopus(years=(year, year + 1)) as sandbox:
        sandbox.control.accounts(1001, bookyear=2, account=700000, remove=True)
        write_files(tmp_path / "ubl", [Ubl("OLD", date=f"{year}-01-05"), Ubl("NEW", date=f"{year + 1}-01-05")])
        connection = await house.connection(
            sandbox, tenant=f"New year {lift_limits}", folder=tmp_path / "ubl", lift_limits=lift_limits
        )

        run = await house.sync(connection)

        assert run["status"] == "Warning"
        assert await house.states(run["id"]) == {"OLD": "synced", "NEW": "skipped O19"}
        [item] = [item for item in await house.items(run["id"]) if item["title"] == "NEW"]
        [issue] = item["issues"]
        assert issue["facts"]["account"] == "700000"
        assert str(issue["facts"]["book_year"]) in ("2", str(year + 1))
        assert bool(issue["tool_words"]) is not lift_limits

        sandbox.control.accounts(1001, bookyear=2, account=700000)
        if lift_limits:
            tool = await connections.open_tool(house.db, house.plugins, house.vault, connection)
            await contexts.refresh(house.db, connection, tool)
            await tool.close()
        run = await house.sync(connection)

        assert await house.states(run["id"]) == {"NEW": "synced"}


async def test_what_its_source_remarks_stands_beside_a_booked_document(
    house: Installation, sandbox: Any, tmp_path: Path
) -> None:
    """A file whose attachment cannot be read is booked, and that is told."""
    whole = Ubl("2026/001", file=("paper.pdf", b"%PDF-1.7")).xml()
    (tmp_path / "ubl").mkdir()
    (tmp_path / "ubl" / "1.xml").write_text(whole.replace("JVBERi0xLjc=", "no base64!"))
    connection = await house.connection(sandbox, tenant="Remarks", folder=tmp_path / "ubl")

    run = await house.sync(connection)

    assert run["status"] == "Success"
    assert await house.states(run["id"]) == {"2026/001": "synced U39"}
