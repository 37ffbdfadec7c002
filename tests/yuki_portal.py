"""A Yuki sandbox with two domains, and callers of its services: for the tests of the client."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any, ClassVar

import pytest
from dagboek_schemas.statuses import Component
from dagboek_sdk import clock
from dagboek_sdk.accounting import About, AccountingPlugin, Administration, Link, Lists, MappingContext
from dagboek_sdk.attempt import Accepted, Attempt, Booked, Booking
from dagboek_sdk.errors import ToolError
from dagboek_sdk.http import Answer, Exchange
from dagboek_sdk.limits import Budget, Limit
from dagboek_yuki import errors, limits
from dagboek_yuki.administrations import administrations
from dagboek_yuki.client import Services
from dagboek_yuki.sandbox import Sandbox, start_sandbox
from dagboek_yuki.settings import YukiSettings
from octopus_books import Memory

KEY = "5b1f0c86-8a57-4c0e-9d5e-3f2c7a6b9e01"
NORTH, SOUTH = "10000000-0000-4000-8000-000000000001", "20000000-0000-4000-8000-000000000002"
FIRST, SECOND, THIRD = (f"{number}0000000-aaaa-4000-8000-00000000000{number}" for number in (1, 2, 3))


class Caller(AccountingPlugin):
    """No more of a plugin than calls need."""

    about: ClassVar[About] = About(
        name="yuki", title="Yuki", countries=frozenset(("BE", "NL")), components=(), settings=YukiSettings
    )

    def __init__(self, link: Link) -> None:
        super().__init__(link)
        self.services = Services(self)

    async def administrations(self) -> Sequence[Administration]:
        return await administrations(self.services)

    @classmethod
    def limits(cls, settings: Any, administration: str, domain: str) -> Sequence[Limit]:
        return limits.limits(settings, domain)

    def budgets(self, answer: Answer) -> Sequence[Budget]:
        return limits.budgets(answer)

    async def lists(self) -> Lists:
        return {}

    def map_party(self, party: Any, component: Component, context: MappingContext) -> Booking:
        raise NotImplementedError

    def map_document(self, document: Any, component: Component, context: MappingContext) -> Booking:
        raise NotImplementedError

    async def push(self, attempt: Attempt) -> Booked | Accepted:
        raise NotImplementedError

    def classify(self, answer: Any) -> ToolError | None:
        return errors.classify(answer)


class Portal:
    """A sandbox with two domains, and callers that share what is kept of their login."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox
        self.secrets = Memory()
        self.exchanges: list[Exchange] = []
        self._callers: list[Caller] = []

    def caller(self, administration: str = FIRST, domain: str = NORTH, site: str = "nl", **changes: Any) -> Services:
        given = {"access_key": KEY, "site": site, "base_url": self.sandbox.base_urls[site], **changes}
        link = Link(
            settings=YukiSettings.model_validate(given),
            administration=administration,
            domain=domain,
            secrets=self.secrets,
            client_options={"record": self.exchanges.append},
        )
        self._callers.append(Caller(link))
        return self._callers[-1].services

    def calls(self, operation: str) -> int:
        found = self.sandbox.control.requests(last=1000)["requests"]
        return sum(1 for one in found if one["operation"].endswith(f".{operation}"))

    async def close(self) -> None:
        for caller in self._callers:
            await caller.close()


Start = Callable[..., Awaitable[Portal]]


@asynccontextmanager
async def start_portals() -> AsyncIterator[Start]:
    """Starts portals with options of their own."""
    portals: list[Portal] = []

    async def started(**options: Any) -> Portal:
        chosen: dict[str, Any] = {
            "domains": [{"id": NORTH, "name": "Noord", "site": "nl"}, {"id": SOUTH, "name": "Zuid", "site": "nl"}],
            "dossiers": [
                {"id": FIRST, "name": "Bakker BV", "domain": NORTH, "vat_number": "NL001234567B01"},
                {"id": SECOND, "name": "Alfa BV", "domain": NORTH},
                {"id": THIRD, "name": "Zuid BV", "domain": SOUTH},
            ],
            "keys": [{"key": KEY, "site": "nl"}],
            **options,
        }
        portals.append(Portal(await start_sandbox(**chosen)))
        return portals[-1]

    try:
        yield started
    finally:
        for portal in portals:
            await portal.close()
            await portal.sandbox.stop()


def later(monkeypatch: pytest.MonkeyPatch, ahead: timedelta) -> None:
    """Lets time pass for the client alone."""
    now = clock.now
    monkeypatch.setattr(clock, "now", lambda: now() + ahead)
