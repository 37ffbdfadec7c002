"""The tools of a trial: sandboxes of our own, or one that is given, and never anything else."""

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp
from dagboek_sdk.accounting import AccountingPlugin
from dagboek_sdk.oauth import OAuth, OAuthPlugin

from dagboek import consent
from dagboek.chaos.schedule import STRUCK, STRUCK_BATCHED, Target
from dagboek.demo.books import Books, SandboxTrouble
from dagboek.plugins import Plugins

ASK_SECONDS = 10.0


class NoSandbox(SandboxTrouble):
    """What was given is not the sandbox of the tool. Nothing was written to it."""


@dataclass(frozen=True, slots=True)
class Given:
    """A sandbox that somebody else runs, as `dagboek sandbox NAME --json` prints it."""

    base_url: str
    credentials: dict[str, Any]

    async def stop(self) -> None:
        """It goes on."""


@dataclass(frozen=True, slots=True)
class Tool:
    """A sandbox that said that it is one."""

    name: str
    base_url: str
    credentials: Mapping[str, Any]
    books: Books
    target: Target
    consents: bool
    """Whether a login is made by a person's consent."""

    async def counts(self) -> dict[str, int]:
        """Documents in each set of books."""
        return await self._told("bookings")

    async def relations(self) -> dict[str, int]:
        """Relations in each set of books."""
        return await self._told("relations")

    async def _told(self, what: str) -> dict[str, int]:
        return {str(row["id"]): int(row[what]) for row in (await self.books.look("status"))["dossiers"]}

    async def entries(self, ids: list[str]) -> list[Mapping[str, Any]]:
        """All that is booked in these sets of books."""
        return [row for one in ids for row in await self.books.look("entries", dossier=one)]

    async def add_books(self, number: int) -> list[str]:
        """New sets of books, empty, with what a Belgian company has: their ids."""
        made = await self.books.do("dossiers", name="Chaos", years=[2025, 2027], copies=number)
        return [str(one) for one in made["ids"]]

    async def add_user(self, books: str) -> None:
        """A user of their own for these books, where logins are made by consent: each tenant needs another one."""
        if self.consents:
            await self.books.do("logins", user=_user_of(books), divisions=[int(books)], current_division=int(books))

    async def consent(self, oauth: OAuth, books: str) -> consent.Consent:
        """The user of these books consents, as a person at a browser would."""
        return await consent.of_sandbox(oauth, _user_of(books))


def given(file: Path) -> Given:
    """What a file says of a sandbox. NoSandbox where it does not."""
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        return Given(str(content["base_url"]), dict(content["credentials"]))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise NoSandbox(
            f"{file} cannot be used ({type(error).__name__}). It must hold what `dagboek sandbox NAME --json` prints."
        ) from None


def _user_of(books: str) -> str:
    return f"chaos-{books}"


@asynccontextmanager
async def sandboxes_of(plugins: Plugins, names: Sequence[str], file: Path | None) -> AsyncIterator[Sequence[Tool]]:
    """The sandboxes of the tools `names`: the one that `file` tells of, else some of our own. NoSandbox."""
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(_sandbox_of(plugins, name, file)) for name in names]


@asynccontextmanager
async def _sandbox_of(plugins: Plugins, name: str, file: Path | None) -> AsyncIterator[Tool]:
    running: Any = given(file) if file else await plugins.sandbox(name).start(host="127.0.0.1", port=0)
    books = Books(running)
    try:
        yield await asked(plugins.tool(name), running.base_url, running.credentials, books)
    finally:
        await books.close()
        await running.stop()


async def asked(plugin: type[AccountingPlugin], base_url: str, credentials: Mapping[str, Any], books: Books) -> Tool:
    """Asks whether it is the sandbox of this tool; whatever does not say so is taken for real books."""
    name = plugin.about.name
    parts = urlsplit(base_url)
    place = f"{parts.scheme}://{parts.netloc}"
    try:
        if parts.scheme not in ("http", "https") or not parts.netloc:
            raise ValueError("no web address")
        timeout = aiohttp.ClientTimeout(total=ASK_SECONDS)
        async with (
            aiohttp.ClientSession(timeout=timeout) as session,
            session.get(f"{place}/_sandbox/status", allow_redirects=False) as answer,
        ):
            told = await answer.json(content_type=None) if answer.status == 200 else None
    except (aiohttp.ClientError, TimeoutError, ValueError) as error:
        raise NoSandbox(_refusal(name, place, f"it does not answer as one ({type(error).__name__})")) from None
    if not isinstance(told, dict) or told.get("sandbox") != name:
        raise NoSandbox(_refusal(name, place, "it does not say that it is one"))
    booking = told["booking"]
    patterns = (booking,) if isinstance(booking, str) else tuple(booking)
    struck = STRUCK if plugin.about.batch_size == 1 else STRUCK_BATCHED
    target = Target(name, patterns, tuple(told["faults_known"]), struck)
    return Tool(name, base_url, credentials, books, target, issubclass(plugin, OAuthPlugin))


def _refusal(name: str, place: str, why: str) -> str:
    return (
        f"{place} is no sandbox of {name}: {why}. Nothing was written to it. Chaos books invented documents and is for "
        f"sandboxes alone: start one with `dagboek sandbox {name} --json`, or leave --sandbox out to use its own."
    )
