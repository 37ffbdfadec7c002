"""crm/Accounts: padded codes, roles, what is refused and in which words."""

from typing import Any

import pytest

from .conftest import Client


async def test_codes_are_padded_and_given_when_they_are_left_out(client: Client) -> None:
    made = (await client.post("crm/Accounts", {"Name": "Appel", "Code": "4711"})).d
    assert made["Code"] == "4711".rjust(18)
    following = (await client.post("crm/Accounts", {"Name": "Peer"})).d
    assert following["Code"] == "4712".rjust(18)
    assert (following["Status"], following["IsSupplier"], following["IsSales"]) == ("A", False, False)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"Name": ""}, "Verplicht: Naam"),
        ({"Code": "A12"}, "Ongeldig: Code"),
        ({"Code": "1" * 19}, "Ongeldig: Code"),
        ({"Code": "1"}, "Gegeven bestaat reeds."),
        ({"Status": "X"}, "Ongeldig: Status"),
        ({"Email": "nobody"}, "Ongeldig: Email [nobody]"),
        ({"Country": "QQ"}, "Ongeldige referentie: Land"),
        ({"Country": "BE", "State": "ZH"}, "Ongeldige referentie: Provincie"),
        ({"VATNumber": "BE123"}, "Ongeldig: Btw-nummer"),
        ({"PaymentConditionSales": "99"}, "Ongeldige referentie: Betalingsconditie"),
        ({"SalesVATCode": "Q"}, "Ongeldige referentie: Btw-code"),
        ({"GLAR": "51f0c0a9-5ae5-4d0c-8ee9-4c4d4ac45d3a"}, "Ongeldige referentie: Grootboekrekening"),
        ({"SalesCurrency": "XXX"}, "Ongeldige referentie: Valuta"),
        ({"Email": "x", "Country": "QQ"}, "Ongeldig: Email [x]\r\nOngeldige referentie: Land"),
    ],
)
async def test_what_is_wrong_is_said_as_a_500(client: Client, fields: dict[str, Any], words: str) -> None:
    answer = await client.post("crm/Accounts", {"Name": "Appel", **fields})
    assert (answer.status, answer.error) == (500, words)
    assert len(client.tell("relations", dossier=client.division)) == 1


async def test_words_are_those_of_the_user(client: Client) -> None:
    body = {"Name": "", "Email": "x"}
    said = []
    for language in ("nl", "en", "fr"):
        client.tell("logins", user="voorbeeld", language=language)
        said.append((await client.post("crm/Accounts", body)).error)
    assert said == [
        "Verplicht: Naam\r\nOngeldig: Email [x]",
        "Mandatory: Name\r\nInvalid: Email [x]",
        "Obligatoire: Nom\r\nNon valide: Email [x]",
    ]


async def test_unknown_and_mistyped_fields_are_a_400_and_read_only_ones_nothing(client: Client) -> None:
    unknown = await client.post("crm/Accounts", {"Name": "Appel", "Nonsense": 1})
    assert unknown.status == 400
    assert "'Nonsense'" in unknown.error
    mistyped = await client.post("crm/Accounts", {"Name": "Appel", "IsSupplier": "yes"})
    assert mistyped.status == 400
    assert "converting the value from request payload for property 'IsSupplier'" in mistyped.error
    ignored = await client.post("crm/Accounts", {"Name": "Appel", "Division": 1, "IsSales": True, "Type": "D"})
    assert ignored.status == 201
    assert (ignored.d["Division"], ignored.d["IsSales"], ignored.d["Type"]) == (client.division, False, "A")
    own = "51f0c0a9-5ae5-4d0c-8ee9-4c4d4ac45d3a"
    assert (await client.post("crm/Accounts", {"Name": "Appel", "ID": own})).d["ID"] != own


async def test_a_change_is_a_204_and_must_not_repeat_the_code(client: Client) -> None:
    key = await client.relation()
    path = f"crm/Accounts(guid'{key}')"
    done = await client.call("PUT", path, {"City": "Gent", "Status": "P"})
    assert (done.status, done.text) == (204, "")
    row = (await client.get(path)).d
    assert (row["City"], row["Status"], row["IsSales"]) == ("Gent", "P", False)
    repeated = await client.call("PUT", path, {"Code": row["Code"]})
    assert (repeated.status, repeated.error) == (500, "Gegeven bestaat reeds.")
    shown = await client.call("PUT", path, {"City": "Luik"}, headers={"Prefer": "return=representation"})
    assert (shown.status, shown.d["City"]) == (200, "Luik")


async def test_one_that_is_booked_on_cannot_be_removed(client: Client) -> None:
    key = await client.relation()
    free = await client.relation("Vrij")
    await client.sale(key)
    assert (await client.call("DELETE", f"crm/Accounts(guid'{key}')")).status == 500
    assert (await client.call("DELETE", f"crm/Accounts(guid'{free}')")).status == 204
    assert (await client.get(f"crm/Accounts(guid'{free}')")).status == 404


async def test_the_own_company_stands_among_the_relations(client: Client) -> None:
    (own,) = await client.rows("crm/Accounts", filter="Type eq 'D'")
    assert own["Name"] == "Voorbeeld BV"
