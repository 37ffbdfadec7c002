"""Login and dossier tokens: ten minutes each, shared by all processes, saved before they are used.

Opening a dossier is limited to 150 a day, so a token is used until its last seconds (api.md section 2).
"""

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any

from dagboek_sdk import clock
from dagboek_sdk.accounting import Link
from dagboek_sdk.errors import AccessDenied, LoginBroken, Refused, ToolUnavailable, Trouble
from dagboek_sdk.http import Client

from dagboek_octopus import errors, quotas
from dagboek_octopus.settings import OctopusSettings

LIFETIME = timedelta(minutes=10)
FRESH = timedelta(seconds=15)
"""What a token must still last when it is handed out, so that it does not end under way.

A day has room for 148 tokens of what is left of ten minutes; with a minute it would have 160, too many openings.
"""

_Token = tuple[str, datetime]


class Tokens:
    """The tokens of one connection. Read from memory, else from `link.secrets`, else asked for under its lock."""

    def __init__(self, link: Link, settings: OctopusSettings, client: Client) -> None:
        self._secrets = link.secrets
        self._dossier = link.administration
        self._settings = settings
        self._client = client
        self._known: dict[str, _Token] = {}
        self._refused: dict[str, str] = {}
        self._refusals = 0

    async def login(self) -> str:
        """The token of the user. LoginBroken for wrong credentials."""
        return await self._get("login", self._log_in)

    async def dossier(self) -> str:
        """The token of the dossier. LoginBroken when it is disabled, unknown, or not this user's."""
        return await self._get(f"dossier:{self._dossier}", self._open_dossier)

    def worked(self) -> None:
        """The dossier token was taken: what was refused before is history."""
        self._refusals = 0

    async def refuse(self, token: str, error: errors.TokenRefused) -> None:
        """Drops a token that Octopus did not take. LoginBroken when a fresh one was refused just before."""
        name = f"dossier:{self._dossier}"
        if self._known.get(name, ("",))[0] == token:  # else another call had it refused at the same time
            self._refusals += 1
        await self._drop(name, token)
        if self._refusals > 1:
            raise errors.login_broken("O35", error) from error

    async def refuse_login(self, token: str) -> None:
        """Drops a login token that Octopus did not take."""
        await self._drop("login", token)

    async def _get(self, name: str, ask: Callable[[], Awaitable[str]]) -> str:
        known = self._known.get(name)
        if known and self._usable(name, known):
            return known[0]
        saved = await self._secrets.load(name)
        if saved is None or not self._usable(name, saved):
            async with self._secrets.lock(name):
                saved = await self._secrets.load(name)
                if saved is None or not self._usable(name, saved):
                    asked = clock.now()
                    saved = await ask(), asked + LIFETIME
                    await self._secrets.save(name, *saved)
        self._known[name] = saved
        return saved[0]

    def _usable(self, name: str, token: _Token) -> bool:
        return token[0] != self._refused.get(name) and token[1] - clock.now() > FRESH

    async def _drop(self, name: str, token: str) -> None:
        self._known.pop(name, None)
        self._refused[name] = token
        async with self._secrets.lock(name):
            saved = await self._secrets.load(name)
            if saved and saved[0] == token:
                await self._secrets.save(name, token, clock.now())

    async def _log_in(self) -> str:
        settings = self._settings
        try:
            answer = await self._client.read(
                "POST",
                f"{settings.base_url}/authentication",
                group=quotas.LOGIN,
                headers={"softwareHouseUuid": settings.software_house_uuid},
                json={"user": settings.user, "password": settings.password.get_secret_value()},
            )
        except (errors.TokenRefused, Refused, AccessDenied) as error:
            raise errors.login_broken("O31", error) from error
        return _field(answer.json, "token")

    async def _open_dossier(self) -> str:
        for last in (False, True):
            token = await self.login()
            try:
                answer = await self._client.read(
                    "POST",
                    f"{self._settings.base_url}/dossiers",
                    group=quotas.OPEN_DOSSIER,
                    params={"dossierId": self._dossier, "localeId": str(self._settings.locale_id)},
                    headers={"Token": token},
                )
            except errors.TokenRefused as error:
                await self.refuse_login(token)
                if last:  # a login made just now: user and password are not what is wrong
                    raise errors.login_broken("O35", error) from error
            except (Refused, AccessDenied) as error:
                raise errors.login_broken("O32", error) from error
            else:
                return _field(answer.json, "Dossiertoken")
        raise LoginBroken


def _field(read: Callable[[], Any], name: str) -> str:
    """A token out of an answer; trouble of the tool when there is none, without showing what came instead."""
    try:
        return str(read()[name])
    except (ValueError, KeyError, TypeError):
        raise ToolUnavailable(f"an answer without {name}", trouble=Trouble.PAGE) from None
