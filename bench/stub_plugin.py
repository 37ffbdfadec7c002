"""The plugin of the stub tool: maps as the instant tool does, books over HTTP, and can look up what it sent."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from typing import Any, ClassVar

import orjson
from dagboek_schemas.statuses import Component
from dagboek_sdk import clock
from dagboek_sdk.accounting import About, AccountingPlugin
from dagboek_sdk.attempt import Absent, Attempt, Booked, Candidate, Found, Resolution
from dagboek_sdk.errors import Throttled, ToolError, Uncertain
from dagboek_sdk.hooks import hookimpl
from instant import InstantTool

JSON = {"Content-Type": "application/json"}


class StubTool(InstantTool):
    """Sales invoices alone, each with its customer inside: one call a document, as the hand-written loops make."""

    about: ClassVar[About] = replace(
        InstantTool.about,
        name="stub",
        title="Stub",
        components=(Component.SALES_INVOICES,),
        parties_inside_documents=True,
        call_deadline=5,
        keeps_connections=True,  # as the loops beside it do
    )

    @property
    def _entries(self) -> str:
        return f"{self.link.settings.base_url}/books/{self.link.administration}/entries"

    async def push(self, attempt: Attempt) -> Booked:
        body = orjson.dumps(attempt.booking.payload)
        answer = await self.client.write(attempt, "POST", self._entries, group=None, data=body, headers=JSON)
        entry = str(orjson.loads(answer.body)["id"])
        return Booked(entry, entry)

    async def resolve(self, attempts: Sequence[Attempt]) -> Mapping[int, Resolution]:
        return {attempt.link_id: await self._look_up(attempt.booking.reference or "") for attempt in attempts}

    async def _look_up(self, number: str) -> Resolution:
        answer = await self.client.read("GET", self._entries, group="entries", settling=True, params={"number": number})
        rows = orjson.loads(answer.body)
        return Found(tuple(_candidate(row) for row in rows)) if rows else Absent()

    def classify(self, answer: Any) -> ToolError | None:
        if answer.status == 429:
            return Throttled(clock.now() + timedelta(hours=1))
        return None if answer.status in (200, 201) else Uncertain(f"answer {answer.status}")


def _candidate(row: Mapping[str, Any]) -> Candidate:
    return Candidate(
        entry_id=str(row["id"]),
        number=str(row["id"]),
        reference=row["number"],
        day=date.fromisoformat(row["date"]),
        gross=Decimal(row["amount"]),
    )


@hookimpl
def dagboek_accounting_plugins() -> Sequence[type[AccountingPlugin]]:
    """The stub tool."""
    return (StubTool,)
