"""A whole run over a broker that wants a password, or a certificate, of everybody who comes."""

import asyncio
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from certificates import PASSWORD, write_certificates
from conftest import temporary_folder
from dagboek.chaos.ubl import Ubl
from dagboek.embedded import Services, ports
from dagboek.embedded.answers import wait_for_kafka
from dagboek.embedded.kafka import EmbeddedKafka
from dagboek.embedded.ports import HOST
from end_to_end.harness import installation, write_files


@pytest.fixture(scope="module")
def secured() -> Iterator[dict[str, Services]]:
    """A broker with one way in that wants a password and one that wants a certificate: addresses and what to show."""
    with temporary_folder() as folder:
        write_certificates(folder)
        chosen = ports.keep_or_choose(folder / "ports.json", ["open", "controller", "sasl", "tls"])
        ways = {name: f"{HOST}:{chosen[name]}" for name in ("open", "sasl", "tls")}
        listeners = ",".join(f"{name.upper()}://{address}" for name, address in ways.items())
        module = "org.apache.kafka.common.security.plain.PlainLoginModule"
        properties = {
            "listeners": f"{listeners},CONTROLLER://{HOST}:{chosen['controller']}",
            "advertised.listeners": listeners,
            "listener.security.protocol.map": "OPEN:PLAINTEXT,CONTROLLER:PLAINTEXT,SASL:SASL_PLAINTEXT,TLS:SSL",
            "inter.broker.listener.name": "OPEN",
            "listener.name.sasl.sasl.enabled.mechanisms": "PLAIN",
            "listener.name.sasl.plain.sasl.jaas.config": f'{module} required user_clerk="hidden-word";',
            "listener.name.tls.ssl.client.auth": "required",
            "listener.name.tls.ssl.keystore.type": "PEM",
            "listener.name.tls.ssl.keystore.location": str(folder / "server.pem"),
            "listener.name.tls.ssl.truststore.type": "PEM",
            "listener.name.tls.ssl.truststore.location": str(folder / "ca.pem"),
        }
        kafka = EmbeddedKafka(
            folder / "kafka",
            port=chosen["open"],
            controller_port=chosen["controller"],
            progress=print,
            properties=properties,
        )
        password = {
            "security.protocol": "sasl_plaintext",
            "sasl.mechanism": "PLAIN",
            "sasl.username": "clerk",
            "sasl.password": "hidden-word",
        }
        certificate = {
            "security.protocol": "ssl",
            "ssl.ca.location": str(folder / "ca.pem"),
            "ssl.certificate.location": str(folder / "client.pem"),
            "ssl.key.location": str(folder / "client.key"),
            "ssl.key.password": PASSWORD,
        }
        kafka.start()
        try:
            yield {"sasl": Services(ways["sasl"], "", password), "tls": Services(ways["tls"], "", certificate)}
        finally:
            kafka.stop()


@pytest.mark.parametrize("way", ["sasl", "tls"])
async def test_documents_are_booked_over_a_secured_broker(
    secured: dict[str, Services], way: str, database_url: str, sandbox: Any, tmp_path: Path
) -> None:
    services = secured[way]
    assert await asyncio.to_thread(wait_for_kafka, services.kafka_bootstrap, seconds=1) is not None, "it is open to all"
    write_files(tmp_path / "ubl", [Ubl("2026/1"), Ubl("2026/2")])
    async with installation(services, database_url, f"secured-{secrets.token_hex(4)}", tmp_path) as made:
        connection = await made.connection(sandbox, folder=tmp_path / "ubl")
        made.core()
        made.worker()
        await made.ready()
        run = await made.sync(connection)
        told = [type_ for type_, _ in await made.told(run["id"])]

    assert run["status"] == "Success", run
    assert [entry["comment"] for entry in sandbox.books.entries(1001, journal="V1")] == ["2026/1", "2026/2"]
    assert told.count("dagboek.document.booked.v1") == 2
    assert told[-1] == "dagboek.run.finished.v1"
    assert "hidden-word" not in made.logs()
