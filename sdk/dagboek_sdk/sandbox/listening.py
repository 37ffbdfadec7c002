"""A sandbox as a server: one asyncio task per connection, no threads."""

import asyncio
from abc import ABC, abstractmethod
from urllib.parse import parse_qsl

from aiohttp import web

from .clock import Clock
from .control_calls import ControlCalls
from .exchange import Unanswered, base_request, json_answer
from .faults import Faults
from .requests import Requests
from .state_file import KeptBooks

_CONTROL = "/_sandbox"


class Listening(ABC):
    """Listens at an address and stops listening; what is answered is the sandbox's own."""

    books: KeptBooks
    clock: Clock
    control: ControlCalls
    faults: Faults
    requests: Requests

    def __init__(self) -> None:
        self.origin = ""
        self.stopping = asyncio.Event()
        self._runner: web.ServerRunner | None = None

    @abstractmethod
    async def answer(self, request: web.BaseRequest, path: str, query_text: str, raw: bytes) -> web.StreamResponse:
        """Answers a call of the tool's API; path and query as they came."""

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answers a call, of the API or below `/_sandbox`."""
        path, _, query_text = request.raw_path.partition("?")
        try:
            raw = await request.read() if request.body_exists else b""
        except ConnectionError:  # the caller left in the middle
            return Unanswered()
        if path.startswith(_CONTROL):
            query = dict(parse_qsl(query_text, keep_blank_values=True))
            return json_answer(*self.control.run(request.method, path[len(_CONTROL) + 1 :], query, raw))
        return await self.answer(request, path, query_text, raw)

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
        self.books.close()
