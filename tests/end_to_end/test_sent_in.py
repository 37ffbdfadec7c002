"""Documents that a program sends in by HTTP, from the call to the ledger and back."""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import aiohttp
from dagboek.chaos.ubl import NORDZEE, Ubl, UblLine
from dagboek.embedded import Services
from dagboek.web.rights import Right
from dagboek.web.server import listening, opened
from dagboek.web.signin import keys
from end_to_end.harness import Installation


async def test_what_is_sent_in_is_booked_once_whatever_is_sent_again(
    house: Installation, sandbox: Any, tmp_path: Path
) -> None:
    (tmp_path / "empty").mkdir()
    connection = await house.connection(sandbox, tenant="Shop", folder=tmp_path / "empty")
    row = await house.db.one("SELECT tenant_id, entity_id FROM connection WHERE id = %s", connection)
    assert row is not None
    secret, _ = await keys.make_key(house.db, row["tenant_id"], "shop", [Right.SEND, Right.SYNC, Right.READ], "a test")
    services = Services(house.services.kafka_bootstrap, house.database_url, house.services.kafka_security)
    async with (
        opened(house.settings, services, house.plugins, house.vault) as web,
        listening(web, "127.0.0.1", 0) as address,
        aiohttp.ClientSession(address, headers={"Authorization": f"Bearer {secret}"}) as http,
    ):
        place = f"/api/v1/entities/{row['entity_id']}/documents"

        async def send(body: bytes | dict[str, Any], own_id: str) -> dict[str, Any]:
            kind = "application/xml" if isinstance(body, bytes) else "application/json"
            data = body if isinstance(body, bytes) else json.dumps(body).encode()
            headers = {"Content-Type": kind}
            async with http.post(place, params={"id": own_id}, data=data, headers=headers) as answer:
                assert answer.status in (200, 201), await answer.text()
                found: dict[str, Any] = await answer.json()
                return found

        async def synchronised() -> dict[str, str]:
            async with http.post(f"/api/v1/connections/{connection}/runs") as answer:
                assert answer.status == 202, await answer.text()
                run = await house.ended((await answer.json())["id"])
            return await house.states(run["id"])

        first = await send(Ubl("2026/1").xml().encode(), "1")
        as_json = {
            "kind": "credit_note", "number": "2026/C1", "issue_date": "2026-03-03", "currency": "EUR",
            "seller": {"name": "Noordzee Koffie BV", "vat_number": NORDZEE, "address": {"country": "BE"}},
            "buyer": {"name": "Bakkerij De Klaver BV", "vat_number": "BE0404616494",
                      "address": {"street": "Kade 1", "city": "Oostende", "postal_code": "8400", "country": "BE"}},
            "lines": [{"id": "1", "name": "Koffie", "net": "10.00", "vat_category": "S", "vat_rate": "21"}],
            "vat_breakdown": [{"category": "S", "rate": "21", "taxable": "10.00", "tax": "2.10"}],
            "totals": {"lines": "10.00", "net": "10.00", "vat": "2.10", "gross": "12.10", "payable": "12.10"},
        }  # fmt: skip
        await send(as_json, "c1")
        taken_back = await send(Ubl("2026/9").xml().encode(), "9")
        async with http.delete(taken_back["address"]) as answer:
            assert answer.status == 200
        assert await synchronised() == {"2026/1": "synced", "2026/C1": "synced"}
        async with http.get(first["address"]) as answer:
            shown = await answer.json()
        assert (shown["standing"], shown["planned"]) == ("booked", True)
        assert shown["booking_number"]
        async with http.delete(first["address"]) as answer:
            assert answer.status == 409

        await send(Ubl("2026/1").xml().encode(), "1")
        assert await synchronised() == {}
        await send(Ubl("2026/1", lines=(UblLine("200.00"),)).xml().encode(), "1")
        assert await synchronised() == {"2026/1": "synced O09"}, "an update of the entry, as of any document"
        again = await send(Ubl("2026/1").xml().encode(), "another id")
        assert await synchronised() == {"2026/1": "skipped D06"}, "here already, with another content"
        async with http.get(again["address"]) as answer:
            assert (await answer.json())["standing"] == "duplicate"
    entries = sandbox.books.entries(1001)
    assert sorted(abs(entry["total"]) for entry in entries) == [Decimal("12.10"), Decimal("242.00")]
