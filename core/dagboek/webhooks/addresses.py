"""Where events may be sent: public addresses by https, so that no webhook reaches into the network that we stand in.

Looked at when an address is registered, for people to be told, and again for every connection, as what a name stands
for may change from one moment to the next.
"""

import asyncio
import errno
import socket
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any, Final
from urllib.parse import SplitResult, urlsplit

from aiohttp.abc import AbstractResolver, ResolveResult

LONGEST: Final = 2000
"""Characters of an address."""
SECONDS: Final = 5.0
"""That a name may take to be looked up when it is registered."""
FORBIDDEN: Final = "is no public address"
"""By which errors of the client are known for ours."""

_NAT64: Final = ip_network("64:ff9b::/96")
_THREADS: Final = ThreadPoolExecutor(16, "webhook-names")
"""For looking up names: one that hangs takes no thread that others need."""

IpAddress = IPv4Address | IPv6Address


class UnusableAddress(Exception):
    """Nothing may be sent there. `code` says why, for programs; the text, for people."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code


@dataclass(frozen=True, slots=True)
class Allowed:
    """Which addresses may be reached: public ones, and the networks that an operator names."""

    networks: tuple[IPv4Network | IPv6Network, ...] = ()

    @classmethod
    def of(cls, setting: str) -> "Allowed":
        """From the setting `webhook_networks`. ValueError."""
        return cls(tuple(ip_network(one.strip()) for one in setting.split(",") if one.strip()))

    def may(self, address: str) -> bool:
        """Whether an IP address may be reached."""
        found = _meant(ip_address(address))
        if any(found.version == network.version and found in network for network in self.networks):
            return True
        local = isinstance(found, IPv6Address) and found.is_site_local
        return found.is_global and not (found.is_multicast or found.is_reserved or local)

    def open_socket(self, info: tuple[Any, Any, int, str, Any]) -> socket.socket:
        """A socket for an address that a name was found to stand for. OSError where it may not be reached."""
        family, kind, protocol, _, (host, *_) = info
        if not self.may(host):
            raise OSError(errno.EACCES, f"{host} {FORBIDDEN}")
        return socket.socket(family, kind, protocol)


def _meant(address: IpAddress) -> IpAddress:
    """The IPv4 address that an IPv6 one stands for, where it does."""
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None:
            return address.ipv4_mapped
        if address.sixtofour is not None:
            return address.sixtofour
        if address in _NAT64:
            return IPv4Address(int(address) & 0xFFFFFFFF)
    return address


async def checked(address: str, allowed: Allowed) -> str:
    """The address as it is kept. UnusableAddress."""
    parts = _parts(address.strip())
    loopback = _loopback(parts.hostname or "")
    if parts.scheme == "http" and not (loopback and allowed.may("127.0.0.1")):
        raise UnusableAddress("https", "The address must begin with https://.")
    port = parts.port or (443 if parts.scheme == "https" else 80)
    for found in await _found(parts.hostname or "", port):
        if not allowed.may(found):
            raise UnusableAddress(
                "private", "The address lies in a private network, or on this machine. It must be a public one."
            )
    return address.strip()


def plain_elsewhere(address: str) -> bool:
    """Whether this would send events unencrypted to another machine."""
    parts = urlsplit(address)
    return parts.scheme != "https" and not _loopback(parts.hostname or "")


def _parts(address: str) -> SplitResult:
    unusable = UnusableAddress("address", "This is no address: write it as https://example.com/hooks.")
    if len(address) > LONGEST or not address.isascii() or not address.isprintable() or " " in address:
        raise unusable
    try:
        parts = urlsplit(address)
        named = parts.hostname and parts.port != 0
    except ValueError:
        raise unusable from None
    if parts.scheme not in ("https", "http") or not named:
        raise unusable
    if parts.username is not None or parts.password is not None or parts.fragment:
        raise UnusableAddress(
            "address", "The address may hold no user, password or #: what is sent is known by its signature."
        )
    return parts


def _loopback(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


async def _found(host: str, port: int) -> list[str]:
    try:
        async with asyncio.timeout(SECONDS):
            return [one["host"] for one in await Names().resolve(host, port)]
    except (OSError, UnicodeError, TimeoutError):
        raise UnusableAddress("unknown_host", f"No machine of the name {host} is known.") from None


class Names(AbstractResolver):
    """Looks up names in threads of its own."""

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """What a name stands for. OSError."""
        loop = asyncio.get_running_loop()
        infos = await loop.run_in_executor(_THREADS, socket.getaddrinfo, host, port, family, socket.SOCK_STREAM)
        return [
            ResolveResult(
                hostname=host, host=str(at[0]), port=port, family=kind, proto=protocol, flags=socket.AI_NUMERICHOST
            )
            for kind, _, protocol, _, at in infos
        ]

    async def close(self) -> None:
        """The threads are everybody's."""
