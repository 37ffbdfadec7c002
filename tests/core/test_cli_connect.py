"""Setting up by the command line alone, against the sandbox of Octopus."""

import asyncio
import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from dagboek import database
from dagboek.cli.main import main
from dagboek.plugins import Plugins
from dagboek.vault import new_key
from dagboek_sdk.sandbox import RunningSandbox

Dagboek = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def sandbox() -> Iterator[RunningSandbox]:
    """On a loop of its own, since commands bring theirs."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    start = Plugins().sandbox("octopus").start(host="127.0.0.1", port=0, limits=False)
    running = asyncio.run_coroutine_threadsafe(_awaited(start), loop).result(30)
    yield running
    asyncio.run_coroutine_threadsafe(_awaited(running.stop()), loop).result(30)
    loop.call_soon_threadsafe(loop.stop)
    thread.join(10)
    loop.close()


async def _awaited(one: Any) -> Any:
    return await one


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
def credentials(sandbox: RunningSandbox, tmp_path: Path) -> str:
    """A file as `dagboek sandbox octopus --json` prints it."""
    file = tmp_path / "credentials.json"
    file.write_text(json.dumps({"base_url": sandbox.base_url, "credentials": sandbox.credentials}))
    return str(file)


@pytest.fixture
def connect(credentials: str) -> list[str]:
    words = "connect octopus --tenant North --entity North --vat BE0403019261"
    return [*words.split(), "--credentials-file", credentials, "--set", "lift_limits=true"]


def test_from_nothing_to_connected_and_gone_again(dagboek: Dagboek, connect: list[str]) -> None:
    code, out, err = dagboek(*connect, "--start-date", "2026-01-01", "--accept", "--json")
    assert (code, err) == (0, "")
    made = json.loads(out)
    assert made["state"] == "connected"
    assert made["settings"]["sales"]["invoice_journal"] == "V1"
    assert made["settings"]["start_date"] == "2026-01-01"
    assert all(one["because"] for one in made["reasons"])

    code, out, _ = dagboek("connection", "list", "--json")
    assert [one["connection"] for one in json.loads(out)] == [made["connection"]]
    code, out, _ = dagboek("settings", "show", "North", "--json")
    assert code == 0
    assert json.loads(out)["settings"] == made["settings"]

    code, out, _ = dagboek("connection", "delete", "North", "--yes")
    assert code == 0 and "not booked twice" in out
    code, _, err = dagboek("settings", "show", "North")
    assert code == 2 and "dagboek connect" in err


def test_secrets_are_never_shown(dagboek: Dagboek, connect: list[str], sandbox: RunningSandbox) -> None:
    password = sandbox.credentials["password"]
    for arguments in (connect, [*connect, "--json"], [*connect, "--set", f"wrong={password}"]):
        _, out, err = dagboek(*arguments)
        assert password not in out + err


def test_wrong_credentials_are_told_with_what_to_do(dagboek: Dagboek, connect: list[str]) -> None:
    code, _, err = dagboek(*connect, "--set", "password=wrong")
    assert code == 2
    assert "does not accept the user or the password" in err
    assert "Traceback" not in err
    assert "no connection yet" in dagboek("connection", "list")[1]


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"octopus": "octpus"}, "Did you mean 'octopus'?"),
        ({"BE0403019261": "hello"}, "hello is no VAT number"),
        ({"BE0403019261": "BE0999999999"}, "The check digit of BE0999999999 is wrong"),
        ({"lift_limits=true": "password=wrong"}, "does not accept the user or the password"),
        ({"lift_limits=true": "base_url=http://nobody.invalid"}, "the host nobody.invalid cannot be found"),
        ({"lift_limits=true": "base_url=http://127.0.0.1:1"}, "127.0.0.1:1 cannot be reached (connection refused)"),
    ],
)
def test_a_connect_that_fails_leaves_nothing_behind(
    dagboek: Dagboek, connect: list[str], changed: dict[str, str], words: str
) -> None:
    code, out, err = dagboek(*[changed.get(word, word) for word in connect])
    assert (code, out, words in err) == (2, "", True), err
    assert "Error" not in err and "Traceback" not in err
    assert "There is no tenant" in dagboek("connection", "list", "--tenant", "North")[2]


def test_a_wrong_vat_number_is_corrected_before_the_first_run(dagboek: Dagboek, connect: list[str]) -> None:
    mistyped = ["BE0404483367" if word == "BE0403019261" else word for word in connect]
    assert dagboek(*mistyped, "--accept")[0] == 0
    code, out, _ = dagboek(*connect, "--accept")
    assert code == 0
    assert "The VAT number of North was BE0404483367; it is BE0403019261 now." in out
    assert len(json.loads(dagboek("connection", "list", "--json")[1])) == 1

    odd = ["BE0999999999" if word == "BE0403019261" else word for word in connect]
    assert dagboek(*odd)[0] == 2
    assert dagboek(*odd, "--yes")[0] == 0


def test_connect_is_brief_and_repeats_its_warnings(dagboek: Dagboek, connect: list[str]) -> None:
    _, out, _ = dagboek(*connect)
    short = json.loads(dagboek("connection", "list", "--json")[1])[0]["connection"][:8]
    told = [line for line in out.splitlines() if line.startswith("Mind: the books are those of")]
    assert len(told) == 2 and all(line.endswith(f"dagboek connection delete {short}") for line in told)
    assert len(out.splitlines()) < 45
    assert f"dagboek settings account {short} ACCOUNT --side purchases" in out
    assert "is skipped" in out
    whole = dagboek("settings", "propose", "North")[1]
    assert len(whole.splitlines()) > 80 and "Mind:" not in whole

    assert dagboek("settings", "account", short, "610000", "--side", "purchases")[0] == 0
    assert "purchases account for all other lines" in dagboek("settings", "show", short)[1]


def test_what_is_missing_or_unknown_is_named(dagboek: Dagboek, connect: list[str], tmp_path: Path) -> None:
    bare = connect[: connect.index("--vat")]
    assert "--vat" in dagboek(*bare)[2]
    code, _, err = dagboek(*connect[: connect.index("--credentials-file")], "--set", "user=clerk")
    assert code == 2
    assert "password: is missing" in err and "software_house_uuid: is missing" in err
    assert "It reaches: 1001" in dagboek(*connect, "--administration", "77")[2]
    assert "not installed" in dagboek("connect", "octopuss", *connect[2:])[2]
    (tmp_path / "no.json").write_text("{")
    assert "no JSON" in dagboek(*bare, "--vat", "BE0403019261", "--credentials-file", str(tmp_path / "no.json"))[2]


def test_the_environment_holds_credentials_too(
    dagboek: Dagboek, connect: list[str], sandbox: RunningSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DAGBOEK_OCTOPUS_SOFTWARE_HOUSE_UUID", sandbox.credentials["softwareHouseUuid"])
    monkeypatch.setenv("DAGBOEK_OCTOPUS_USER", sandbox.credentials["user"])
    monkeypatch.setenv("DAGBOEK_OCTOPUS_PASSWORD", sandbox.credentials["password"])
    monkeypatch.setenv("DAGBOEK_OCTOPUS_LIFT_LIMITS", "true")
    code, out, err = dagboek(
        *connect[: connect.index("--credentials-file")], "--base-url", sandbox.base_url, "--accept", "--json"
    )
    assert (code, err) == (0, "")
    assert json.loads(out)["state"] == "connected"


def test_settings_one_by_one(dagboek: Dagboek, connect: list[str]) -> None:
    dagboek(*connect, "--accept")
    assert dagboek("settings", "set", "North", "sales.rounding_account=", "exchange_rates.usd=0.92")[0] == 0
    assert dagboek("settings", "vat", "North", "MC", "--rate", "5,5", "--reverse-rate", "21")[0] == 0
    assert dagboek("settings", "account", "North", "--side", "purchases", "--rate", "12", "604000")[0] == 0
    settings = json.loads(dagboek("settings", "show", "North", "--json")[1])["settings"]
    assert settings["sales"]["rounding_account"] is None
    assert settings["exchange_rates"] == {"USD": "0.92"}
    linked = [row for row in settings["sales"]["vat_codes"] if row["key"]["rate"] == "5.5"]
    assert [(row["code"], row["reverse_rate"]) for row in linked] == [("MC", "21")]
    assert {"account": "604000", "rate": "12", "category": None} in settings["purchases"]["ledger_accounts"]

    assert dagboek("settings", "vat", "North", "--rate", "5.50", "--remove")[0] == 0
    assert dagboek("settings", "account", "North", "--side", "purchases", "--rate", "12", "--remove")[0] == 0
    after = json.loads(dagboek("settings", "show", "North", "--json")[1])["settings"]
    assert len(after["sales"]["vat_codes"]) == len(settings["sales"]["vat_codes"]) - 1
    assert len(after["purchases"]["ledger_accounts"]) == len(settings["purchases"]["ledger_accounts"]) - 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["set", "North", "sales.invoice_journal=A1"], "for purchase"),
        (["set", "North", "sales.invoise_journal=V1"], "Did you mean sales.invoice_journal"),
        (["set", "North", "start_date=soon", "automatic=maybe"], "automatic"),
        (["set", "North", "sales.vat_codes=21"], "settings vat"),
        (["set", "North", "V1"], "NAME=VALUE"),
        (["vat", "North", "99", "--rate", "21"], "no VAT code 99"),
        (["vat", "North", "21", "--rate", "abc"], "no rate"),
        (["vat", "North", "21", "--rate", "121"], "less than or equal to 100"),
        (["account", "North", "1"], "no ledger account 1"),
        (["account", "North", "7000"], "it has 700000, 700006"),
        (["account", "North"], "--remove"),
        (["account", "North", "--rate", "3", "--remove"], "No ledger account"),
        (["lists", "North", "colours"], "no list colours"),
        (["show", "Nobody"], "No connection is called Nobody"),
    ],
)
def test_wrong_settings_are_refused_in_words(
    dagboek: Dagboek, connect: list[str], arguments: list[str], words: str
) -> None:
    dagboek(*connect, "--accept")
    before = dagboek("settings", "show", "North", "--json")[1]
    code, _, err = dagboek("settings", *arguments)
    assert code == 2
    assert words in err
    assert "Traceback" not in err
    assert dagboek("settings", "show", "North", "--json")[1] == before


def test_a_file_of_settings_is_taken_whole(dagboek: Dagboek, connect: list[str], tmp_path: Path) -> None:
    dagboek(*connect, "--accept")
    shown = json.loads(dagboek("settings", "show", "North", "--json")[1])
    shown["settings"]["default_payment_days"] = 14
    file = tmp_path / "settings.json"
    file.write_text(json.dumps(shown))
    assert dagboek("settings", "load", "North", str(file))[0] == 0
    assert json.loads(dagboek("settings", "show", "North", "--json")[1])["settings"] == shown["settings"]
    file.write_text(json.dumps({"sales": {"colour": "blue"}}))
    code, _, err = dagboek("settings", "load", "North", str(file))
    assert code == 2 and "sales.colour" in err


def test_proposals_keep_what_a_person_chose(dagboek: Dagboek, connect: list[str]) -> None:
    made = json.loads(dagboek(*connect, "--json")[1])
    assert made["state"] == "configuration_needed"
    assert made["proposal"]["sales"]["invoice_journal"] == "V1"
    assert dagboek("settings", "show", "North")[0] == 1
    dagboek("settings", "set", "North", "sales.invoice_journal=V2")
    code, out, _ = dagboek("settings", "propose", "North", "--accept")
    assert code == 0 and "stays as it is" in out
    settings = json.loads(dagboek("settings", "show", "North", "--json")[1])["settings"]
    assert (settings["sales"]["invoice_journal"], settings["sales"]["credit_note_journal"]) == ("V2", "V2")


def test_sources_are_added_and_listed(dagboek: Dagboek, tmp_path: Path) -> None:
    assert dagboek("source", "add", "ubl", "--tenant", "North", "--folder", str(tmp_path))[0] == 0
    (row,) = json.loads(dagboek("source", "list", "--json")[1])
    assert (row["tenant"], row["plugin"], row["folder"]) == ("North", "ubl", str(tmp_path))
    assert "folder: is missing" in dagboek("source", "add", "ubl", "--tenant", "North")[2]
    assert "not installed" in dagboek("source", "add", "ubx", "--tenant", "Other", "--folder", "x")[2]
    assert "Other" not in dagboek("source", "list")[1]


def test_lists_are_not_asked_for_more_often_than_the_tool_allows(dagboek: Dagboek, connect: list[str]) -> None:
    strict = [one if one != "lift_limits=true" else "lift_limits=false" for one in connect]
    for _ in range(4):  # connecting again takes the lists that are there
        assert dagboek(*strict)[0] == 0
    assert dagboek("settings", "refresh", "North")[0] == 0
    code, _, err = dagboek("settings", "refresh", "North")
    assert code == 2 and "used up until" in err


def test_the_key_of_credentials_is_changed_without_connecting_again(
    dagboek: Dagboek, connect: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    old, new = new_key(), new_key()
    monkeypatch.setenv("DAGBOEK_SECRET_KEYS", old)
    assert dagboek(*connect, "--accept")[0] == 0
    monkeypatch.setenv("DAGBOEK_SECRET_KEYS", new)
    code, _, err = dagboek("settings", "refresh", "North")
    assert code == 2 and "cannot be read with the keys of DAGBOEK_SECRET_KEYS" in err
    code, _, err = dagboek("migrate", "--rotate-keys")
    assert code == 2 and "cannot be read with the keys of DAGBOEK_SECRET_KEYS" in err

    monkeypatch.setenv("DAGBOEK_SECRET_KEYS", f"{new},{old}")
    code, out, err = dagboek("migrate", "--rotate-keys")
    assert (code, err) == (0, "")
    assert "under the newest key: 3" in out  # a login, its token and that of its dossier
    monkeypatch.setenv("DAGBOEK_SECRET_KEYS", new)
    assert dagboek("settings", "refresh", "North")[0] == 0
    monkeypatch.setenv("DAGBOEK_SECRET_KEYS", old)
    assert dagboek("settings", "refresh", "North")[0] == 2
