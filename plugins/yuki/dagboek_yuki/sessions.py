"""Sessions: 24 hours each, shared by all processes, saved before they are used.

The current domain is state of a session, so one belongs to one domain of one login and is never used for another.
Purchase wants one that was opened with the client id and secret beside the access key.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from dagboek_sdk import clock
from dagboek_sdk.accounting import Link
from dagboek_sdk.errors import AccessDenied, LoginBroken, Refused, ToolUnavailable, Trouble
from dagboek_sdk.http import Client
from lxml.etree import _Element as Element

from dagboek_yuki import errors
from dagboek_yuki.reading import text
from dagboek_yuki.settings import YukiSettings

USED: Final = timedelta(hours=23)
"""How long a session is used; Yuki ends it after 24 hours, or when it is restarted."""
YOUNG: Final = timedelta(hours=1)
"""A session that is no older is not what a fault is about that nobody knows."""
SERVICE: Final = "AccountingInfo"
"""Every service opens sessions, and they are good for all."""
_NONE: Final = "00000000-0000-0000-0000-000000000000"

Ask = Callable[..., Awaitable[Element]]


@dataclass(frozen=True, slots=True)
class Name:
    """Which session: of what domain, and whether Yuki knows the app."""

    domain: str
    known_app: bool = False

    def __str__(self) -> str:
        return f"{'client' if self.known_app else 'session'}:{self.domain}"


class Sessions:
    """The sessions of one login. Read from memory, else from `link.secrets`, else opened under its lock."""

    def __init__(self, link: Link, client: Client, ask: Ask) -> None:
        self._secrets = link.secrets
        self._settings: YukiSettings = link.settings
        self._client = client
        self._ask = ask
        self._known: dict[str, tuple[str, datetime]] = {}
        self._refused: dict[str, str] = {}
        self._refusals: dict[str, int] = {}

    async def get(self, name: Name, *, settling: bool = False) -> str:
        """The session. LoginBroken for a key that Yuki does not take; AccessDenied for the app's id or secret."""
        key = str(name)
        known = self._known.get(key)
        if known is None or not self._usable(key, known):
            known = await self._secrets.load(key)
            if known is None or not self._usable(key, known):
                async with self._secrets.lock(key):
                    known = await self._secrets.load(key)
                    if known is None or not self._usable(key, known):
                        asked = clock.now()
                        known = await self._open(name, settling=settling), asked + USED
                        await self._secrets.save(key, *known)
            self._known[key] = known
            self._client.secrets |= {known[0]}
        return known[0]

    def worked(self, name: Name) -> None:
        """Yuki took the session: what was refused before is history."""
        self._refusals.pop(str(name), None)

    def old(self, name: Name) -> bool:
        """Whether it was opened some time ago, so that it may have ended with a restart of Yuki."""
        known = self._known.get(str(name))
        return known is not None and known[1] - clock.now() < USED - YOUNG

    async def refuse(self, name: Name, session: str, error: errors.SessionRefused) -> None:
        """Yuki did not take it: the next `get` opens another. LoginBroken when that happened to a new one just now."""
        key = str(name)
        if self._known.get(key, ("",))[0] == session:  # else another call had it refused at the same time
            self._refusals[key] = self._refusals.get(key, 0) + 1
        await self.drop(name, session)
        if self._refusals.get(key, 0) > 1:
            raise errors.login_broken(errors.SESSION, error.tool_words) from error

    async def drop(self, name: Name, session: str) -> None:
        """Forgets a session, here and for the other processes."""
        key = str(name)
        self._known.pop(key, None)
        self._refused[key] = session
        async with self._secrets.lock(key):
            saved = await self._secrets.load(key)
            if saved and saved[0] == session:
                await self._secrets.save(key, session, clock.now())

    def told(self, broken: LoginBroken) -> LoginBroken:
        """With the site that was asked: a key is good for one country's alone."""
        if broken.issue.code != errors.KEY:
            return broken
        other = {"nl": "be", "be": "nl"}[self._settings.site]
        facts = {"site": f"yukiworks.{self._settings.site}", "other": f"yukiworks.{other}"}
        return errors.login_broken(errors.KEY, broken.tool_words, facts)

    def _usable(self, key: str, session: tuple[str, datetime]) -> bool:
        return session[0] != self._refused.get(key) and session[1] > clock.now()

    async def _open(self, name: Name, *, settling: bool) -> str:
        settings = self._settings
        given: dict[str, Any] = {"accessKey": settings.access_key.get_secret_value()}
        operation = "Authenticate"
        if name.known_app:
            if not settings.client_id or settings.client_secret is None:
                raise errors.access_denied("Purchase", code=errors.CLIENT)
            operation = "AuthenticateClient"
            given |= {"clientID": settings.client_id, "clientSecret": settings.client_secret.get_secret_value()}
        try:
            session = text(await self._ask(SERVICE, operation, given, settling=settling))
        except LoginBroken as broken:
            raise self.told(broken) from broken
        except (errors.SessionRefused, Refused) as refused:
            raise self.told(errors.login_broken(errors.KEY, refused.tool_words)) from refused
        except AccessDenied as denied:
            if name.known_app:
                raise errors.access_denied("Purchase", code=denied.issue.code, words=denied.tool_words) from denied
            raise
        if not session or session == _NONE:
            raise ToolUnavailable("an answer without a session", trouble=Trouble.PAGE)
        self._client.secrets |= {session}
        if name.domain:
            values = {"sessionID": session, "domainID": name.domain}
            try:
                await self._ask(SERVICE, "SetCurrentDomain", values, settling=settling)
            except (errors.SessionRefused, Refused) as refused:
                raise errors.login_broken(errors.SESSION, refused.tool_words) from refused
        return session
