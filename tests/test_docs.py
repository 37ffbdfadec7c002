"""Documentation that runs: its scripts do what they say, its links lead somewhere, its commands are there."""

import asyncio
import json
import os
import re
import runpy
import shlex
import signal
import subprocess
import sys
import threading
import tomllib
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from queue import Empty, Queue
from typing import IO, Any
from uuid import UUID

import pytest
from aiohttp import web
from confluent_kafka import Producer
from dagboek.chaos.ubl import Ubl
from dagboek.cli.main import COMMANDS
from dagboek.embedded import Services
from dagboek.matching import Likeness, match
from dagboek.settings import Settings
from dagboek.topics import ensure_topics
from dagboek.webhooks.signing import new_secret, signed_headers
from dagboek_schemas.cloudevents import Record
from dagboek_schemas.documents import Direction, Document, Kind, Line, Party, Totals
from dagboek_schemas.events import MODELS, ItemOutcome
from dagboek_schemas.samples import sample, sample_data
from dagboek_schemas.statuses import Component, ItemKind, ItemState
from dagboek_schemas.topics import Topic
from dagboek_sdk import clock
from dagboek_sdk.accounting import Link, MappingContext
from dagboek_sdk.attempt import Absent, Attempt, Booked, Booking, Op
from dagboek_sdk.errors import AlreadyThere, Refused, Uncertain
from dagboek_sdk.settings import ConnectionSettings, LedgerRule, Side, VatCode, VatKey
from end_to_end.harness import installation, octopus, write_files

ROOT = Path(__file__).parent.parent
GUIDE = ROOT / "core" / "dagboek" / "console" / "guide" / "bookkeeper.md"
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), ROOT / "deploy" / "README.md", GUIDE])
CONSUME = ROOT / "docs" / "guides" / "consume.md"
WEBHOOKS = ROOT / "docs" / "guides" / "webhooks.md"

BOOKED, SKIPPED = "dagboek.document.booked.v1", "dagboek.document.skipped.v1"


def block(page: Path, name: str) -> str:
    """The code block that stands after `<!-- tested: name -->`."""
    found = re.search(rf"<!-- tested: {name} -->\n```[a-z]+\n(.*?)```", page.read_text(), re.S)
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
    assert len([line for line in script.read_text().splitlines() if line]) <= 10, "the README says ten lines"
    environment = {"DAGBOEK_KAFKA_BOOTSTRAP": services.kafka_bootstrap, "DAGBOEK_TOPIC_PREFIX": topic_prefix}
    with subprocess.Popen(
        [sys.executable, str(script)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=environment,
        # tests that a shell started in the background are born deaf to Ctrl-C, and so would this be
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509
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
            process.send_signal(signal.SIGINT)
            process.wait(60)  # Ctrl-C is heard while it waits for the next record
        finally:
            process.kill()
            reader.join(10)


def test_the_page_says_how_the_script_is_given_the_address_that_up_prints() -> None:
    text = CONSUME.read_text()
    (command,) = re.findall(r"^DAGBOEK_KAFKA_BOOTSTRAP=(\S+) uv run python print_results\.py$", text, re.M)
    assert f"`Kafka at {command}" in text
    assert "Kafka at {" in (ROOT / "core" / "dagboek" / "cli" / "up.py").read_text(), "the words of `dagboek up`"


async def test_a_file_that_cannot_be_read_is_found_as_the_page_says(
    services: Services, database_url: str, topic_prefix: str, tmp_path: Path
) -> None:
    write_files(tmp_path / "ubl", [Ubl("2026/1")])
    (tmp_path / "ubl" / "letter.xml").write_text("Dear")
    async with installation(services, database_url, topic_prefix, tmp_path) as dagboek, octopus() as sandbox:
        connection = await dagboek.connection(sandbox, folder=tmp_path / "ubl")
        dagboek.core()
        dagboek.worker()
        run = await dagboek.sync(connection)
        told = [data for type_, data in await dagboek.told(run["id"]) if type_ == SKIPPED]
        assert [data.get("document_number") for data in told] == [None]
        environment = dagboek.environment()
        found = json.loads(await command(environment, "history", told[0]["run_id"], "--details", "--json"))
        assert {one["identity"]: one["origin_id"] for one in found["details"]} == {told[0]["identity"]: "letter.xml"}
        rows = json.loads(await command(environment, "documents", "--not-synced", "--json"))
        assert [row["origin_id"] for row in rows] == ["letter.xml"]


async def command(environment: dict[str, str], *arguments: str) -> str:
    """What a command of `dagboek` prints."""
    program = [sys.executable, "-m", "dagboek", *arguments]
    done = await asyncio.to_thread(subprocess.run, program, capture_output=True, text=True, env=environment, timeout=90)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


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


# webhooks.md


def test_who_receives_a_webhook_checks_it_as_the_page_says() -> None:
    verified = executed(WEBHOOKS, "verify")["verified"]
    secret, other = new_secret(), new_secret()
    body = b'{"type":"dagboek.run.finished.v1"}'
    headers = signed_headers(UUID(int=7), clock.now(), body, [other, secret])
    assert verified(secret, headers, body) == {"type": "dagboek.run.finished.v1"}
    for wrong in (
        {"secret": new_secret()},
        {"body": body + b" "},
        {"headers": {**headers, "webhook-id": str(UUID(int=8))}},
        {"headers": signed_headers(UUID(int=7), clock.now() - timedelta(minutes=6), body, [secret])},
    ):
        with pytest.raises(ValueError, match=r"signature|too old"):
            verified(**{"secret": secret, "headers": headers, "body": body, **wrong})


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
        known = (
            name == "SETTINGS" or name.lower() in Settings.model_fields or name.startswith(("OCTOPUS", "EXACT", "YUKI"))
        )
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


# write-a-plugin.md

PLUGIN = ROOT / "docs" / "guides" / "write-a-plugin.md"


@pytest.fixture
async def tiny() -> AsyncIterator[tuple[Any, Any]]:
    """The plugin of the guide, connected to a server."""
    names, server = executed(PLUGIN, "plugin"), executed(PLUGIN, "server")["TinyServer"]()
    runner = web.ServerRunner(web.Server(server.handle))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    settings = names["TinySettings"](base_url=f"http://127.0.0.1:{runner.addresses[0][1]}", key="k-1")
    plugin = names["Tiny"](Link(settings, "1", NoSecrets()))
    yield plugin, server
    await plugin.close()
    await runner.cleanup()


class NoSecrets:
    """Tiny has no tokens."""

    async def load(self, name: str) -> None:
        return None

    async def save(self, name: str, value: str, until: datetime) -> None:
        raise AssertionError("nothing to save")

    def lock(self, name: str) -> Any:
        raise AssertionError("nothing to lock")


def an_invoice(kind: Kind = Kind.INVOICE) -> Document:
    return Document(
        kind=kind,
        direction=Direction.SALES,
        number="2026-0007",
        issue_date=date(2026, 2, 3),
        currency="EUR",
        seller=Party(name="Acme", vat_number="BE0123456749"),
        buyer=Party(name="Beta", vat_number="BE0987654394"),
        lines=(Line(id="1", name="Work", net=Decimal("100.00"), vat_category="S", vat_rate=Decimal(21)),),
        totals=Totals(lines=Decimal(100), net=Decimal(100), vat=Decimal(21), gross=Decimal(121), payable=Decimal(121)),
    )


def a_context() -> MappingContext:
    side = Side(
        invoice_journal="S",
        credit_note_journal="S",
        vat_codes=(VatCode(key=VatKey(rate=Decimal(21)), code="21"),),
        ledger_accounts=(LedgerRule(account="700000"),),
    )
    return MappingContext(ConnectionSettings(sales=side), {}, reference="dagboek-7")


def an_attempt(booking: Booking, kind: ItemKind = ItemKind.DOCUMENT) -> Attempt:
    component = Component.SALES_INVOICES if kind is ItemKind.DOCUMENT else Component.CUSTOMERS
    attempt = Attempt(1, 17, 1, Op.CREATE, "d1:7", kind, component, booking, party_entry="C1")
    return attempt.start(clock.boot_time())


async def test_the_plugin_of_the_guide_books_a_customer_and_an_invoice(tiny: tuple[Any, Any]) -> None:
    plugin, server = tiny
    assert [one.id for one in await plugin.administrations()] == ["1"]
    assert (await plugin.lists())["journals"][0].code == "S"
    customer = plugin.map_party(an_invoice().buyer, Component.CUSTOMERS, a_context())
    assert (await plugin.push(an_attempt(customer, ItemKind.PARTY))).entry_id == "C1"
    assert list(server.contacts) == ["/books/1/contacts/17"]
    booking = plugin.map_document(an_invoice(), Component.SALES_INVOICES, a_context())
    assert [(line.account, line.credit, line.debit) for line in booking.lines] == [("700000", 100, 0)]
    assert await plugin.push(an_attempt(booking)) == Booked("E1", "1")
    assert server.entries[0]["contact"] == "C1"
    assert server.entries[0]["total"] == "121.00"


async def test_the_plugin_of_the_guide_says_what_the_tool_means(tiny: tuple[Any, Any]) -> None:
    plugin, server = tiny
    booking = plugin.map_document(an_invoice(), Component.SALES_INVOICES, a_context())
    await plugin.push(an_attempt(booking))
    with pytest.raises(AlreadyThere):
        await plugin.push(an_attempt(booking))
    credit = plugin.map_document(an_invoice(Kind.CREDIT_NOTE), Component.SALES_CREDIT_NOTES, a_context())
    assert credit.gross == -121
    assert [(line.credit, line.debit) for line in credit.lines] == [(0, 100)]
    with pytest.raises(Refused) as refused:
        await plugin.push(an_attempt(replace(credit, payload=credit.payload | {"reference": "dagboek-8"})))
    assert refused.value.tool_words == "no negative totals"
    assert len(server.entries) == 1


async def test_the_plugin_of_the_guide_finds_what_was_booked_before_a_503(tiny: tuple[Any, Any]) -> None:
    plugin, server = tiny
    server.fault = True
    attempt = an_attempt(plugin.map_document(an_invoice(), Component.SALES_INVOICES, a_context()))
    assert await plugin.resolve([attempt]) == {1: Absent()}
    with pytest.raises(Uncertain):
        await plugin.push(attempt)
    resolution = (await plugin.resolve([attempt]))[1]
    assert match(attempt.booking, None, resolution.candidates).likeness is Likeness.OURS


def write_the_plugin(folder: Path) -> None:
    """The files of the guide, and what installing them adds: that itself would need hatchling from a registry."""
    package, about = folder / "dagboek_tiny", tomllib.loads(block(PLUGIN, "pyproject"))
    (package).mkdir(parents=True)
    (package / "__init__.py").write_text(block(PLUGIN, "plugin"))
    (package / "hooks.py").write_text(block(PLUGIN, "hooks"))
    (folder / "tiny_server.py").write_text(block(PLUGIN, "server"))
    assert about["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"] == [package.name]
    project = about["project"]
    installed = folder / f"dagboek_tiny-{project['version']}.dist-info"
    installed.mkdir()
    (installed / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n"
    )
    points = "".join(f"{name} = {value}\n" for name, value in project["entry-points"]["dagboek"].items())
    (installed / "entry_points.txt").write_text(f"[dagboek]\n{points}")


def test_the_files_of_the_plugin_are_those_that_the_guide_lists(tmp_path: Path) -> None:
    write_the_plugin(tmp_path)
    layout = PLUGIN.read_text().partition("Its files:")[2].partition("## ")[0]
    named = set(re.findall(r"^ +([\w.]+)", layout, re.M))
    written = {path.name for path in tmp_path.rglob("*.py")} | {"pyproject.toml", "dagboek_tiny"}
    assert named == written


def test_the_plugin_of_the_guide_speaks_three_languages(tmp_path: Path) -> None:
    write_the_plugin(tmp_path)
    words = (
        "from dagboek.plugins import Plugins; from dagboek_schemas.issues import Issue\n"
        "texts = Plugins().catalogue\n"
        "print(*(texts.text(Issue(code='TINY01', facts={'reason': 'no'}), one).cause for one in ('nl', 'fr', 'en')))"
    )
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", words], capture_output=True, text=True, env=environment, check=True)
    assert done.stdout == "Tiny zegt: no Tiny répond : no Tiny says: no\n"


async def test_the_plugin_of_the_guide_is_connected_and_previewed_as_the_guide_says(
    services: Services, database_url: str, topic_prefix: str, tmp_path: Path
) -> None:
    tiny = tmp_path / "dagboek-tiny"
    write_the_plugin(tiny)
    runner = web.AppRunner(await runpy.run_path(str(tiny / "tiny_server.py"))["application"]())
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    address = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        async with installation(services, database_url, topic_prefix, tmp_path) as dagboek:
            environment = dagboek.environment(PYTHONPATH=str(tiny))
            listed = await command(environment, "plugins")
            assert re.search(r"^tiny +dagboek-tiny 0\.1\.0 +tiny ", listed, re.M), listed
            lines = block(PLUGIN, "try").replace("http://127.0.0.1:8090", address).replace("\\\n", "").splitlines()
            told = [await command(environment, *shlex.split(line.removeprefix("uv run dagboek "))) for line in lines]
            dagboek.core(PYTHONPATH=str(tiny))
            dagboek.worker(PYTHONPATH=str(tiny))
            row = await dagboek.db.one("SELECT id FROM connection")
            assert row is not None
            run = await dagboek.sync(row["id"])
            assert (await dagboek.states(run["id"]))["2026-0001"] == "synced"
        assert "Noordzee Koffie BV is connected to Noordzee Koffie BV (1)" in told[1]
        assert re.search(r"2026-0001 .* book", told[2])
        assert re.search(r"700000 +.*21", told[2])
    finally:
        await runner.cleanup()
