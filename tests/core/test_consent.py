"""A consent in a browser: the answer comes back on loopback or is pasted, and must be to our own question."""

import asyncio
import json
import socket
import threading
import urllib.request
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import aiohttp
import pytest
import typer
from consent_books import ConsentHooks, ConsentServer, consent_server
from dagboek import consent, database
from dagboek.cli.main import main
from dagboek.cli.session import Session
from dagboek.consent import Consent, NoConsent
from dagboek.plugins import Plugins
from dagboek_sdk.oauth import OAuth

OAUTH = OAuth("https://tool.example/auth", "https://tool.example/token", "app", "hush")


def query(address: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}


async def get(address: str) -> tuple[int, str]:
    async with aiohttp.ClientSession() as session, session.get(address) as answer:
        return answer.status, await answer.text()


class Asked:
    """A question under way in this process."""

    def __init__(self, oauth: OAuth = OAUTH, seconds: float = 20) -> None:
        self._shown: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self.consent = asyncio.create_task(consent.in_browser(oauth, self._shown.set_result, seconds))

    async def address(self) -> dict[str, str]:
        return query(await self._shown)


async def test_the_answer_comes_back_on_loopback() -> None:
    asked = Asked()
    address = await asked.address()
    assert address["response_type"] == "code" and address["client_id"] == "app"
    back = address["redirect_uri"]
    assert urlsplit(back).hostname == "127.0.0.1"
    assert (await get(f"{back}?code=abc%21d&state={address['state']}"))[0] == 200
    assert await asked.consent == Consent("abc!d", back)
    with pytest.raises(aiohttp.ClientConnectorError):
        await get(back)


@pytest.mark.parametrize(
    "forged", ["code=evil", "code=evil&state=guess", "code=evil&state=%C3%A9", "error=access_denied"]
)
async def test_an_answer_to_another_question_is_nobodys_and_ours_may_come_yet(forged: str) -> None:
    asked = Asked()
    address = await asked.address()
    status, page = await get(f"{address['redirect_uri']}?{forged}")
    assert status == 400 and "evil" not in page
    assert not asked.consent.done()
    assert (await get(f"{address['redirect_uri']}/icon"))[0] == 404
    await get(f"{address['redirect_uri']}?code=good&state={address['state']}")
    assert (await asked.consent).code == "good"


async def test_a_state_is_used_for_one_question() -> None:
    first, second = Asked(), Asked()
    assert (await first.address())["state"] != (await second.address())["state"]
    first.consent.cancel()
    second.consent.cancel()


@pytest.mark.parametrize(("answer", "words"), [("error=access_denied", "did not consent"), ("", "no code")])
async def test_no_consent_is_told(answer: str, words: str) -> None:
    asked = Asked()
    address = await asked.address()
    await get(f"{address['redirect_uri']}?{answer}&state={address['state']}")
    with pytest.raises(NoConsent, match=words):
        await asked.consent


async def test_nobody_is_waited_for_for_ever() -> None:
    with pytest.raises(NoConsent, match="within"):
        await Asked(seconds=0.1).consent


async def test_the_registered_address_is_listened_at_where_it_is_here() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    here = OAuth(OAUTH.authorise_url, OAUTH.token_url, "app", "hush", f"http://localhost:{port}/back")
    assert not consent.by_paste(here)
    asked = Asked(here)
    address = await asked.address()
    assert address["redirect_uri"] == here.redirect_uri
    with pytest.raises(NoConsent, match="port"):
        await Asked(here).consent
    await get(f"http://127.0.0.1:{port}/back?code=good&state={address['state']}")
    assert (await asked.consent).redirect_uri == here.redirect_uri


async def test_an_answer_that_went_elsewhere_is_pasted() -> None:
    elsewhere = OAuth(OAUTH.authorise_url, OAUTH.token_url, "app", "hush", "https://us.example/back")
    assert consent.by_paste(elsewhere)
    shown: list[str] = []

    def ask() -> str:
        return f"  https://us.example/back?code=abc%21&state={query(shown[-1])['state']}\n"

    assert await consent.pasted(elsewhere, shown.append, ask) == Consent("abc!", "https://us.example/back")
    assert "redirect_uri=https://us.example/back&" in shown[0]
    with pytest.raises(NoConsent, match="no answer to the question"):
        await consent.pasted(elsewhere, shown.append, lambda: "https://us.example/back?code=abc")


async def test_only_a_sandbox_of_this_machine_consents_by_itself() -> None:
    with pytest.raises(NoConsent, match="sandbox"):
        await consent.of_sandbox(OAUTH)


# by the command line


@pytest.fixture
def server() -> Iterator[ConsentServer]:
    """On a loop of its own, since commands bring theirs."""
    begun, stop, loop = threading.Event(), asyncio.Event(), asyncio.new_event_loop()
    made: list[ConsentServer] = []

    async def serve() -> None:
        async with consent_server() as running:
            made.append(running)
            begun.set()
            await stop.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),), daemon=True)
    thread.start()
    assert begun.wait(20)
    yield made[0]
    loop.call_soon_threadsafe(stop.set)
    thread.join(10)
    loop.close()


@pytest.fixture
def dagboek(
    database_url: str, tmp_path: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str, str]]:
    """Runs a command line, with somebody at the browser: exit status, output, errors."""
    database.migrate(database_url)
    monkeypatch.setenv("DAGBOEK_DATABASE_URL", database_url)
    monkeypatch.setenv("DAGBOEK_DATA_DIR", str(tmp_path / "data"))
    plugins = Plugins(entry_points=False)
    plugins.register(ConsentHooks(), "consented")
    monkeypatch.setattr(Session, "plugins", plugins)
    echo = typer.echo

    def shown(message: Any = None, **options: Any) -> None:
        echo(message, **options)
        address = next((word for word in str(message).split() if word.startswith("http")), None)
        if address is not None:
            threading.Thread(target=urllib.request.urlopen, args=(address,), daemon=True).start()

    monkeypatch.setattr(typer, "echo", shown)

    def command(*arguments: str) -> tuple[int, str, str]:
        capsys.readouterr()
        with pytest.raises(SystemExit) as end:
            main(arguments)
        printed = capsys.readouterr()
        return int(end.value.code or 0), printed.out, printed.err

    return command


def connect(server: ConsentServer, name: str, division: str) -> list[str]:
    words = f"connect consented --tenant {name} --entity {name} --vat NL862637223B01 --administration {division} --json"
    return [*words.split(), "--base-url", server.url, "--set", "client_id=app", "--set", "client_secret=hush"]


def test_connected_by_a_consent_in_a_browser(
    dagboek: Callable[..., tuple[int, str, str]], server: ConsentServer
) -> None:
    code, out, err = dagboek(*connect(server, "North", "11"))
    assert code == 0, err
    assert json.loads(out)["connection"]
    assert f"{server.url}/auth?client_id=app&" in err
    assert "hush" not in out + err
    (row,) = json.loads(dagboek("connection", "list", "--json")[1])
    assert (row["user"], row["administration"]) == ("Ann", "11")

    chain = server.chains["ann"]
    code, out, err = dagboek(*connect(server, "North", "12"))
    assert (code, err) == (0, ""), err  # the same consent
    assert server.chains["ann"] is chain
    code, _, err = dagboek(*connect(server, "North", "12"), "--consent")
    assert code == 0 and "/auth?" in err

    code, _, err = dagboek(*connect(server, "South", "12"))
    assert code == 2
    assert "another tenant" in err and "Connect as another user" in err
    assert len(json.loads(dagboek("connection", "list", "--json")[1])) == 2
    assert dagboek("connection", "list", "--tenant", "South")[0] != 0  # nothing of it was stored
