"""The web process: listens, and stops in order."""

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import structlog
import uvicorn
from fastapi import FastAPI

from dagboek.database import Database, DatabaseUnavailable
from dagboek.embedded import Services
from dagboek.plugins import Plugins
from dagboek.publisher import Publisher
from dagboek.servers import all_answer, servers
from dagboek.settings import Settings
from dagboek.vault import Vault, vault_for
from dagboek.web.app import make_app
from dagboek.web.signin.sessions import drop_old
from dagboek.web.state import Web
from dagboek.web.tenancy import RequestDatabase

log = structlog.get_logger()

CONNECTIONS = 12
"""Of each pool."""
GRACE = 8.0
"""Seconds that requests have to end when the process stops."""
HOUR = 3600.0


class Server(uvicorn.Server):
    """Uvicorn, whose signals are ours."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """The process has handlers of its own."""
        yield


@asynccontextmanager
async def opened(
    settings: Settings, services: Services, plugins: Plugins | None = None, vault: Vault | None = None
) -> AsyncIterator[Web]:
    """What the process holds, while it runs. DatabaseUnavailable."""
    publisher = Publisher(services.kafka_bootstrap, settings.topic_prefix, services.kafka_security)
    try:
        async with (
            Database(services.database_url, size=CONNECTIONS) as core,
            RequestDatabase(services.database_url, size=CONNECTIONS) as requests,
        ):
            yield Web(settings, core, requests, plugins or Plugins(), vault or vault_for(settings), publisher, services)
    finally:
        await asyncio.to_thread(publisher.close)


@asynccontextmanager
async def listening(web: Web, host: str, port: int) -> AsyncIterator[str]:
    """Serves the app meanwhile: its address. In the end requests are finished, and what stays open is ended.

    OSError where the port is not to be had.
    """
    listener = listener_of(host, port)
    server = Server(_config(make_app(web), web.settings))
    serving = asyncio.create_task(server.serve([listener]))
    try:
        yield f"http://{host}:{listener.getsockname()[1]}"
    finally:
        web.stopping.set()
        server.should_exit = True
        await serving
        listener.close()


def listener_of(host: str, port: int) -> socket.socket:
    """What the process listens on. OSError where the port is not to be had."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listener = socket.create_server((host.strip("[]"), port), family=family, backlog=1024)
    except OSError as taken:
        what = f"Console and API cannot listen on {host}:{port} ({taken.strerror})."
        raise OSError(f"{what} Choose another port with DAGBOEK_WEB_PORT.") from taken
    # its connections have it too; asyncio sets it for none of a socket that it did not make, and a body is then held
    # back until the client has acknowledged the headers, which it does 40 ms later
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


def _config(app: FastAPI, settings: Settings) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=True,
        forwarded_allow_ips=settings.web_proxies,
        lifespan="off",
        timeout_graceful_shutdown=int(GRACE),
    )


async def serve(settings: Settings, services: Services, host: str, port: int, stop: asyncio.Event) -> None:
    """Runs console and API until `stop` is set, once the database answers."""
    needed = servers(services.kafka_bootstrap, services.kafka_security, services.database_url)
    plugins = await asyncio.to_thread(Plugins)
    while await all_answer([one for one in needed if one.name == "database"], stop):
        try:
            async with opened(settings, services, plugins) as web, listening(web, host, port) as address:
                log.info("web.started", address=address)
                tidying = asyncio.create_task(_tidy(web))
                await stop.wait()
                tidying.cancel()
            log.info("web.stopped")
            return
        except DatabaseUnavailable as gone:
            log.warning("web.not_started", error=str(gone))


async def _tidy(web: Web) -> None:
    while True:
        try:
            await drop_old(web.core)
        except Exception as trouble:
            log.warning("job.waits", job="sessions", error=type(trouble).__name__)
        await asyncio.sleep(HOUR)
