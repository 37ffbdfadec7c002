"""Documentation that runs: its scripts do what they say, its links lead somewhere, its commands are there."""

import re
import subprocess
import sys
import threading
from pathlib import Path
from queue import Empty, Queue
from typing import IO, Any

import pytest
from confluent_kafka import Producer
from dagboek.cli.main import COMMANDS
from dagboek.embedded import Services
from dagboek.settings import Settings
from dagboek.topics import ensure_topics
from dagboek_schemas.cloudevents import Record
from dagboek_schemas.events import MODELS, ItemOutcome
from dagboek_schemas.samples import sample, sample_data
from dagboek_schemas.statuses import ItemState
from dagboek_schemas.topics import Topic

ROOT = Path(__file__).parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), ROOT / "deploy" / "README.md"])
CONSUME = ROOT / "docs" / "guides" / "consume.md"

BOOKED, SKIPPED = "dagboek.document.booked.v1", "dagboek.document.skipped.v1"


def block(page: Path, name: str) -> str:
    """The code block that stands after `<!-- tested: name -->`."""
    found = re.search(rf"<!-- tested: {name} -->\n```python\n(.*?)```", page.read_text(), re.S)
    assert found, f"{page.name} has no code block named {name}"
    return found[1]


def executed(page: Path, name: str) -> dict[str, Any]:
    """Names that the block defines."""
    names: dict[str, Any] = {}
    exec(compile(block(page, name), f"{page.name}:{name}", "exec"), names)
    return names


# consume.md


def test_the_consumer_script_prints_results_and_warnings_as_they_come(
    services: Services, topic_prefix: str, tmp_path: Path
) -> None:
    settings = Settings(topic_prefix=topic_prefix, partitions=2)
    ensure_topics(services.kafka_bootstrap, settings, security=services.kafka_security)
    results, warnings = Topic.RESULTS.named(topic_prefix), Topic.WARNINGS.named(topic_prefix)
    script = tmp_path / "print_results.py"
    script.write_text(block(CONSUME, "print"))
    environment = {"DAGBOEK_KAFKA_BOOTSTRAP": services.kafka_bootstrap, "DAGBOEK_TOPIC_PREFIX": topic_prefix}
    with subprocess.Popen(
        [sys.executable, str(script)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment
    ) as process:
        lines: Queue[str] = Queue()
        reader = threading.Thread(target=copy, args=(process.stdout, lines))
        reader.start()
        try:
            publish(services, results, sample(BOOKED))
            assert next_line(lines) == f"{results} {BOOKED} 2026-0007 41"
            publish(services, results, sample(SKIPPED))
            publish(services, warnings, sample(SKIPPED))
            printed = {next_line(lines), next_line(lines)}
            assert printed == {f"{topic} {SKIPPED} 2026-0007  B04" for topic in (results, warnings)}
            for type_ in MODELS:  # whatever comes, the script goes on
                publish(services, results, sample(type_))
            assert [next_line(lines).split()[1] for _ in MODELS] == list(MODELS)
        finally:
            process.terminate()
            process.wait(10)
            reader.join(10)


def copy(output: "IO[str] | None", lines: "Queue[str]") -> None:
    for line in output or ():
        lines.put(line.rstrip())


def publish(services: Services, topic: str, record: Record) -> None:
    producer = Producer({"bootstrap.servers": services.kafka_bootstrap, **services.kafka_security})
    producer.produce(topic, record.value, record.key, headers=list(record.headers))
    assert producer.flush(30) == 0


def next_line(lines: "Queue[str]") -> str:
    try:
        return lines.get(timeout=60)
    except Empty:
        pytest.fail("the script printed nothing more")


def outcomes() -> list[Record]:
    """What became of one document, in order: to settle, then booked, then unchanged in the next run."""
    states = [ItemState.TO_SETTLE, ItemState.SYNCED, ItemState.UNCHANGED]
    booked = sample_data(BOOKED)
    assert isinstance(booked, ItemOutcome)
    records = []
    for second, (state, version) in enumerate(zip(states, (2, 3, 3), strict=True)):
        moment = booked.occurred_at.replace(second=second)
        outcome = booked.model_copy(update={"state": state, "link_version": version, "occurred_at": moment})
        record = sample(outcome.event_type)
        headers = dict(record.headers) | {"ce_id": str(outcome.event_id).encode()}
        records.append(Record(record.key, outcome.model_dump_json(exclude_none=True).encode(), list(headers.items())))
    return records


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 0, 1, 2, 0), (0, 0, 2, 2, 1)])
def test_the_newest_state_wins_whatever_order_and_repeats(order: tuple[int, ...]) -> None:
    names, records = executed(CONSUME, "handle"), outcomes()
    for place in order:
        names["handle"](dict(records[place].headers), records[place].value)
    (document,) = names["documents"].values()
    assert (document["state"], document["booked_as"]) == ("unchanged", "41")
    assert len(names["seen"]) == 3


def test_a_consumer_lets_go_what_is_no_outcome_of_a_document() -> None:
    names = executed(CONSUME, "handle")
    for type_ in ("dagboek.run.finished.v1", "dagboek.party.synced.v1", "dagboek.document.payment-changed.v1"):
        record = sample(type_)
        names["handle"](dict(record.headers), record.value)
    names["handle"]({"ce_id": b"1", "ce_type": b"dagboek.novelty.seen.v7"}, b"?")
    assert names["documents"] == {}


def test_outcomes_come_as_objects() -> None:
    outcome = executed(CONSUME, "typed")["outcome"]
    for type_ in MODELS:
        record = sample(type_)
        expected = sample_data(type_) if isinstance(sample_data(type_), ItemOutcome) else None
        assert outcome(record.headers, record.value) == expected
    assert outcome({**dict(sample(BOOKED).headers), "ce_type": b"dagboek.document.booked.v9"}, b"{}") is None


def test_every_type_of_event_is_told_of() -> None:
    text = CONSUME.read_text()
    told = [type_ for type_ in MODELS if type_ in text or type_.split(".")[1] in ("party", "list", "sync", "item")]
    assert told == list(MODELS)


# all pages


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", without_code(page.read_text())):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, heading = target.partition("#")
        there = (page.parent / path).resolve() if path else page
        assert there.exists(), f"{page.name} links to {target}"
        if heading:
            assert heading in headings(there), f"{page.name} links to {target}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_commands_and_settings_are_there(page: Path) -> None:
    text = page.read_text()
    code = "\n".join(re.findall(r"`([^`\n]+)`", text) + re.findall(r"```(?:sh|text)?\n(.*?)```", text, re.S))
    for command in re.findall(r"(?:^|[\s`])dagboek ([a-z]+)", code):
        assert command in (*COMMANDS, "worker"), f"{page.name}: dagboek {command}"
    for name in re.findall(r"\bDAGBOEK_([A-Z][A-Z_]+)\b", text):
        known = name == "SETTINGS" or name.lower() in Settings.model_fields or name.startswith("OCTOPUS")
        assert known, f"{page.name}: DAGBOEK_{name}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_python_is_python(page: Path) -> None:
    for code in re.findall(r"```python\n(.*?)```", page.read_text(), re.S):
        compile(code, page.name, "exec")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_files_that_are_named_are_there(page: Path) -> None:
    """Paths in backquotes that begin with a folder of the repository."""
    folders = "schemas|sdk|core|workers|plugins|tests|deploy|docs|bench"
    for named in re.findall(rf"`((?:{folders})/[\w./-]*)`", page.read_text()):
        assert (ROOT / named).exists(), f"{page.name} names {named}"


def without_code(text: str) -> str:
    return re.sub(r"```.*?```|`[^`\n]*`", "", text, flags=re.S)


def headings(page: Path) -> set[str]:
    """Anchors of a page, as GitHub makes them."""
    titles = re.findall(r"^#+ (.+)$", page.read_text(), re.M)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}
