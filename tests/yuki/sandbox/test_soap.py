"""Envelopes: both versions, how the operation is found, what becomes of parameters, and XML that means harm."""

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest
from dagboek_yuki.sandbox.call import Call, Fault
from dagboek_yuki.sandbox.operations import OPERATIONS
from lxml import etree

from .conftest import NAMESPACE, SOAP11, SOAP12, Client, Starter

Heard = list[dict[str, Any]]
Answering = Callable[[str, str, Any], Heard]


@pytest.fixture
def answering(monkeypatch: pytest.MonkeyPatch) -> Answering:
    """Lets an operation answer a value (or raise it), and tells with what it was called."""

    def become(service: str, operation: str, value: Any) -> Heard:
        heard: Heard = []

        def run(call: Call) -> Any:
            heard.append(dict(call.params))
            if isinstance(value, Exception):
                raise value
            return value

        monkeypatch.setitem(OPERATIONS, (service, operation), run)
        return heard

    return become


def _at(text: str) -> datetime:
    """A time of the server, which has no zone."""
    return datetime.fromisoformat(text)


def _domains() -> etree._Element:
    return etree.fromstring("<Domains><Domain ID='1'><Name>A &amp; B</Name></Domain></Domains>")


# --- finding the operation ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", [SOAP11, SOAP12])
async def test_both_versions_are_answered_in_their_own(client: Client, version: str) -> None:
    answer = await client.call("Archive.Domains", version=version)
    assert answer.status == 200
    assert version in answer.text
    assert answer.headers["Content-Type"].startswith("application/soap+xml" if version == SOAP12 else "text/xml")
    assert answer.inner.tag == "Domains"


@pytest.mark.parametrize("path", ["Vat", "VAT", "vat"])
async def test_the_case_of_the_path_does_not_matter(client: Client, path: str) -> None:
    assert (await client.call(f"{path}.Domains")).inner.tag == "Domains"


@pytest.mark.parametrize("action", ['"http://www.theyukicompany.com/Domains"', f"{NAMESPACE}Domains", '""', None])
async def test_the_action_may_be_quoted_bare_empty_or_left_out(client: Client, action: str | None) -> None:
    given = {"SOAPAction": action} if action is not None else {}
    content = f'<Domains xmlns="{NAMESPACE}"><sessionID>{client.session}</sessionID></Domains>'
    assert (await client.post("Sales", content, **given)).inner.tag == "Domains"


async def test_the_action_of_soap_1_2_stands_in_the_media_type(client: Client) -> None:
    content = f'<Domains xmlns="{NAMESPACE}"><sessionID>{client.session}</sessionID></Domains>'
    media = f'application/soap+xml; charset=utf-8; action="{NAMESPACE}%s"'
    answer = await client.post("Sales", content, version=SOAP12, **{"Content-Type": media % "Domains"})
    assert answer.inner.tag == "Domains"
    answer = await client.post("Sales", content, version=SOAP12, **{"Content-Type": media % "Nothing"})
    assert "did not recognize" in answer.fault


@pytest.mark.parametrize(
    ("content", "action", "words"),
    [
        ('<Domains xmlns="urn:other"/>', None, "<Domains xmlns='urn:other'> was not expected"),
        ("<Domains/>", "Domains", "<Domains xmlns=''> was not expected"),
        (f'<Domains xmlns="{NAMESPACE}"/>', "Companies", "was not expected"),
        (f'<Domains xmlns="{NAMESPACE}"/>', "Nothing", "did not recognize the value of HTTP Header SOAPAction"),
        (f'<Nothing xmlns="{NAMESPACE}"/>', None, "was not expected"),
        ("", None, "The body of the envelope is empty"),
    ],
)
async def test_what_names_no_operation_is_a_fault(client: Client, content: str, action: str | None, words: str) -> None:
    answer = await client.post("Sales", content, action)
    assert words in answer.fault
    assert answer.body.findtext("faultcode") == "soap:Client"


async def test_an_operation_that_the_sandbox_lacks_says_so(client: Client) -> None:
    assert "does not have Pettycash.ImportStatement" in (await client.call("Pettycash.ImportStatement")).fault


@pytest.mark.parametrize("path", ["/ws/Nothing.asmx", "/ws/Sales", "/Sales.asmx", "/", "/docs/Upload.aspx"])
async def test_other_addresses_are_not_found(client: Client, path: str) -> None:
    assert (await client.send("POST", path)).status == 404


async def test_a_body_that_is_no_soap_is_not_accepted(client: Client) -> None:
    answer = await client.send("POST", "/ws/Sales.asmx", data=b"{}", headers={"Content-Type": "application/json"})
    assert (answer.status, answer.text.strip()) == (415, "Request format is invalid: application/json.")


# --- parameters ---------------------------------------------------------------------------------------------------


async def test_parameters_are_found_by_name_in_any_order_and_others_are_ignored(
    client: Client, answering: Answering
) -> None:
    heard = answering("Archive", "Documents", _domains())
    answer = await client.call(
        "Archive.Documents",
        startRecord=1,
        numberOfRecords=" 50 ",
        unknown="x",
        endDate="2023-07-01T12:30:00.1234567",
        startDate="2023-07-01",
        sortOrder="ModifiedDesc",
        sessionID=client.session,
    )
    assert answer.status == 200, answer.text
    assert heard == [
        {
            "sessionID": client.session,
            "sortOrder": "ModifiedDesc",
            "startDate": _at("2023-07-01T00:00:00"),
            "endDate": _at("2023-07-01T12:30:00.123456"),
            "numberOfRecords": 50,
            "startRecord": 1,
        }
    ]


async def test_what_is_missing_or_in_the_wrong_case_or_namespace_has_its_types_default(
    client: Client, answering: Answering
) -> None:
    heard = answering("Archive", "UploadDocumentWithData", "id")
    other = etree.fromstring('<currency xmlns="urn:other">EUR</currency>')
    answer = await client.call("Archive.UploadDocumentWithData", filename="wrong case", folder=1, x=other)
    assert answer.value == "id"
    assert heard[0] == {
        "sessionID": client.session,
        "fileName": None,
        "data": None,
        "folder": 1,
        "administrationID": None,
        "currency": None,
        "amount": Decimal(0),
        "costCategory": None,
        "paymentMethod": 0,
        "project": None,
        "remarks": None,
    }
    heard = answering("Archive", "Documents", _domains())
    await client.call("Archive.Documents")
    assert (heard[0]["sortOrder"], heard[0]["startDate"]) == ("CreatedDesc", _at("0001-01-01T00:00:00"))


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("numberOfRecords", "", "Input string was not in a correct format"),
        ("numberOfRecords", "1.5", "Input string was not in a correct format"),
        ("numberOfRecords", "9999999999", "too large or too small for an Int32"),
        ("sortOrder", "", "'' is not a valid value for DocumentSortOrder"),
        ("sortOrder", "createdDesc", "'createdDesc' is not a valid value for DocumentSortOrder"),
        ("startDate", "", "is not a valid AllXsd value"),
        ("startDate", "01-07-2023", "is not a valid AllXsd value"),
        ("startDate", "2023-02-30", "is not a valid AllXsd value"),
        ("startDate", "0001-01-01T00:00:00+14:00", "is not a valid AllXsd value"),
    ],
)
async def test_a_value_that_does_not_fit_its_type_faults_the_whole_request(
    client: Client, answering: Answering, name: str, value: str, words: str
) -> None:
    heard = answering("Archive", "Documents", _domains())
    answer = await client.call("Archive.Documents", **{name: value})
    assert words in answer.fault and "There is an error in XML document" in answer.fault
    assert heard == []


@pytest.mark.parametrize(
    ("name", "value", "read"),
    [
        ("amount", "-12.50", Decimal("-12.50")),
        ("amount", "1e3", None),
        ("amount", "", None),
        ("data", "aGFs\n bG8=", b"hallo"),
        ("data", "a", None),
        ("data", "aGFs$bG8=", None),
        ("data", "", b""),
        ("fileName", "Ünïcode & <b>.pdf", "Ünïcode & <b>.pdf"),
        ("fileName", "", ""),
    ],
)
async def test_amounts_files_and_texts(
    client: Client, answering: Answering, name: str, value: str, read: object
) -> None:
    heard = answering("Archive", "UploadDocumentWithData", "id")
    answer = await client.call("Archive.UploadDocumentWithData", **{name: value})
    if read is None:
        assert "There is an error in XML document" in answer.fault
    else:
        assert heard[0][name] == read


async def test_nil_and_arrays(client: Client, answering: Answering) -> None:
    heard = answering("AccountingInfo", "GetTransactions", [])
    xsi = "http://www.w3.org/2001/XMLSchema-instance"
    search = (
        "<TransactionSearch><SearchOption>AmountLessThanEqual</SearchOption><SearchValue>5</SearchValue>"
        "</TransactionSearch>"
    )
    content = (
        f'<GetTransactions xmlns="{NAMESPACE}" xmlns:i="{xsi}"><sessionID>{client.session}</sessionID>'
        f'<startDate>2026-01-01T00:00:00Z</startDate><financialMode i:nil="true"/><startRecord>0</startRecord>'
        f"<searchValues>{search}{search}</searchValues></GetTransactions>"
    )
    answer = await client.post("AccountingInfo", content)
    assert answer.status == 200, answer.text
    assert (heard[0]["financialMode"], heard[0]["startRecord"], heard[0]["numberOfRecords"]) == (None, 0, None)
    assert heard[0]["startDate"] == _at("2026-01-01T01:00:00"), "the server's own time"
    assert heard[0]["searchValues"] == [{"SearchOption": "AmountLessThanEqual", "SearchValue": "5"}] * 2


async def test_xml_goes_in_as_xml(client: Client, answering: Answering) -> None:
    heard = answering("Sales", "ProcessSalesInvoices", etree.Element("Done"))
    document = etree.fromstring('<SalesInvoices xmlns="urn:x"><SalesInvoice/></SalesInvoices>')
    await client.call("Sales.ProcessSalesInvoices", xmlDoc=document)
    assert heard[0]["xmlDoc"].tag == "{urn:x}SalesInvoices"
    await client.call("Sales.ProcessSalesInvoices", xmlDoc="<SalesInvoices/>")
    assert heard[1]["xmlDoc"] is None, "escaped text is no XML"


# --- results ------------------------------------------------------------------------------------------------------


async def test_an_untyped_result_leaves_the_namespace_and_a_typed_one_stays_in_it(
    client: Client, answering: Answering
) -> None:
    answering("Archive", "Documents", _domains())
    answer = await client.call("Archive.Documents")
    assert '<DocumentsResult><Domains xmlns=""><Domain ID="1"><Name>A &amp; B</Name>' in answer.text
    answering("Sales", "GetSalesItems", [{"id": "1", "description": "Uren <dag> & \x01nacht"}, {"id": "2"}])
    answer = await client.call("Sales.GetSalesItems")
    assert answer.result is not None
    assert [row.tag for row in answer.result] == [f"{{{NAMESPACE}}}SalesItem"] * 2
    assert answer.rows == [{"id": "1", "description": "Uren <dag> & nacht"}, {"id": "2"}]


async def test_a_document_with_a_namespace_keeps_it(client: Client, answering: Answering) -> None:
    made = etree.fromstring('<R xmlns="urn:r"><Invoice xmlns=""/></R>')
    answering("Sales", "ProcessSalesInvoices", made)
    answer = await client.call("Sales.ProcessSalesInvoices")
    assert [answer.inner.tag, answer.inner[0].tag] == ["{urn:r}R", "Invoice"]


async def test_rows_have_the_order_of_the_table_nil_dates_attributes_and_nested_types(
    client: Client, answering: Answering
) -> None:
    code = {"percentage": Decimal("21"), "type": 1, "description": "BTW", "startDate": _at("2019-01-01T00:00:00")}
    answering("Vat", "ActiveVATCodesList", [code])
    answer = await client.call("Vat.ActiveVATCodesList", administrationID=client.administration)
    assert (
        "<VATCode><description>BTW</description><type>1</type><percentage>21</percentage>"
        '<startDate>2019-01-01T00:00:00</startDate><endDate xsi:nil="true" /></VATCode>'
    ) in answer.text
    row = {
        "id": "1",
        "amount": Decimal("-0.50"),
        "contact": {"id": 'c"1', "HID": 4},
        "vat": {"codeType": None, "codePercentage": Decimal("6")},
    }
    answering("AccountingInfo", "GetTransactions", [row])
    answer = await client.call("AccountingInfo.GetTransactions")
    assert "<transactionDate>0001-01-01T00:00:00</transactionDate><amount>-0.50</amount>" in answer.text
    assert '<contact id="c&quot;1"><HID>4</HID></contact>' in answer.text
    assert '<vat><codeType xsi:nil="true" /><codePercentage>6</codePercentage></vat>' in answer.text
    assert "<document>" not in answer.text


@pytest.mark.parametrize(
    ("operation", "value", "text"),
    [
        ("DocumentImageCount", 7, "7"),
        ("DocumentBinaryData", b"hallo", "aGFsbG8="),
        ("DocumentDownloadUrl", "https://x/?a=1&b=2", "https://x/?a=1&b=2"),
    ],
)
async def test_plain_results(client: Client, answering: Answering, operation: str, value: object, text: str) -> None:
    answering("Archive", operation, value)
    assert (await client.call(f"Archive.{operation}")).value == text


async def test_an_operation_without_a_result_answers_an_empty_response(client: Client) -> None:
    answer = await client.call("Sales.SetLanguage", language="fr")
    assert (answer.result, len(answer.body)) == (None, 0)
    assert answer.body.tag == f"{{{NAMESPACE}}}SetLanguageResponse"


# --- faults -------------------------------------------------------------------------------------------------------


async def test_faults_have_the_shape_of_their_version(client: Client, answering: Answering) -> None:
    answering("Sales", "GetSalesItems", Fault("A & B", "Client", "more"))
    answer = await client.call("Sales.GetSalesItems")
    assert answer.status == 500
    assert "<faultcode>soap:Client</faultcode><faultstring>A &amp; B</faultstring><detail>more</detail>" in answer.text
    answering("Sales", "GetSalesItems", Fault("A & B"))
    answer = await client.call("Sales.GetSalesItems")
    assert answer.body.findtext("faultcode") == "soap:Server"
    assert answer.fault == "Server was unable to process request. ---> A & B"
    answer = await client.call("Sales.GetSalesItems", version=SOAP12)
    assert answer.fault == "Server was unable to process request. ---> A & B"
    assert "<soap:Value>soap:Receiver</soap:Value>" in answer.text


async def test_a_bug_of_the_sandbox_does_not_pass_for_an_answer_of_the_tool(
    client: Client, answering: Answering
) -> None:
    answering("Sales", "GetSalesItems", ZeroDivisionError())
    answer = await client.call("Sales.GetSalesItems")
    assert answer.status == 500 and "The sandbox itself failed" in answer.text


async def test_the_last_day_that_there_is_may_be_asked_for(client: Client) -> None:
    asked: dict[str, Any] = {"startDate": "0001-01-01", "endDate": "9999-12-31", "numberOfRecords": 10}
    assert len((await client.call("Archive.Documents", **asked)).inner) == 0
    known: dict[str, Any] = {"administrationID": client.administration, "GLAccountCode": "13000"}
    asked = {**known, "StartDate": "0001-01-01", "EndDate": "9999-12-31T23:59:59"}
    assert (await client.call("AccountingInfo.GetTransactionDetails", **asked)).rows == []
    answer = await client.call("AccountingInfo.GetPeriodDateTable", **known, yearID=-1)
    assert "There is no year -1" in answer.fault


# --- XML that means harm ------------------------------------------------------------------------------------------

_BOMB = (
    '<!DOCTYPE b [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">'
    '<!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;"><!ENTITY d "&c;&c;&c;&c;&c;&c;&c;&c;&c;&c;">]>'
)
_FILE = '<!DOCTYPE b [<!ENTITY d SYSTEM "file:///etc/passwd">]>'
_REMOTE = '<!DOCTYPE b SYSTEM "http://127.0.0.1:9/x.dtd">'


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
@pytest.mark.parametrize("doctype", [_BOMB, _FILE, _REMOTE])
async def test_a_document_type_is_refused_in_any_encoding(client: Client, doctype: str, encoding: str) -> None:
    inside = f'<Domains xmlns="{NAMESPACE}"><sessionID a="&d;">&d;</sessionID></Domains>'
    text = f'{doctype}<s:Envelope xmlns:s="{SOAP11}"><s:Body>{inside}</s:Body></s:Envelope>'
    raw = f'<?xml version="1.0" encoding="{encoding}"?>{text}'.encode(encoding)
    answer = await client.send("POST", "/ws/Sales.asmx", data=raw, headers={"Content-Type": "text/xml"})
    assert answer.fault.startswith("Server was unable to read request. ---> ")
    assert encoding == "utf-16" or "DTD is prohibited" in answer.fault
    assert "root:" not in answer.text and len(answer.text) < 2000


async def test_another_encoding_is_read(client: Client) -> None:
    inside = f'<Domains xmlns="{NAMESPACE}"><sessionID>{client.session}</sessionID></Domains>'
    text = f'<s:Envelope xmlns:s="{SOAP11}"><s:Body>{inside}</s:Body></s:Envelope>'
    raw = f'<?xml version="1.0" encoding="utf-16"?>{text}'.encode("utf-16")
    answer = await client.send("POST", "/ws/Sales.asmx", data=raw, headers={"Content-Type": "text/xml"})
    assert answer.inner.tag == "Domains"


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"no xml",
        b"<a>",
        b"<a>\x00</a>",
        b"<a>\xff</a>",
        b"<a>&nbsp;</a>",
        b"<a>&#1;</a>",
        b"<a/>",
        b"<a>" * 100_000,
        b'<?xml version="1.0" encoding="nonsense"?><a/>',
    ],
)
async def test_what_is_no_envelope_is_a_fault(client: Client, raw: bytes) -> None:
    answer = await client.send("POST", "/ws/Sales.asmx", data=raw, headers={"Content-Type": "text/xml"})
    assert answer.fault.startswith("Server was unable to read request. ---> ")
    assert (await client.call("Sales.Domains")).status == 200


async def test_a_request_over_the_largest_size_is_refused(start: Starter, answering: Answering) -> None:
    client = await start()
    heard = answering("Archive", "UploadDocument", "id")
    assert (await client.call("Archive.UploadDocument", data="QUJD" * 1_040_000)).value == "id"
    answer = await client.call("Archive.UploadDocument", data="QUJD" * 1_050_000)
    assert "Maximum request length exceeded" in answer.fault
    client.tell("rules", largest_request=8 * 1024 * 1024)
    assert (await client.call("Archive.UploadDocument", data="QUJD" * 1_050_000)).value == "id"
    assert [len(each["data"]) for each in heard] == [3_120_000, 3_150_000]


# --- without an envelope ------------------------------------------------------------------------------------------


async def test_forms_by_get_and_post_answer_the_bare_result(client: Client) -> None:
    answer = await client.send("GET", "/ws/Accounting.asmx/Authenticate", params={"accessKey": client.key})
    session = etree.fromstring(answer.text.encode())
    assert (answer.status, session.tag) == (200, f"{{{NAMESPACE}}}string")
    for method, given in (("GET", "params"), ("POST", "data")):
        form = {"sessionID": session.text or ""}
        answer = await client.send(method, "/ws/accounting.ASMX/Domains", **{given: form})
        assert etree.fromstring(answer.text.encode()).tag == "Domains", "without an envelope and its namespace"


async def test_typed_results_of_forms(client: Client, answering: Answering) -> None:
    answering("Sales", "GetSalesItems", [{"id": "1"}])
    form = {"sessionID": client.session, "administrationID": ""}
    answer = await client.send("POST", "/ws/Sales.asmx/GetSalesItems", data=form)
    root = etree.fromstring(answer.text.encode())
    assert [root.tag, root[0].tag, root[0][0].text] == [
        f"{{{NAMESPACE}}}ArrayOfSalesItem",
        f"{{{NAMESPACE}}}SalesItem",
        "1",
    ]
    answering("Archive", "DocumentImageCount", 3)
    form = {"sessionID": client.session, "documentID": "x"}
    answer = await client.send("GET", "/ws/Archive.asmx/DocumentImageCount", params=form)
    assert etree.fromstring(answer.text.encode()).text == "3"
    answer = await client.send(
        "GET", "/ws/Archive.asmx/SetLanguage", params={"sessionID": client.session, "language": "en"}
    )
    assert (answer.status, answer.text) == (200, "")


@pytest.mark.parametrize(
    ("path", "form", "words"),
    [
        ("/ws/Sales.asmx/Domains", {}, "Missing parameter: sessionID."),
        ("/ws/Sales.asmx/Domains", {"sessionID": "x"}, "Session 'x' is not valid"),
        ("/ws/Sales.asmx/ProcessSalesInvoices", {}, "method name is not valid"),
        ("/ws/Sales.asmx/Nothing", {}, "method name is not valid"),
        (
            "/ws/Archive.asmx/DocumentFolderCounts",
            {"sessionID": "x", "year": "mmxx"},
            "Cannot convert mmxx to System.Int32",
        ),
    ],
)
async def test_refusals_of_forms_are_plain_text(
    client: Client, answering: Answering, path: str, form: dict[str, str], words: str
) -> None:
    answering("Archive", "DocumentFolderCounts", _domains())
    answer = await client.send("POST", path, data=form)
    assert answer.status == 500 and words in answer.text
    assert answer.headers["Content-Type"].startswith("text/plain")


async def test_a_service_has_a_page_with_its_operations(client: Client) -> None:
    answer = await client.send("GET", "/ws/Sales.asmx")
    assert answer.status == 200 and "<li>Authenticate</li>" in answer.text
