"""What goes around every answer: headers that browsers obey, names that we answer to, sizes that we take."""

from typing import Final
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dagboek.settings import Settings
from dagboek.web.problems import Problem

LARGEST_BODY: Final = 10_000_000
THROWN_AWAY: Final = 20 * LARGEST_BODY
"""What a browser may send beyond it: it reads no answer before it has sent everything."""

POLICY: Final = "; ".join(
    (
        "default-src 'self'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "object-src 'none'",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    )
)
"""No inline script or style, nothing from elsewhere."""

_HEADERS: Final = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}

ALIVE: Final = "/health"
"""Asked by machines, under whatever name."""


class Guard:
    """The outermost layer of the app."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app = app
        self._headers = dict(_HEADERS)
        address = urlsplit(settings.web_url or "")
        if address.scheme == "https":
            self._headers["Strict-Transport-Security"] = "max-age=31536000"
        names = {
            "localhost",
            "127.0.0.1",
            "::1",
            settings.web_host.strip("[]").lower(),
            (address.hostname or "").lower(),
        }
        self._names = names - {""}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers, or refuses what is not for us."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in self._headers.items():
                    headers.setdefault(name, value)
            await send(message)

        refused = self._refused(scope)
        if refused is not None:
            await refused.response()(scope, receive, with_headers)
            return
        await self._app(scope, _bounded(receive, THROWN_AWAY if _for_people(scope) else 0), with_headers)

    def _refused(self, scope: Scope) -> Problem | None:
        headers = Headers(scope=scope)
        name = urlsplit(f"//{headers.get('host', '')}")
        try:
            host = (name.hostname or "").lower()
        except ValueError:
            host = ""
        if host not in self._names and scope["path"] != ALIVE:
            detail = "This is reached under another name. Set DAGBOEK_WEB_URL to the address that browsers use."
            return Problem(421, "other_host", detail)
        length = headers.get("content-length", "0")
        if length.isdecimal() and int(length) > (THROWN_AWAY if _for_people(scope) else LARGEST_BODY):
            return _too_large()
        return None


def _for_people(scope: Scope) -> bool:
    """Whether a browser asks for a page."""
    return "text/html" in Headers(scope=scope).get("accept", "") and not scope["path"].startswith("/api")


def _bounded(receive: Receive, thrown_away: int) -> Receive:
    """The same for a body that does not say how long it is. Of what is too much, some may be thrown away first."""
    taken = 0

    async def counted() -> Message:
        nonlocal taken
        if taken > LARGEST_BODY:  # who tells it may ask once more, and nothing would come
            raise _too_large()
        message = await receive()
        taken += len(message.get("body", b""))
        if taken <= LARGEST_BODY:
            return message
        while message.get("more_body", False) and taken <= thrown_away:
            message = await receive()
            taken += len(message.get("body", b""))
        raise _too_large()

    return counted


def _too_large() -> Problem:
    return Problem(413, "too_large", f"A request takes {LARGEST_BODY // 1_000_000} MB at most.")
