"""The WSDLs: zeep loads them from the sandbox alone, and they say what the reference says."""

import asyncio
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
import zeep
from dagboek_yuki.sandbox.operations import OPERATIONS
from dagboek_yuki.sandbox.table import SERVICES, Field, Service
from lxml import etree
from zeep.exceptions import Fault
from zeep.transports import Transport

from .conftest import Client

REFERENCE = Path(__file__).parents[4] / "shared" / "reference" / "yuki"
TABLE = REFERENCE / "operations.json"
ARCHIVE = REFERENCE / "Archive.asmx.wsdl.xml"

S = "{http://www.w3.org/2001/XMLSchema}"
W = "{http://schemas.xmlsoap.org/wsdl/}"


class _Nothing_else(requests.Session):  # noqa: N801
    """A session that goes to one address only."""

    def __init__(self, allowed: str) -> None:
        super().__init__()
        self.allowed = allowed

    def request(self, method: str, url: Any, *rest: Any, **options: Any) -> Any:
        assert str(url).startswith(self.allowed), f"zeep went to {url}"
        return super().request(method, url, *rest, **options)


def load(base_url: str, service: str, port: str = "Soap") -> Any:
    """A client that zeep made of the service's WSDL."""
    transport: Any = Transport
    url = f"{base_url}/ws/{service}.asmx?WSDL"
    client: Any = zeep.Client
    return client(
        url, transport=transport(session=_Nothing_else(base_url)), service_name=service, port_name=f"{service}{port}"
    )


@pytest.mark.parametrize("service", SERVICES)
async def test_zeep_loads_every_service_and_calls_it_in_both_versions(client: Client, service: str) -> None:
    def work() -> None:
        for port in ("Soap", "Soap12"):
            yuki = load(client.sandbox.base_url, service, port)
            session = yuki.service.Authenticate(accessKey=client.key)
            assert yuki.service.Language(sessionID=session) == "nl"
            assert yuki.service.SetLanguage(sessionID=session, language="fr") is None
            assert yuki.service.Language(sessionID=session) == "fr"
            (found,) = yuki.service.Administrations(sessionID=session)
            assert found.get("ID") == client.administration
            with pytest.raises(Fault, match="Invalid access key"):
                yuki.service.Authenticate(accessKey="wrong")

    await asyncio.to_thread(work)


async def test_zeep_calls_the_forms(client: Client) -> None:
    def work() -> None:
        for port in ("HttpGet", "HttpPost"):
            yuki = load(client.sandbox.base_url, "Vat", port)
            session = yuki.service.Authenticate(accessKey=client.key)
            assert yuki.service.Language(sessionID=session) == "nl"

    await asyncio.to_thread(work)


async def test_the_wsdl_offers_what_the_sandbox_does_and_no_more(client: Client) -> None:
    for service in SERVICES.values():
        for query in ("WSDL", "wsdl"):
            answer = await client.send("GET", f"/ws/{service.name.lower()}.asmx?{query}")
            assert answer.headers["Content-Type"] == "text/xml; charset=utf-8"
        root = etree.fromstring(answer.text.encode())
        port = root.find(f"{W}portType[@name='{service.name}Soap']")
        assert port is not None
        offered = {str(each.get("name")) for each in port.iter(f"{W}operation")}
        assert (
            offered == {name for of, name in OPERATIONS if of == service.name} >= {"Authenticate", "SetCurrentDomain"}
        )
        address = {str(each.get("location")) for each in root.iter() if str(each.tag).endswith("}address")}
        assert address == {f"{client.sandbox.base_url}/ws/{service.name}.asmx"}


# --- the reference ------------------------------------------------------------------------------------------------


def _wire(service: Service, field: Field) -> tuple[str, str, bool]:
    kind = {"xml": "anyXml(mixed,s:any)", "bytes": "base64Binary", "bool": "boolean"}.get(field.kind, field.kind)
    if field.many:
        kind = f"ArrayOf{kind}"
    if field.kind in service.enums:
        kind = f"enum:{kind}"
    return field.name, kind, field.nillable or not service.is_value(field)


def _told(row: dict[str, Any]) -> tuple[str, str, bool]:
    return row["name"], row["type"], bool(row.get("minOccurs0_or_nillable", True))


@pytest.mark.skipif(not TABLE.exists(), reason="the reference is not here")
def test_the_table_says_what_the_reference_says() -> None:
    told = json.loads(TABLE.read_text())
    assert set(SERVICES) == set(told["services"])
    for service in SERVICES.values():
        rows = {name: row for name, row in told["services"][service.name].items() if not name.startswith("_")}
        rows |= told["general_operations_on_every_service"]
        assert set(service.operations) == set(rows), service.name
        for name, row in rows.items():
            ours = service.operations[name]
            assert [_wire(service, each) for each in ours.params] == [_told(each) for each in row["params"]], name
            results = [] if row["result"] == "empty" else [(one["name"], one["type"]) for one in row["result"]]
            assert ([] if ours.result is None else [_wire(service, ours.result)[:2]]) == results, name
    for name, values in told["enums"].items():
        assert SERVICES["Archive"].enums[name] == tuple(values)
    for name, fields in told["complex_types"].items():
        owner, _, kind = name.partition(".")
        if not kind.startswith("ArrayOf"):
            service = SERVICES[owner]
            assert [_wire(service, each) for each in service.types[kind]] == [_told(each) for each in fields], name


Shape = dict[str, Any]


def _shape(root: etree._Element, names: Callable[[str], bool]) -> Iterator[tuple[str, Shape]]:
    """What a WSDL says of each operation that passes: elements, messages, bindings."""
    types = {str(each.get("name")): each for each in root.iterfind(f"{W}types/{S}schema/{S}element")}
    messages = {str(each.get("name")): each for each in root.findall(f"{W}message")}
    for port in root.findall(f"{W}portType"):
        for operation in port.findall(f"{W}operation"):
            name = str(operation.get("name"))
            if not names(name):
                continue
            said: Shape = {}
            for way in ("input", "output"):
                message = messages[str(operation.find(f"{W}{way}").get("message")).removeprefix("tns:")]  # type: ignore[union-attr]
                for part in message.findall(f"{W}part"):
                    kind = part.get("type") or part.get("element")
                    said[f"{way} {part.get('name')}"] = kind
                    if part.get("name") == "parameters":
                        said[f"{way} fields"] = list(_fields(types[str(kind).removeprefix("tns:")]))
            yield f"{port.get('name')} {name}", said
    for binding in root.findall(f"{W}binding"):
        for operation in binding.findall(f"{W}operation"):
            if names(str(operation.get("name"))):
                rows = [(each.tag, sorted(each.items())) for each in operation.iter() if isinstance(each.tag, str)]
                yield f"{binding.get('name')} {binding.get('type')} {operation.get('name')}", {"rows": rows}


def _fields(element: etree._Element) -> Iterator[tuple[Any, ...]]:
    for each in element.iterfind(f"{S}complexType/{S}sequence/{S}element"):
        anything = [(one.tag, sorted(one.items())) for one in each.iter() if one is not each]
        yield (*sorted(each.items()), *anything)


@pytest.mark.skipif(not ARCHIVE.exists(), reason="the reference is not here")
@pytest.mark.parametrize("everything", [False, True])
async def test_the_archive_offers_what_the_real_one_does(
    client: Client, monkeypatch: pytest.MonkeyPatch, everything: bool
) -> None:
    if everything:  # also for what the sandbox does not do
        for name in SERVICES["Archive"].operations:
            monkeypatch.setitem(OPERATIONS, ("Archive", name), OPERATIONS["Archive", "Language"])
    answer = await client.send("GET", "/ws/Archive.asmx?WSDL")
    ours = etree.fromstring(answer.text.encode())
    real = etree.fromstring(ARCHIVE.read_bytes(), etree.XMLParser(remove_comments=True))
    newer = {"AdministrationsWithInternalCustomerCode"}
    here = {name for of, name in OPERATIONS if of == "Archive"} - newer
    expected = dict(_shape(real, here.__contains__))
    assert dict(_shape(ours, here.__contains__)) == expected
    assert len(expected) == 7 * len(here)
    assert len(here) == 40 or not everything

    def enumerations(root: etree._Element) -> dict[str, list[str]]:
        return {
            str(each.get("name")): [str(one.get("value")) for one in each.iter(f"{S}enumeration")]
            for each in root.iter(f"{S}simpleType")
        }

    assert enumerations(ours).items() <= enumerations(real).items()

    def ports(root: etree._Element) -> list[tuple[str, str]]:
        return [(str(each.get("name")), str(each.get("binding"))) for each in root.iter(f"{W}port")]

    assert ports(ours) == ports(real)


def test_every_operation_has_a_row_in_the_table() -> None:
    assert all(name in SERVICES[service].operations for service, name in OPERATIONS)
