"""Ports for the embedded services: free ones, and the same ones again after a restart."""

import json
import random
import socket
from collections.abc import Iterable
from pathlib import Path

from dagboek.embedded.errors import EmbeddedError

HOST = "127.0.0.1"
# Below the range from which systems take the local ports of outgoing connections (32768 and up on Linux,
# 49152 and up on macOS), so that a port stays free between two starts.
RANGE = range(15_000, 32_000)


def is_free(port: int) -> bool:
    """Whether a server could listen on `port` of the loopback address now."""
    with socket.socket() as probe:
        # As the servers themselves do: a connection that only lingers (TIME_WAIT) is no hindrance.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def keep_or_choose(file: Path, names: Iterable[str]) -> dict[str, int]:
    """A free port per name: the one in `file` from the last start if it is still free, else another."""
    remembered = _read(file)
    chosen: dict[str, int] = {}
    for name in names:
        port = remembered.get(name, 0)
        while port not in RANGE or port in chosen.values() or not is_free(port):
            port = random.choice(RANGE)  # noqa: S311  # no secret
        chosen[name] = port
    file.write_text(json.dumps({**remembered, **chosen}))
    return chosen


def require_free(name: str, port: int) -> None:
    """Raises `EmbeddedError` when another program took the port that `name` had."""
    if not is_free(port):
        raise EmbeddedError(f"Port {port} of {HOST}, which {name} had, is now used by another program. Stop it.")


def _read(file: Path) -> dict[str, int]:
    try:
        content = json.loads(file.read_text())
    except (OSError, ValueError):
        return {}
    return {name: port for name, port in content.items() if isinstance(port, int)} if isinstance(content, dict) else {}
