"""Where a process's CPU goes: samples of its threads while they hold the interpreter, added up by part.

Needs py-spy: `uv run --group bench python bench/full_path.py --profile 10`.
"""

import asyncio
import sys
import tempfile
from collections import Counter
from pathlib import Path

PARTS = (
    ("acks and dispatch", ("dispatcher.py", "dagboek/acks.py")),
    ("intents and outcomes (PostgreSQL)", ("push_record.py", "psycopg")),
    ("results (Kafka)", ("publisher.py", "confluent_kafka", "outcome_events.py", "cloudevents.py")),
    ("rules, mapping, booking", ("instant.py", "dagboek/rules/", "booking_json.py", "plugins.py", "pluggy")),
    ("snapshots and events (pydantic, hashing)", ("pydantic", "documents.py", "window.py", "events.py", "uuid.py")),
    ("recorder", ("recorder.py",)),
    (
        "lanes and push loop",
        (
            "lane.py",
            "tool_loop.py",
            "pushing.py",
            "deciding.py",
            "attempting.py",
            "batching.py",
            "sending.py",
            "outcomes.py",
            "item_task.py",
            "trouble.py",
        ),
    ),
    ("Faust and aiokafka", ("faust", "aiokafka", "/mode/")),
    ("event loops", ("asyncio", "uvloop", "threading.py", "contextlib.py")),
)
"""Parts by what a file's path holds; a sample counts for the innermost frame that belongs to one of them."""


def part_of(stack: str) -> str:
    """The part that a stack, outermost frame first, was working for."""
    for frame in reversed(stack.split(";")):
        for name, signs in PARTS:
            if any(sign in frame for sign in signs):
                return name
    return "other"


async def cpu_profile(pid: int, seconds: int) -> Counter[str]:
    """Samples of a process by part, in the `seconds` to come."""
    with tempfile.NamedTemporaryFile(suffix=".txt") as file:
        process = await asyncio.create_subprocess_exec(
            str(Path(sys.executable).parent / "py-spy"), "record", "--pid", str(pid), "--duration", str(seconds),
            "--rate", "250", "--gil", "--full-filenames", "--nonblocking", "--format", "raw", "--output", file.name,
            stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
        )  # fmt: skip
        if await process.wait():
            raise RuntimeError("py-spy may not look into the process: it needs the right to trace it")
        found: Counter[str] = Counter()
        for line in Path(file.name).read_text().splitlines():
            stack, _, count = line.rpartition(" ")
            found[part_of(stack)] += int(count)
        return found


def table(profile: Counter[str]) -> str:
    """The shares as a Markdown table, largest first."""
    total = sum(profile.values()) or 1
    rows = [f"| {name} | {count / total:.0%} |" for name, count in profile.most_common()]
    return "\n".join(["| part of the worker | share of its CPU |", "| --- | ---: |", *rows])
