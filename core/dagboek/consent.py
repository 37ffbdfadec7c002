"""A person's consent in a browser: the address it is given at, and the answer that comes back (OAuth, RFC 6749 4.1).

The answer is taken on loopback by a server that lives as long as the question; an app whose registered address is
elsewhere has it pasted. `state` ties an answer to the question: with another it is nobody's.
"""

import asyncio
import hmac
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qs, urlsplit

import aiohttp
from aiohttp import web
from dagboek_sdk.oauth import OAuth

from dagboek.consent_page import Outcome, consent_page
from dagboek.reasons import COMMAND_LINE
from dagboek.tenants import Unusable

SECONDS: Final = 600.0
"""That a person may take."""
PATH: Final = "/callback"
_LOOPBACK: Final = ("127.0.0.1", "localhost")


class NoConsent(Unusable):
    """There is none: refused, not in time, or not an answer to our question. The text says which, and what to do."""


class NotOurs(NoConsent):
    """An answer to another question."""


@dataclass(frozen=True, slots=True)
class Consent:
    """What came back from the browser."""

    code: str
    redirect_uri: str


Consenting = Callable[[OAuth], Awaitable[Consent]]
"""Has a person consent."""


async def in_browser(oauth: OAuth, show: Callable[[str], None], seconds: float = SECONDS) -> Consent:
    """Shows the address to go to and waits for the answer on loopback. NoConsent."""
    state = secrets.token_urlsafe(32)
    answer: asyncio.Future[Consent] = asyncio.get_running_loop().create_future()
    async with _listening(oauth.redirect_uri, state, answer) as redirect_uri:
        show(oauth.address(redirect_uri, state))
        try:
            async with asyncio.timeout(seconds):
                return await answer
        except TimeoutError:
            text = f"Nobody consented within {seconds / 60:.0f} minutes. Try again."
            raise NoConsent(text, COMMAND_LINE) from None


async def pasted(oauth: OAuth, show: Callable[[str], None], ask: Callable[[], str]) -> Consent:
    """Shows the address to go to, and asks for the one that the browser is at afterwards. NoConsent."""
    state = secrets.token_urlsafe(32)
    show(oauth.address(oauth.redirect_uri, state))
    return read_answer(await asyncio.to_thread(ask), state, oauth.redirect_uri)


async def of_sandbox(oauth: OAuth, user: str | None = None) -> Consent:
    """That of a server on this machine which asks nobody, or of its `user`, who fills in its page. NoConsent."""
    if urlsplit(oauth.authorise_url).hostname not in _LOOPBACK:
        raise NoConsent("Only a sandbox on this machine consents by itself.", COMMAND_LINE)
    state, redirect_uri = secrets.token_urlsafe(32), oauth.redirect_uri or f"http://127.0.0.1{PATH}"
    method, form = ("GET", None) if user is None else ("POST", {"user": user, "answer": "consent"})
    async with (
        aiohttp.ClientSession() as session,
        session.request(method, oauth.address(redirect_uri, state), data=form, allow_redirects=False) as answer,
    ):
        return read_answer(answer.headers.get("Location", ""), state, redirect_uri)


def by_paste(oauth: OAuth) -> bool:
    """Whether the app's registered address is not on this machine, so that its answer must be pasted."""
    address = urlsplit(oauth.redirect_uri)
    return bool(oauth.redirect_uri) and (address.scheme != "http" or address.hostname not in _LOOPBACK)


def read_answer(address: str, state: str, redirect_uri: str) -> Consent:
    """The consent in an `address` that the browser was sent back to. NoConsent."""
    found = {name: values[0] for name, values in parse_qs(urlsplit(address.strip()).query).items()}
    if not hmac.compare_digest(found.get("state", "").encode(), state.encode()):
        raise NotOurs(
            "This is no answer to the question that was asked here: it may be an older one, or somebody else's. Take "
            "the whole address that the browser is at after the consent.",
            "consent_other",
        )
    if "error" in found:
        denied = found["error"] == "access_denied"
        why = "The user did not consent" if denied else "The tool refused to ask the user"
        raise NoConsent(f"{why}. Nothing was stored.", "consent_denied" if denied else "consent_unasked")
    if not found.get("code"):
        raise NoConsent("The tool sent back no code. Try again.", "consent_no_code")
    return Consent(found["code"], redirect_uri)


@asynccontextmanager
async def _listening(wanted: str, state: str, answer: "asyncio.Future[Consent]") -> AsyncIterator[str]:
    """A server on loopback that takes the answer; its address, as `wanted` where that is given."""
    address = urlsplit(wanted or f"http://127.0.0.1:0{PATH}")
    path = address.path or "/"

    async def handle(request: web.BaseRequest) -> web.Response:
        if request.path != path or request.method != "GET":  # a browser asks for an icon too
            return web.Response(status=404)
        spoken = request.headers.get("Accept-Language", "")
        try:
            consent = read_answer(request.raw_path, state, redirect_uri)
        except NotOurs:  # the right one may come yet
            return consent_page(Outcome.NOT_OURS, spoken)
        except NoConsent as problem:
            if not answer.done():
                answer.set_exception(problem)
            return consent_page(Outcome.NOT_GIVEN, spoken)
        if not answer.done():
            answer.set_result(consent)
        return consent_page(Outcome.GIVEN, spoken)

    runner = web.ServerRunner(web.Server(handle))
    await runner.setup()
    try:
        try:
            port = address.port if address.port is not None else 80
            await web.TCPSite(runner, "127.0.0.1", port).start()
        except OSError as taken:
            raise NoConsent(
                f"The answer cannot be taken at {wanted}: {taken.strerror}. Free that port first.",
                COMMAND_LINE,
            ) from None
        redirect_uri = wanted or f"http://127.0.0.1:{runner.addresses[0][1]}{PATH}"
        yield redirect_uri
    finally:
        await runner.cleanup()
