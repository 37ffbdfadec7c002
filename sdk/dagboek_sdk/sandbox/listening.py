"""A sandbox as a server: one asyncio task per connection, no threads."""

import asyncio
from abc import ABC, abstractmethod

from aiohttp import web

from .exchange import base_request


class Listening(ABC):
    """Listens at an address and stops listening; what is answered is the sandbox's own."""

    def __init__(self) -> None:
        self.origin = ""
        self.stopping = asyncio.Event()
        self._runner: web.ServerRunner | None = None

    @abstractmethod
    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answers a request."""

    def close(self) -> None:
        """Closes what is open, when the sandbox has stopped."""

    async def start(self, host: str, port: int) -> None:
        """Listens; port 0 takes a free one."""
        server = web.Server(self.handle, request_factory=base_request, access_log=None)
        self._runner = web.ServerRunner(server, shutdown_timeout=0.5)
        await self._runner.setup()
        site = web.TCPSite(self._runner, host, port, backlog=1024)
        try:
            await site.start()
        except OSError:
            await self.stop()
            raise
        address = self._runner.addresses[0]
        shown = f"[{host}]" if ":" in host else host
        self.origin = f"http://{shown}:{address[1]}"

    async def stop(self) -> None:
        """Stops listening, cuts what is held open."""
        self.stopping.set()
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None
        self.close()
