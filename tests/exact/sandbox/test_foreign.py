"""Clients that others wrote for the real service drive the sandbox as they are.

Both packages call themselves `exactonline`, so neither is part of the environment: each is put into a folder of its
own, which uv has at hand after the first time.
"""

import asyncio
import json
import os
import shutil
import ssl
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from certificates import write_certificates

from .conftest import Client, Starter

PACKAGES = {
    "foreign_exactonline": ("exactonline==0.4.0",),
    "foreign_python_exact_online": (
        "python-exact-online==1.1.0",
        "requests-oauthlib==2.0.0",
        "oauthlib==4.0.1",
    ),
}
HERE = Path(__file__).parent


def _installed(script: str, folder: Path) -> Path:
    """The packages of a script in a folder; where nobody answers, the test is skipped, but fails in CI."""
    uv = shutil.which("uv")
    command = [str(uv), "pip", "install", "--quiet", "--no-deps", "--python", sys.executable, "--target", str(folder)]
    if uv is None or subprocess.run([*command, *PACKAGES[script]], check=False, capture_output=True).returncode:
        if os.environ.get("CI", "").lower() in ("true", "1"):
            pytest.fail(f"{', '.join(PACKAGES[script])} cannot be had")
        pytest.skip("the package index does not answer")
    return folder


async def _seen(script: str, client: Client, folder: Path, origin: str, **environment: str) -> dict[str, Any]:
    path = await asyncio.to_thread(_installed, script, folder)
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(HERE / f"{script}.py"),
        origin,
        *client.app.values(),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(path), **environment},
    )
    out, trouble = await asyncio.wait_for(process.communicate(), 120)
    assert process.returncode == 0, trouble.decode()
    return dict(json.loads(out.splitlines()[-1]))


async def _filled(client: Client, relations: int) -> None:
    customer = await client.relation("Appel & Peer", Code="7")
    for number in range(relations - 1):
        client.tell("relation", dossier=client.division, Name=f"R {number}", IsSupplier=True)
    assert (await client.sale(customer)).status == 201


class _Gateway:
    """TLS before a sandbox, since the package wants https."""

    def __init__(self) -> None:
        self.port = 0

    async def pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, both ways."""
        back_reader, back_writer = await asyncio.open_connection("127.0.0.1", self.port)
        await asyncio.gather(_copy(reader, back_writer), _copy(back_reader, writer))


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while read := await reader.read(65_536):
            writer.write(read)
            await writer.drain()
    writer.close()


async def test_the_client_of_osso(start: Starter, tmp_path: Path) -> None:
    write_certificates(tmp_path)
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(tmp_path / "server.pem")
    gateway = _Gateway()
    async with await asyncio.start_server(gateway.pass_on, "127.0.0.1", 0, ssl=tls) as listening:
        origin = f"https://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
        client = await start(address=origin)
        gateway.port = int(client.sandbox.base_url.rpartition(":")[2])
        await _filled(client, 100)
        trusted = str(tmp_path / "ca.pem")
        seen = await _seen("foreign_exactonline", client, tmp_path / "packages", origin, SSL_CERT_FILE=trusted)
    assert seen == {
        "divisions": {str(client.division): "Voorbeeld BV"},
        "relations": 101,
        "code": "7".rjust(18),
        "invoice": ["2026/001", 121.0, 1],
        "numbers": {"2026/001": 26_700_001, "none": None},
        "receivables": [121.0],
        "ledger": ["700000"],
        "codes": seen["codes"],
        "refreshed": True,
    }
    assert seen["codes"] > 30


async def test_the_client_of_schillemans(start: Starter, tmp_path: Path) -> None:
    """It knows one address of pages alone, that of the service itself."""
    client = await start(address="https://start.exactonline.be")
    await _filled(client, 100)
    seen = await _seen("foreign_python_exact_online", client, tmp_path / "packages", client.sandbox.base_url)
    assert seen == {
        "division": client.division,
        "relations": 100,
        "journals": 7,
        "name": True,
        "entry": [121.0, "2026-02-03 00:00:00", 1],
        "percentage": 0.21,
        "made": "107",
        "refused": [500, "Ongeldig: Email [nobody]"],
        "refreshed": True,
        "callback": "voorbeeld.test",
    }
