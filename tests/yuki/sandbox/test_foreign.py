"""A client that others wrote, and that knows the WSDLs alone, calls every operation that the sandbox offers."""

import asyncio
from datetime import date, datetime
from typing import Any

from dagboek_yuki.operations import EVERYWHERE, OF_SERVICES
from dagboek_yuki.sandbox.general import OPENING
from dagboek_yuki.sandbox.operations import OPERATIONS
from dagboek_yuki.sandbox.table import SERVICES, Field, Service
from lxml import etree
from yuki_papers import PURCHASES, counts, element, invoice, journal, line, purchase, sales

from .conftest import Client, Starter
from .test_wsdl import load


class Stranger:
    """Calls by zeep, with what it was told so far."""

    def __init__(self, client: Client, port: str) -> None:
        known = client.sandbox.credentials
        self.port = port
        self.base_url = client.sandbox.base_url
        self.services: dict[str, Any] = {}
        self.known: dict[str, Any] = {
            "accessKey": known["access_key"],
            "clientID": known["client_id"],
            "clientSecret": known["client_secret"],
            "administrationID": client.administration,
            "administrationId": client.administration,
            "administrationName": "Voorbeeld BV",
            "domainID": next(iter(client.sandbox.books.domains)),
            "language": "nl",
            "fileName": "factuur.pdf",
            "fileName1": "factuur.pdf",
            "fileName2": "factuur.xml",
            "disableAutoCorrect": "false",
        }

    def call(self, service: str, operation: str, **params: Any) -> Any:
        """The result, as zeep reads it."""
        if service not in self.services:
            self.services[service] = load(self.base_url, service, self.port).service
        given = {
            each.name: self._value(SERVICES[service], each) for each in SERVICES[service].operations[operation].params
        }
        return self.services[service][operation](**(given | params))

    def _value(self, service: Service, field: Field) -> Any:
        if field.name in self.known:
            return self.known[field.name]
        match field.kind:
            case "int":
                return 1 if field.name.startswith("page") else 0
            case "decimal":
                return "12.10"
            case "bool":
                return False
            case "bytes":
                return b"%PDF-1.4 %EOF"
            case "dateTime":
                year = 2025 if "start" in field.name.lower() or "modified" in field.name.lower() else 2027
                return datetime(year, 1, 1)  # noqa: DTZ001 - the wire has no zone
        return service.enums[field.kind][0] if field.kind in service.enums else None

    def log_in(self) -> None:
        """A session of an app that Yuki knows."""
        session = self.call("Purchase", "AuthenticateClient")
        self.known |= {"sessionID": session, "sessionId": session}


async def test_zeep_calls_every_operation_in_both_versions(start: Starter) -> None:
    client = await start(site="be", limits=False)

    def work(port: str) -> None:
        stranger = Stranger(client, port)
        stranger.log_in()
        document = sales(invoice(f"F-{port}", line("100.00", "21.00"), Date=date(2026, 3, 2).isoformat()))
        answer = stranger.call("Sales", "ProcessSalesInvoices", xmlDoc=document)
        assert counts(answer) == (1, 0, 0)
        rows = stranger.call("AccountingInfo", "GetTransactionDetails", GLAccountCode="400000")
        assert f"F-{port}" in [row["documentReference"] for row in rows]
        assert [row["transactionAmount"] for row in rows] == [121] * len(rows)
        stranger.known |= {"transactionID": rows[0]["id"], "Reference": f"F-{port}", "GLAccountCode": "700000"}
        stranger.known["documentID"] = stranger.call("Archive", "UploadDocument", folder=1)
        contact = etree.fromstring("<Contact><Type>2</Type><FullName>Zeep BV</FullName><Country>BE</Country></Contact>")
        for service, operation in OPERATIONS:
            if operation in OPENING:
                continue
            given = {
                "ProcessSalesInvoices": document,
                "ProcessRecognizedSalesInvoices": document,
                "ProcessPurchaseInvoices": element("PurchaseInvoices", {"PurchaseInvoice": [purchase()]}, PURCHASES),
                "UpdateContact": contact,
                "ProcessJournal": journal({"604000": "10.00", "499000": "-10.00"}),
            }
            more = {"xmlDoc": given[operation]} if operation in given else {}
            stranger.call(service, operation, **more)

    for port in ("Soap", "Soap12"):
        await asyncio.to_thread(work, port)
    called = {row["operation"] for row in client.sandbox.requests.last(10_000) if row["status"] == 200}
    assert called >= {f"{service}.{operation}" for service, operation in OPERATIONS if operation not in OPENING}
    assert called >= {f"{service}.{name}" for service, names in OF_SERVICES.items() for name in names}, "of the plugin"
    assert set(EVERYWHERE) <= {name for _, name in OPERATIONS}
