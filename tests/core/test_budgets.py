"""300 documents through the limits of a tool that tells them in its answers, with a clock that is moved: no 429."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime, parsedate_to_datetime

import pytest
from aiohttp import web
from dagboek import database
from dagboek.database import Database
from dagboek.permits import RowPermits
from dagboek_schemas.statuses import Component, ItemKind
from dagboek_sdk import clock
from dagboek_sdk.attempt import Attempt, Booking, Op
from dagboek_sdk.errors import Refused, Throttled, ToolError
from dagboek_sdk.http import Answer, Client
from dagboek_sdk.limits import ALL, Budget, Limit, Window

WINDOWS = {Window.MINUTE: timedelta(minutes=1), Window.DAY: timedelta(days=1)}


class Tool:
    """Counts calls per calendar minute and day, as Exact does, and blocks an endpoint after ten errors in an hour."""

    def __init__(self, **amounts: int) -> None:
        self.amounts = {Window(name): amount for name, amount in amounts.items()}
        self.moved = timedelta(0)
        self.boot = clock.boot_time
        self.used: Counter[tuple[Window, datetime]] = Counter()
        self.errors: list[datetime] = []
        self.booked: set[str] = set()
        self.answers: Counter[int] = Counter()
        self.url = ""

    def now(self) -> datetime:
        return datetime.now(UTC) + self.moved

    def _window(self, window: Window) -> datetime:
        now = self.now().replace(second=0, microsecond=0)
        return now if window is Window.MINUTE else now.replace(hour=0, minute=0)

    async def handle(self, request: web.BaseRequest) -> web.Response:
        number, headers = (
            await request.text(),
            {"Date": format_datetime(self.now().replace(microsecond=0), usegmt=True)},
        )
        status = 201
        for window, amount in self.amounts.items():
            begun = self._window(window)
            if self.used[window, begun] >= amount:
                status = 429
            else:
                self.used[window, begun] += 1
            name = "Minutely-" if window is Window.MINUTE else ""
            headers[f"X-RateLimit-{name}Limit"] = str(amount)
            headers[f"X-RateLimit-{name}Remaining"] = str(amount - self.used[window, begun])
            headers[f"X-RateLimit-{name}Reset"] = str(int((begun + WINDOWS[window]).timestamp() * 1000))
        self.errors = [at for at in self.errors if at > self.now() - timedelta(hours=1)]
        if len(self.errors) > 10:
            status = 429
        elif status == 201 and number.startswith("bad"):
            status = 400
            self.errors.append(self.now())
        elif status == 201:
            self.booked.add(number)
        self.answers[status] += 1
        return web.Response(status=status, headers=headers)


def budgets(answer: Answer) -> list[Budget]:
    """As the headers say, by the tool's own clock."""
    date, found = parsedate_to_datetime(answer.headers["Date"]).timestamp(), []
    for window, name in ((Window.MINUTE, "Minutely-"), (Window.DAY, "")):
        if remaining := answer.headers.get(f"X-RateLimit-{name}Remaining"):
            reset = int(answer.headers[f"X-RateLimit-{name}Reset"]) / 1000
            amount = int(answer.headers[f"X-RateLimit-{name}Limit"])
            found.append(Budget(window, int(remaining), amount, reset - date))
    return found


def classify(answer: Answer) -> ToolError | None:
    if answer.status == 429:
        return Throttled(None)
    return Refused([]) if answer.status == 400 else None


class House:
    """Two workers, and whoever moves the clock of the database, of theirs, and of the tool."""

    def __init__(self, url: str, tool: Tool, limits: Sequence[Limit], documents: Sequence[str]) -> None:
        self.url, self.tool, self.limits = url, tool, limits
        self.documents = list(reversed(documents))
        self.waits: list[float] = []
        self.quiet = asyncio.Lock()

    async def work(self, documents: int | None = None) -> None:
        """Pushes until nothing is left, or `documents`, with two processes that begin from nothing."""
        until = 0 if documents is None else len(self.documents) - documents
        async with AsyncExitStack() as stack:
            dbs = [await stack.enter_async_context(Database(self.url, size=2)) for _ in range(2)]
            await asyncio.gather(*(self._worker(db, until) for db in dbs))

    async def _worker(self, db: Database, until: int) -> None:
        permits = RowPermits(db, self.limits)
        async with Client(
            classify, permits=permits, budgets=budgets, counts_as_error=lambda one: one.status == 400
        ) as client:
            while len(self.documents) > until:
                number = self.documents.pop()
                attempt = Attempt(1, 1, 1, Op.CREATE, "d1:1", ItemKind.DOCUMENT, Component.SALES_INVOICES, Booking({}))
                attempt.group = "salesentry"
                try:
                    async with self.quiet:
                        await permits.take("salesentry")
                        attempt.start(clock.boot_time())
                        await client.write(attempt, "POST", self.tool.url, group=None, data=number)
                except Refused:
                    continue
                except Throttled as spent:
                    self.documents.append(number)
                    assert spent.seconds is not None
                    await self._wait(db, spent.seconds)

    async def _wait(self, db: Database, seconds: float) -> None:
        """What is in rows gets older, and the tool's clock goes on; ours by which packs end, too."""
        async with self.quiet:
            self.waits.append(seconds)
            past = timedelta(seconds=seconds + 0.01)
            self.tool.moved += past
            await db.run("UPDATE limit_use SET window_start = window_start - %s, ends = ends - %s", past, past)
            await db.run("UPDATE limit_error SET at = at - %s", past)


@asynccontextmanager
async def serving(tool: Tool, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[None]:
    monkeypatch.setattr(clock, "now", tool.now)
    monkeypatch.setattr(clock, "boot_time", lambda: tool.boot() + tool.moved.total_seconds())
    runner = web.ServerRunner(web.Server(tool.handle))
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        tool.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        yield
    finally:
        await runner.cleanup()


MINUTE = Limit("exact:app:7", ALL, 60, Window.MINUTE, reserve=5)
DAY = Limit("exact:app:7", ALL, 5000, Window.DAY, reserve=50)
ERRORS = Limit("exact:app:7:ann", ALL, 10, Window.HOUR, reserve=2, errors=True)


@pytest.mark.parametrize("ahead", [0, 2.7, -2.7, 31])
async def test_300_documents_through_60_calls_a_minute(
    database_url: str, monkeypatch: pytest.MonkeyPatch, ahead: float
) -> None:
    """However far the tool's clock is from the database's; and a restart in the middle forgets nothing."""
    database.migrate(database_url)
    tool = Tool(minute=60, day=5000)
    tool.moved = timedelta(seconds=ahead)
    async with serving(tool, monkeypatch):
        house = House(database_url, tool, [MINUTE, DAY], [f"N{one}" for one in range(300)])
        await house.work(130)
        await house.work()
    assert len(tool.booked) == 300
    assert tool.answers == {201: 300}
    assert 3 <= len(house.waits) <= 12
    assert max(house.waits) <= 66


async def test_what_a_day_allows_waits_for_the_tools_midnight(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its limit is lower than ours: that is read from its answers."""
    database.migrate(database_url)
    tool = Tool(day=200)
    async with serving(tool, monkeypatch):
        house = House(database_url, tool, [DAY], [f"N{one}" for one in range(300)])
        await house.work()
    assert len(tool.booked) == 300
    assert tool.answers == {201: 300}
    begun = sorted(at for window, at in tool.used if window is Window.DAY)
    assert begun[1] - begun[0] == timedelta(days=1)
    assert 130 <= tool.used[Window.DAY, begun[0]] <= 150  # less the reserve, and what the other still holds


async def test_bad_documents_in_a_row_do_not_get_the_connection_blocked(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    database.migrate(database_url)
    tool = Tool(minute=1000)
    documents = [*(f"bad{one}" for one in range(25)), *(f"N{one}" for one in range(20))]
    async with serving(tool, monkeypatch):
        house = House(database_url, tool, [ERRORS], documents)
        await house.work()
    assert tool.answers == {400: 25, 201: 20}
    assert len(tool.booked) == 20
    assert len(house.waits) >= 3  # 8 an hour
    assert max(house.waits) <= 3600
