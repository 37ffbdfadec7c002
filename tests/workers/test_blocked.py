"""A loop that its plugin blocks: seen by turns of the consumer's loop, named, and the process ends."""

import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dagboek_workers.blocked import LOOKS, Watch

LOOKED_AT = """
import asyncio, threading, time
from dagboek_workers.blocked import Watch

class Loop:
    name, ticked = "x", 0.0

loop = Loop()

def turn():
    while True:
        loop.ticked = time.monotonic()
        time.sleep(0.1)

async def main():
    watch = Watch()
    threading.Thread(target=turn, daemon=True).start()
    for _ in range(6):
        print("blocked" if watch.look([loop]) else "turns", flush=True)
        await asyncio.sleep(0.3)

asyncio.run(main())
"""

STARVED = """
import asyncio, os, re, threading
from dagboek_workers import blocked

blocked.STARVED = 2

working = True

def work():
    while working:
        pass

def backtrack():
    re.match("(a+)+$", "a" * 40 + "b")

async def main():
    global working
    living = asyncio.create_task(blocked.show_life())
    threading.Thread(target=work, daemon=True).start()
    while sum(os.times()[:2]) < 4:  # much more than it may take without a turn
        await asyncio.sleep(0.1)
    working = False
    print("alive", flush=True)
    threading.Thread(target=backtrack, daemon=True).start()
    await asyncio.sleep(60)

asyncio.run(main())
"""


@dataclass
class Loop:
    name: str = "x"
    ticked: float = 0.0


def looks(watch: Watch, *loops: Any) -> list[str]:
    return [loop.name for loop in watch.look(loops)]


def test_a_loop_that_does_not_go_round_is_blocked_and_a_slow_one_is_not() -> None:
    watch, stuck, slow = Watch(), Loop("stuck"), Loop("slow")
    found = []
    for at in range(LOOKS + 1):
        if at == 3:
            slow.ticked += 1
        found.append(looks(watch, stuck, slow))
    assert found == [[]] * LOOKS + [["stuck"]]


def test_a_process_that_was_frozen_has_no_blocked_loop(tmp_path: Path) -> None:
    script = tmp_path / "looks.py"
    script.write_text(LOOKED_AT)
    process = subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "turns\n"
    os.kill(process.pid, signal.SIGSTOP)
    time.sleep(7)
    os.kill(process.pid, signal.SIGCONT)
    told, _ = process.communicate(timeout=60)
    assert told.split() == ["turns"] * 5


def test_a_plugin_that_holds_the_interpreter_ends_the_process_and_is_named(tmp_path: Path) -> None:
    """No thread of ours can look then: the system does."""
    script = tmp_path / "starved.py"
    script.write_text(STARVED)
    ended = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == -signal.SIGPROF
    assert ended.stdout == "alive\n"
    assert "backtrack" in ended.stderr
