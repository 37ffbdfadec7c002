"""The sandbox against the API's own description: paths, parameters, daily maxima, and the shape of every answer.

The description is reference material outside the repository; without it these tests are skipped.
"""

import base64
import json
import os
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from dagboek_octopus.sandbox import api, routes

from .conftest import START, Answer, Client, Starter, booking, line, money, relation

_NAME = "octopus/octopus-rest-api-v1.openapi.json"
_FOLDERS = (os.environ.get("DAGBOEK_REFERENCE", ""), "../shared/reference")
_ROOT = Path(__file__).parents[3]
_FILE = next((path for folder in _FOLDERS if folder and (path := _ROOT / folder / _NAME).exists()), None)

pytestmark = pytest.mark.skipif(
    _FILE is None, reason=f"reference file {_NAME} is not there (folder: DAGBOEK_REFERENCE or ../shared/reference)"
)

DESCRIPTION: dict[str, Any] = json.loads(_FILE.read_text()) if _FILE else {"paths": {}, "components": {}}
DESCRIBED: dict[str, tuple[str, str, dict[str, Any]]] = {
    operation["operationId"]: (method.upper(), path, operation)
    for path, methods in DESCRIPTION["paths"].items()
    for method, operation in methods.items()
    if method != "parameters"
}


def test_all_operations_have_the_described_path() -> None:
    ours = {operation.name: (operation.method, operation.path) for operation in routes.OPERATIONS}
    theirs = {name: (method, path) for name, (method, path, _) in DESCRIBED.items()}
    assert ours == theirs


def test_daily_maxima_are_the_described_ones() -> None:
    for operation in routes.OPERATIONS:
        if operation.handler is api.not_offered:
            continue
        described = DESCRIBED[operation.name][2].get("x-max-calls-per-day")
        if isinstance(described, dict):
            assert (operation.maximum, 400) == tuple(described.values())
        else:
            assert operation.maximum == described, operation.name


def test_every_operation_is_found_by_its_path() -> None:
    for operation in routes.OPERATIONS:
        path = operation.path.replace("{journalTypeCode}", "V")
        filled = "/".join("1" if part.startswith("{") else part for part in path.split("/"))
        found, changing, _ = routes.find(operation.method, filled)
        assert found is operation
        assert len(changing) == path.count("{") + ("{journalTypeCode}" in operation.path)


async def test_required_parameters_are_required(start: Starter) -> None:
    """Each required query or header parameter left out: 400, or 401 for a token."""
    client = await start(limits=False)
    tried = 0
    for operation in routes.OPERATIONS:
        if operation.handler is api.not_offered:
            continue
        described = DESCRIBED[operation.name][2]
        path = operation.path.replace("{dossierId}", "1001").replace("{bookyearId}", "2").replace("{journalKey}", "F1")
        path = path.replace("{sequenceNumber}", "1").replace("{journalTypeCode}", "V")
        wanted = [each for each in described.get("parameters", []) if each["in"] != "path" and each.get("required")]
        for missing in wanted:
            query = {each["name"]: _value(each) for each in wanted if each["in"] == "query" and each is not missing}
            headers = {each["name"]: _value(each) for each in wanted if each["in"] == "header" and each is not missing}
            headers |= {name: getattr(client, mine) for name, mine in _TOKENS.items() if name in headers}
            body: dict[str, Any] | None = {} if "requestBody" in described else None
            options: dict[str, Any] = {"params": query, "headers": headers}
            answer = await client.send(
                operation.method, path, **options, **({"json": body} if body is not None else {})
            )
            expected = 401 if missing["name"] in _TOKENS else 400
            assert answer.status == expected, f"{operation.name} without {missing['name']}: {answer}"
            _fits(answer, {"$ref": "#/components/schemas/ErrorResult"})
            tried += 1
    assert tried > 70


_TOKENS = {"Token": "token", "dossierToken": "dossier_token"}


def _value(parameter: dict[str, Any]) -> str:
    if parameter["name"] == "modifiedTimeStamp":
        return START
    return "1" if parameter["schema"]["type"] == "integer" else "V1"


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("BuySellBookingServiceData", booking()),
        ("FinancialDiversBookingServiceData", money()),
        ("RelationServiceData", relation(7, "X")),
    ],
)
async def test_required_fields_are_required(start: Starter, name: str, body: dict[str, Any]) -> None:
    schema = DESCRIPTION["components"]["schemas"][name]
    calls = {
        "BuySellBookingServiceData": ("POST", "buysellbookings", "buySellBookingServiceData"),
        "FinancialDiversBookingServiceData": (
            "POST",
            "financialdiversbookings",
            "financialDiversBookingServiceData",
        ),
        "RelationServiceData": ("PUT", "relations", None),
    }
    method, path, inside = calls[name]
    client = await start(limits=False)
    await client.call("PUT", "relations", relation(5001, "Klant B"))
    for field in schema["required"]:
        less = {key: value for key, value in body.items() if key != field}
        answer = await client.call(method, path, {inside: less} if inside else less)
        assert answer.status == 400, f"{name} without {field}"
    answer = await client.call(method, path, {inside: body} if inside else body)
    assert answer.status == 201


async def test_every_answer_has_the_described_shape(start: Starter) -> None:
    """A tour of all calls; each answer's status and body are among those described."""
    client = await start(limits=False)
    seen: set[str] = set()
    await _tour(client, seen)
    offered = {each.name for each in routes.OPERATIONS if each.handler is not api.not_offered}
    assert offered - seen == set()


async def _tour(client: Client, seen: set[str]) -> None:
    async def check(name: str, expected: int, *arguments: Any, **options: Any) -> None:
        seen.add(name)
        method, path, described = DESCRIBED[name]
        below = path.removeprefix("/dossiers/{dossierId}/")
        for value in arguments:
            start, end = below.index("{"), below.index("}")
            below = below[:start] + str(value) + below[end + 1 :]
        if path.startswith("/dossiers/{"):
            answer = await client.call(method, below, **options)
        else:
            answer = await client.send(method, path, **options)
        assert answer.status == expected, f"{name}: {answer}"
        content = described["responses"][str(expected)].get("content", {})
        if "application/json" in content and answer.text:
            _fits(answer, content["application/json"]["schema"])
        else:
            assert "application/json" in content or answer.status != 200 or "text/plain" in content

    house = {"softwareHouseUuid": client.sandbox.credentials["softwareHouseUuid"]}
    login = {name: client.sandbox.credentials[name] for name in ("user", "password")}
    token = {"Token": client.token}
    since = {"modifiedTimeStamp": START}
    one = {"bookyearId": 2, "journalKey": "V1", "documentSeqNr": 1}
    file = {"fileName": "a.pdf", "fileData": base64.b64encode(b"abc").decode()}

    await check("getApiVersion", 200)
    await check("generateSampleError", 400, params={"errorCode": -13, "localeId": 3})
    await check("authenticateUser", 200, json=login, headers=house)
    await check("authenticateUser", 401, json={**login, "password": "x"}, headers=house)
    await check("whoami", 200, headers=token)
    await check("getDossiers", 200, headers=token)
    await check("connectDossier", 200, headers=token, params={"dossierId": 1001})
    await check("connectDossier", 404, headers=token, params={"dossierId": 5})

    await check("insertUpdateRelation", 201, body=relation(5001, "Klant B"))
    await check("insertUpdateRelation", 204, body=relation(5001, "Klant B"))
    await check("getRelations", 200)
    await check("getModifiedRelations", 200, params=since)
    await check("getModifiedRelations", 404, params={"modifiedTimeStamp": "2099-01-01 00:00:00.000"})

    body = {"buySellBookingServiceData": booking(), "attachments": [file]}
    await check("insertBuySellBooking", 201, body=body)
    await check("insertBuySellBooking", 400, body=body)
    await check("insertBuySellBooking", 500, body={"buySellBookingServiceData": booking(documentDate="x")})
    bought = booking(journal="A1", bookingLines=[line(613200, code="D21", costCentreKey={"id": 1})])
    await check("insertBuySellBooking", 201, body={"buySellBookingServiceData": bought})
    await check("updateBuySellBooking", 204, body=booking(comment="anders"))
    await check("getBuySellBooking", 200, params=one)
    await check("getBuySellBooking", 404, params={**one, "documentSeqNr": 9})
    await check("getModifiedBuySellBookings", 200, params={"bookyearId": -1, **since})
    await check("insertFinancialDiversBooking", 201, body={"financialDiversBookingServiceData": money()})
    await check("updateFinancialDiversBooking", 204, body=money())
    await check("getFinancialDiversBooking", 200, params={**one, "journalKey": "F1"})
    await check("getModifiedFinancialDiversBookings", 200, params={"bookyearId": 2, **since})
    await check("getReportModifiedBooking", 200, -1, params={"journalTypeId": -1, **since})
    headers = {"journalKey": "V1", "documentSequennceNr": "1"}
    await check("addAttachementToBooking", 204, 2, body=file, headers=headers)
    await _tour_of_reports(check, since)
    await _tour_of_reference_data(check, since)


async def _tour_of_reports(check: Any, since: dict[str, str]) -> None:
    document = {"bookyearKey": {"id": 2}, "journalKey": "V1", "documentSequenceNr": 1, "lineSequenceNr": -1}
    payment = {"bookyearKey": {"id": 2}, "journalKey": "F1", "documentSequenceNr": 1, "lineSequenceNr": 1}
    pair = {"debetKey": document, "creditKey": payment}
    await check("insertBalancing", 201, body={**pair, "balanceAmount": 100.0})
    await check("getModifiedBalancingRelations", 200, params=since)
    period = {
        "fromBookyearKey": {"id": 1},
        "toBookyearKey": {"id": 3},
        "fromBookyearPeriodNr": 0,
        "toBookyearPeriodNr": 209904,
        "externalRelationId": -1,
    }
    await check("getReportOpenClient", 200, body={**period, "relationId": -1})
    await check("getReportOpenSupplier", 200, body={**period, "relationId": -1})
    await check("getReportOpenSupplier", 404, body={**period, "relationId": 5})
    await check("getReportHistoryClient", 200, body={**period, "relationId": 1})
    await check("getReportHistorySupplier", 200, body={**period, "relationId": 1})
    await check("getReportHistoryAccount", 200, body={**period, "accountNr": 700021})
    await check("deleteBalancing", 204, body=pair)
    await check("getModifiedBalancingRelations", 200, params=since)
    await check("insertBalancing", 201, body={**pair, "balanceAmount": 100.0})
    await check("deleteBalancingByBookingline", 204, body=payment)
    await check("insertBalancing", 201, body={**pair, "balanceAmount": 100.0})
    by_document = {"bookyearKey": {"id": 2}, "journal": "V1", "documentSequenceNr": 1}
    await check("deleteBalancingByDocument", 204, body=by_document)


async def _tour_of_reference_data(check: Any, since: dict[str, str]) -> None:
    await check("getBookyears", 200)
    await check("getBookyear", 200, 2)
    year = {
        "names": [{"language": "NL", "value": "2027"}],
        "bookingPeriodType": "QUARTER",
        "fromDate": "2027-01-01",
        "toDate": "2027-12-31",
        "proRataTemporis": False,
        "declarantType": "QUARTERLY",
    }
    await check("insertBookyear", 200, body=year)
    await check("getJournals", 200, 2)
    await check("getFinancialJournalBalance", 200, 2, "F1")
    kinds = {"A": "Buy", "V": "Sell", "F": "Financial", "D": "Divers"}
    for letter, kind in kinds.items():
        await check(f"get{kind}Journal", 200, 2, 1)
        common = {"bookyearKey": {"id": 2}, "sequenceNumber": 9, "names": [{"language": "NL", "value": "Nieuw"}]}
        body: dict[str, Any] = {"commonJournalInsertRequestData": common}
        body |= {"sellJournalInsertionType": "BOOKING"} if letter == "V" else {}
        body |= {"account": 550001, "currencyCode": "EUR"} if letter == "F" else {}
        await check(f"insert{kind}Journal", 200, body=body)
        await check(f"update{kind}Journal", 200, body={"commonJournalUpdateRequestData": common})
        await check("deleteJournal", 204, 2, letter, 9)
    await check("getDeliveryJournal", 400, 2, 1)
    await check("getModifiedJournals", 200, params=since)
    await check("getAccounts", 200, params={"bookyearId": 2})
    account = {"accountKey": {"bookyearKey": {"id": 2}, "id": 612999}, "description": {"description_NL": "Nieuw"}}
    await check("insertUpdateAccount", 201, body=account)
    await check("insertUpdateAccount", 204, body=account)
    await check("getModifiedAccounts", 200, params=since)
    await check("getModifiedAccountAmounts", 200, params=since)
    await check("getVatCodes", 200)
    await check("getCostCentres", 200)
    await check("getActiveCostCentres", 200)
    centre = {"costCentreKey": {"id": 8}, "description": {"description_NL": "Nieuw"}, "closed": False}
    await check("insertUpdateCostCentre", 201, body=centre)
    await check("insertUpdateCostCentre", 204, body=centre)
    await check("getCurrencyCodes", 200)
    for name in ("getCustomFields", "getProductgroups", "getProducts"):
        await check(name, 404)


def _fits(answer: Answer, schema: dict[str, Any]) -> None:
    """Shape by the description, no field that it does not have, and the style of the wire."""
    closed = json.loads(json.dumps({**schema, "components": DESCRIPTION["components"]}))
    for each in closed["components"]["schemas"].values():
        if each.get("type") == "object" and "properties" in each:
            each["additionalProperties"] = False
    jsonschema.Draft202012Validator(closed).validate(answer.json)
    _in_style(json.loads(answer.text, object_pairs_hook=_Pairs), schema)


class _Pairs(list[Any]):
    """An object with the order of its keys."""


def _in_style(value: Any, schema: dict[str, Any]) -> None:
    if isinstance(value, _Pairs):
        names = [name for name, _ in value]
        assert names == sorted(names), f"keys are not in alphabetical order: {names}"
        properties = _resolved(schema).get("properties", {})
        for name, item in value:
            assert item is not None, f"{name} is null"
            inner = properties.get(name, {})
            if _resolved(inner).get("type") == "number":
                assert isinstance(item, float), f"{name} is written without a fraction"
            _in_style(item, inner)
    elif isinstance(value, list):
        for item in value:
            _in_style(item, _resolved(schema).get("items", {}))


def _resolved(schema: dict[str, Any]) -> dict[str, Any]:
    reference = schema.get("$ref")
    if reference is None:
        return schema
    found: dict[str, Any] = DESCRIPTION["components"]["schemas"][reference.rsplit("/", 1)[1]]
    return found
