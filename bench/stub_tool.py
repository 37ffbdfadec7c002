"""An accounting tool behind HTTP that costs next to nothing and keeps books: for benches, no part of the product.

    python bench/stub_tool.py         prints its address, serves until TERM

The sandboxes of our plugins are true to their tools, and take more CPU a call than the loops that are compared: on a
machine that both share they would be what is measured. This one parses just enough HTTP. It has no idempotency key
and takes a document as often as it is sent, as Octopus, Exact and Yuki would under a new number.

    POST /books/{administration}/entries              books the JSON body: 201 {"id": 7}
    GET  /books/{administration}/entries?number=N     what is booked under N, for whoever wants to know
    GET  /_sandbox/status                             {"entries": all, "different": documents}
    GET  /_sandbox/entries                            [[time, administration, number], ...] as they were booked
    POST /_sandbox/faults                             {"kind": "latency", "seconds": 0.05}, for every booking to come;
                                                      {"kind": "hang" or "limit", "administration": id}: no answer, 429
    POST /_sandbox/reset                              empty books
"""

import asyncio
import re
import signal
import time
from typing import Any, cast
from urllib.parse import parse_qs, urlsplit

import orjson
import uvloop

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)


class Books:
    """What was booked, in order, with the time at which it came."""

    def __init__(self) -> None:
        self.latency = 0.0
        self.clear()

    def clear(self) -> None:
        """Empties the books, and lets every administration book."""
        self.trouble: dict[str, str] = {}
        self.entries: list[tuple[float, str, str]] = []
        self.bodies: dict[tuple[str, str], list[dict[str, Any]]] = {}

    def book(self, administration: str, body: dict[str, Any]) -> int:
        """Books, whatever is there already; the entry's id."""
        self.entries.append((time.time(), administration, body["number"]))
        number = len(self.entries)
        self.bodies.setdefault((administration, body["number"]), []).append({"id": number, **body})
        return number


class Exchange(asyncio.Protocol):
    """One connection: HTTP/1.1, kept alive, one request at a time."""

    def __init__(self, books: Books) -> None:
        self._books = books
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's own, of no common class

    def data_received(self, data: bytes) -> None:
        data = self._received + data
        head, found, body = data.partition(b"\r\n\r\n")
        length = int(sized[1]) if (sized := _LENGTH.search(head)) else 0
        if not found or len(body) < length:
            self._received = data
            return
        self._received = b""
        method, target, _ = head.split(b" ", 2)
        self._answer(method.decode(), target.decode(), body)

    def _answer(self, method: str, target: str, body: bytes) -> None:
        path, query = urlsplit(target)[2:4] if "?" in target else (target, "")
        _, first, second, *_ = path.split("/")
        if first == "_sandbox":
            self._send(200, self._control(second, body))
        elif method == "POST" and (trouble := self._books.trouble.get(second)):
            if trouble == "limit":
                self._send(429, None)
        elif method == "POST":
            answer = 201, {"id": self._books.book(second, orjson.loads(body))}
            if self._books.latency:
                asyncio.get_running_loop().call_later(self._books.latency, self._send, *answer)
            else:
                self._send(*answer)
        else:
            self._send(200, self._books.bodies.get((second, parse_qs(query)["number"][0]), []))

    def _control(self, name: str, body: bytes) -> Any:
        match name:
            case "status":
                return {"entries": len(self._books.entries), "different": len(self._books.bodies)}
            case "entries":
                return self._books.entries
            case "faults":
                fault = orjson.loads(body)
                if fault["kind"] == "latency":
                    self._books.latency = float(fault["seconds"])
                else:
                    self._books.trouble[fault["administration"]] = fault["kind"]
            case "reset":
                self._books.clear()
        return None

    def _send(self, status: int, value: Any) -> None:
        if self._transport.is_closing():  # whoever asked was killed meanwhile; it is booked all the same
            return
        body = orjson.dumps(value)
        head = f"HTTP/1.1 {status} OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        self._transport.write(head.encode() + body)


async def serve() -> None:
    """Serves on a free port of 127.0.0.1 until TERM or INT."""
    books, stop = Books(), asyncio.Event()
    loop = asyncio.get_running_loop()
    for sign in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(sign, stop.set)
    server = await loop.create_server(lambda: Exchange(books), "127.0.0.1", 0, backlog=2048)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    await stop.wait()


if __name__ == "__main__":
    uvloop.run(serve())
