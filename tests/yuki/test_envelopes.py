"""Every envelope that the client makes, against the reference's table of operations: names, order, types."""

import json
from base64 import b64decode
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from dagboek_yuki import operations, soap
from dagboek_yuki.operations import Type
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

REFERENCE = Path("/work/shared/reference/yuki/operations.json")
WRITTEN = {
    Type.TEXT: ("string",),
    Type.WHOLE: ("int",),
    Type.DECIMAL: ("decimal",),
    Type.FLAG: ("boolean",),
    Type.MOMENT: ("dateTime",),
    Type.WORD: ("enum:",),
    Type.BYTES: ("base64Binary",),
    Type.XML: ("anyXml",),
}
VALUES: dict[Type, Any] = {
    Type.TEXT: "Bakker & Zoon <1>\x0b",
    Type.WHOLE: 7,
    Type.DECIMAL: Decimal("1234567.80"),
    Type.FLAG: True,
    Type.MOMENT: date(2026, 3, 31),
    Type.BYTES: b"%PDF-1.7\x00",
    Type.XML: etree.fromstring('<Journal xmlns="urn:x"><A>1</A></Journal>'),
}
USED = [
    (service, operation)
    for service, ones in operations.OF_SERVICES.items()
    for operation in (*ones, *operations.EVERYWHERE)
]


def reference() -> dict[str, Any]:
    if not REFERENCE.exists():
        pytest.skip("the reference is not here")
    found: dict[str, Any] = json.loads(REFERENCE.read_text())
    return found


def made(service: str, operation: str, values: dict[str, Any]) -> etree._Element:
    """The element of the call."""
    root = etree.fromstring(soap.envelope(service, operation, values))
    (body,) = root
    (call,) = body
    assert call.tag == f"{{{soap.YUKI}}}{operation}"
    return call


@pytest.mark.parametrize(("service", "operation"), USED)
def test_names_order_and_types_are_those_of_the_reference(service: str, operation: str) -> None:
    facts = reference()
    of_service = facts["services"][service].get(operation) or facts["general_operations_on_every_service"][operation]
    words = facts["enums"]
    values: dict[str, Any] = {}
    for name, kind in operations.parameters(service, operation).items():
        (told,) = [one["type"] for one in of_service["params"] if one["name"] == name]
        assert told.startswith(WRITTEN[kind]), (name, kind, told)
        values[name] = words[told.removeprefix("enum:")][0] if kind is Type.WORD else VALUES[kind]
    call = made(service, operation, dict(reversed(values.items())))
    order = [etree.QName(one).localname for one in call]
    wanted = [one["name"] for one in of_service["params"]]
    assert order == [name for name in wanted if name in values]
    left_out = [one for one in of_service["params"] if one["name"] not in values]
    assert all(one["minOccurs0_or_nillable"] for one in left_out)
    assert all(etree.QName(one).namespace == soap.YUKI for one in call)


def test_values_are_written_as_xml_schema_has_them() -> None:
    upload = {"fileName": "a\x0bb & c.pdf", "data": b"\x00\x01", "folder": 1, "amount": Decimal("1E+3")}
    call = made("Archive", "UploadDocumentWithData", upload)
    told = {etree.QName(one).localname: one.text for one in call}
    assert told["fileName"] == "a b & c.pdf"
    assert b64decode(told["data"] or "") == b"\x00\x01"
    assert (told["folder"], told["amount"]) == ("1", "1000")
    period = {"GLAccountCode": "13000", "StartDate": datetime(2026, 1, 2, 3, 4, 5, 6, UTC), "EndDate": date(2026, 2, 1)}
    call = made("AccountingInfo", "GetTransactionDetails", period)
    assert [one.text for one in call][1:] == ["2026-01-02T03:04:05+00:00", "2026-02-01"]
    listed = made("Accounting", "OutstandingDebtorItems", {"includeBankTransactions": False, "sortOrder": "DateAsc"})
    assert [one.text for one in listed] == ["false", "DateAsc"]


def test_a_document_goes_in_as_xml_with_its_own_namespace_and_stays_with_who_made_it() -> None:
    document = etree.fromstring('<SalesInvoices xmlns="urn:s"><SalesInvoice/></SalesInvoices>')
    call = made("Sales", "ProcessSalesInvoices", {"sessionId": "s", "administrationId": "a", "xmlDoc": document})
    (inner,) = call[2]
    assert inner.tag == "{urn:s}SalesInvoices"
    assert inner[0].tag == "{urn:s}SalesInvoice"
    assert document.getparent() is None
    plain = made("Contact", "UpdateContact", {"xmlDoc": etree.fromstring("<Contact><Code>1</Code></Contact>")})
    assert plain[0][0].tag == "Contact"


def is_xml(one: str) -> bool:
    """As XML 1.0 has it (production 2)."""
    code = ord(one)
    return one in "\t\n\r" or 0x20 <= code <= 0xD7FF or 0xE000 <= code <= 0xFFFD or code >= 0x10000


@given(st.text(alphabet=st.characters(codec=None)))
def test_any_text_reaches_yuki_with_blanks_for_what_xml_forbids(typed: str) -> None:
    (parameter,) = made("Archive", "FindDocument", {"documentID": typed})
    assert (parameter.text or "") == "".join(one if is_xml(one) else " " for one in typed)


def test_a_parameter_that_the_operation_does_not_have_is_our_mistake() -> None:
    with pytest.raises(TypeError, match="administrationID"):
        soap.envelope("Sales", "ProcessSalesInvoices", {"administrationID": "a"})
    with pytest.raises(KeyError):
        soap.envelope("Sales", "NoSuchThing", {})
