"""What stands on the topics: every outcome once, in order, without personal data; and what is no event at all."""

import asyncio
import json
from collections import Counter
from pathlib import Path
from typing import Any
from uuid import uuid4

from confluent_kafka import Producer
from dagboek.chaos.ubl import Ubl, UblLine
from dagboek_schemas.cloudevents import decode, headers_of
from dagboek_schemas.events import MODELS, StartSync
from dagboek_schemas.topics import Topic
from end_to_end.harness import Installation, octopus, settings_of, write_files

SECRETS = (
    "Noordzee", "Klaver", "Bakkerij", "Brouwer", "0403019261", "0403.019.261", "0404616494", "0404.616.494",
    "0400378485", "Kade 1", "Oostende", '"8400"', "Geheim", "Coffee",
)  # fmt: skip


async def test_results_and_warnings_tell_every_outcome_once_and_nobody_by_name(
    house: Installation, tmp_path: Path
) -> None:
    folder = tmp_path / "ubl"
    write_files(
        folder,
        [
            Ubl("2026/001", note="Geheim voor Bakkerij De Klaver"),
            Ubl("2026/002", lines=(UblLine("10.00", rate="12"),)),
            Ubl("2026/003", credit=True),
            Ubl("2026/004", customer="BE0400378485", customer_name="Brouwer Geheim"),
            Ubl("2026/005", wrong_total=1),  # type: ignore[arg-type]
            Ubl("A/77", supplier="BE0400378485", supplier_name="Brouwer Geheim", customer="BE0403019261"),
        ],
    )
    (folder / "copy.xml").write_text(Ubl("2026/001", note="Geheim voor Bakkerij De Klaver").xml())
    (folder / "Geheim.xml").write_text("<Invoice")
    async with octopus() as sandbox:
        settings = settings_of({"21": "700000"})
        connection = await house.connection(sandbox, tenant="Told", folder=folder, settings=settings)
        sandbox.control.faults(kind="refuse", operation="insertUpdateRelation", after=1, times=1, code=-16, status=400)

        run = await house.sync(connection)

        told = await house.told(run["id"])
    items = await house.items(run["id"])
    assert run["status"] == "Warning"
    outcomes = [data for type_, data in told if "sequence" in data]
    assert Counter(data["sequence"] for data in outcomes) == Counter(item["sequence"] for item in items)
    by_sequence = {data["sequence"]: data for data in outcomes}
    for item in items:
        data = by_sequence[item["sequence"]]
        assert (data["state"], data["component"], data["identity"]) == (
            item["state"], item["component"], item["identity"]
        )  # fmt: skip
        assert [issue["code"] for issue in data["issues"]] == [issue["code"] for issue in item["issues"]]
    states = Counter(item["state"] for item in items)
    assert states["skipped"] >= 4 and states["synced"] >= 4 and states["not_ready"] == 1

    # ends of components and of the run come after all of that, in order
    types = [type_ for type_, _ in told]
    ends = [at for at, type_ in enumerate(types) if type_ == "dagboek.component.finished.v1"]
    assert types[-1] == "dagboek.run.finished.v1"
    assert ends == list(range(len(types) - 1 - len(ends), len(types) - 1))
    counts = told[-1][1]["counts"]
    assert counts["total"] == len(items)
    assert {name: number for name, number in counts.items() if number and name != "total"} == dict(states)

    # warnings are the skipped ones, the same events
    warned = await house.heard(Topic.WARNINGS)
    ours = {id_: data for id_, (_, data) in warned.items() if data["run_id"] == str(run["id"])}
    assert sorted(data["sequence"] for data in ours.values()) == sorted(
        item["sequence"] for item in items if item["state"] == "skipped"
    )

    # no personal data in any record, one id is one event, and every record is an event of a known type
    seen: dict[bytes, bytes] = {}
    for topic in Topic:
        for headers, value in await asyncio.to_thread(house.events, topic):
            text = (value or b"").decode("utf-8", "replace") + " ".join(
                f"{name}={content.decode('utf-8', 'replace')}" for name, content in headers.items()
            )
            if topic is not Topic.DEADLETTERS:
                assert [secret for secret in SECRETS if secret in text] == []
                decode(value, list(headers.items()), MODELS)
            if topic is Topic.RESULTS:
                assert seen.setdefault(headers["ce_id"], value) == value
    assert set(ours) <= set(seen)


async def test_what_is_no_event_becomes_a_dead_letter_and_the_rest_goes_on(house: Installation, tmp_path: Path) -> None:
    async with octopus() as sandbox:
        write_files(tmp_path / "ubl", [Ubl(f"2026/{at:03}") for at in range(1, 4)])
        connection = await house.connection(sandbox, tenant="Letters", folder=tmp_path / "ubl")
        row = await house.db.one("SELECT administration_id AS id FROM connection WHERE id = %s", connection)
        assert row is not None
        key = str(row["id"])
        marks = {name: uuid4().hex for name in ("garbage", "no headers", "wrong data", "nothing", "unknown", "newer")}
        ready, start = "dagboek.item.ready.v1", StartSync.TYPE
        producer = Producer({"bootstrap.servers": house.services.kafka_bootstrap})
        for topic, type_ in ((Topic.DOCUMENTS, ready), (Topic.COMMANDS, start)):
            known = headers_of(type_, uuid4())
            records: list[tuple[bytes | None, Any]] = [
                (b"\xff\xfe" + marks["garbage"].encode(), known),
                (marks["no headers"].encode(), []),
                (json.dumps({"run_id": marks["wrong data"]}).encode(), known),
                (None, known),
                (marks["unknown"].encode(), headers_of("dagboek.item.vanished.v1", uuid4())),
                (marks["newer"].encode(), headers_of(type_.replace(".v1", ".v2"), uuid4())),
            ]
            for value, headers in records:
                producer.produce(topic.named(house.prefix), value, key.encode(), headers=headers)
        producer.flush(10)

        run = await house.sync(connection)

        assert run["status"] == "Success"
        assert [entry["number"] for entry in sandbox.books.entries(1001, journal="V1")] == [1, 2, 3]
    letters = await house.letters(8)
    assert Counter(headers["dagboek_topic"].decode().rpartition(".")[2] for headers, _ in letters) == {
        "documents": 4, "commands": 4,
    }  # fmt: skip
    for headers, value in letters:
        assert headers["dagboek_reason"]
        assert headers["dagboek_offset"].isdigit() and headers["dagboek_partition"].isdigit()
        assert marks["unknown"].encode() not in (value or b"") and marks["newer"].encode() not in (value or b"")
    reasons = {headers["dagboek_reason"].decode() for headers, _ in letters}
    assert "header ce_specversion is missing or empty" in reasons


async def test_a_tool_that_is_not_installed_parks_its_run_and_nobody_elses(house: Installation, tmp_path: Path) -> None:
    async with octopus() as sandbox:
        write_files(tmp_path / "ubl", [Ubl("2026/001")])
        one = await house.connection(sandbox, tenant="Missing", folder=tmp_path / "ubl")
        await house.db.run("UPDATE connection SET plugin = 'abacus' WHERE id = %s", one)

        run_id = await house.start_run(one)
        parked = await house.until("SELECT * FROM run WHERE id = %s AND state = 'parked'", run_id)

        assert parked["park_issue"]["code"] == "D30"
        assert parked["park_issue"]["facts"]["plugin"] == "abacus"
        async with octopus() as second:
            write_files(tmp_path / "other", [Ubl("2026/001")])
            other = await house.connection(second, tenant="Present", folder=tmp_path / "other")
            assert (await house.sync(other))["status"] == "Success"

        # somebody installs it
        await house.db.run("UPDATE connection SET plugin = 'octopus' WHERE id = %s", one)
        await house.db.run("UPDATE run SET parked_until = now() WHERE id = %s", run_id)
        assert (await house.ended(run_id))["status"] == "Success"
        assert [entry["number"] for entry in sandbox.books.entries(1001, journal="V1")] == [1]
