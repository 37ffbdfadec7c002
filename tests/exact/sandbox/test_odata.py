"""The dialect: filters, selection, expansion, pages, envelopes, forms of values."""

import re
from datetime import UTC, datetime
from typing import Any

import pytest

from .conftest import Client


async def _three(client: Client) -> dict[str, str]:
    return {
        name: await client.relation(name, City=city, VATNumber=vat)
        for name, city, vat in (("Appel", "Gent", "BE0403019261"), ("Peer d'Or", "Luik", None), ("Pruim", "Gent", None))
    }


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("Name eq 'Appel'", ["Appel"]),
        ("Name eq 'Peer d''Or'", ["Peer d'Or"]),
        ("City eq 'Gent' and Name ne 'Appel'", ["Pruim"]),
        ("Name eq 'Appel' or Name eq 'Pruim' and City eq 'Luik'", ["Appel"]),
        ("(Name eq 'Appel' or Name eq 'Pruim') and City eq 'Gent'", ["Appel", "Pruim"]),
        ("startswith(Name,'P')", ["Peer d'Or", "Pruim"]),
        ("startswith(Name,'P') eq true", ["Peer d'Or", "Pruim"]),
        ("substringof('rui',Name)", ["Pruim"]),
        ("trim(Code) eq '3'", ["Peer d'Or"]),
        ("Code eq '                 3'", ["Peer d'Or"]),
        ("Code eq '3'", []),
        ("IsSupplier eq true and startswith(Name,'A')", ["Appel"]),
        ("VATNumber eq null and IsSupplier eq true", ["Peer d'Or", "Pruim"]),
        ("VATNumber ne null and IsSupplier eq true", ["Appel"]),
        ("Name eq 'Appel' and Created gt datetime'2020-01-01T00:00:00'", ["Appel"]),
        ("Name eq 'Appel' and Created lt datetime'2020-01-01'", []),
        ("SecurityLevel ge 1", []),
    ],
)
async def test_filters(client: Client, text: str, names: list[str]) -> None:
    await _three(client)
    found = await client.rows("crm/Accounts", filter=text, select="Name")
    assert sorted(row["Name"] for row in found) == names


async def test_guids_and_numbers_in_filters(client: Client) -> None:
    keys = await _three(client)
    assert [row["Name"] for row in await client.rows("crm/Accounts", filter=f"ID eq guid'{keys['Pruim']}'")] == [
        "Pruim"
    ]
    entry = (await client.sale(keys["Appel"])).d
    for text in (
        f"EntryNumber eq {entry['EntryNumber']}",
        "AmountFC eq 121.00",
        "AmountFC gt 120 and AmountFC le 121M",
    ):
        assert len(await client.rows("salesentry/SalesEntries", filter=text)) == 1
    (receivable,) = await client.rows("read/financial/ReceivablesList")
    for number in (receivable["HID"], f"{receivable['HID']}L"):
        assert len(await client.rows("read/financial/ReceivablesList", filter=f"HID eq {number}")) == 1


@pytest.mark.parametrize(
    "text",
    [
        "Name eq",
        "Name eq 'a' and",
        "(Name eq 'a'",
        "Nonsense eq 1",
        "Name eq Appel",
        "Name = 'a'",
        "ID eq 'text'",
        "Name eq guid'51f0c0a9-5ae5-4d0c-8ee9-4c4d4ac45d3a'",
        "ID eq guid'nonsense'",
        "Created gt datetime'yesterday'",
        "tolower(Name) eq 'a'",
        "startswith(Name)",
        "Name gt null",
        "Name eq 'a' Name",
        "not IsSupplier",
    ],
)
async def test_a_filter_that_cannot_be_read_is_a_400(client: Client, text: str) -> None:
    answer = await client.get("crm/Accounts", filter=text)
    assert (answer.status, answer.error) == (400, "Error in query syntax.")


@pytest.mark.parametrize("text", ["", "Name eq City", "SalesEntryLines/AmountFC eq 1"])
async def test_a_filter_that_is_not_supported_is_a_400(client: Client, text: str) -> None:
    path = "salesentry/SalesEntries" if "Lines" in text else "crm/Accounts"
    answer = await client.get(path, filter=text)
    assert answer.status == 400
    assert "not supported for this resource" in answer.error


async def test_dates_without_a_time_may_not_be_understood(client: Client) -> None:
    client.tell("rules", date_only=False)
    assert (await client.get("crm/Accounts", filter="Created gt datetime'2020-01-01'")).status == 400
    assert (await client.get("crm/Accounts", filter="Created gt datetime'2020-01-01T00:00:00'")).status == 200


async def test_the_envelope_changes_with_top(client: Client) -> None:
    await _three(client)
    assert isinstance((await client.get("crm/Accounts")).d["results"], list)
    few = (await client.get("crm/Accounts", top=2)).d
    assert isinstance(few, list)
    assert len(few) == 2
    key = few[0]["ID"]
    assert (await client.get(f"crm/Accounts(guid'{key}')")).d["ID"] == key
    counted = (await client.get("crm/Accounts", inlinecount="allpages", top=1)).d
    assert (counted["__count"], len(counted["results"])) == ("4", 1)
    count = await client.call("GET", "crm/Accounts/$count", headers={"Accept": ""})
    assert count.text == "4"


async def test_pages_of_sixty_are_linked_and_complete(client: Client) -> None:
    for number in range(150):
        client.tell("relation", dossier=client.division, Name=f"R {number:03}", City="Gent")
    first = (await client.get("crm/Accounts", filter="City eq 'Gent'", select="ID,Name")).d
    assert len(first["results"]) == 60
    names, following = [row["Name"] for row in first["results"]], first["__next"]
    assert following.startswith(f"{client.sandbox.base_url}/api/v1/{client.division}/crm/Accounts?")
    assert re.search(r"\$skiptoken=guid%27[0-9a-f-]{36}%27$", following)
    headers = {"Authorization": f"Bearer {client.tokens['access_token']}", "Accept": "application/json"}
    while following:
        answer = await client.send("GET", following.removeprefix(client.sandbox.base_url), headers=headers)
        names += [row["Name"] for row in answer.d["results"]]
        assert set(answer.d["results"][0]) == {"__metadata", "ID", "Name"}
        following = answer.d.get("__next")
    assert sorted(names) == [f"R {number:03}" for number in range(150)]
    ordered = await client.rows("crm/Accounts", filter="City eq 'Gent'", orderby="Name desc", top=2)
    assert [row["Name"] for row in ordered] == ["R 149", "R 148"]
    bulk = (await client.get("bulk/CRM/Accounts", select="ID")).d
    assert len(bulk["results"]) == 151
    assert "__next" not in bulk


async def test_pages_of_a_key_of_several_fields(client: Client) -> None:
    seen, url = set(), f"/api/v1/{client.division}/read/financial/JournalStatusList"
    headers = {"Authorization": f"Bearer {client.tokens['access_token']}", "Accept": "application/json"}
    while url:
        page = (await client.send("GET", url, headers=headers)).d
        seen |= {(row["Journal"], row["Year"], row["Period"]) for row in page["results"]}
        url = page.get("__next", "").removeprefix(client.sandbox.base_url)
    assert len(seen) == 7 * 4 * 12


async def test_a_top_above_the_page_size_is_a_page(client: Client) -> None:
    for number in range(70):
        client.tell("relation", dossier=client.division, Name=f"R {number}")
    page = (await client.get("crm/Accounts", top=65)).d
    assert len(page["results"]) == 60
    assert "%24top=5" in page["__next"] or "$top=5" in page["__next"]
    client.tell("rules", long_top="array")
    assert len((await client.get("crm/Accounts", top=65)).d) == 60


async def test_wide_and_bulk_listings_want_a_selection(client: Client) -> None:
    await client.purchase(await client.relation())
    for path in ("purchaseentry/PurchaseEntries", "cashflow/Receivables", "cashflow/Payments", "bulk/CRM/Accounts"):
        answer = await client.get(path)
        assert (answer.status, answer.error) == (
            400,
            "Please add a $select or a $top=1 statement to the query string.",
        )
        assert (await client.get(path, top=1)).status == 200
        assert (await client.get(path, select="Division")).status == 200


async def test_a_filter_may_be_mandatory(client: Client) -> None:
    client.tell("rules", mandatory_filter=["crm/Accounts"])
    answer = await client.get("crm/Accounts", select="ID")
    assert answer.status == 400
    assert "mandatory filtering" in answer.error
    assert (await client.get("crm/Accounts", select="ID", filter="Name eq 'x'")).status == 200
    assert (await client.get("crm/Accounts", select="ID", filter="Remarks eq 'x'")).status == 400


async def test_lines_are_an_address_unless_they_are_asked_for(client: Client) -> None:
    entry = (await client.sale(await client.relation())).d
    path = f"salesentry/SalesEntries(guid'{entry['EntryID']}')"
    assert entry["SalesEntryLines"]["__deferred"]["uri"].endswith(f"{path}/SalesEntryLines")
    (line,) = (await client.get(f"{path}/SalesEntryLines")).d["results"]
    assert (line["EntryID"], line["VATCode"], line["GLAccountCode"]) == (entry["EntryID"], "V21", "700000")
    expanded = (await client.get(path, expand="SalesEntryLines", select="EntryID,SalesEntryLines/AmountFC")).d
    assert set(expanded) == {"__metadata", "EntryID", "SalesEntryLines"}
    (part,) = expanded["SalesEntryLines"]["results"]
    assert (set(part), part["AmountFC"]) == ({"__metadata", "AmountFC"}, 100.0)
    unasked = (await client.get(path, expand="SalesEntryLines", select="EntryID")).d
    assert "SalesEntryLines" not in unasked
    assert (await client.get(path, expand="Nonsense")).status == 400
    assert (await client.get(path, select="Nonsense")).status == 400
    inner = await client.get(path, expand="SalesEntryLines", select="SalesEntryLines/Nonsense")
    assert inner.status == 400
    assert (await client.get(path, select="SalesEntryLines/AmountFC")).status == 400, "not expanded"


async def test_expanded_lines_are_cut_at_sixty(client: Client) -> None:
    line = await client.line(amount="1.00", VATCode="V00")
    entry = (await client.sale(await client.relation(), SalesEntryLines=[line] * 70)).d
    path = f"salesentry/SalesEntries(guid'{entry['EntryID']}')"
    lines = (await client.get(path, expand="SalesEntryLines")).d["SalesEntryLines"]
    assert len(lines["results"]) == 60
    assert "$skiptoken" in lines["__next"]
    assert len((await client.get(f"{path}/SalesEntryLines", skip=60)).d["results"]) == 10


async def test_values_have_the_forms_of_the_wire(client: Client) -> None:
    entry = (await client.sale(await client.relation(Country="nl"))).d
    midnight = int(datetime(2026, 2, 3, tzinfo=UTC).timestamp() * 1000)
    assert entry["EntryDate"] == f"/Date({midnight})/"
    assert entry["__metadata"]["type"] == "Exact.Web.Api.Models.SalesEntry"
    (account,) = await client.rows("crm/Accounts", filter="Name eq 'Klant B'")
    assert (account["Code"], account["Country"]) == ("2".rjust(18), "NL ")
    (code,) = await client.rows("vat/VATCodes", filter="trim(Code) eq 'MC'", expand="VATPercentages")
    assert (code["Code"], code["Percentage"], code["Charged"]) == ("MC ", 0.0, True)
    assert code["VATPercentages"]["results"][0]["Percentage"] == 0.0
    (receivable,) = await client.rows("read/financial/ReceivablesList")
    assert isinstance(receivable["HID"], str)
    assert receivable["DueDate"] == "2026-03-05T00:00:00"
    (sync,) = await client.rows("sync/CRM/Accounts", filter="Timestamp gt 1 and Name eq 'Klant B'")
    assert int(sync["Timestamp"]) > 1


@pytest.mark.parametrize(
    "given", ["2026-02-03", "2026-02-03T00:00:00", "2026-02-03T10:11:12Z", "/Date(1770076800000)/"]
)
async def test_dates_go_in_in_several_forms(client: Client, given: str) -> None:
    entry = (await client.sale(await client.relation(), EntryDate=given)).d
    assert entry["EntryDate"] == "/Date(1770076800000)/"


async def test_json_for_who_asks_for_it_and_atom_for_others(client: Client) -> None:
    await client.relation("Appel & Peer")
    answer = await client.call("GET", "crm/Accounts", headers={"Accept": "*/*"})
    assert answer.headers["Content-Type"].startswith("application/atom+xml")
    assert "<d:Name>Appel &amp; Peer</d:Name>" in answer.text
    refused = await client.call("GET", "crm/Accounts", headers={"Accept": "application/xml"})
    assert refused.status == 415
    wrong = await client.call("GET", "crm/Accounts(guid'51f0c0a9-5ae5-4d0c-8ee9-4c4d4ac45d3a')", headers={"Accept": ""})
    assert (wrong.status, wrong.headers["Content-Type"].split(";")[0]) == (404, "application/xml")
    form = await client.call("POST", "crm/Accounts", headers={"Content-Type": "text/plain"})
    assert form.status == 415


async def test_error_bodies_have_their_line_breaks_and_empty_codes(client: Client) -> None:
    answer = await client.get("crm/Accounts", filter="x")
    assert answer.text.startswith('{\r\n"error": {\r\n"code": "", "message": {\r\n"lang": ""')


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "crm/accounts", 404),
        ("GET", "Crm/Accounts", 404),
        ("GET", "crm/Contacts", 404),
        ("GET", "crm/Accounts/Nonsense", 404),
        ("GET", "crm/Accounts(guid'51f0c0a9-5ae5-4d0c-8ee9-4c4d4ac45d3a')", 404),
        ("GET", "crm/Accounts(nonsense)", 400),
        ("PUT", "crm/Accounts", 400),
        ("DELETE", "crm/Accounts", 400),
        ("PUT", "crm/Accounts(guid'51f0c0a9-5ae5-4d0c-8ee9-4c4d4ac45d3a')", 404),
        ("DELETE", "crm/Accounts(guid'51f0c0a9-5ae5-4d0c-8ee9-4c4d4ac45d3a')", 403),
        ("POST", "financial/Journals", 405),
        ("PUT", "documents/DocumentAttachments(guid'51f0c0a9-5ae5-4d0c-8ee9-4c4d4ac45d3a')", 405),
    ],
)
async def test_addresses_that_lead_nowhere(client: Client, method: str, path: str, status: int) -> None:
    body: Any = {} if method in ("PUT", "POST") else None
    assert (await client.call(method, path, body)).status == status


async def test_a_query_that_is_too_long_is_not_found(client: Client) -> None:
    values = " or ".join(f"YourRef eq '2026/{number:05}'" for number in range(80))
    assert (await client.get("salesentry/SalesEntries", filter=values)).status == 404


async def test_an_option_that_there_is_not_is_refused(client: Client) -> None:
    refused = await client.get("crm/Accounts", nonsense="1")
    assert refused.status == 400
    assert "$nonsense" in refused.error


async def test_functions_answer_in_two_forms(client: Client) -> None:
    url = f"/api/v1/{client.division}/users/UserHasRights"
    headers = {"Authorization": f"Bearer {client.tokens['access_token']}", "Accept": "application/json"}
    query = {"endpoint": "'crm/Accounts'", "action": "'POST'"}
    assert (await client.send("GET", url, params=query, headers=headers)).d is True
    client.tell("rights", user="voorbeeld", resource="crm/Accounts", method="POST")
    assert (await client.send("GET", url, params=query, headers=headers)).d is False
    client.tell("rules", function_form="object")
    assert (await client.send("GET", url, params=query, headers=headers)).d == {"UserHasRights": False}
    stamp = f"/api/v1/{client.division}/read/sync/Sync/SyncTimestamp"
    asked = {"modified": "datetime'2030-01-01T00:00:00'", "endPoint": "'Accounts'"}
    assert int((await client.send("GET", stamp, params=asked, headers=headers)).d["TimeStampAsBigInt"]) > 1


async def test_sync_gives_what_changed_in_the_order_of_versions(client: Client) -> None:
    keys = await _three(client)
    stamps = [int(row["Timestamp"]) for row in await client.rows("sync/CRM/Accounts", filter="Timestamp gt 1L")]
    assert stamps == sorted(stamps)
    await client.call("PUT", f"crm/Accounts(guid'{keys['Appel']}')", {"City": "Brugge"})
    (changed,) = await client.rows("sync/CRM/Accounts", filter=f"Timestamp gt {stamps[-1]}L", select="Name,Timestamp")
    assert changed["Name"] == "Appel"
    await client.call("DELETE", f"crm/Accounts(guid'{keys['Pruim']}')")
    (gone,) = await client.rows("sync/Deleted", filter=f"Timestamp gt {changed['Timestamp']}L")
    assert (gone["EntityType"], gone["EntityKey"]) == (2, keys["Pruim"])
