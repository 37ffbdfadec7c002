"""A tool whose users consent in a browser, as small as it can be: its server, and its plugin.

Refresh tokens are good once, access tokens for 600 seconds, and none is given within 570 of the one before; a second
consent of a user ends the tokens of the first.
"""

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from aiohttp import web
from dagboek_schemas.documents import Document, Party
from dagboek_schemas.statuses import Component
from dagboek_sdk import clock, oauth
from dagboek_sdk.accounting import About, AccountingPlugin, Administration, Lists, MappingContext
from dagboek_sdk.attempt import Accepted, Attempt, Booked, Booking
from dagboek_sdk.errors import TokenRefused, ToolError, Uncertain
from dagboek_sdk.hooks import hookimpl
from dagboek_sdk.http import Answer
from dagboek_sdk.limits import FREE, Limit
from dagboek_sdk.oauth import Identity, Judged, OAuth, OAuthPlugin, OAuthSettings

ACCESS, NOT_BEFORE = timedelta(seconds=600), timedelta(seconds=570)

Answering = Callable[["ConsentServer", web.BaseRequest], Any]


@dataclass
class Chain:
    """Tokens of one user."""

    refresh: str
    access: str
    given: datetime
    before: str = ""
    """The refresh token that was used last."""


@dataclass
class ConsentServer:
    """What the server knows, and how it is to behave."""

    now: Callable[[], datetime] = clock.now
    user: str = "ann"
    """Who is logged in, in the browser."""
    secret: str = "hush"
    """Of every app; empty: any."""
    lenient: bool = False
    """Whether the refresh token of before is taken once more, until the new one is used."""
    faults: list[str] = field(default_factory=list)
    """For the next calls for tokens: `refuse`, `page`, `500`, `lose` the answer, `hang`."""
    chains: dict[str, Chain] = field(default_factory=dict)
    codes: dict[str, str] = field(default_factory=dict)
    renewals: list[str] = field(default_factory=list)
    """How each renewal was answered."""
    asking: int = 0
    overlaps: int = 0
    """Renewals that came while another was under way."""
    dead: set[str] = field(default_factory=set)
    """Access tokens that are not taken any more."""
    url: str = ""
    killed: Callable[[web.BaseRequest, str], bool] = lambda _request, _moment: False
    """Asked `before` and `after` a refresh token is used up: whether who asked for it is no more."""

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Any call."""
        match request.path:
            case "/auth":
                code = secrets.token_urlsafe(8) + "!"
                self.codes[code] = self.user
                back = f"{request.query['redirect_uri']}?state={request.query['state']}&code={code.replace('!', '%21')}"
                return web.Response(status=302, headers={"Location": back})
            case "/token":
                return await self._token(await request.post(), request)
            case _:
                return self._api(request)

    def _api(self, request: web.BaseRequest) -> web.Response:
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        user = next((user for user, chain in self.chains.items() if chain.access == token), None)
        if user is None or token in self.dead or self.now() > self.chains[user].given + ACCESS:
            return web.Response(status=401)
        self.chains[user].before = ""  # the new pair is in use
        if request.path == "/me":
            return web.json_response({"id": f"{{{user}}}", "name": user.title()})
        return web.json_response([{"code": code, "name": f"Books {code}"} for code in (11, 12)])

    async def _token(self, form: Any, request: web.BaseRequest) -> web.StreamResponse:
        if self.secret and form["client_secret"] != self.secret:
            return web.json_response({"error": "invalid_client"}, status=401)
        if form["grant_type"] == "authorization_code":
            user = self.codes.pop(form["code"], None)
            if user is None:
                return web.json_response({"error": "invalid_grant"}, status=400)
            return self._pair(user)
        self.asking += 1
        self.overlaps += self.asking > 1
        try:
            return await self._renewed(form["refresh_token"], request)
        finally:
            self.asking -= 1

    async def _renewed(self, token: str, request: web.BaseRequest) -> web.StreamResponse:
        fault = self.faults.pop(0) if self.faults else ""
        if self.killed(request, "before"):
            return web.Response(status=500)
        await asyncio.sleep(0.002)
        user = next((one for one, chain in self.chains.items() if chain.refresh == token), None)
        again = next((one for one, chain in self.chains.items() if token and chain.before == token), None)
        if fault in ("page", "500"):
            self.renewals.append(fault)
            return web.Response(status=200 if fault == "page" else 500, text="<html>down</html>")
        if user is None and not (again and self.lenient):
            self.renewals.append("old")
            return web.json_response(
                {"error": "unauthorized_client", "error_description": "Old refresh token used."}, status=401
            )
        if user is not None and self.now() < self.chains[user].given + NOT_BEFORE:
            self.renewals.append("early")
            return web.json_response({"error": "invalid", "error_description": "access_token not expired"}, status=400)
        self.renewals.append("given" if user else "repaired")
        answer = self._pair(user or again or "", token)
        self.killed(request, "after")
        if fault == "lose":
            assert request.transport is not None
            request.transport.abort()
        if fault == "hang":
            await asyncio.sleep(3)
        return answer

    def _pair(self, user: str, before: str = "") -> web.Response:
        chain = self.chains[user] = Chain(
            refresh=f"r!{secrets.token_hex(6)}", access=f"a{secrets.token_hex(6)}", given=self.now(), before=before
        )
        return web.json_response(
            {"access_token": chain.access, "token_type": "bearer", "expires_in": "600", "refresh_token": chain.refresh}
        )


@asynccontextmanager
async def consent_server(server: ConsentServer | None = None, **given: Any) -> AsyncIterator[ConsentServer]:
    """A server on loopback."""
    server = server or ConsentServer(**given)
    runner = web.ServerRunner(web.Server(server.handle))
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        server.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        yield server
    finally:
        await runner.cleanup()


class ConsentSettings(OAuthSettings):
    """Of an app at the server."""

    base_url: str
    call_deadline: float = 5.0


def judge(answer: Answer) -> Judged:
    """The tool's own words, then those of the standard."""
    return Judged.TOO_EARLY if "not expired" in answer.text else oauth.judge(answer)


class ConsentTool(OAuthPlugin):
    """Lists divisions, and books nothing."""

    about = About(
        name="consented",
        title="Consented Books",
        countries=frozenset({"NL"}),
        components=(Component.SALES_INVOICES,),
        settings=ConsentSettings,
        keep_alive_days=30,
    )

    @property
    def call_deadline(self) -> float:
        """As the settings say."""
        return float(self.link.settings.call_deadline)

    @classmethod
    def oauth(cls, settings: Any) -> OAuth:
        """As the server has it."""
        return OAuth(
            f"{settings.base_url}/auth",
            f"{settings.base_url}/token",
            settings.client_id,
            settings.client_secret.get_secret_value(),
            settings.redirect_uri,
            judge=judge,
        )

    async def identity(self) -> Identity:
        """Who has consented."""
        me = (await self.read("GET", f"{self.link.settings.base_url}/me", group=FREE)).json()
        return Identity(me["id"], me["name"])

    async def administrations(self) -> Sequence[Administration]:
        """Two."""
        rows = (await self.read("GET", f"{self.link.settings.base_url}/divisions", group=FREE)).json()
        return [Administration(str(row["code"]), row["name"]) for row in rows]

    @classmethod
    def limits(cls, settings: Any, administration: str, domain: str) -> Sequence[Limit]:
        """None."""
        return ()

    async def lists(self) -> Lists:
        """None."""
        return {}

    def map_party(self, party: Party, component: Component, context: MappingContext) -> Booking:
        """Never called."""
        raise NotImplementedError

    def map_document(self, document: Document, component: Component, context: MappingContext) -> Booking:
        """Never called."""
        raise NotImplementedError

    async def push(self, attempt: Attempt) -> Booked | Accepted:
        """One call, for what becomes of a refused token."""
        await self.write(attempt, "POST", f"{self.link.settings.base_url}/entries")
        return Booked("1")

    def classify(self, answer: Any) -> ToolError | None:
        """Nothing but the token is ever refused."""
        if answer.status == 401:
            return TokenRefused(tool_words="token")
        return None if answer.status < 400 else Uncertain(f"answer {answer.status}")


class ConsentHooks:
    """What its distribution would register."""

    @hookimpl
    def dagboek_accounting_plugins(self) -> Sequence[type[AccountingPlugin]]:
        """The one tool."""
        return [ConsentTool]
