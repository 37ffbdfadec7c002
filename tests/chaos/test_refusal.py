"""Chaos is for sandboxes alone, and kills nothing that it did not start."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web
from end_to_end.harness import GUARD, octopus


@pytest.fixture
async def somebody(request: pytest.FixtureRequest) -> AsyncIterator[tuple[str, list[str]]]:
    """A server that is no sandbox, and what was asked of it; the parameter is what it answers to everything."""
    seen: list[str] = []

    async def answer(asked: web.BaseRequest) -> web.StreamResponse:
        seen.append(f"{asked.method} {asked.path}")
        status, body = request.param
        return web.Response(status=status, text=body, headers={"Location": "http://127.0.0.1:1/"})

    runner = web.ServerRunner(web.Server(answer))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}/octopus-rest-api/v1", seen
    await runner.cleanup()


ANSWERS = {
    "the tool itself": (404, "Not Found"),
    "a page for everything": (200, "<html>Welcome</html>"),
    "json for everything": (200, "{}"),
    "the sandbox of another tool": (200, '{"sandbox": "yuki", "booking": "x", "faults_known": []}'),
    "another place": (302, ""),
}


@pytest.mark.parametrize("somebody", ANSWERS.values(), ids=ANSWERS, indirect=True)
async def test_what_is_no_sandbox_is_refused_before_anything_is_written(
    somebody: tuple[str, list[str]], tmp_path: Path
) -> None:
    address, seen = somebody
    done = await chaos(tmp_path, address)
    assert done.returncode == 2
    assert "is no sandbox of octopus" in done.stderr and "Nothing was written to it" in done.stderr
    assert "Traceback" not in done.stderr
    assert seen == ["GET /_sandbox/status"]


async def test_an_address_where_nobody_answers(tmp_path: Path) -> None:
    done = await chaos(tmp_path, "http://127.0.0.1:1/octopus-rest-api/v1")
    assert done.returncode == 2
    assert "is no sandbox of octopus: it does not answer as one" in done.stderr


async def test_a_file_that_tells_of_no_sandbox(tmp_path: Path) -> None:
    done = await chaos(tmp_path, None)
    assert done.returncode == 2
    assert "must hold what `dagboek sandbox NAME --json` prints" in done.stderr


@pytest.mark.parametrize(
    ("victim", "variable", "value"),
    [
        ("kafka", "DAGBOEK_KAFKA_BOOTSTRAP", "127.0.0.1:1"),
        ("postgres", "DAGBOEK_DATABASE_URL", "postgresql://nobody@127.0.0.1:1/x"),
    ],
)
async def test_a_server_that_was_given_is_never_killed(tmp_path: Path, victim: str, variable: str, value: str) -> None:
    async with octopus() as sandbox:
        done = await chaos(tmp_path, sandbox.base_url, "--kill", f"workers,{victim}", **{variable: value})
        assert done.returncode == 2
        assert variable in done.stderr and "never killed" in done.stderr
        assert sandbox.requests.total == 0


async def test_a_sandbox_that_is_given_is_that_of_one_tool(tmp_path: Path) -> None:
    async with octopus() as sandbox:
        done = await chaos(tmp_path, sandbox.base_url, "--tool", "octopus", "--tool", "exact")
        assert done.returncode == 2
        assert "--sandbox tells of the sandbox of one --tool" in done.stderr
        assert sandbox.requests.total == 0


async def test_words_that_mean_nothing_are_named(tmp_path: Path) -> None:
    async with octopus() as sandbox:
        for option, word in (("--kill", "tool"), ("--faults", "fire")):
            done = await chaos(tmp_path, sandbox.base_url, option, word)
            assert done.returncode == 2
            assert word in done.stderr


async def chaos(folder: Path, address: str | None, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    """`dagboek chaos` against a sandbox at this address, as somebody says that it is one."""
    file = folder / "sandbox.json"
    told = {"sandbox": "octopus", "base_url": address, "credentials": {"user": "u", "password": "p"}}
    file.write_text(json.dumps(told if address else {}))
    environment = {name: value for name, value in os.environ.items() if not name.startswith("DAGBOEK_")}

    return await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "dagboek", "chaos", "--minutes", "0.1", "--sandbox", str(file), *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=GUARD,
        env={**environment, **more, "COLUMNS": "400"},
    )
