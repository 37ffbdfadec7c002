"""Login, opening dossiers, tokens and their ten minutes, errors in four languages, daily limits."""

import pytest

from .conftest import Client, Starter, booking

WRONG_HOUSE = "00000000-0000-0000-0000-000000000000"


async def test_login_gives_a_token_of_three_parts(client: Client) -> None:
    answer = await client.log_in()
    assert list(answer.json) == ["token"]
    assert answer.json["token"].count(".") == 2
    assert 200 <= len(answer.json["token"]) <= 250
    who = await client.send("GET", "/authentication", headers={"token": client.token})
    assert who.json == {"token": client.token}


async def test_a_wrong_password_is_a_401_that_counts(client: Client) -> None:
    first = await client.log_in(password="fout")
    second = await client.log_in(password="fout")
    assert first.status == second.status == 401
    assert list(first.json) == ["technicalInfo"]
    assert "1 failed" in first.json["technicalInfo"]
    assert "2 failed" in second.json["technicalInfo"]
    assert "fout" not in second.text


async def test_the_software_house_is_checked(client: Client) -> None:
    answer = await client.log_in(softwareHouseUuid=WRONG_HOUSE)
    assert (answer.status, answer.code) == (401, -68)
    missing = await client.send("POST", "/authentication", json={"user": "a", "password": "b"})
    assert missing.status == 400
    assert list(missing.json) == ["technicalInfo"]
    await client.control("POST", "logins", {"software_house": False})
    assert (await client.log_in()).code == -68


async def test_login_without_a_user_names_no_parameter(client: Client) -> None:
    headers = {"softwareHouseUuid": client.sandbox.credentials["softwareHouseUuid"]}
    answer = await client.send("POST", "/authentication", json={"user": "a"}, headers=headers)
    assert answer.status == 400
    assert list(answer.json) == ["technicalInfo"]


async def test_dossiers_are_listed_and_opened(client: Client) -> None:
    listed = await client.send("GET", "/dossiers", headers={"Token": client.token})
    assert listed.json[0]["dossierKey"] == {"id": 1001}
    assert listed.json[0]["dossierDescription"] == "Voorbeeld BV"
    opened = await client.open()
    assert list(opened.json) == ["Dossiertoken"]
    assert len(opened.json["Dossiertoken"]) > len(client.token)


@pytest.mark.parametrize("spelling", ["dossierToken", "DossierToken", "dossiertoken", "DOSSIERTOKEN"])
async def test_header_names_are_case_insensitive(client: Client, spelling: str) -> None:
    answer = await client.send("GET", "/dossiers/1001/bookyears", headers={spelling: client.dossier_token})
    assert answer.status == 200


async def test_the_login_token_is_no_dossier_token(client: Client) -> None:
    in_wrong_header = await client.send("GET", "/dossiers/1001/bookyears", headers={"Token": client.token})
    assert (in_wrong_header.status, in_wrong_header.code) == (401, -79)
    wrong_kind = await client.send("GET", "/dossiers/1001/bookyears", headers={"dossierToken": client.token})
    assert wrong_kind.status == 401
    other_way = await client.send("GET", "/dossiers", headers={"Token": client.dossier_token})
    assert other_way.status == 401


async def test_a_dossier_token_opens_only_its_dossier(start: Starter) -> None:
    client = await start(dossiers=[{"id": 1001}, {"id": 1002}])
    answer = await client.send("GET", "/dossiers/1002/bookyears", headers={"dossierToken": client.dossier_token})
    assert answer.status == 401


async def test_a_forged_or_foreign_token_is_refused(start: Starter) -> None:
    one, other = await start(), await start()
    for token in ("x", "a.b.c", one.dossier_token[:-2] + "xx", other.dossier_token):
        answer = await one.send("GET", "/dossiers/1001/bookyears", headers={"dossierToken": token})
        assert answer.status == 401


async def test_both_tokens_live_ten_minutes(client: Client) -> None:
    await client.control("POST", "clock", {"advance_seconds": 590})
    assert (await client.get("bookyears")).status == 200
    await client.control("POST", "clock", {"advance_seconds": 11})
    assert (await client.get("bookyears")).status == 401
    assert (await client.open()).status == 401
    assert (await client.log_in()).status == 200
    assert (await client.open()).status == 200
    assert (await client.get("bookyears")).status == 200


async def test_opening_what_one_may_not_open(start: Starter) -> None:
    client = await start(dossiers=[{"id": 1001}, {"id": 1002, "disabled": True}, {"id": 1003}])
    await client.control("POST", "logins", {"user": "voorbeeld", "dossiers": [1001, 1002]})
    unknown = await client.open(9999)
    assert unknown.status == 404
    assert unknown.json["technicalInfo"]
    assert ((await client.open(1003)).status, (await client.open(1003)).code) == (403, -3)
    assert ((await client.open(1002)).status, (await client.open(1002)).code) == (403, -5)
    listed = await client.send("GET", "/dossiers", headers={"Token": client.token})
    assert [row["dossierKey"]["id"] for row in listed.json] == [1001, 1002]
    await client.control("POST", "dossiers", {"change": 1002, "hide_key": True})
    listed = await client.send("GET", "/dossiers", headers={"Token": client.token})
    assert [row.get("dossierKey") for row in listed.json] == [{"id": 1001}, None]


async def test_a_dossier_disabled_during_a_run(client: Client) -> None:
    await client.control("POST", "dossiers", {"change": 1001, "disabled": True})
    answer = await client.get("bookyears")
    assert (answer.status, answer.code) == (403, -5)


async def test_open_wants_good_parameters(client: Client) -> None:
    for query in ({}, {"dossierId": "x"}, {"dossierId": 1001, "localeId": 5}):
        answer = await client.send("POST", "/dossiers", params=query, headers={"Token": client.token})
        assert answer.status == 400
        assert list(answer.json) == ["technicalInfo"]


async def test_error_texts_follow_the_locale(client: Client) -> None:
    texts = set()
    for locale in (1, 2, 3, 4):
        await client.open(locale=locale)
        answer = await client.book(booking(9))
        assert answer.code == -13
        texts.add(answer.json["errorMessage"])
    assert len(texts) == 4
    await client.open(locale=0)
    dutch = await client.book(booking(9))
    assert dutch.json["errorMessage"] == "Het volgnummer van het document is niet toegelaten"


async def test_sample_errors_have_a_text_for_every_code_and_language(client: Client) -> None:
    for code in range(-79, 1):
        texts = [
            (await client.send("GET", f"/error?errorCode={code}&localeId={locale}")).json["errorMessage"]
            for locale in (1, 2, 3, 4)
        ]
        assert all(texts)
        assert len(set(texts)) >= 3, f"code {code} reads alike in several languages: {texts}"
    answer = await client.send("GET", "/error?errorCode=-13&localeId=3")
    assert answer.status == 400
    assert list(answer.json) == ["errorCode", "errorMessage", "technicalInfo"]
    assert list((await client.send("GET", "/error")).json) == ["technicalInfo"]


async def test_version_is_plain_text(client: Client) -> None:
    answer = await client.send("GET", "/about/version")
    assert answer.headers["Content-Type"].startswith("text/plain")
    assert answer.text


async def test_unknown_paths_and_calls_not_offered(client: Client) -> None:
    assert (await client.get("bookyeers")).status == 404
    assert (await client.call("DELETE", "vatcodes")).status == 405
    assert (await client.get("invoices", bookyearId=2, journalKey="V3", documentSeqNr=1)).status == 501


# --- limits -------------------------------------------------------------------------------------------------


async def test_daily_limits_count_per_call_and_dossier(start: Starter) -> None:
    client = await start(dossiers=[{"id": 1001}, {"id": 1002}])
    assert [(await client.get("vatcodes")).status for _ in range(3)] == [200, 200, 429]
    assert (await client.get("costcentres")).status == 200
    await client.open(1002)
    assert (await client.get("vatcodes")).status == 200
    await client.open(1001)
    await client.control("POST", "clock", {"advance_seconds": 25 * 3600})  # a day may have as many hours
    await client.log_in()
    await client.open()
    assert (await client.get("vatcodes")).status == 200


async def test_relation_searches_have_a_limit_of_their_own(start: Starter) -> None:
    client = await start()
    assert [(await client.get("relations")).status for _ in range(3)] == [200, 200, 429]
    assert (await client.get("relations", name="Klant")).status == 200


@pytest.mark.parametrize(("answer", "status", "code"), [("429", 429, None), ("403", 403, None), ("400", 400, -51)])
async def test_the_answer_of_a_passed_limit_is_a_setting(
    start: Starter, answer: str, status: int, code: int | None
) -> None:
    client = await start(limit_answer=answer)
    await client.control("POST", "limits", {"numbers": {"getVatCodes": 0}, "retry_after": 120})
    refused = await client.get("vatcodes")
    assert (refused.status, refused.code) == (status, code)
    assert refused.headers.get("Retry-After") == ("120" if status == 429 else None)


async def test_limits_are_lifted_by_a_switch(start: Starter) -> None:
    client = await start()
    await client.control("POST", "limits", {"on": False})
    assert [(await client.get("vatcodes")).status for _ in range(4)] == [200] * 4
    used = (await client.control("GET", "limits")).json["used"]
    assert used["getVatCodes 1001"] == 4


async def test_four_hundred_bookings_a_day(start: Starter) -> None:
    client = await start()
    await client.control("POST", "limits", {"numbers": {}})
    client.sandbox.control.book_by_hand(1001, "V1", date="2025-01-02")
    statuses = [
        (await client.book(booking(number, relationIdentificationServiceData={"relationKey": {"id": 1}}))).status
        for number in range(2, 403)
    ]
    assert statuses == [201] * 400 + [429]
    assert len(client.sandbox.books.entries(1001)) == 401
