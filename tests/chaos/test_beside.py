"""Beside an installation: its servers are used and never killed, and nothing is left on them."""

import asyncio
import json
from pathlib import Path

import psycopg
from chaos.trials import chaos
from confluent_kafka.admin import AdminClient
from dagboek.embedded import Services
from end_to_end.harness import octopus


async def test_given_servers_and_a_given_sandbox(services: Services, tmp_path: Path) -> None:
    before = databases(services)
    async with octopus(limits=True) as sandbox:
        file = tmp_path / "sandbox.json"
        told = {"sandbox": "octopus", "base_url": sandbox.base_url, "credentials": sandbox.credentials}
        file.write_text(json.dumps(told))
        sandbox.control.book_by_hand(
            1001, journal="V1", date="2026-03-02", amount="121.00", vat_code="21", account=700000, comment="theirs"
        )
        report = await asyncio.to_thread(
            chaos,
            *("--documents", "40", "--connections", "4", "--minutes", "0.1", "--kills", "3", "--seed", "8"),
            *("--sandbox", str(file)),
            DAGBOEK_KAFKA_BOOTSTRAP=services.kafka_bootstrap,
            DAGBOEK_KAFKA_SECURITY=json.dumps(dict(services.kafka_security)),
            DAGBOEK_DATABASE_URL=services.database_url,
        )
        assert report["ok"], report
        assert (report["asked"], report["booked"], report["foreign"]) == (40, 40, 0)
        assert {kind.split()[0] for kind in report["kills"]} <= {"worker", "core"}
        assert [entry["comment"] for entry in sandbox.books.entries(1001)] == ["theirs"]
        assert len(sandbox.books.dossiers) == 5, "its own books are new ones"
        assert sandbox.limits.on and sandbox.faults.current == []

    assert databases(services) == before
    admin = AdminClient({**services.kafka_security, "bootstrap.servers": services.kafka_bootstrap})
    assert [name for name in admin.list_topics(timeout=60).topics if name.startswith("dagboek-chaos-")] == []


def databases(services: Services) -> set[str]:
    """Names of all databases of the server but those of other tests."""
    with psycopg.connect(services.database_url) as connection:
        rows = connection.execute("SELECT datname FROM pg_database WHERE datname LIKE 'dagboek%'").fetchall()
    return {str(row[0]) for row in rows}
