"""The web process as the product runs it, which tells with each answer how long it took and how often it asked.

Started by `pages.py`, which says in BENCH where everything is. `Server-Timing` has the milliseconds from the request to
the start of its answer, and those in the database with the number of statements. A request with `X-Plans` has the plans
of its statements put into a file of that name.
"""

import asyncio
import json
import os
import signal
import time
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import uvloop
from dagboek import database as database_module
from dagboek.database import Connection
from dagboek.embedded import Services
from dagboek.logs import configure
from dagboek.web import server
from dagboek.web.app import make_app
from dagboek.web.server import listening, opened
from dagboek.web.state import Web
from fastapi import FastAPI
from processes import Addresses
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send


@dataclass(slots=True)
class Asked:
    """What a request asked of the database."""

    explained: bool = False
    statements: int = 0
    seconds: float = 0.0
    plans: list[str] = field(default_factory=list)


_asked: ContextVar[Asked | None] = ContextVar("asked", default=None)


class CountedConnection(Connection):
    """A connection that counts what a request executes on it."""

    async def execute(self, query: Any, params: Any = None, **options: Any) -> Any:
        asked = _asked.get()
        if asked is None:
            return await super().execute(query, params, **options)
        began = time.perf_counter()
        found = await super().execute(query, params, **options)
        took = time.perf_counter() - began
        asked.statements += 1
        asked.seconds += took
        if asked.explained and str(query).lstrip().startswith(("SELECT", "WITH")) and "set_config" not in str(query):
            plan = await super().execute(f"EXPLAIN (ANALYZE, BUFFERS) {query}", params)
            lines = "\n".join(next(iter(row.values())) for row in await plan.fetchall())
            asked.plans.append(f"-- {took * 1000:.1f} ms\n{str(query).strip()}\n\n{lines}\n")
        return found


class ServerTiming:
    """Says with each answer how long it took."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        plans = Headers(scope=scope).get("X-Plans")
        asked = Asked(explained=plans is not None)
        _asked.set(asked)
        began = time.perf_counter()

        async def timed(message: Message) -> None:
            if message["type"] == "http.response.start":
                took = (time.perf_counter() - began) * 1000
                told = f"app;dur={took:.2f}, sql;dur={asked.seconds * 1000:.2f};desc={asked.statements}"
                MutableHeaders(scope=message)["Server-Timing"] = told
            await send(message)

        await self._app(scope, receive, timed)
        if plans is not None:
            await asyncio.to_thread(Path(plans).write_text, "\n".join(asked.plans))


def _timed_app(web: Web) -> FastAPI:
    app = make_app(web)
    app.add_middleware(ServerTiming)
    return app


async def _serve(here: Addresses) -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    services = Services(here.kafka_bootstrap, here.database_url)
    async with opened(here.settings, services) as web, listening(web, "127.0.0.1", 0) as address:
        print(address, flush=True)
        await stop.wait()


if __name__ == "__main__":
    configure("WARNING")
    database_module.Connection = CountedConnection  # type: ignore[misc]
    server.make_app = _timed_app  # type: ignore[attr-defined]
    uvloop.run(_serve(Addresses(**json.loads(os.environ["BENCH"]))))
