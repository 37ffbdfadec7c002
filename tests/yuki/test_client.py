"""Sessions and calls, against the sandbox over HTTP."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from dagboek_sdk import clock
from dagboek_sdk.errors import AccessDenied, LoginBroken, Throttled, ToolError, ToolUnavailable, Trouble
from dagboek_yuki import errors, reading
from dagboek_yuki.administrations import administrations
from yuki_portal import FIRST, KEY, NORTH, SECOND, SOUTH, THIRD, Portal, Start, later, start_portals


@pytest.fixture
async def start() -> AsyncIterator[Start]:
    """Starts a portal with options of its own."""
    async with start_portals() as started:
        yield started


@pytest.fixture
async def portal(start: Start) -> Portal:
    """A portal as it comes."""
    return await start()


# what the key reaches


async def test_all_administrations_of_all_domains_are_found_with_their_domain(portal: Portal) -> None:
    caller = portal.caller("", "")
    found = await administrations(caller)
    assert [(one.name, one.id, one.domain) for one in found] == [
        ("Alfa BV", SECOND, NORTH),
        ("Bakker BV", FIRST, NORTH),
        ("Zuid BV", THIRD, SOUTH),
    ]
    bakker = found[1]
    assert (bakker.vat_number, bakker.country, bakker.currency, bakker.disabled) == (
        "NL001234567B01",
        "NL",
        "EUR",
        False,
    )


async def test_a_key_of_one_administration_reaches_that_one(start: Start) -> None:
    portal = await start(keys=[{"key": KEY, "site": "nl", "administrations": [THIRD], "domains": [SOUTH]}])
    assert [one.id for one in await administrations(portal.caller("", ""))] == [THIRD]


async def test_a_domain_that_is_not_active_keeps_the_others_from_nobody(portal: Portal) -> None:
    portal.sandbox.control.domains(change=SOUTH, active=False)
    assert [one.id for one in await administrations(portal.caller("", ""))] == [SECOND, FIRST]
    portal.sandbox.control.domains(change=NORTH, active=False)
    with pytest.raises(LoginBroken) as broken:
        await administrations(portal.caller("", ""))
    assert broken.value.issue.code == "Y21"


async def test_an_administration_that_was_ended_cannot_be_chosen(portal: Portal) -> None:
    portal.sandbox.control.dossiers(change=SECOND, active=False)
    assert [one.disabled for one in await administrations(portal.caller("", ""))] == [True, False, False]


# sessions


async def test_a_session_is_opened_once_for_all_processes_and_belongs_to_one_domain(portal: Portal) -> None:
    for _ in range(2):
        for administration, domain in ((FIRST, NORTH), (SECOND, NORTH), (THIRD, SOUTH)):
            caller = portal.caller(administration, domain)
            for _ in range(2):
                await caller.call("Archive", "Administrations")
    assert portal.calls("Authenticate") == 2
    assert portal.calls("SetCurrentDomain") == 2
    assert sorted(one["domain"] for one in portal.sandbox.control.sessions()) == ["Noord", "Zuid"]
    assert sorted(portal.secrets.kept) == [f"session:{NORTH}", f"session:{SOUTH}"]


async def test_twenty_that_begin_at_once_open_one_session(portal: Portal) -> None:
    await asyncio.gather(*(portal.caller().prepare() for _ in range(20)))
    assert portal.calls("Authenticate") == 1


async def test_each_domain_is_asked_in_its_own_session(portal: Portal) -> None:
    for domain, wanted in ((SOUTH, [THIRD]), (NORTH, [FIRST, SECOND])):
        found = await portal.caller("", domain).call("AccountingInfo", "Administrations")
        assert sorted(reading.text(row, "@ID") for row in reading.rows(found, "Administration")) == wanted


async def test_a_session_is_renewed_after_23_hours(portal: Portal, monkeypatch: pytest.MonkeyPatch) -> None:
    caller = portal.caller()
    await caller.prepare()
    later(monkeypatch, timedelta(hours=22, minutes=55))
    await caller.prepare()
    assert portal.calls("Authenticate") == 1
    later(monkeypatch, timedelta(minutes=10))
    await caller.prepare()
    assert portal.calls("Authenticate") == 2
    _, until = portal.secrets.kept[f"session:{NORTH}"]
    assert timedelta(hours=22) < until - clock.now() <= timedelta(hours=23)


async def test_a_session_that_is_gone_is_renewed_once_by_whoever_notices(portal: Portal) -> None:
    first, second = portal.caller(), portal.caller()
    await first.call("Vat", "Administrations")
    await second.call("Vat", "Administrations")
    portal.sandbox.books.sessions.clear()
    await first.call("Vat", "Administrations")
    await second.call("Vat", "Administrations")
    assert portal.calls("Authenticate") == 2


async def test_a_session_that_is_refused_each_time_is_a_persons_business(portal: Portal) -> None:
    portal.sandbox.control.faults(kind="token_expired", operation="Vat.*")
    with pytest.raises(LoginBroken) as broken:
        await portal.caller().call("Vat", "Administrations")
    assert broken.value.issue.code == "Y26"
    assert portal.calls("Authenticate") == 2


async def test_a_fault_that_nobody_knows_may_be_the_end_of_an_old_session(
    portal: Portal, monkeypatch: pytest.MonkeyPatch
) -> None:
    caller = portal.caller()
    await caller.prepare()
    portal.sandbox.control.faults(kind="refuse", operation="Vat.*", body="Uw aanmelding is vervallen", times=1)
    later(monkeypatch, timedelta(hours=2))
    await caller.call("Vat", "Administrations")
    assert portal.calls("Authenticate") == 2


async def test_a_fault_that_nobody_knows_is_told_where_the_session_is_young(portal: Portal) -> None:
    caller = portal.caller()
    portal.sandbox.control.faults(kind="refuse", operation="Vat.*", body="Iets vreemds", times=1)
    with pytest.raises(ToolError) as refused:
        await caller.call("Vat", "Administrations")
    assert refused.value.tool_words == "Iets vreemds"
    assert portal.calls("Authenticate") == 1


@pytest.mark.parametrize("name", ["AuthenticateClient", "Authenticate"])
async def test_purchase_has_a_session_of_its_own_that_yuki_knows_the_app_of(portal: Portal, name: str) -> None:
    portal.sandbox.control.rules(client_answer=name)
    caller = portal.caller(client_id="voorbeeld-koppeling", client_secret="voorbeeld-geheim", purchases="process")
    await caller.ready("Purchase")
    await caller.prepare()
    assert [one["known_app"] for one in portal.sandbox.control.sessions()] == [True, False]
    assert sorted(portal.secrets.kept) == [f"client:{NORTH}", f"session:{NORTH}"]


async def test_a_secret_that_has_expired_stops_purchases_and_nothing_else(portal: Portal) -> None:
    caller = portal.caller(client_id="voorbeeld-koppeling", client_secret="old", purchases="process")
    with pytest.raises(AccessDenied) as denied:
        await caller.ready("Purchase")
    assert (denied.value.scope, denied.value.issue.code) == ("Purchase", "Y22")
    for _ in range(3):
        await caller.prepare()
    assert portal.calls("AuthenticateClient") == 2, "once more, and then not before each write"


# keys that do not fit


@pytest.mark.parametrize(("site", "key"), [("nl", "00000000-1111-4000-8000-000000000000"), ("be", KEY)])
async def test_a_wrong_key_and_one_of_the_other_country_are_told_with_the_site(
    portal: Portal, site: str, key: str
) -> None:
    with pytest.raises(LoginBroken) as broken:
        await administrations(portal.caller("", "", site, access_key=key))
    other = {"nl": "be", "be": "nl"}[site]
    issue = broken.value.issue
    assert (issue.code, issue.facts) == ("Y20", {"site": f"yukiworks.{site}", "other": f"yukiworks.{other}"})
    assert broken.value.tool_words == "Invalid access key"


async def test_a_key_that_was_deleted_during_its_session_is_told_too(portal: Portal) -> None:
    caller = portal.caller()
    await caller.prepare()
    portal.sandbox.control.keys(key=KEY, active=False)
    with pytest.raises(LoginBroken) as broken:
        await caller.call("Vat", "Administrations")
    assert broken.value.issue.code == "Y20"


async def test_a_domain_out_of_the_keys_reach_is_told(portal: Portal) -> None:
    with pytest.raises(LoginBroken) as broken:
        await portal.caller(THIRD, "30000000-0000-4000-8000-000000000003").prepare()
    assert broken.value.issue.code == "Y24"


# answers that are none


@pytest.mark.parametrize(
    ("kind", "told", "trouble"),
    [
        ("html_fault", "answer 500 that is not Yuki's own: it is a web page", Trouble.OWN_FAULT),
        ("html_fault_after", "answer 500 that is not Yuki's own: it is a web page", Trouble.OWN_FAULT),
        ("bad_gateway", "answer 502 that is not Yuki's own: it is a web page", Trouble.OWN_FAULT),
        ("empty_body", "answer 200 that is not Yuki's own: it is empty", Trouble.PAGE),
        ("wrong_namespace", "answer 200 that is not Yuki's own: it is in another namespace than Yuki's", Trouble.PAGE),
        ("wrong_body", "answer 200 that is not Yuki's own: it is no XML that can be read", Trouble.PAGE),
    ],
)
async def test_an_answer_that_is_not_yukis_own_is_trouble_that_says_what_came(
    portal: Portal, kind: str, told: str, trouble: Trouble
) -> None:
    portal.sandbox.control.faults(kind=kind, operation="*.Administrations")
    with pytest.raises(ToolUnavailable, match=told) as unavailable:
        await administrations(portal.caller("", ""))
    assert unavailable.value.trouble is trouble


@pytest.mark.parametrize("status", [500, 429])
async def test_the_days_calls_used_up_are_told_until_midnight(portal: Portal, status: int) -> None:
    caller = portal.caller()
    portal.sandbox.control.rules(limit_status=status)
    await caller.prepare()
    portal.sandbox.control.limits(domain=NORTH, used=1000)
    with pytest.raises(Throttled) as spent:
        await caller.call("Vat", "Administrations")
    assert spent.value.issue is not None
    assert spent.value.issue.code == "Y06"
    assert spent.value.until == errors.renewal()


async def test_neither_keys_nor_sessions_are_recorded(portal: Portal) -> None:
    portal.sandbox.control.faults(kind="html_fault", operation="*.Administrations")
    caller = portal.caller(client_id="voorbeeld-koppeling", client_secret="wrong-secret", purchases="process")
    with pytest.raises(AccessDenied):
        await caller.ready("Purchase")
    with pytest.raises(ToolUnavailable):
        await caller.call("Vat", "Administrations")
    with pytest.raises(LoginBroken):
        await portal.caller(domain=FIRST).prepare()  # refused when its session has been opened already
    assert len(portal.exchanges) == 3
    shown = " ".join(
        f"{one.request_body} {one.url} {one.request_headers} {one.answer_body}" for one in portal.exchanges
    )
    secrets = {KEY, "wrong-secret", *(one.id for one in portal.sandbox.books.sessions)}
    assert len(secrets) == 4
    assert not [one for one in secrets if one in shown]
