"""The sandbox as a running server."""

from collections.abc import Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any
from urllib.parse import parse_qsl, unquote
from zoneinfo import ZoneInfo

from aiohttp import web
from dagboek_sdk.sandbox.clock import Clock
from dagboek_sdk.sandbox.exchange import Exchange, html, json_answer
from dagboek_sdk.sandbox.faults import Fault, Faults
from dagboek_sdk.sandbox.listening import Listening
from dagboek_sdk.sandbox.requests import Requests

from . import api, routes, wire
from .api import Call, Operation
from .booking import Rules
from .books import Books, Change, Start
from .by_hand import BOOKS_CHANGES, DOSSIER_CHANGES
from .changes import CHANGES
from .codes import UPDATE_BOOKING, message
from .control import Control
from .limits import Limits
from .tokens import Tokens
from .wire import Json, Refused, Unreadable

UPDATES = ("updateBuySellBooking", "updateFinancialDiversBooking")

SAMPLE_CREDENTIALS = MappingProxyType(
    {
        "softwareHouseUuid": "7d3f1c52-0b6e-4c19-9a55-2f4be1c0a001",
        "user": "voorbeeld",
        "password": "voorbeeld-wachtwoord",
        "dossierId": 1001,
    }
)

_SERVER_ERROR = b"<html><head><title>Error</title></head><body>Internal Server Error</body></html>"
_NOT_FOUND = b"<html><head><title>Error</title></head><body>Not Found</body></html>"


class Sandbox(Listening):
    """A running sandbox; made by `start_sandbox`."""

    books: Books
    control: Control

    def __init__(
        self,
        *,
        dossiers: Sequence[Json] | None = None,
        years: Sequence[int] | None = None,
        periods: str = "quarter",
        vat_codes: Sequence[Json] | None = None,
        users: dict[str, str] | None = None,
        software_house: str = str(SAMPLE_CREDENTIALS["softwareHouseUuid"]),
        limits: bool = True,
        limit_answer: str | int = "429",
        state_file: str | Path | None = None,
        seed: int = 0,
        keep_requests: int = 10_000,
        rules: Rules | None = None,
    ) -> None:
        super().__init__()
        rules = rules or Rules()
        shared = {"years": years, "periods": periods, "vat_codes": vat_codes}
        first = {"id": SAMPLE_CREDENTIALS["dossierId"], "name": "Voorbeeld BV"}
        rows = [
            {**{name: value for name, value in shared.items() if value is not None}, **row}
            for row in dossiers or [first]
        ]
        users = users or {str(SAMPLE_CREDENTIALS["user"]): str(SAMPLE_CREDENTIALS["password"])}
        self.clock = Clock()
        self.books = Books(Start(software_house.lower(), users, rows), self.clock, rules, _all_changes(), state_file)
        self.tokens = Tokens(self.clock, self.books.secret)
        self.limits = Limits(ZoneInfo(rules.time_zone), limits, str(limit_answer))
        self.faults = Faults(seed, updates=UPDATES)
        self.requests = Requests(keep_requests)
        self.control = Control(self.books, self.faults, self.limits, self.requests)
        user, password = next(iter(users.items()))
        self.credentials: dict[str, Any] = {
            "softwareHouseUuid": software_house,
            "user": user,
            "password": password,
            "dossierId": next(iter(self.books.dossiers)),
        }

    @property
    def base_url(self) -> str:
        """Where a client is pointed at; ends in /octopus-rest-api/v1."""
        return self.origin + routes.BASE

    # --- a call ----------------------------------------------------------------------------------------------

    async def answer(self, request: web.BaseRequest, path: str, query_text: str, raw: bytes) -> web.StreamResponse:
        """Answers a call of the API."""
        if not path.startswith(routes.BASE):
            return html(404, _NOT_FOUND)
        return await _Call(self, request, unquote(path[len(routes.BASE) :]), query_text, raw).run()


class _Call(Exchange):
    """One call of the API."""

    sandbox: Sandbox
    dossier: int | None

    def __init__(self, sandbox: Sandbox, request: web.BaseRequest, path: str, query_text: str, raw: bytes) -> None:
        super().__init__(sandbox, request, path, query_text, raw)
        self._known: Operation | None = None
        self._changing: tuple[str, ...] = ()

    def route(self) -> web.Response | None:
        """Finds the operation and the dossier."""
        self._known, self._changing, known = routes.find(self.request.method, self.path)
        if self._known is None:
            return html(405 if known else 404, _NOT_FOUND)
        self.operation = self._known.name
        if self._known.access == "dossier":
            self.dossier, self._changing = _number(self._changing[0]), self._changing[1:]
        return None

    def perform(self) -> web.Response:
        """Does what the call asks for."""
        operation = self._known
        assert operation is not None
        call = Call(
            books=self.sandbox.books,
            tokens=self.sandbox.tokens,
            query=dict(parse_qsl(self.query_text, keep_blank_values=True)) if self.query_text else {},
            headers=self.request.headers,
            raw=self.raw,
            path=self._changing,
            address=self.request.remote or "",
            dossier_id=self.dossier,
        )
        try:
            api.admit(call, operation, self.sandbox.limits)
            status, value = operation.handler(call)
        except Refused as refused:
            return self._refusal(refused, call.language)
        except Unreadable:
            return html(500, _SERVER_ERROR)
        if value is None:
            return web.Response(status=status)
        if isinstance(value, str):
            return web.Response(status=status, text=value)
        return json_answer(status, wire.dump(value))

    def _refusal(self, refused: Refused, language: str) -> web.Response:
        text = message(refused.code, language) if refused.code is not None else None
        body = {"errorCode": refused.code, "errorMessage": text, "technicalInfo": refused.info}
        response = json_answer(refused.status, wire.dump(body))
        if refused.status == 429 and self.sandbox.limits.retry_after is not None:
            response.headers["Retry-After"] = str(self.sandbox.limits.retry_after)
        return response

    def instead(self, fault: Fault) -> web.Response:
        """An answer in place of the call."""
        if fault.kind == "token_expired":
            for name in ("dossierToken", "Token"):
                self.sandbox.tokens.revoke(self.request.headers.get(name, ""))
        refused = {
            "rate_limited": Refused(429, None, "Too many requests"),
            "token_expired": Refused(401, None, "The token is invalid or has ended"),
            "refuse_update": Refused(fault.status or 400, fault.code or UPDATE_BOOKING, "The update is refused"),
            "refuse": Refused(fault.status or 400, fault.code, "Refused by a fault"),
        }[fault.kind]
        return self._refusal(refused, "nl")


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() else -1


def _all_changes() -> dict[str, Change]:
    return {
        **{name: Change(of_dossier=change) for name, change in (CHANGES | DOSSIER_CHANGES).items()},
        **{name: Change(of_books=change) for name, change in BOOKS_CHANGES.items()},
    }


async def start_sandbox(host: str = "127.0.0.1", port: int = 0, **options: Any) -> Sandbox:
    """A sandbox that listens; see the package's page for the options. Raises OSError when the port is taken."""
    sandbox = Sandbox(**options)
    await sandbox.start(host, port)
    return sandbox
