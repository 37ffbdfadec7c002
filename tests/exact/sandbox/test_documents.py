"""Documents, their files, and the entry that points to them."""

import base64

from .conftest import Client

NOWHERE = "51f0c0a9-5ae5-4d0c-8ee9-4c4d4ac45d3a"
PDF = base64.b64encode(b"%PDF-1.4 invented").decode()


async def test_a_document_gets_a_file_and_an_entry(client: Client) -> None:
    made = await client.post("documents/Documents", {"Subject": "Factuur F-17", "Type": 20})
    assert made.status == 201
    document = made.d["ID"]
    file = await client.post(
        "documents/DocumentAttachments", {"Document": document, "FileName": "F-17.pdf", "Attachment": PDF}
    )
    assert (file.status, file.d["FileSize"], file.d["Attachment"]) == (201, 17.0, None)
    entry = (await client.purchase(await client.relation(), Document=document)).d
    assert (entry["Document"], entry["DocumentSubject"]) == (document, "Factuur F-17")
    linked = (await client.get(f"documents/Documents(guid'{document}')")).d
    assert linked["FinancialTransactionEntryID"] == entry["EntryID"]
    (found,) = await client.rows("documents/DocumentAttachments", filter=f"Document eq guid'{document}'")
    assert found["FileName"] == "F-17.pdf"
    headers = {"Authorization": f"Bearer {client.tokens['access_token']}"}
    content = await client.send("GET", found["Url"].removeprefix(client.sandbox.base_url), headers=headers)
    assert content.text == "%PDF-1.4 invented"
    assert (await client.send("GET", found["Url"].removeprefix(client.sandbox.base_url))).status == 401
    (shown,) = client.sandbox.books.entries(client.division)
    assert shown["attachments"] == [{"name": "F-17.pdf", "size": 17}]
    (told,) = client.tell("documents", dossier=client.division)
    assert (told["entry"], told["files"][0]["name"]) == (entry["EntryID"], "F-17.pdf")


async def test_a_document_may_name_the_entry_instead(client: Client) -> None:
    entry = (await client.purchase(await client.relation())).d
    body = {"Subject": "Later", "Type": 55, "FinancialTransactionEntryID": entry["EntryID"]}
    document = (await client.post("documents/Documents", body)).d["ID"]
    assert (await client.get(f"purchaseentry/PurchaseEntries(guid'{entry['EntryID']}')")).d["Document"] == document


async def test_what_is_wrong_is_said(client: Client) -> None:
    for body, words in (
        ({"Type": 20}, "Verplicht: Onderwerp"),
        ({"Subject": "x"}, "Verplicht: Documenttype"),
        ({"Subject": "x", "Type": 4711}, "Ongeldige referentie: Documenttype"),
        ({"Subject": "x", "Type": 111}, "Niet toegestaan: Documenttype"),
        ({"Subject": "x", "Type": 20, "Account": NOWHERE}, "Ongeldige referentie: Relatie"),
    ):
        answer = await client.post("documents/Documents", body)
        assert (answer.status, answer.error) == (500, words)
    path = "documents/DocumentAttachments"
    assert (await client.post(path, {"Document": NOWHERE, "FileName": "x", "Attachment": PDF})).error == (
        "Ongeldige referentie: Document"
    )
    wrong = await client.post(path, {"Document": NOWHERE, "FileName": "x", "Attachment": "not base64!"})
    assert wrong.status == 400
    assert "property 'Attachment' to type 'Byte[]'" in wrong.error


async def test_a_file_of_more_than_ten_megabytes_is_too_large(client: Client) -> None:
    document = (await client.post("documents/Documents", {"Subject": "x", "Type": 20})).d["ID"]
    path, body = "documents/DocumentAttachments", {"Document": document, "FileName": "x"}
    fits = base64.b64encode(bytes(10 * 1024 * 1024)).decode()
    assert (await client.post(path, body | {"Attachment": fits})).status == 201
    large = base64.b64encode(bytes(10 * 1024 * 1024 + 3)).decode()
    assert (await client.post(path, body | {"Attachment": large})).status == 413
    assert (await client.post("documents/Documents", {"Subject": "x" * 11_000_000, "Type": 20})).status == 413


async def test_removing_a_document_takes_its_files_along(client: Client) -> None:
    document = (await client.post("documents/Documents", {"Subject": "x", "Type": 20})).d["ID"]
    await client.post("documents/DocumentAttachments", {"Document": document, "FileName": "x", "Attachment": PDF})
    assert (await client.call("DELETE", f"documents/Documents(guid'{document}')")).status == 204
    assert await client.rows("documents/DocumentAttachments") == []
    assert [row["EntityType"] for row in await client.rows("sync/Deleted")] == [4, 6]
