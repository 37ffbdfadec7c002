"""`dagboek sandbox yuki --port N --json`: address and credentials for any client, and a clean end."""

import asyncio
import json
import signal
import sys
from pathlib import Path

import pytest
from dagboek.embedded import ports

from .test_wsdl import load


@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM])
async def test_the_command_prints_address_and_credentials_that_work_and_ends_in_order(
    sign: signal.Signals, tmp_path: Path
) -> None:
    port = ports.keep_or_choose(tmp_path / "ports.json", ["tool"])["tool"]
    command = (sys.executable, "-m", "dagboek", "sandbox", "yuki", "--port", str(port), "--json")
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    try:
        assert process.stdout
        told = json.loads(await asyncio.wait_for(process.stdout.readline(), 60))
        assert told["base_url"] == f"http://127.0.0.1:{port}/be"

        def work() -> None:
            sales = load(told["base_url"], "Sales").service
            session = sales.Authenticate(accessKey=told["credentials"]["access_key"])
            assert [each.findtext("Name") for each in sales.Administrations(sessionID=session)] == ["Voorbeeld BV"]

        await asyncio.to_thread(work)
        process.send_signal(sign)
        assert await asyncio.wait_for(process.wait(), 60) == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
