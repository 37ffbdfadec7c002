"""One try to deliver: a signed POST, and what was answered."""

import asyncio
import re
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

import aiohttp

from dagboek.webhooks.addresses import FORBIDDEN, Allowed, Names, plain_elsewhere

SECONDS: Final = 15.0
"""That a try may take, from looking up the name to the end of the answer."""
KEPT: Final = 1024
"""Bytes of an answer that are kept."""
_GONE: Final = 410

_HEADERS: Final = {
    "Content-Type": "application/json",
    "User-Agent": "Dagboek-Webhooks/1",
    "Accept-Encoding": "identity",
}
_TOKENS: Final = re.compile(r"(whsec_|Bearer\s+|Basic\s+|eyJ)[A-Za-z0-9+/=._~-]{8,}", re.IGNORECASE)
_NAMED: Final = re.compile(
    r"((?:pass(?:word|wd)?|secret|token|api[-_]?key|authorization)[\"']?\s*[:=]\s*[\"']?)[^\s\"',;&<]+", re.IGNORECASE
)


class Trouble(StrEnum):
    """Why a try did not succeed."""

    STATUS = "status"
    """An answer that is no success."""
    REDIRECT = "redirect"
    """An answer that sends us elsewhere, where we do not go."""
    TIMEOUT = "timeout"
    CONNECTION = "connection"
    """No connection, or one that broke."""
    CERTIFICATE = "certificate"
    UNKNOWN_HOST = "unknown_host"
    FORBIDDEN = "forbidden"
    """The name stands for an address that may not be reached."""


@dataclass(frozen=True, slots=True)
class Tried:
    """What came of a try."""

    at: datetime
    milliseconds: int
    status: int | None = None
    trouble: Trouble | None = None
    """None: delivered."""
    answer: str = ""
    """The beginning, without what looks like a secret."""
    wait: float = 0.0
    """Seconds that it asks us to wait."""

    @property
    def gone(self) -> bool:
        """Whether nothing is wanted any more."""
        return self.status == _GONE


def session(allowed: Allowed) -> aiohttp.ClientSession:
    """What tries are made with: no proxy, no cookies, no address that is not allowed."""
    connector = aiohttp.TCPConnector(resolver=Names(), socket_factory=allowed.open_socket, limit=0)
    return aiohttp.ClientSession(
        connector=connector,
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
        trust_env=False,
        timeout=aiohttp.ClientTimeout(total=SECONDS),
        headers=_HEADERS,
    )


async def tried(
    http: aiohttp.ClientSession, address: str, headers: Mapping[str, str], body: bytes, at: datetime
) -> Tried:
    """Sends once. Whatever happens is an outcome."""
    begun = time.monotonic()
    status: int | None = None
    answer, wait, trouble = b"", 0.0, None
    try:
        if plain_elsewhere(address):
            raise OSError(f"http {FORBIDDEN}")
        async with http.post(address, data=body, headers=headers, allow_redirects=False) as response:
            status, wait = response.status, _wait(response.headers.get("Retry-After", ""))
            answer = await _beginning(response)
            trouble = _trouble_of(status)
    except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
        # once it has answered with success it has it, whatever becomes of the rest of the answer
        trouble = _trouble_of(status) if status is not None else _kind(error)
    milliseconds = int((time.monotonic() - begun) * 1000)
    return Tried(at, milliseconds, status, trouble, redacted(answer), wait)


async def _beginning(response: aiohttp.ClientResponse) -> bytes:
    """The first part of an answer; the rest is not read."""
    found = b""
    while len(found) < KEPT and (part := await response.content.read(KEPT - len(found))):
        found += part
    return found


def _trouble_of(status: int) -> Trouble | None:
    if 200 <= status < 300:
        return None
    return Trouble.REDIRECT if 300 <= status < 400 else Trouble.STATUS


def _kind(error: Exception) -> Trouble:
    if isinstance(error, asyncio.TimeoutError):
        return Trouble.TIMEOUT
    if FORBIDDEN in str(error):
        return Trouble.FORBIDDEN
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return Trouble.UNKNOWN_HOST
    if isinstance(error, aiohttp.ClientSSLError | ssl.SSLError):
        return Trouble.CERTIFICATE
    return Trouble.CONNECTION


def _wait(given: str) -> float:
    return float(given) if given.isascii() and given.isdigit() and len(given) < 8 else 0.0


def redacted(answer: bytes) -> str:
    """The text of an answer as it may be shown, without what looks like a secret."""
    text = answer[:KEPT].decode("utf-8", "replace").replace("\x00", " ")
    for secret in (_TOKENS, _NAMED):
        text = secret.sub(lambda found: f"{found[1]}[redacted]", text)
    return text
