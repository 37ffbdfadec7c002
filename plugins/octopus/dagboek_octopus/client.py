"""Calls to Octopus with its tokens: a refused token is renewed once for a read, and frees the link for a write."""

from datetime import datetime
from typing import Any

import aiohttp
from dagboek_sdk.attempt import Attempt
from dagboek_sdk.errors import AccessDenied, LoginBroken, Throttled, ToolUnavailable, Trouble
from dagboek_sdk.http import Answer, Client

from dagboek_octopus import errors, quotas
from dagboek_octopus.settings import OctopusSettings
from dagboek_octopus.tokens import Tokens

BEGINNING = "1980-01-01 00:00:00.000"
"""The time stamp that asks a `modified` call for everything."""

SLOW = aiohttp.ClientTimeout(total=180)
"""First loads of a large dossier were seen to take minutes."""


class Octopus:
    """The calls of one dossier."""

    def __init__(self, client: Client, tokens: Tokens, settings: OctopusSettings, dossier: str) -> None:
        self.tokens = tokens
        self._client = client
        self._base = settings.base_url
        self._dossier = f"{settings.base_url}/dossiers/{dossier}"

    async def dossiers(self) -> list[dict[str, Any]]:
        """All dossiers of the user, as Octopus gives them."""
        for last in (False, True):
            token = await self.tokens.login()
            try:
                answer = await self._client.read(
                    "GET", f"{self._base}/dossiers", group=quotas.DOSSIERS, headers={"Token": token}
                )
            except errors.TokenRefused as error:
                await self.tokens.refuse_login(token)
                if last:
                    raise errors.login_broken("O35", error) from error
            else:
                return _rows(_json(answer))
        raise LoginBroken

    async def read(
        self,
        path: str,
        group: str,
        params: dict[str, str] | None = None,
        *,
        settling: bool = False,
        slow: bool = False,
    ) -> Any:
        """What GET `path` of the dossier answers; None for 404, which stands for nothing found or nothing new."""
        return await self._read("GET", path, group, settling, slow, params=params or {})

    async def report(self, path: str, group: str, query: dict[str, Any]) -> Any:
        """What a report answers, which is asked for by POST and changes nothing; None for 404, nothing found."""
        return await self._read("POST", path, group, False, True, json=query)

    async def write(self, attempt: Attempt, method: str, path: str, body: dict[str, Any]) -> Answer:
        """The one write of `attempt`. A refused token frees the link: NotProcessed, then LoginBroken."""
        token = await self.tokens.dossier()
        try:
            answer = await self._client.write(
                attempt, method, self._dossier + path, group=None, headers={"dossierToken": token}, json=body
            )
        except Throttled as spent:
            spent.group = spent.group or attempt.group
            raise
        except errors.TokenRefused as error:
            try:
                await self.tokens.refuse(token, error)
            except LoginBroken as broken:
                attempt.verdict = broken
                raise
            raise
        except AccessDenied as denied:
            facts = {"scope": str(attempt.component)}
            denied.issue = denied.issue.model_copy(update={"facts": facts, "tool_words": denied.tool_words})
            raise
        self.tokens.worked()
        return answer

    async def _read(self, method: str, path: str, group: str, settling: bool, slow: bool, **request: Any) -> Any:
        if slow:
            request["timeout"] = SLOW
        while True:
            token = await self.tokens.dossier()
            try:
                answer = await self._client.read(
                    method,
                    self._dossier + path,
                    group=group,
                    settling=settling,
                    accept=frozenset((404,)),
                    headers={"dossierToken": token},
                    **request,
                )
            except Throttled as spent:  # each operation has a limit of its own
                spent.group = spent.group or group
                raise
            except errors.TokenRefused as error:
                await self.tokens.refuse(token, error)
                continue
            self.tokens.worked()
            return _json(answer) if answer.status != 404 else _nothing(answer)


def time_stamp(moment: datetime) -> str:
    """As the `modified` calls take it: blank between date and time, milliseconds."""
    return moment.strftime("%Y-%m-%d %H:%M:%S.") + f"{moment.microsecond // 1000:03d}"


def _nothing(answer: Answer) -> None:
    """A 404 of Octopus' own is an empty result; one of something in between is trouble."""
    if answer.body.strip() and answer.body.lstrip()[:1] != b"{":
        raise ToolUnavailable("answer 404 that is not Octopus' own", trouble=Trouble.PAGE)


def _json(answer: Answer) -> Any:
    try:
        return answer.json() if answer.body.strip() else None
    except ValueError:
        raise ToolUnavailable("an answer that is no JSON", trouble=Trouble.PAGE) from None


def _rows(value: Any) -> list[dict[str, Any]]:
    return [row for row in value if isinstance(row, dict)] if isinstance(value, list) else []
