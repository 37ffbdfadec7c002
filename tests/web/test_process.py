"""`dagboek web`, `dagboek user` and `dagboek apikey` as processes, as people start them."""

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from dagboek.database import Database
from dagboek.embedded import Services
from end_to_end.harness import GUARD
from web.conftest import Site


@pytest.fixture(scope="module")
def environment(site: Site, services: Services, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    assert site.web.settings.database_url is not None
    return {
        **os.environ,
        "DAGBOEK_KAFKA_BOOTSTRAP": services.kafka_bootstrap,
        "DAGBOEK_KAFKA_SECURITY": json.dumps(dict(services.kafka_security)),
        "DAGBOEK_DATABASE_URL": site.web.settings.database_url.get_secret_value(),
        "DAGBOEK_TOPIC_PREFIX": site.web.settings.topic_prefix,
        "DAGBOEK_DATA_DIR": str(tmp_path_factory.mktemp("web-process")),
        "DAGBOEK_WEB_URL": "https://dagboek.example.com",
    }


def dagboek(environment: dict[str, str], *arguments: str) -> Any:
    return subprocess.run(
        [sys.executable, "-m", "dagboek", *arguments], env=environment, capture_output=True, text=True, check=False
    )


@pytest.fixture
def process(environment: dict[str, str], tmp_path: Path) -> Iterator[tuple["subprocess.Popen[bytes]", str]]:
    log = tmp_path / "web.log"
    with log.open("wb") as out:
        started = subprocess.Popen(
            [sys.executable, "-m", "dagboek", "web", "--port", "0"], env=environment, stdout=out, stderr=out
        )
    try:
        deadline = time.monotonic() + GUARD
        while not (found := re.search(r"web\.started\s+address=(\S+)", log.read_text())):
            assert started.poll() is None and time.monotonic() < deadline, log.read_text()
            time.sleep(0.1)
        yield started, found[1]
    finally:
        if started.poll() is None:
            started.kill()
        started.wait()


async def test_the_first_user_signs_in_by_the_link_that_the_command_line_prints(
    environment: dict[str, str], process: tuple["subprocess.Popen[bytes]", str]
) -> None:
    made = await asyncio.to_thread(
        dagboek, environment, "user", "add", "Boss@Example.com", "--tenant", "north", "--role", "admin"
    )
    assert made.returncode == 0, made.stderr
    link = re.search(r"https://dagboek\.example\.com/sign-in/link/(\S+)", made.stdout)
    assert link, made.stdout
    headers = {"Host": "dagboek.example.com"}
    async with aiohttp.ClientSession(process[1], cookie_jar=aiohttp.DummyCookieJar()) as http:
        async with http.post("/api/v1/session/link", json={"token": link[1]}, headers=headers) as answer:
            assert answer.status == 200, await answer.text()
            me = await answer.json()
            cookie = answer.cookies["__Host-dagboek"]
            assert cookie["secure"], "browsers come by https"
            assert "max-age" in answer.headers["Strict-Transport-Security"]
        assert (me["who"], me["tenant"]["name"]) == ("boss@example.com", "north")
    listed = await asyncio.to_thread(dagboek, environment, "user", "list", "--json")
    assert "boss@example.com" in [one["email"] for one in json.loads(listed.stdout)]
    unknown = await asyncio.to_thread(dagboek, environment, "user", "link", "nobody@example.com")
    assert (unknown.returncode, "There is no user" in unknown.stderr) == (2, True)
    which = await asyncio.to_thread(dagboek, environment, "user", "add", "x@example.com")
    assert (which.returncode, "--tenant" in which.stderr) == (2, True)


async def test_a_key_of_the_command_line_opens_its_tenant(
    environment: dict[str, str], site: Site, http: aiohttp.ClientSession
) -> None:
    made = await asyncio.to_thread(
        dagboek, environment, "apikey", "add", "shop", "--tenant", "south", "--scope", "read", "--json"
    )
    key = json.loads(made.stdout)
    async with http.get("/api/v1/me", headers={"Authorization": f"Bearer {key['key']}"}) as answer:
        me = await answer.json()
    assert (me["tenant"]["name"], me["rights"]) == ("south", ["read"])
    listed = await asyncio.to_thread(dagboek, environment, "apikey", "list")
    assert key["id"] in listed.stdout
    assert key["key"] not in listed.stdout
    assert (await asyncio.to_thread(dagboek, environment, "apikey", "revoke", key["id"])).returncode == 0
    async with http.get("/api/v1/me", headers={"Authorization": f"Bearer {key['key']}"}) as answer:
        assert answer.status == 401
    wrong = await asyncio.to_thread(
        dagboek, environment, "apikey", "add", "x", "--tenant", "south", "--scope", "operate"
    )
    assert wrong.returncode == 2


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_it_stops_in_order_while_somebody_watches_a_run(
    process: tuple["subprocess.Popen[bytes]", str], site: Site, database: Database, number: signal.Signals
) -> None:
    """What stays open for long is ended, so that a new release does not wait for browsers."""
    key = await site.key(site.north)
    await database.run("UPDATE run SET state = 'active', status = NULL WHERE id = %s", site.north.id("run"))
    async with aiohttp.ClientSession(process[1]) as http:
        headers = {**key, "Host": "dagboek.example.com"}
        async with http.get(f"/api/v1/runs/{site.north.id('run')}/events", headers=headers) as answer:
            assert (await answer.content.readline()).startswith(b"event: run")
            process[0].send_signal(number)
            await answer.content.read()
    assert await asyncio.to_thread(process[0].wait, 60) == 0


async def test_a_port_that_is_taken_is_told(environment: dict[str, str], site: Site) -> None:
    port = site.address.rpartition(":")[2]
    done = await asyncio.to_thread(dagboek, environment, "web", "--port", port)
    assert done.returncode == 2
    assert "cannot listen" in done.stderr
    assert "Traceback" not in done.stderr
