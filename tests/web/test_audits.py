"""Audits by API: asked for, looked at, exported, ended. What they find is tested where there are books."""

import csv
import io
from typing import Any

import aiohttp
import pytest
from dagboek.audit import records
from dagboek.audit.records import Estimate
from dagboek.web.rights import Right
from web.conftest import Site

FEBRUARY = {"first": "2026-02-01", "last": "2026-02-28"}


@pytest.fixture
def known(monkeypatch: pytest.MonkeyPatch) -> None:
    """What it takes is known without a tool."""

    async def estimate(*_: Any) -> Estimate:
        return Estimate(3, 1, ())

    monkeypatch.setattr(records, "estimate", estimate)


async def test_an_audit_is_asked_for_once_and_can_be_ended(
    site: Site, http: aiohttp.ClientSession, known: None
) -> None:
    headers, connection = await site.key(site.north, Right.READ, Right.SYNC), site.north.id("connection")
    address = f"/api/v1/connections/{connection}/audits"
    async with http.post(address, headers=headers, json=FEBRUARY) as answer:
        assert answer.status == 202, await answer.text()
        made = await answer.json()
        assert answer.headers["Location"] == f"/api/v1/audits/{made['id']}"
    assert (made["state"], made["requested_by"], made["expected_calls"]) == ("requested", "key a program", 3)
    async with http.post(address, headers=headers, json=FEBRUARY) as answer:
        told = await answer.json()
        assert (answer.status, told["audit_id"]) == (409, made["id"])

    async with http.get("/api/v1/audits", headers=headers, params={"limit": 1}) as answer:
        page = await answer.json()
    assert [one["id"] for one in page["items"]] == [made["id"]]
    async with http.get("/api/v1/audits", headers=headers, params={"cursor": page["next"]}) as answer:
        assert [one["id"] for one in (await answer.json())["items"]] == [str(site.north.id("audit"))]

    for _ in range(2):  # the second time it has ended
        async with http.post(f"/api/v1/audits/{made['id']}/cancel", headers=headers) as answer:
            assert (answer.status, (await answer.json())["state"]) == (202, "cancelled")
    trail = await site.db.all("SELECT action FROM trail WHERE subject = %s ORDER BY id", made["id"])
    assert [one["action"] for one in trail] == ["audit.start", "audit.cancel"]


async def test_what_it_found_is_told_in_pages_and_as_a_file(site: Site, http: aiohttp.ClientSession) -> None:
    headers, audit = await site.key(site.north, Right.READ), site.north.id("audit")
    await site.db.run(
        """INSERT INTO audit_finding (audit_id, place, kind, differences, entry_id, entry_number, entry_reference,
                                      entry_gross, entry_currency)
           VALUES (%s, 1, 'others', '{}', '7', '43', '=1+1', -12.5, 'EUR'),
                  (%s, 2, 'found', '{}', '8', '44', '2026/2', 1, 'EUR')""",
        audit,
        audit,
    )
    address = f"/api/v1/audits/{audit}/findings"
    async with http.get(address, headers=headers, params={"limit": 1, "problems": "true"}) as answer:
        first = await answer.json()
    assert [one["document_number"] for one in first["items"]] == ["2026/1"]
    async with http.get(address, headers=headers, params={"cursor": first["next"], "problems": "true"}) as answer:
        rest = await answer.json()
    assert [(one["kind"], one["entry_gross"]) for one in rest["items"]] == [("others", "-12.5")]
    assert rest["next"] is None
    async with http.get(address, headers=headers, params={"kind": "found"}) as answer:
        assert [one["entry_number"] for one in (await answer.json())["items"]] == ["44"]

    async with http.get(f"{address}.csv", headers=headers) as answer:
        assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
        rows = list(csv.DictReader(io.StringIO(await answer.text()), delimiter=";"))
    assert [row["kind"] for row in rows] == ["missing", "others", "found"]
    assert (rows[0]["document_gross"], rows[1]["entry_gross"]) == ("121", "-12.5")
    assert rows[1]["entry_reference"] == "'=1+1", "a spreadsheet does not calculate it"


@pytest.mark.parametrize(
    ("period", "code"),
    [
        ({"first": "2026-03-01", "last": "2026-02-01"}, "cannot_audit"),
        ({"first": "2020-01-01", "last": "2026-02-01"}, "cannot_audit"),
        ({"first": "yesterday", "last": "2026-02-01"}, "invalid"),
    ],
)
async def test_a_period_that_cannot_be_audited_is_refused(
    site: Site, http: aiohttp.ClientSession, period: dict[str, str], code: str
) -> None:
    headers = await site.key(site.north, Right.READ, Right.SYNC)
    address = f"/api/v1/connections/{site.north.id('connection')}/audits"
    async with http.post(address, headers=headers, json=period) as answer:
        assert (answer.status, (await answer.json())["code"]) == (422, code)


async def test_who_may_only_look_starts_none(site: Site, http: aiohttp.ClientSession) -> None:
    headers = await site.key(site.north, Right.READ)
    address = f"/api/v1/connections/{site.north.id('connection')}/audits"
    async with http.post(address, headers=headers, json=FEBRUARY) as answer:
        assert answer.status == 403
