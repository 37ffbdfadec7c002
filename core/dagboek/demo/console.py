"""The demo's console: a link that signs somebody in who may click everything there, and proof that it answers."""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import aiohttp
from dagboek_sdk.sandbox import RunningSandbox

from dagboek.demo.company import EMAIL, DemoTrouble
from dagboek.demo.stage import Stage
from dagboek.logins import own_names
from dagboek.web.signin import links, people

PAGES: Final = ("/", "/runs", "/documents")
SPARE_BOOKS: Final = "Spare books"
SPARE_YEARS: Final = (2025, 2027)
SECONDS: Final = 90.0
"""How long the web process may take to answer; on a busy machine."""


@dataclass(frozen=True, slots=True)
class Tool:
    """A sandbox with books that nothing is connected to yet."""

    title: str
    login: Mapping[str, str]
    """What the console's form asks for, by its labels."""


@dataclass(frozen=True, slots=True)
class Door:
    """Where the console is, and the way in."""

    address: str
    link: str | None = None
    """Signs `EMAIL` in, once. None where the demo used it itself, to read `pages`."""
    pages: tuple[str, ...] = ()
    tools: tuple[Tool, ...] = ()

    @property
    def summary(self) -> dict[str, Any]:
        """For programs."""
        sandboxes = [{"tool": one.title, "books": SPARE_BOOKS, "login": one.login} for one in self.tools]
        return {"address": self.address, "link": self.link, "pages": self.pages, "sandboxes": sandboxes}


async def open_door(stage: Stage, language: str) -> Door:
    """The console once it answers, in `language`, and sandboxes to connect to. DemoTrouble when it does not answer."""
    address, link = await _way_in(stage, language)
    tools = [await _spare_books(stage, tool, sandbox) for tool, sandbox in stage.sandboxes.items()]
    return Door(address, link, tools=tuple(tools))


async def look_in(stage: Stage, language: str) -> Door:
    """Signs in and reads the first pages, where no person will. DemoTrouble for what is wrong."""
    address, link = await _way_in(stage, language)
    # a safe jar keeps no cookies of addresses without a name
    async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as browser:
        async with browser.post(link) as answer:
            _refuse_unless(answer.status == 200, stage, f"does not take its sign-in link (status {answer.status})")
        for page in PAGES:
            async with browser.get(address + page) as answer:
                fine = answer.status == 200 and answer.url.path == page
                _refuse_unless(fine, stage, f"does not show {page} (status {answer.status})")
    return Door(address, pages=PAGES)


async def _way_in(stage: Stage, language: str) -> tuple[str, str]:
    stage.begin_console()
    person = await people.find_person(stage.db, EMAIL)
    # English is also what is taken where a terminal says nothing: the browser may know better
    told = people.suppose_language if language == "en" else people.choose_language
    await told(stage.db, person.id, language)
    link = f"{stage.address}{links.PATH}{await links.make_link(stage.db, person.id)}"
    await _answered(stage, link)
    return stage.address, link


async def _answered(stage: Stage, link: str) -> None:
    """The page of the link is there, so web process and database are. Looking at it uses nothing up."""
    deadline, last = time.monotonic() + SECONDS, "no answer"
    async with aiohttp.ClientSession() as browser:
        while time.monotonic() < deadline:
            try:
                async with browser.get(link) as answer:
                    if answer.status == 200:
                        return
                    last = f"status {answer.status}"
            except aiohttp.ClientError as error:
                last = type(error).__name__
            await asyncio.sleep(0.1)
    _refuse_unless(False, stage, f"did not open in {SECONDS:.0f} s ({last})")


def _refuse_unless(fine: bool, stage: Stage, what: str) -> None:
    if not fine:
        raise DemoTrouble(f"The console {what}. Its log: {stage.settings.data_dir / 'logs' / 'web.log'}")


async def _spare_books(stage: Stage, tool: str, sandbox: RunningSandbox) -> Tool:
    await stage.books[tool].add_dossier(SPARE_BOOKS, SPARE_YEARS)
    about = stage.plugins.tool(tool).about
    fields = about.settings.model_fields
    given = {**own_names(about.settings, sandbox.credentials), "base_url": sandbox.base_url}
    labels = {name: fields[name].title or name.replace("_", " ").capitalize() for name in given}
    return Tool(about.title, {labels[name]: str(value) for name, value in given.items()})
