"""Documents sent in over HTTP: what is taken, what is refused and how that is told, and that nothing is kept twice."""

import asyncio
import base64
import copy
import json
import os
import re
import subprocess
from collections import Counter
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import aiohttp
import pytest
from dagboek.chaos.ubl import Ubl
from dagboek.sent_in.source import SentIn
from dagboek.sources import open_source
from dagboek.web.rights import Right, Role
from dagboek_schemas.documents import Party
from dagboek_schemas.revision import document_revision
from dagboek_sdk.sides import entity_of
from web.conftest import Site

PDF = b"%PDF-1.4 of a test"
GUIDE = Path(__file__).parents[2] / "docs" / "guides" / "send-documents.md"
LOCKED = "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
REAL = Path(__file__).parents[3] / "shared" / "data" / "ubl"

JSON: dict[str, Any] = {
    "kind": "invoice",
    "number": "J-1",
    "issue_date": "2026-03-02",
    "currency": "EUR",
    "seller": {"name": "north Trading", "vat_number": "BE0123456749", "address": {"country": "BE"}},
    "buyer": {"name": "Bakkerij De Klaver BV", "vat_number": "BE0404616494", "address": {"country": "BE"}},
    "lines": [{"id": "1", "name": "Koffie", "net": "100.00", "vat_category": "S", "vat_rate": "21"}],
    "vat_breakdown": [{"category": "S", "rate": "21", "taxable": "100.00", "tax": "21.00"}],
    "totals": {"lines": "100.00", "net": "100.00", "vat": "21.00", "gross": "121.00", "payable": "121.00"},
}


def ubl(number: str, **more: Any) -> bytes:
    return Ubl(number, supplier="BE0123456749", supplier_name="north Trading", **more).xml().encode()


def ours(number: str, **more: Any) -> dict[str, Any]:
    return {**copy.deepcopy(JSON), "number": number, **more}


class Client:
    """A program of the north tenant."""

    def __init__(self, http: aiohttp.ClientSession, headers: dict[str, str], entity: UUID) -> None:
        self.http = http
        self.headers = headers
        self.entity = entity
        self.place = f"/api/v1/entities/{entity}/documents"

    async def post(
        self, body: Any, kind: str = "application/xml", path: str = "", status: int | None = None, **headers: str
    ) -> Any:
        """What is answered, once its status is as it should be."""
        given = {**self.headers, **({} if isinstance(body, aiohttp.FormData) else {"Content-Type": kind}), **headers}
        data = json.dumps(body).encode() if isinstance(body, dict | list) else body
        kind = "application/json" if isinstance(body, dict | list) else kind
        if not isinstance(body, aiohttp.FormData):
            given["Content-Type"] = kind
        place = self.place.replace("/documents", "/document-batches") if path == "batch" else self.place + path
        async with self.http.post(place, data=data, headers=given) as answer:
            text = await answer.text()
            assert status is None or answer.status == status, text
            assert answer.content_type == ("application/problem+json" if answer.status >= 400 else "application/json")
            return json.loads(text)

    async def get(self, path: str) -> Any:
        async with self.http.get(path, headers=self.headers) as answer:
            assert answer.status == 200, await answer.text()
            return await answer.json() if answer.content_type == "application/json" else await answer.read()

    async def delete(self, path: str) -> tuple[int, Any]:
        async with self.http.delete(path, headers=self.headers) as answer:
            return answer.status, await answer.json(content_type=None)


@pytest.fixture
async def client(site: Site, http: aiohttp.ClientSession) -> AsyncIterator[Client]:
    headers = await site.key(site.north, Right.READ, Right.SEND)
    yield Client(http, headers, site.north.id("entity"))


async def test_ubl_is_kept_before_the_answer_and_can_be_read_as_it_was_sent(site: Site, client: Client) -> None:
    sent = ubl("U-1")
    taken = await client.post(sent, status=201)
    assert (taken["outcome"], taken["version"], taken["direction"], taken["number"]) == ("new", 1, "sales", "U-1")
    shown = await client.get(taken["address"])
    assert (shown["standing"], shown["planned"], shown["gross"], shown["party"]) == (
        "waiting", False, "121.00", "Bakkerij De Klaver BV",
    )  # fmt: skip
    async with client.http.get(taken["address"] + "/content", headers=client.headers) as answer:
        assert await answer.read() == sent
        assert answer.content_type == "application/xml"
        assert answer.headers["Content-Disposition"].startswith("attachment")
    row = await site.db.one("SELECT * FROM trail WHERE action = 'document.send' AND subject = %s", taken["id"])
    assert row is not None
    bought = Ubl("U-2", customer="BE0123456749", customer_name="north Trading", credit=True).xml().encode()
    taken = await client.post(bought, status=201)
    assert (taken["direction"], taken["kind"]) == ("purchase", "credit_note")


async def test_the_same_again_is_the_same_and_other_content_a_new_version(site: Site, client: Client) -> None:
    first = await client.post(ubl("V-1"), status=201)
    again = await client.post(ubl("V-1"), status=200)
    assert (again["id"], again["version"], again["outcome"]) == (first["id"], 1, "unchanged")
    other = await client.post(ubl("V-1", note="corrected"), status=200)
    assert (other["id"], other["version"], other["outcome"]) == (first["id"], 2, "changed")
    assert b"corrected" not in await client.get(first["address"] + "/content?version=1")
    assert b"corrected" in await client.get(first["address"] + "/content")

    by_id = await client.post(ubl("V-2"), path="?id=shop-7", status=201)
    renamed = await client.post(ubl("V-3"), path="?id=shop-7", status=200)
    assert (renamed["id"], renamed["number"], renamed["source_document_id"]) == (by_id["id"], "V-3", "shop-7")
    # a hundred at once are one
    many = await asyncio.gather(*(client.post(ours("V-4", id="x")) for _ in range(20)))
    assert len({one["id"] for one in many}) == 1
    assert [one["outcome"] for one in many].count("new") == 1
    pretty = json.dumps(ours("V-4", id="x"), indent=4).encode()
    assert (await client.post(pretty, "application/json", status=200))["outcome"] == "unchanged"


async def test_an_idempotency_key_gets_the_first_answer(site: Site, client: Client) -> None:
    key = {"Idempotency-Key": "of the shop"}
    first = await client.post(ubl("K-1"), status=201, **key)
    async with client.http.post(
        client.place, data=ubl("K-1"), headers={**client.headers, "Content-Type": "application/xml", **key}
    ) as answer:
        assert answer.status == 201
        assert answer.headers["Idempotency-Replayed"] == "true"
        assert (await answer.json())["id"] == first["id"]
    refused = await client.post(ubl("K-2"), status=422, **key)
    assert refused["code"] == "key_used"


async def test_json_says_the_same_as_a_canonical_document(site: Site, client: Client) -> None:
    given = ours(
        "J-1",
        id="order/17",
        due_date="2026-04-01",
        attachments=[{"file_name": "../../etc/J-1.pdf", "media_type": "application/pdf",
                      "content": base64.b64encode(PDF).decode()}],
    )  # fmt: skip
    taken = await client.post(given, status=201)
    assert taken["source_document_id"] == "order/17"
    source = await source_of(site, client.entity)
    assert {one.origin_id: one.fingerprint async for page in source.list(None) for one in page}["order/17"] == "1"
    (fetched,) = await source.fetch(["order/17"])
    assert fetched.document is not None
    assert fetched.document.totals.gross == Decimal(121)
    assert str(fetched.document.due_date) == "2026-04-01"
    (file,) = fetched.document.attachments
    assert file.file_name == "J-1.pdf"
    assert await source.attachment(file.ref) == PDF


async def test_files_beside_a_document_stay_with_their_version(site: Site, client: Client) -> None:
    def form(pdf: bytes, name: str = "..\\..\\invoice.pdf", kind: str = "application/pdf") -> aiohttp.FormData:
        made = aiohttp.FormData(quote_fields=False)
        made.add_field("document", ubl("F-1"), filename="/tmp/f.xml", content_type="application/xml")
        made.add_field("attachment", pdf, filename=name, content_type=kind)
        return made

    taken = await client.post(form(PDF), path="?id=f", status=201)
    source = await source_of(site, client.entity)
    (fetched,) = await source.fetch(["f"])
    assert fetched.document is not None
    (file,) = fetched.document.attachments
    assert (file.file_name, file.media_type, file.size) == ("invoice.pdf", "application/pdf", len(PDF))
    assert (await client.post(form(PDF), path="?id=f", status=200))["outcome"] == "unchanged"
    assert (await client.post(form(b"%PDF other"), path="?id=f", status=200))["version"] == 2
    assert await source.attachment(file.ref) == PDF, "what was planned is what is pushed"
    assert await client.get(taken["address"] + "/files/1") == b"%PDF other"
    assert (await client.get(taken["address"]))["file_name"] == "f.xml"
    refused = await client.post(form(b"MZ", "x.exe", "application/x-msdownload"), status=422)
    assert refused["errors"][0]["code"] == "S05"


WRONG: dict[str, tuple[Any, str, str]] = {
    "no field": ({"number": None}, "body.number", "S01"),
    "no amount": ({"totals": {**JSON["totals"], "net": "much"}}, "body.totals.net", "S01"),
    "an unknown field": ({"totel": "1"}, "body.totel", "S01"),
    "a date as a number": ({"issue_date": 1700000000}, "body.issue_date", "S01"),
    "totals that do not add up": ({"totals": {**JSON["totals"], "gross": "122.00"}}, "body.totals.gross", "R02"),
    "what cannot be stored": ({"note": "a\x00b"}, "body.note", "S01"),
    "an address that is a script": ({"source_url": "javascript:alert(1)"}, "body.source_url", "S01"),
    "no base64": ({"attachments": [{"file_name": "x", "media_type": "application/pdf", "content": "?"}]},
                  "body.attachments[0].content", "S01"),
    "of others": ({"seller": {"name": "Elders", "vat_number": "BE0404616494"}}, "body.seller, buyer", "S02"),
    "of ourselves": ({"buyer": JSON["seller"]}, "body.direction", "S03"),
    "the other direction": ({"direction": "purchase"}, "body.direction", "S04"),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
async def test_what_is_wrong_is_told_with_its_field_and_how_to_fix_it(client: Client, name: str) -> None:
    change, field, code = WRONG[name]
    problem = await client.post({**ours("W-1"), **change}, status=422)
    assert problem["code"] == "not_taken"
    fault = problem["errors"][0]
    assert (fault["field"], fault["code"]) == (field, code)
    assert fault["message"] and fault["fix"]


async def test_in_the_readers_language(client: Client) -> None:
    problem = await client.post({**ours("W-1"), "number": None}, status=422, **{"Accept-Language": "nl"})
    assert problem["errors"][0]["message"].startswith("Een veld klopt niet.")


HOSTILE = {
    "entities": (b'<!DOCTYPE x [<!ENTITY a "b">]><Invoice>&a;</Invoice>', "U05"),
    "a file of the server": (b'<!DOCTYPE x SYSTEM "file:///etc/passwd"><Invoice/>', "U05"),
    "no XML": (b"Beste klant,", "U04"),
    "a PDF": (PDF, "U23"),
    "nothing": (b"", "U20"),
    "another document": (b"<Order/>", "U07"),
    "broken": (ubl("X-1")[:900], "U04"),
    "deep": (b"<a>" * 5000, "U08"),
}


@pytest.mark.parametrize("name", HOSTILE)
async def test_what_is_no_ubl_is_told(client: Client, name: str) -> None:
    body, code = HOSTILE[name]
    problem = await client.post(body, status=422)
    assert [one["code"] for one in problem["errors"]] == [code]
    if name == "broken":
        assert "line" in problem["detail"]


async def test_what_is_stated_decides_only_where_the_parties_leave_it_open(client: Client) -> None:
    nameless = ours("D-1", seller={"name": "Noord Handel"})
    assert (await client.post(nameless, status=422))["errors"][0]["code"] == "S02"
    assert (await client.post({**nameless, "direction": "sales"}, status=201))["direction"] == "sales"
    itself = ours("D-2", buyer=JSON["seller"], direction="purchase")
    assert (await client.post(itself, status=201))["direction"] == "purchase"
    stated = await client.post(ubl("D-3"), path="?direction=purchase", status=422)
    assert stated["errors"][0]["code"] == "S04"


async def test_many_have_an_outcome_each(site: Site, client: Client) -> None:
    await client.post(ours("M-1"), status=201)
    many = [ours("M-1"), ours("M-2"), ours("M-3", totals={}), ours("M-2", note="again"), 7]
    found = await client.post(many, path="batch", status=200)
    assert [one["status"] for one in found["items"]] == [200, 201, 422, 200, 422]
    assert found["items"][2]["problem"]["errors"][0]["field"] == "body.totals.lines"
    assert [one["place"] for one in found["items"]] == [1, 2, 3, 4, 5]
    lines = b"\n".join(json.dumps(ours(f"M-{at}")).encode() for at in (4, 5)) + b"\n{\n"
    found = await client.post(lines, "application/x-ndjson", path="batch", status=200)
    assert [one["status"] for one in found["items"]] == [201, 201, 422]
    form = aiohttp.FormData(quote_fields=False)
    for name, body in (("m6.xml", ubl("M-6")), ("../m7.json", json.dumps(ours("M-7")).encode()), ("x.pdf", PDF)):
        form.add_field("document", body, filename=name)
    found = await client.post(form, path="batch", status=200)
    assert [(one["file_name"], one["status"]) for one in found["items"]] == [
        ("m6.xml", 201), ("m7.json", 201), ("x.pdf", 422),
    ]  # fmt: skip
    bodies: tuple[Any, ...] = ([], [ours("M-8")] * 101, {"no": "array"})
    for unusable in bodies:
        await client.post(unusable, path="batch", status=422)


async def test_what_is_too_large_or_of_no_kind_is_refused(client: Client) -> None:
    assert (await client.post(b" " * 10_000_001, status=413))["code"] == "too_large"
    assert "application/xml" in (await client.post(b"a,b", "text/csv", status=415))["detail"]
    await client.post(b"[]", "text/csv", path="batch", status=415)
    form = aiohttp.FormData()
    form.add_field("document", ubl("L-1"), filename="a.xml")
    for _ in range(30):
        form.add_field("attachment", PDF, filename="a.pdf", content_type="application/pdf")
    await client.post(form, status=422)


async def test_a_source_is_added_by_who_may(site: Site, http: aiohttp.ClientSession, tmp_path: Path) -> None:
    async def add(headers: dict[str, str], **body: Any) -> tuple[int, dict[str, Any]]:
        async with http.post("/api/v1/sources", json=body, headers=headers) as answer:
            return answer.status, await answer.json(content_type=None)

    key, operator = await site.key(site.south), await site.person(site.south, Role.ADMIN, operator=True)
    folder = {"plugin": "ubl", "name": "more files", "settings": {"folder": str(tmp_path)}}
    for _ in range(2):
        status, made = await add(key)
        assert (status, made["plugin"], made["title"]) == (201, "sent-in", "Sent in by API, or uploaded")
    status, problem = await add(key, name="once more")
    assert (status, problem["code"]) == (422, "unusable")
    status, problem = await add(key, **folder)
    assert (status, problem["code"]) == (403, "operators_only")
    assert (await add(operator, **folder))[0] == 201


async def test_lists_come_in_pages_and_hold_what_was_withdrawn(client: Client) -> None:
    taken = [await client.post(ubl(f"P-{at}"), status=201) for at in range(3)]
    first = await client.get(f"{client.place}?limit=2")
    assert [one["number"] for one in first["items"]] == ["P-2", "P-1"]
    second = await client.get(f"{client.place}?limit=2&cursor={first['next']}")
    assert second["items"][0]["number"] == "P-0"
    status, shown = await client.delete(taken[0]["address"])
    assert (status, shown["standing"]) == (200, "withdrawn")
    assert (await client.delete(taken[0]["address"]))[0] == 200
    again = await client.post(ubl("P-0"), status=200)
    assert (again["version"], (await client.get(again["address"]))["standing"]) == (2, "waiting")


async def test_what_is_booked_or_on_its_way_is_not_withdrawn(site: Site, client: Client) -> None:
    taken = await client.post(ubl("B-1"), path="?id=b-1", status=201)
    north = site.north
    source = await site.db.one("SELECT id FROM source WHERE tenant_id = %s AND plugin = 'sent-in'", north.tenant)
    assert source is not None
    run = await site.db.one(
        """INSERT INTO run (id, tenant_id, entity_id, connection_id, administration_id, trigger, state)
           VALUES (gen_random_uuid(), %s, %s, %s, %s, 'manual', 'requested') RETURNING id""",
        north.tenant, client.entity, north.id("connection"), north.id("administration"),
    )  # fmt: skip
    assert run is not None
    status, problem = await client.delete(taken["address"])
    assert (status, problem["code"]) == (409, "not_withdrawn")
    await site.db.run("UPDATE run SET state = 'active', selected = true WHERE id = %s", run["id"])
    await site.db.run(
        """INSERT INTO item (run_id, component, identity, kind, sequence, source_id, origin_id)
           VALUES (%s, 'sales_invoices', 'd1:b', 'document', 1, %s, 'b-1')""",
        run["id"], source["id"],
    )  # fmt: skip
    assert (await client.delete(taken["address"]))[0] == 409
    await site.db.run("UPDATE item SET state = 'skipped' WHERE run_id = %s", run["id"])
    await site.db.run(
        """INSERT INTO origin (source_id, entity_id, origin_id, fingerprint, identity) VALUES (%s, %s, 'b-1', '1',
           'd1:b')""",
        source["id"], client.entity,
    )  # fmt: skip
    await site.db.run(
        """INSERT INTO link (tenant_id, administration_id, identity, kind, link_no, state, entry_number)
           VALUES (%s, %s, 'd1:b', 'document', 3, 'booked', '20260001')""",
        north.tenant, north.id("administration"),
    )  # fmt: skip
    status, problem = await client.delete(taken["address"])
    assert status == 409
    assert "B-1 is in the books" in problem["detail"]
    await site.db.run("UPDATE link SET state = 'free' WHERE identity = 'd1:b'")
    assert (await client.delete(taken["address"]))[0] == 200
    source_ = await source_of(site, client.entity)
    assert "b-1" not in [one.origin_id async for page in source_.list(None) for one in page]
    assert await source_.fetch(["b-1"]) == []
    await site.db.run("DELETE FROM run WHERE id = %s", run["id"])


async def test_who_withdraws_waits_for_who_requests_a_run(site: Site, client: Client) -> None:
    """Otherwise a run could begin between the look and the deed, and book what was said to be withdrawn."""
    taken = await client.post(ubl("B-2"), status=201)
    north, run = site.north, uuid4()
    async with site.db.transaction() as connection:
        await connection.execute(
            """INSERT INTO run (id, tenant_id, entity_id, connection_id, administration_id, trigger, state)
               VALUES (%s, %s, %s, %s, %s, 'manual', 'requested')""",
            (run, north.tenant, client.entity, north.id("connection"), north.id("administration")),
        )
        withdrawn = asyncio.create_task(client.delete(taken["address"]))
        async with asyncio.timeout(60):
            while await site.db.one(LOCKED) is None:
                assert not withdrawn.done(), withdrawn.result()
                await asyncio.sleep(0.02)
    assert (await withdrawn)[0] == 409
    await site.db.run("DELETE FROM run WHERE id = %s", run)
    assert (await client.delete(taken["address"]))[0] == 200


async def test_who_may_only_read_or_is_another_tenant_sends_nothing(site: Site, http: aiohttp.ClientSession) -> None:
    entity = site.north.id("entity")
    reader = Client(http, await site.key(site.north, Right.READ, Right.CONNECT), entity)
    await reader.post(ubl("R-1"), status=403)
    stranger = Client(http, await site.key(site.south), entity)
    await stranger.post(ubl("R-1"), status=404)
    viewer = Client(http, await site.person(site.north, Role.VIEWER), entity)
    await viewer.post(ubl("R-1"), status=403)
    person = await site.person(site.north, Role.BOOKKEEPER)
    token = person.pop("X-CSRF-Token")
    for _ in range(2):  # each with another boundary
        form = aiohttp.FormData()
        form.add_field("csrf", token)
        form.add_field("document", ubl("R-2"), filename="r.xml")
        await Client(http, person, entity).post(form, path="batch", status=200, **{"Idempotency-Key": "of a form"})


async def test_the_guide_does_what_it_says(site: Site, client: Client, tmp_path: Path) -> None:
    blocks = re.findall(r"<!-- run -->\n```sh\n(.*?)```", GUIDE.read_text(), re.DOTALL)
    (tmp_path / "invoice.xml").write_bytes(ubl("2026/17"))
    (tmp_path / "invoice.pdf").write_bytes(PDF)
    environment = {
        "PATH": os.environ["PATH"],
        "ADDRESS": f"{site.address}/api/v1",
        "KEY": client.headers["Authorization"].removeprefix("Bearer "),
        "ENTITY": str(client.entity),
    }
    for block in blocks:
        done = await asyncio.to_thread(
            subprocess.run,
            ["bash", "-euo", "pipefail", "-c", block],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
        )
        assert done.returncode == 0, (block, done.stdout, done.stderr)
    assert b'"standing":"withdrawn"' in done.stdout
    assert (tmp_path / "as-sent").read_bytes() == ubl("2026/17")
    assert len(blocks) == 5


async def test_what_others_wrote_is_taken_or_told_why_not(site: Site, client: Client) -> None:
    """Each for its seller, so that it is a sale."""
    if not REAL.is_dir():
        pytest.skip("the invoices of others are not here")
    reader = site.web.plugins.readers["ubl"]()
    outcomes: Counter[int] = Counter()
    for file in sorted(REAL.rglob("*.xml")):
        read, body = reader.read(file.read_bytes(), file.name), file.read_bytes()
        if read.document is None or read.seller is None:
            problem = await client.post(body, status=422)
            assert {one["code"] for one in problem["errors"]} == {one.code for one in read.issues}
            outcomes[422] += 1
            continue
        entity = await seller_of(site, read.seller)
        sender = Client(client.http, client.headers, entity)
        taken = await sender.post(body)
        if read.buyer == read.seller:
            taken = await sender.post(body, path="?direction=sales")
        assert taken.get("direction") == "sales", (file, taken)
        assert taken["number"] == read.document.number
        (fetched,) = await (await source_of(site, entity)).fetch([taken["source_document_id"]])
        assert fetched.document is not None
        assert document_revision(fetched.document) == document_revision(read.document)
        outcomes[201] += 1
    assert outcomes[201] > 90, outcomes


async def seller_of(site: Site, seller: Party) -> UUID:
    """An entity for a seller; of two with one name the second has no row of its own name."""
    ours = entity_of(seller)
    row = await site.db.one(
        """INSERT INTO entity (tenant_id, name, vat_number, company_number, country) VALUES (%s, %s, %s, %s, %s)
           ON CONFLICT (tenant_id, name) DO UPDATE SET vat_number = excluded.vat_number,
               company_number = excluded.company_number, country = excluded.country RETURNING id""",
        site.north.tenant, ours.name, ours.vat_number, ours.company_number, ours.country,
    )  # fmt: skip
    assert row is not None
    return UUID(str(row["id"]))


async def source_of(site: Site, entity: UUID) -> SentIn:
    source = await site.db.one("SELECT * FROM source WHERE plugin = 'sent-in' AND tenant_id = %s", site.north.tenant)
    row = await site.db.one("SELECT * FROM entity WHERE id = %s", entity)
    assert source is not None and row is not None
    opened = open_source(site.db, site.web.plugins, source, row)
    assert isinstance(opened, SentIn)
    return opened
