"""Calls to one division of Exact Online: pages, single things, and the one write of an attempt."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from time import monotonic
from typing import Any, TypeVar

import aiohttp
from dagboek_sdk.attempt import Attempt
from dagboek_sdk.errors import AccessDenied, Throttled, ToolUnavailable, Trouble, Uncertain
from dagboek_sdk.http import Answer
from dagboek_sdk.oauth import OAuthPlugin

from dagboek_exact import errors, odata, quotas

Made = TypeVar("Made")

JSON = {"Accept": "application/json"}
"""Without it Exact answers in Atom."""

SLOW = aiohttp.ClientTimeout(total=90)
"""For pages of long lists."""

KEPT = 1800.0
"""Seconds that a list which was read in part is gone on with."""

ME = "current/Me"


@dataclass(slots=True)
class _Reading:
    """A list that is being read: what was read, and where it goes on."""

    following: str | None
    parameters: Mapping[str, str] | None
    rows: list[dict[str, Any]] = field(default_factory=list)
    begun: float = field(default_factory=monotonic)


_readings: dict[tuple[str, str, str, str], _Reading] = {}
"""By app, address, fields and condition. A long list takes the calls of several minutes: a run waits for each of them,
and has a new plugin object when it goes on.
"""


class Exact:
    """The calls of one division. `plugin` brings the access token."""

    def __init__(self, plugin: OAuthPlugin, address: str, app: str, division: str) -> None:
        self._plugin = plugin
        self._address = address
        self._app = app
        self._api = f"{address}/api/v1"
        self._division = f"{self._api}/{division}"

    async def me(self) -> dict[str, Any]:
        """The user who has consented."""
        answer = await self._get(f"{self._api}/{ME}", None, quotas.ME, ME)
        return self._read(answer, odata.entity)

    async def divisions(self, division: str) -> list[dict[str, Any]]:
        """The divisions of the licence. The one in the address must be one that the user can reach."""
        select = "Code,Description,VATNumber,Country,Currency,Status,BlockingStatus,ChamberOfCommerceNumber"
        address = f"{self._api}/{division}/system/Divisions"
        return await self._rows(address, "system/Divisions", select, None, settling=False)

    async def rows(
        self, resource: str, select: str, where: str | None = None, *, settling: bool = False
    ) -> list[dict[str, Any]]:
        """All rows, page by page. Throttled part of the way: the next call goes on from there."""
        return await self._rows(f"{self._division}/{resource}", resource, select, where, settling=settling)

    async def page(
        self, resource: str, select: str, where: str, following: str | None
    ) -> tuple[list[dict[str, Any]], str | None]:
        """One page, and the address of the next: `following` in a call to come, which may be of another process."""
        reading = _Reading(f"{self._division}/{resource}", {"$select": select, "$filter": where})
        if following is not None:
            reading = _Reading(following, None)
        await self._read_page(reading, resource, settling=False)
        return reading.rows, reading.following

    async def first(self, resource: str, select: str) -> None:
        """Reads one row, to see whether it may be read."""
        parameters = {"$select": select, "$top": "1"}
        await self._get(f"{self._division}/{resource}", parameters, resource, resource)

    async def any_of(
        self, resource: str, select: str, conditions: Iterable[str], *, settling: bool = False
    ) -> list[dict[str, Any]]:
        """Rows that meet one of the conditions."""
        found = []
        for where in odata.any_of(conditions):
            found += await self.rows(resource, select, where, settling=settling)
        return found

    async def create(self, attempt: Attempt, resource: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Writes something new; what Exact made of it. Uncertain where it does not tell."""
        answer = await self._write(attempt, "POST", f"{self._division}/{resource}", resource, body)
        try:
            return odata.entity(answer.json())
        except (ValueError, KeyError, TypeError, AttributeError):
            raise Uncertain("written, but the answer cannot be read") from None

    async def change(self, attempt: Attempt, resource: str, key: str, body: Mapping[str, Any]) -> None:
        """Changes something that is there."""
        await self._write(attempt, "PUT", f"{self._division}/{resource}({odata.guid(key)})", resource, body)

    async def _rows(
        self, address: str, resource: str, select: str, where: str | None, *, settling: bool
    ) -> list[dict[str, Any]]:
        for old in [key for key, one in _readings.items() if monotonic() - one.begun > KEPT]:
            del _readings[old]
        key = (self._app, address, select, where or "")
        reading = _readings.pop(key, None)  # nobody else goes on with it meanwhile
        if reading is None:
            reading = _Reading(address, {"$select": select} | ({"$filter": where} if where else {}))
        try:
            return await self._read_on(reading, resource, settling=settling)
        except Throttled:
            _readings[key] = reading
            raise

    async def _read_on(self, reading: _Reading, resource: str, *, settling: bool) -> list[dict[str, Any]]:
        while reading.following is not None:
            await self._read_page(reading, resource, settling=settling)
        return reading.rows

    async def _read_page(self, reading: _Reading, resource: str, *, settling: bool) -> None:
        assert reading.following is not None
        self._refuse_foreign(reading.following)
        answer = await self._get(reading.following, reading.parameters, resource, resource, settling=settling)
        rows, following = self._read(answer, odata.page)
        if following is not None:
            self._refuse_foreign(following)
        reading.rows += rows
        reading.following, reading.parameters = following, None

    def _refuse_foreign(self, address: str) -> None:
        if not address.startswith(f"{self._address}/"):
            raise ToolUnavailable("a next page that is not Exact's own", trouble=Trouble.PAGE)

    async def _get(
        self, address: str, parameters: Mapping[str, str] | None, group: str, scope: str, *, settling: bool = False
    ) -> Answer:
        try:
            return await self._plugin.read(
                "GET",
                address,
                group=group,
                settling=settling,
                headers=JSON,
                params=parameters,
                timeout=SLOW,
            )
        except AccessDenied as denied:
            raise _named(denied, scope) from None

    async def _write(self, attempt: Attempt, method: str, address: str, scope: str, body: Mapping[str, Any]) -> Answer:
        try:
            return await self._plugin.write(attempt, method, address, headers=JSON, json=body)
        except AccessDenied as denied:
            named = _named(denied, scope)
            attempt.verdict = named
            raise named from None

    @staticmethod
    def _read(answer: Answer, read: Callable[[Any], Made]) -> Made:
        try:
            return read(answer.json())
        except (ValueError, KeyError, TypeError, AttributeError):
            raise ToolUnavailable("an answer that cannot be read", trouble=Trouble.PAGE) from None


def _named(denied: AccessDenied, scope: str) -> AccessDenied:
    """Exact's `Forbidden` does not say what: the resource does."""
    if denied.scope:
        return denied
    return errors.access_denied(scope, words=denied.tool_words)
