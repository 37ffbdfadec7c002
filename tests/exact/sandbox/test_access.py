"""Rights, scopes, licences and divisions: much the same Forbidden, and what is not forbidden goes on."""

import pytest

from .conftest import Client


async def test_a_missing_right_stops_one_resource_and_no_other(client: Client) -> None:
    client.tell("rights", user="voorbeeld", resource="crm/Accounts", method="POST")
    refused = await client.post("crm/Accounts", {"Name": "Appel"})
    assert (refused.status, refused.error) == (403, "Forbidden")
    assert "Reason" not in refused.headers
    assert (await client.get("crm/Accounts", top=1)).status == 200
    client.tell("rights", user="voorbeeld", resource="crm/Accounts")
    assert (await client.get("crm/Accounts", top=1)).status == 403
    assert (await client.get("financial/Journals")).status == 200
    client.tell("rights", user="voorbeeld", resource="crm/Accounts", allowed=True)
    client.tell("rights", user="voorbeeld", resource="crm/Accounts", method="POST", allowed=True)
    assert (await client.post("crm/Accounts", {"Name": "Appel"})).status == 201


async def test_a_missing_scope_is_named(client: Client) -> None:
    app = client.app["client_id"]
    client.tell("apps", client_id=app, scopes=["crm accounts", "financial accounting manage"])
    assert (await client.get("crm/Accounts", top=1)).status == 200
    refused = await client.post("crm/Accounts", {"Name": "Appel"})
    assert (refused.status, refused.error) == (
        403,
        "Forbidden - Application Scope Violated. Cannot manage 'crm.accounts' scope.",
    )
    unread = await client.get("hrm/Divisions")
    assert "Cannot read 'organization.administration' scope." in unread.error
    assert (await client.get("vat/VATCodes")).status == 200, "who may manage may read"


@pytest.mark.parametrize(
    ("change", "reason"),
    [({"licensed": False}, "LicenseExpired"), ({"blocking": 2}, "DivisionBlocked"), ({"status": 2}, "DivisionBlocked")],
)
async def test_a_division_may_be_closed(client: Client, change: dict[str, object], reason: str) -> None:
    (other,) = client.tell("dossiers", name="Ander")["ids"]
    client.tell("dossiers", change=client.division, **change)
    refused = await client.get("crm/Accounts", top=1)
    assert (refused.status, refused.error, refused.headers["Reason"]) == (403, "Forbidden", reason)
    client.division = other
    assert (await client.get("crm/Accounts", top=1)).status == 200


async def test_only_divisions_of_the_user_and_of_the_consent_are_open(client: Client) -> None:
    (other,) = client.tell("dossiers", name="Ander")["ids"]
    first = client.division
    assert [row["Code"] for row in await client.rows("hrm/Divisions", select="Code")] == [first, other]
    client.tell("browser", divisions=[first])
    await client.log_in()
    client.division = other
    refused = await client.get("crm/Accounts", top=1)
    assert (refused.status, refused.headers["Reason"]) == (403, "NoDivisionAccess")
    client.division = 999
    assert (await client.get("crm/Accounts", top=1)).status == 403
    client.division = first
    client.tell("logins", user="voorbeeld", divisions=[other])
    assert (await client.get("crm/Accounts", top=1)).status == 403


async def test_the_current_division_may_be_one_that_the_app_may_not_see(client: Client) -> None:
    (other,) = client.tell("dossiers", name="Ander")["ids"]
    client.tell("logins", user="voorbeeld", current_division=other)
    client.tell("browser", divisions=[client.division])
    await client.log_in()
    headers = {"Authorization": f"Bearer {client.tokens['access_token']}", "Accept": "application/json"}
    assert (await client.send("GET", "/api/v1/current/Me", headers=headers)).rows[0]["CurrentDivision"] == other


async def test_a_user_who_is_blocked_gets_no_further(client: Client) -> None:
    client.tell("logins", user="voorbeeld", active=False)
    refused = await client.get("crm/Accounts", top=1)
    assert (refused.status, refused.headers["Reason"]) == (403, "InactiveUser")
