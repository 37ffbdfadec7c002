"""Keys, sessions, domains, administrations, rights, and the two countries' hosts."""

from typing import Any

import pytest
from dagboek_yuki.sandbox import Rules
from dagboek_yuki.sandbox.call import Call
from dagboek_yuki.sandbox.operations import OPERATIONS
from lxml import etree

from .conftest import Client, Starter

HOME, OTHER, BELGIAN = (f"{digit * 8}-0000-4000-8000-000000000000" for digit in "abc")
FIRST, SECOND, THIRD, FOURTH = (f"{digit * 8}-0000-4000-8000-000000000000" for digit in "1234")

PORTAL: dict[str, Any] = {
    "domains": [
        {"id": HOME, "name": "Thuis"},
        {"id": OTHER, "name": "Elders"},
        {"id": BELGIAN, "name": "Over de grens", "site": "be"},
    ],
    "dossiers": [
        {"id": FIRST, "name": "Een BV", "domain": HOME},
        {"id": SECOND, "name": "Twee BV", "domain": HOME},
        {"id": THIRD, "name": "Drie BV", "domain": OTHER},
        {"id": FOURTH, "name": "Vier BV", "domain": BELGIAN},
    ],
    "keys": [
        {"key": "portal"},
        {"key": "home", "domains": [HOME]},
        {"key": "second", "domains": [HOME, OTHER], "administrations": [THIRD]},
        {"key": "belgian", "site": "be"},
    ],
}


@pytest.fixture
async def portal(start: Starter) -> Client:
    """A portal of three domains in two countries."""
    return await start(**PORTAL)


@pytest.fixture(autouse=True)
def everything(monkeypatch: pytest.MonkeyPatch) -> None:
    """An operation of each kind of right answers, whatever the sandbox has."""

    def done(call: Call) -> etree._Element:
        return etree.Element("Done")

    for name in (
        "Accounting.OutstandingDebtorItems",
        "Archive.DocumentFolders",
        "Contact.SearchContacts",
        "Contact.UpdateContact",
        "Sales.ProcessSalesInvoices",
        "Purchase.ProcessPurchaseInvoices",
    ):
        service, _, operation = name.partition(".")
        monkeypatch.setitem(OPERATIONS, (service, operation), done)
    for service, operation in (("Archive", "UploadDocument"), ("Accounting", "ProcessJournal")):
        monkeypatch.setitem(OPERATIONS, (service, operation), lambda call: "id")


def _names(root: etree._Element) -> list[str]:
    return [each.findtext("Name") or "" for each in root]


async def _seen(client: Client) -> list[str]:
    return _names((await client.call("Archive.Administrations")).inner)


# --- keys ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", ["", "nonsense", "belgian"])
async def test_a_wrong_key_and_that_of_the_other_country_are_invalid(portal: Client, key: str) -> None:
    answer = await portal.call("Sales.Authenticate", accessKey=key)
    assert "Invalid access key" in answer.fault
    assert answer.body.findtext("faultcode") == "soap:Client"


async def test_each_country_has_its_host(portal: Client) -> None:
    portal.site = "be"
    assert "Invalid access key" in (await portal.call("Sales.Authenticate", accessKey="portal")).fault
    await portal.log_in("belgian")
    assert await _seen(portal) == ["Vier BV"]
    assert (await portal.call("Vat.Language")).value == "nl-be"
    portal.site = "nl"
    assert "not valid or has expired" in (await portal.call("Sales.Domains")).fault, "a session stays in its country"


async def test_the_key_that_was_taken_back_ends_its_sessions(portal: Client) -> None:
    portal.tell("keys", key="portal", active=False)
    assert "not valid or has expired" in (await portal.call("Sales.Domains")).fault
    assert "Invalid access key" in (await portal.call("Sales.Authenticate", accessKey="portal")).fault


async def test_a_client_id_needs_its_secret(client: Client) -> None:
    known = client.sandbox.credentials
    for secret in ("", "wrong"):
        answer = await client.call(
            "Purchase.AuthenticateClient", clientID=known["client_id"], clientSecret=secret, accessKey=client.key
        )
        assert "client secret" in answer.fault
    assert await client.log_in(app=True)
    client.tell("clients", client_id=known["client_id"], remove=True)
    answer = await client.call(
        "Purchase.AuthenticateClient",
        clientID=known["client_id"],
        clientSecret=known["client_secret"],
        accessKey=client.key,
    )
    assert "client secret" in answer.fault


@pytest.mark.parametrize("name", ["AuthenticateClient", "Authenticate"])
async def test_the_answer_to_an_app_has_the_name_that_the_rules_say(start: Starter, name: str) -> None:
    client = await start(rules=Rules(client_answer=name))
    session = await client.log_in(app=True)
    known = client.sandbox.credentials
    answer = await client.call(
        "Sales.AuthenticateClient",
        clientID=known["client_id"],
        clientSecret=known["client_secret"],
        accessKey=client.key,
    )
    assert session and answer.result is not None
    assert etree.QName(answer.body).localname == f"{name}Response"
    assert etree.QName(answer.result).localname == f"{name}Result"


async def test_people_do_not_log_in(client: Client) -> None:
    answer = await client.call("Sales.AuthenticateByUserName", userName="a", password="b", accessKey=None)
    assert "Invalid user name" in answer.fault


# --- sessions, domains, languages ---------------------------------------------------------------------------------


async def test_a_session_holds_for_every_service_and_24_hours(client: Client) -> None:
    for service in ("Accounting", "Archive", "Contact", "Vat"):
        assert (await client.call(f"{service}.Domains")).status == 200
    client.tell("clock", advance_seconds=23.9 * 3600)
    assert (await client.call("Sales.Domains")).status == 200
    client.tell("clock", advance_seconds=360)
    assert "not valid or has expired" in (await client.call("Sales.Domains")).fault
    await client.log_in()
    assert (await client.call("Sales.Domains")).status == 200


async def test_domain_and_language_are_the_sessions_own(portal: Client) -> None:
    root = (await portal.call("Archive.Domains")).inner
    assert [each.get("ID") for each in root] == [HOME, OTHER]
    assert await _seen(portal) == ["Een BV", "Twee BV"]
    first = portal.session
    await portal.log_in()
    assert (await portal.call("Sales.SetCurrentDomain", domainID=OTHER)).result is None
    assert (await portal.call("Sales.SetLanguage", language="fr")).result is None
    assert _names((await portal.call("Vat.GetCurrentDomain")).inner) == ["Elders"]
    assert await _seen(portal) == ["Drie BV"]
    assert (await portal.call("Vat.Language")).value == "fr"
    portal.session = first
    assert _names((await portal.call("Vat.GetCurrentDomain")).inner) == ["Thuis"]
    assert (await portal.call("Vat.Language")).value == "nl"
    for domain in (BELGIAN, FIRST, "nonsense"):
        assert "no access" in (await portal.call("Sales.SetCurrentDomain", domainID=domain)).fault
    assert "not supported" in (await portal.call("Sales.SetLanguage", language="xx")).fault
    codes = [each.get("Code") for each in (await portal.call("Sales.SupportedLanguages")).inner]
    assert codes == ["nl", "nl-be", "fr", "en"]


async def test_a_key_of_a_domain_sees_that_one_alone(portal: Client) -> None:
    await portal.log_in("home")
    assert _names((await portal.call("Sales.Domains")).inner) == ["Thuis"]
    assert "no access" in (await portal.call("Sales.SetCurrentDomain", domainID=OTHER)).fault


async def test_a_key_of_an_administration_sees_that_one_alone(portal: Client) -> None:
    await portal.log_in("second")
    assert await _seen(portal) == ["Drie BV"], "and begins in its domain"
    await portal.call("Sales.SetCurrentDomain", domainID=HOME)
    assert await _seen(portal) == []


async def test_what_is_told_of_an_administration(portal: Client) -> None:
    root = (await portal.call("Sales.Administrations")).inner
    assert (root.tag, root[0].tag, root[0].get("ID")) == ("Administrations", "Administration", FIRST)
    assert [each.tag for each in root[0]] == [
        "Name", "AddressLine", "Postcode", "City", "Country", "CoCNumber", "VATNumber", "StartDate", "DomainID",
        "Active",
    ]  # fmt: skip
    assert (root[0].findtext("DomainID"), root[0].findtext("Active")) == (HOME, "true")
    portal.tell("dossiers", change=FIRST, customer_code="K-1", active=False)
    root = (await portal.call("Sales.AdministrationsWithInternalCustomerCode")).inner
    assert (root[0].findtext("InternalCustomerCode"), root[0].findtext("Active")) == ("K-1", "false")
    root = (await portal.call("Sales.Companies")).inner
    assert [(each.get("ID"), each.findtext("Name")) for each in root] == [(FIRST, "Een BV"), (SECOND, "Twee BV")]
    assert (await portal.call("Sales.AdministrationID", administrationName="Twee BV")).value == SECOND
    assert (await portal.call("Sales.AdministrationID", administrationName="Drie BV")).value == ""


async def test_a_domain_without_a_database_is_closed(client: Client) -> None:
    domain = next(iter(client.sandbox.books.domains))
    client.tell("domains", change=domain, active=False)
    assert "Domain has no active database" in (await client.call("Sales.Domains")).fault


# --- rights -------------------------------------------------------------------------------------------------------

CALLS = {
    "Financial": "Accounting.OutstandingDebtorItems",
    "Archive": "Archive.DocumentFolders",
    "Upload": "Archive.UploadDocument",
    "Sales": "Sales.ProcessSalesInvoices",
    "Contacts": "Contact.UpdateContact",
    "ContactsReadOnly": "Contact.SearchContacts",
    "Purchase": "Purchase.ProcessPurchaseInvoices",
}


@pytest.mark.parametrize("missing", CALLS)
async def test_a_right_that_is_missing_closes_its_group_alone(client: Client, missing: str) -> None:
    await client.log_in(app=True)
    # Who may change contacts may read them as well.
    gone = {missing, "Contacts"} if missing == "ContactsReadOnly" else {missing}
    client.tell("keys", key=client.key, rights=sorted(client.sandbox.books.keys[client.key].rights - gone))
    for right, name in CALLS.items():
        answer = await client.call(name)
        if right in gone:
            assert f"no rights to use this web service: {name.partition('.')[0]}" in answer.fault
        else:
            assert answer.status == 200, answer.text
    assert (await client.call("Sales.Domains")).status == 200


async def test_purchases_want_an_app_that_yuki_knows(client: Client) -> None:
    assert "client id" in (await client.call("Purchase.ProcessPurchaseInvoices")).fault
    await client.log_in(app=True)
    assert (await client.call("Purchase.ProcessPurchaseInvoices")).status == 200


async def test_sales_want_the_module_of_the_domain(client: Client) -> None:
    domain = next(iter(client.sandbox.books.domains))
    client.tell("domains", change=domain, modules=[])
    fault = (await client.call("Sales.ProcessSalesInvoices")).fault
    assert "The domain is not licensed for this functionality" in fault
    assert (await client.call("Sales.Domains")).status == 200
    client.tell("domains", change=domain, modules=["sales"])
    assert (await client.call("Sales.ProcessSalesInvoices")).status == 200
