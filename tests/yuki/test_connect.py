"""Connecting by the command line, with keys that are right and with all that may be wrong."""

import asyncio
import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from dagboek import database
from dagboek.chaos.ubl import Ubl
from dagboek.cli.main import main
from dagboek_yuki.sandbox import Sandbox, start_sandbox

Dagboek = Callable[..., tuple[int, str, str]]

KEY, NARROW, BELGIAN = (f"{number}b1f0c86-8a57-4c0e-9d5e-3f2c7a6b9e0{number}" for number in (1, 2, 3))
NORTH, SOUTH = "10000000-0000-4000-8000-000000000001", "20000000-0000-4000-8000-000000000002"
FIRST, SECOND, THIRD = (f"{number}0000000-aaaa-4000-8000-00000000000{number}" for number in (1, 2, 3))


class Running:
    """A sandbox on a loop of its own, since commands bring theirs."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self._thread.start()
        self.sandbox: Sandbox = self._done(
            start_sandbox(
                domains=[
                    {"id": NORTH, "name": "Noord", "site": "nl"},
                    {"id": SOUTH, "name": "Zuid", "site": "nl"},
                    {"name": "België", "site": "be"},
                ],
                dossiers=[
                    {"id": FIRST, "name": "Bakker BV", "domain": NORTH, "vat_number": "NL123456782B90"},
                    {"id": SECOND, "name": "Alfa BV", "domain": NORTH},
                    {"id": THIRD, "name": "Zuid BV", "domain": SOUTH},
                ],
                keys=[
                    {"key": KEY, "site": "nl"},
                    {"key": NARROW, "site": "nl", "rights": ["Sales", "Upload"], "administrations": [FIRST]},
                    {"key": BELGIAN, "site": "be"},
                ],
            )
        )

    def _done(self, one: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(one, self.loop).result(30)

    def tell(self, name: str, **options: Any) -> Any:
        async def told() -> Any:
            return getattr(self.sandbox.control, name)(**options)

        return self._done(told())

    def stop(self) -> None:
        self._done(self.sandbox.stop())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(10)
        self.loop.close()


@pytest.fixture(scope="module")
def shared() -> Iterator[Running]:
    running = Running()
    yield running
    running.stop()


@pytest.fixture
def yuki(shared: Running) -> Running:
    shared.tell("reset")
    return shared


@pytest.fixture
def dagboek(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Dagboek:
    """Runs a command line: exit status, output, errors."""
    database.migrate(database_url)
    monkeypatch.setenv("DAGBOEK_DATABASE_URL", database_url)
    monkeypatch.setenv("DAGBOEK_DATA_DIR", str(tmp_path / "data"))

    def command(*arguments: str) -> tuple[int, str, str]:
        capsys.readouterr()
        with pytest.raises(SystemExit) as end:
            main(arguments)
        printed = capsys.readouterr()
        return int(end.value.code or 0), printed.out, printed.err

    return command


@pytest.fixture
def connect(dagboek: Dagboek, yuki: Running) -> Dagboek:
    """`dagboek connect yuki` for an entity, with a key, and more."""

    def connected(entity: str, *more: str, key: str = KEY, site: str = "nl") -> tuple[int, str, str]:
        words = ["connect", "yuki", "--tenant", "acme", "--entity", entity, "--vat", "NL123456782B90", *more]
        address = yuki.sandbox.base_urls[site]
        return dagboek(*words, "--base-url", address, "--set", f"site={site}", "--set", f"access_key={key}")

    return connected


def plain(text: str) -> str:
    return " ".join(text.split())


def test_several_administrations_of_one_key_are_connected_one_by_one(dagboek: Dagboek, connect: Dagboek) -> None:
    code, out, err = connect("Bakker BV", "--accept")
    assert code == 2
    for one in (FIRST, SECOND, THIRD):
        assert one in err
    assert "--administration" in err
    made = []
    for entity, wanted in (("Bakker BV", "Bakker BV"), ("Alfa BV", SECOND), ("Zuid BV", THIRD)):
        code, out, err = connect(entity, "--administration", wanted, "--accept", "--json")
        assert (code, err) == (0, "")
        made.append(json.loads(out))
    assert {one["state"] for one in made} == {"connected"}
    sales = {one["key"]["category"]: one["code"] for one in made[0]["settings"]["sales"]["vat_codes"]}
    assert sales["S"].count("/") == 2
    listed = json.loads(dagboek("connection", "list", "--json")[1])
    assert [one["administration"] for one in sorted(listed, key=lambda one: str(one["entity"]))] == [
        SECOND,
        FIRST,
        THIRD,
    ]
    (user,) = {one["user"] for one in listed}
    assert user.startswith("key ")
    assert KEY[:8] not in user


def test_connecting_costs_few_of_the_days_calls(connect: Dagboek, yuki: Running) -> None:
    assert connect("Bakker BV", "--administration", FIRST, "--accept")[0] == 0
    used = {one["name"]: one["used"] for one in yuki.tell("limits")["domains"]}
    assert used["Noord"] <= 20
    assert used["Zuid"] <= 3


def test_the_key_is_never_shown(dagboek: Dagboek, connect: Dagboek, yuki: Running) -> None:
    yuki.tell("faults", kind="html_fault", operation="*.Administrations", times=1)
    shown = "".join(
        "".join(map(str, connect("Bakker BV", "--administration", FIRST, *more))) for more in ((), ("--json",))
    )
    assert KEY not in shown
    assert dagboek("connection", "list")[0] == 0


@pytest.mark.parametrize(
    ("key", "site", "words"),
    [
        (
            "00000000-1111-4000-8000-000000000000",
            "nl",
            "The key is not known on yukiworks.nl: mistyped, deleted in Yuki",
        ),
        ("not a key", "nl", "The key is not known on yukiworks.nl"),
        (KEY, "be", "The key is not known on yukiworks.be: mistyped, deleted in Yuki, or a key of yukiworks.nl."),
        (BELGIAN, "nl", "or a key of yukiworks.be."),
        ("", "nl", "access_key: must not be empty"),
        (KEY, "de", "site: Input should be 'nl' or 'be'"),
    ],
)
def test_a_key_that_does_not_fit_is_told_and_leaves_nothing_behind(
    dagboek: Dagboek, yuki: Running, key: str, site: str, words: str
) -> None:
    address = yuki.sandbox.base_urls.get(site) or yuki.sandbox.base_urls["nl"]
    command = ["connect", "yuki", "--tenant", "acme", "--entity", "Bakker", "--vat", "NL123456782B90"]
    code, out, err = dagboek(*command, "--base-url", address, "--set", f"site={site}", "--set", f"access_key={key}")
    assert (code, out) == (2, "")
    assert words in plain(err)
    assert "Traceback" not in err
    assert "There is no tenant" in dagboek("connection", "list", "--tenant", "acme")[2]


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("html_fault", "answer 500 that is not Yuki's own: it is a web page. Its words: Runtime Error"),
        ("html_fault_after", "answer 500 that is not Yuki's own: it is a web page. Its words: Runtime Error"),
        ("bad_gateway", "answer 502 that is not Yuki's own: it is a web page. Its words: 502 Bad Gateway"),
        ("empty_body", "answer 200 that is not Yuki's own: it is empty"),
        ("wrong_namespace", "answer 200 that is not Yuki's own: it is in another namespace than Yuki's"),
        ("error_503_before", "answer 503 that is not Yuki's own"),
    ],
)
@pytest.mark.parametrize("operation", ["*.Authenticate", "*.Administrations"])
def test_an_answer_that_is_none_is_told_as_what_it_is(
    connect: Dagboek, yuki: Running, kind: str, operation: str, words: str
) -> None:
    yuki.tell("faults", kind=kind, operation=operation)
    code, out, err = connect("Bakker BV", "--administration", FIRST)
    assert (code, out) == (2, "")
    assert f"Yuki could not be asked: {words}" in plain(err)
    assert "Nothing was stored." in err


def test_a_domain_that_is_not_active_is_told(connect: Dagboek, yuki: Running) -> None:
    for domain in (NORTH, SOUTH):
        yuki.tell("domains", change=domain, active=False)
    code, _, err = connect("Bakker BV", "--administration", FIRST)
    assert code == 2
    assert "Yuki has no active data for the domain of this key" in plain(err)


def test_a_module_that_is_not_activated_is_told_and_the_rest_goes_on(connect: Dagboek, yuki: Running) -> None:
    yuki.tell("domains", change=NORTH, modules=[])
    code, out, _ = connect("Bakker BV", "--administration", FIRST, "--accept")
    assert code == 0
    assert "Feature is not in the Yuki subscription: Yuki says that the domain has no licence" in plain(out)
    assert "for this feature: Sales." in plain(out)


def test_rights_that_are_missing_are_told_by_their_names(dagboek: Dagboek, connect: Dagboek) -> None:
    code, out, err = connect("Bakker BV", "--accept", key=NARROW)
    for right in ("Financial", "Contacts", "Archive"):
        assert f"The key may not use this in Yuki: {right}." in plain(out)
    assert "The key may not use this in Yuki: Sales" not in plain(out)
    assert code == 2
    assert "its lists cannot be read: The key may not use this in Yuki: Financial." in plain(err)
    assert "dagboek settings refresh" in err
    assert "configuration needed" in dagboek("connection", "list")[1]


def test_a_refusal_that_nobody_knows_is_told_in_yukis_words(connect: Dagboek, yuki: Running) -> None:
    yuki.tell("faults", kind="refuse", operation="Archive.DocumentFolders", body="Dit mag nu even niet", times=1)
    code, out, _ = connect("Bakker BV", "--administration", FIRST, "--accept")
    assert code == 0
    assert "Yuki does not answer as expected for Archive: Dit mag nu even niet." in plain(out)


def test_a_client_secret_that_is_wrong_is_told_for_purchases(connect: Dagboek) -> None:
    process = ["--set", "purchases=process", "--set", "client_id=voorbeeld-koppeling"]
    code, _, err = connect("Bakker BV", "--administration", FIRST, *process)
    assert code == 2
    assert "need client_id and client_secret" in plain(err)
    code, out, _ = connect("Bakker BV", "--administration", FIRST, "--accept", *process, "--set", "client_secret=old")
    assert code == 0
    assert "Booking at once needs a client id and a client secret of Yuki" in plain(out)


def test_the_days_calls_used_up_are_told(connect: Dagboek, yuki: Running) -> None:
    for domain in (NORTH, SOUTH):
        yuki.tell("limits", domain=domain, used=1000)
    code, _, err = connect("Bakker BV", "--administration", FIRST)
    assert code == 2
    assert "Yuki takes no more calls until 2" in plain(err)
    assert "Its words: Daily limit exceeded" in plain(err)
    assert "Nothing was stored; connect again then." in plain(err)


@pytest.mark.parametrize(
    ("trouble", "words"),
    [
        ({}, "the tool was asked, and the login reaches these books"),
        ({"kind": "wrong_namespace"}, "answer 200 that is not Yuki's own: it is in another namespace than Yuki's"),
        ({"kind": "empty_body"}, "answer 200 that is not Yuki's own: it is empty"),
        ({"kind": "html_fault"}, "answer 500 that is not Yuki's own: it is a web page. Its words: Runtime Error"),
        ({"kind": "refuse", "body": "Invalid access key"}, "the tool does not accept this login."),
    ],
)
def test_doctor_says_what_is_wrong_with_a_connection(
    dagboek: Dagboek, connect: Dagboek, yuki: Running, tmp_path: Path, trouble: dict[str, str], words: str
) -> None:
    assert connect("Bakker BV", "--administration", FIRST, "--accept")[0] == 0
    assert dagboek("source", "add", "ubl", "--tenant", "acme", "--folder", str(tmp_path))[0] == 0
    if trouble:
        yuki.tell("faults", operation="*.Domains", **trouble)
    findings = json.loads(dagboek("doctor", "--json")[1])
    told = [one["what"] for one in findings if one["subject"] == "connection"]
    assert len(told) == 1
    assert words in plain(told[0])


def test_a_refused_key_is_told_with_its_code_and_the_words_of_yuki(connect: Dagboek) -> None:
    code, _, err = connect("Bakker BV", key="hello")
    assert code == 2
    assert "(Y20) Its words: Invalid access key. Nothing was stored." in plain(err)


def test_books_of_another_tenant_leave_no_unfinished_connection(
    connect: Dagboek, dagboek: Dagboek, yuki: Running
) -> None:
    assert connect("Bakker BV", "--administration", FIRST, "--accept")[0] == 0
    words = ["connect", "yuki", "--tenant", "other", "--entity", "Bakker BV", "--vat", "NL123456782B90"]
    given = ["--set", "site=nl", "--set", f"access_key={KEY}", "--administration", FIRST]
    code, _, err = dagboek(*words, "--base-url", yuki.sandbox.base_urls["nl"], *given)
    assert code == 2
    assert f"dagboek connection share yuki {FIRST}" in err
    assert "no connection yet" in dagboek("connection", "list", "--tenant", "other")[1]


def test_what_the_login_is_given_is_set_by_connecting_again(connect: Dagboek, dagboek: Dagboek) -> None:
    connect("Bakker BV", "--administration", FIRST, "--accept")
    code, _, err = dagboek("settings", "set", "Bakker BV", "calls_per_day=5000")
    assert code == 2
    assert 'dagboek connect yuki --tenant "acme" --entity "Bakker BV" --set calls_per_day=VALUE' in plain(err)


def test_a_preview_tells_of_a_tenant_without_source_and_of_purchases_that_yuki_books_later(
    connect: Dagboek, dagboek: Dagboek, tmp_path: Path
) -> None:
    connect("Bakker BV", "--administration", FIRST, "--accept")
    assert 'dagboek source add ubl --tenant "acme"' in plain(dagboek("preview", "Bakker BV")[1])
    bought = Ubl("I-1", customer="NL123456782B90", customer_name="Bakker BV", supplier="NL987654329B57")
    (tmp_path / "ubl").mkdir()
    (tmp_path / "ubl" / "I-1.xml").write_text(bought.xml())
    assert dagboek("source", "add", "ubl", "--tenant", "acme", "--folder", str(tmp_path / "ubl"))[0] == 0
    _, out, _ = dagboek("preview", "Bakker BV")
    assert "I-1" in out and "the accounts are chosen there when it is booked" in out
    assert "source add" not in out
