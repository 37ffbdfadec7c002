"""Sales and purchases, invoices and credit notes, and what becomes of them: payments."""

from decimal import Decimal
from pathlib import Path
from typing import Any

from dagboek.chaos.ubl import NORDZEE, Ubl, UblLine
from end_to_end.harness import Installation, write_files

SUPPLIER, SUPPLIER_NAME = "BE0400378485", "Brouwer NV"


def bought(number: str, **more: Any) -> Ubl:
    """A document that the entity received."""
    return Ubl(
        number,
        customer=NORDZEE,
        customer_name="Noordzee Koffie BV",
        supplier=SUPPLIER,
        supplier_name=SUPPLIER_NAME,
        **more,
    )


async def test_all_components_in_order_with_signs_and_payments(
    house: Installation, sandbox: Any, tmp_path: Path
) -> None:
    folder = tmp_path / "ubl"
    both = (UblLine("100.00"), UblLine("50.00", rate="6"))
    write_files(
        folder,
        [
            Ubl("2026/001", lines=both),
            Ubl("2026/002"),
            Ubl("C/1", credit=True, lines=both),
            bought("A/1", lines=both),
            bought("A/2"),
            bought("AC/1", credit=True),
            # a company may be customer and supplier
            Ubl("2026/003", customer=SUPPLIER, customer_name=SUPPLIER_NAME),
        ],
    )
    connection = await house.connection(sandbox, tenant="Sides", folder=folder)

    run = await house.sync(connection)

    assert run["status"] == "Success"
    order = [item["component"] for item in await house.items(run["id"])]
    assert order == [
        "ledger_accounts", "customers", "customers", "sales_invoices", "sales_invoices", "sales_invoices",
        "sales_credit_notes", "suppliers", "purchase_invoices", "purchase_invoices", "purchase_credit_notes",
    ]  # fmt: skip
    totals = {
        journal: [(entry["comment"], entry["total"]) for entry in sandbox.books.entries(1001, journal=journal)]
        for journal in ("V1", "V2", "A1", "A2")
    }
    assert totals == {
        "V1": [("2026/001", Decimal("174.00")), ("2026/002", Decimal("121.00")), ("2026/003", Decimal("121.00"))],
        "V2": [("C/1", Decimal("-174.00"))],
        "A1": [("A/1", Decimal("174.00")), ("A/2", Decimal("121.00"))],
        "A2": [("AC/1", Decimal("-121.00"))],
    }
    ledger = sandbox.books.ledger(1001)
    assert ledger["difference"] == 0
    balances = {row["account"]: row["balance"] for row in ledger["accounts"]}
    assert (balances[400000], balances[440000]) == (Decimal("242.00"), Decimal("-174.00"))
    relations = {row["name"]: (row["client"], row["supplier"]) for row in sandbox.control.relations(1001)}
    assert relations == {"Bakkerij De Klaver BV": (True, False), "Brouwer NV": (True, True)}

    # payments: one in full, one in part, one none
    sandbox.control.pay(1001, journal="V1", number=1, bookyear=2, amount="174.00", date="2026-04-01")
    sandbox.control.pay(1001, journal="V1", number=2, bookyear=2, amount="21.00", date="2026-04-01")
    sandbox.control.pay(1001, journal="A1", number=1, bookyear=2, amount="174.00", date="2026-04-01")
    run = await house.sync(connection)

    assert run["status"] == "Success"
    assert [item["component"] for item in await house.items(run["id"])] == ["payment_statuses"]
    told = {
        data["booking_number"] + " " + data["state"]: data.get("open_amount")
        for type_, data in await house.told(run["id"])
        if type_ == "dagboek.document.payment-changed.v1"
    }
    states = {
        row["number"]: (row["state"], row["open_amount"])
        for row in await house.db.all(
            """SELECT d.number, p.state, p.open_amount FROM payment_status p JOIN link l ON l.id = p.link_id
               JOIN document d ON d.identity = l.identity AND d.tenant_id = l.tenant_id
               JOIN connection c ON c.administration_id = l.administration_id WHERE c.id = %s""",
            connection,
        )
    }
    assert states["2026/001"][0] == "paid"
    assert states["2026/002"] == ("partially_paid", Decimal("100.00"))
    assert states["2026/003"][0] == "not_paid"
    assert states["A/1"][0] == "paid" and states["A/2"][0] == "not_paid"
    assert told["2 partially_paid"] == "100.00"

    # what changed since is told, the rest is not told again
    sandbox.control.pay(1001, journal="V1", number=2, bookyear=2, amount="100.00", date="2026-04-02")
    await house.db.run(
        "UPDATE pull_cursor SET pulled_at = now() - interval '2 hours' WHERE connection_id = %s", connection
    )
    run = await house.sync(connection)

    told_now = [data for type_, data in await house.told(run["id"]) if type_ == "dagboek.document.payment-changed.v1"]
    assert [(data["booking_number"], data["state"]) for data in told_now] == [("2", "paid")]
