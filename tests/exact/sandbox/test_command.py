"""`dagboek sandbox exact --port N --json`: address and credentials for any client, and a clean end."""

import asyncio
import json
import signal
import sys
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import aiohttp
import pytest
from dagboek.embedded import ports


@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM])
async def test_the_command_prints_address_and_credentials_that_work_and_ends_in_order(
    sign: signal.Signals, tmp_path: Path
) -> None:
    port = ports.keep_or_choose(tmp_path / "ports.json", ["tool"])["tool"]
    command = (sys.executable, "-m", "dagboek", "sandbox", "exact", "--port", str(port), "--json")
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    try:
        assert process.stdout
        told = json.loads(await asyncio.wait_for(process.stdout.readline(), 60))
        assert told["base_url"] == f"http://127.0.0.1:{port}"
        known = told["credentials"]
        app = {name: known[name] for name in ("client_id", "client_secret")}
        back = "http://127.0.0.1:9/callback"
        async with aiohttp.ClientSession(told["base_url"]) as session:
            query = {"client_id": app["client_id"], "redirect_uri": back, "response_type": "code"}
            async with session.get("/api/oauth2/auth", params=query, allow_redirects=False) as answer:
                code = parse_qs(urlsplit(answer.headers["Location"]).query)["code"][0]
            form = {**app, "grant_type": "authorization_code", "code": code, "redirect_uri": back}
            async with session.post("/api/oauth2/token", data=form) as answer:
                headers = {"Authorization": f"Bearer {(await answer.json())['access_token']}"}
            async with session.get(f"/api/v1/{known['division']}/crm/Accounts", headers=headers) as answer:
                assert answer.status == 200
        process.send_signal(sign)
        assert await asyncio.wait_for(process.wait(), 60) == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
