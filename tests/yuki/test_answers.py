"""What comes back, and what it means: results, faults, pages, and what would harm whoever reads it."""

import ast
import re
import time
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from xml.sax.saxutils import escape

import pytest
from dagboek_schemas.issues import Severity
from dagboek_sdk import clock
from dagboek_sdk.catalogue import read_catalogue
from dagboek_sdk.errors import (
    AccessDenied,
    AlreadyThere,
    LoginBroken,
    Refused,
    Throttled,
    TokenRefused,
    ToolError,
    Trouble,
    Uncertain,
)
from dagboek_sdk.http import Answer
from dagboek_sdk.limits import Window
from dagboek_yuki import errors, limits, reading, soap
from dagboek_yuki.errors import classify, judged
from dagboek_yuki.settings import YukiSettings
from lxml import etree

KEY = "b5c1f0de-0000-4000-8000-5b1d6a0a7e11"


def enveloped(inner: str, version: str = soap.SOAP) -> bytes:
    start = f'<?xml version="1.0" encoding="utf-8"?><s:Envelope xmlns:s="{version}"><s:Body>'
    return f"{start}{inner}</s:Body></s:Envelope>".encode()


def response(operation: str, result: str, namespace: str = soap.YUKI) -> bytes:
    inner = f"<{operation}Result>{result}</{operation}Result>" if result else ""
    return enveloped(f'<{operation}Response xmlns="{namespace}">{inner}</{operation}Response>')


def fault(words: str, code: str = "soap:Server", detail: str = "") -> bytes:
    return enveloped(
        f"<s:Fault><faultcode>{code}</faultcode><faultstring>{words}</faultstring><detail>{detail}</detail></s:Fault>"
    )


def fault_12(words: str, code: str = "s:Receiver") -> bytes:
    inner = f'<s:Code><s:Value>{code}</s:Value></s:Code><s:Reason><s:Text xml:lang="en">{words}</s:Text></s:Reason>'
    return enveloped(f"<s:Fault>{inner}</s:Fault>", soap.SOAP_12)


def meant(body: bytes, status: int = 500) -> ToolError:
    error = classify(Answer(status, {}, body))
    assert error is not None
    return error


def code_of(error: ToolError) -> str:
    match error:
        case Refused():
            return error.issues[0].code
        case AccessDenied() | LoginBroken():
            return error.issue.code
        case Throttled():
            assert error.issue is not None
            return error.issue.code
    return type(error).__name__


# results


def test_results_are_read_in_any_namespace_typed_or_not_and_out_of_text() -> None:
    untyped = '<Domains xmlns=""><Domain ID="d1"><Name>A &amp; B</Name><URL/></Domain></Domains>'
    typed = "<VATCode><type>1</type><percentage>21.00</percentage></VATCode>"
    escaped = escape('<R xmlns="urn:x"><I xmlns=""><M>caf&amp;</M></I></R>')
    (domain,) = reading.rows(soap.result(response("Domains", untyped), "Domains"), "Domain")
    assert (reading.text(domain, "@ID"), reading.text(domain, "Name"), reading.text(domain, "URL")) == (
        "d1",
        "A & B",
        "",
    )
    (code,) = reading.rows(soap.result(response("ActiveVATCodesList", typed), "ActiveVATCodesList"), "VATCode")
    assert (reading.whole(code, "type"), reading.number(code, "percentage")) == (1, Decimal("21.00"))
    sales = soap.result(response("ProcessSalesInvoices", escaped), "ProcessSalesInvoices")
    (invoice,) = reading.rows(sales, "I")
    assert reading.text(invoice, "M") == "caf&"


def test_values_that_yuki_tells_in_its_own_ways() -> None:
    nil = 'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:nil="true"'
    row = etree.fromstring(
        f"<r><a {nil}>x</a><b>0001-01-01T00:00:00</b><c>4/10/2019 3:50:52 PM</c><d>2026-03-01T10:00:00+01:00</d>"
        '<e>2026-03-01</e><f>True</f><g>12,5</g><h/><document id="x"><reference>R1</reference></document></r>'
    )
    assert [reading.day(row, name) for name in "abcdeh"] == [
        None,
        None,
        date(2019, 4, 10),
        date(2026, 3, 1),
        date(2026, 3, 1),
        None,
    ]
    assert reading.moment(row, "c") == datetime.fromisoformat("2019-04-10T15:50:52")
    assert (reading.flag(row, "f"), reading.flag(row, "h"), reading.flag(row, "z", absent=True)) == (True, False, True)
    assert (reading.number(row, "g"), reading.number(row, "h"), reading.whole(row, "z")) == (None, None, None)
    assert (reading.text(row, "document", "reference"), reading.text(row, "document", "@id")) == ("R1", "x")


def test_a_result_that_was_left_out_is_empty_and_an_answer_to_something_else_is_none() -> None:
    assert len(soap.result(response("GetGLAccountScheme", ""), "GetGLAccountScheme")) == 0
    assert reading.text(soap.result(response("Authenticate", KEY), "AuthenticateClient")) == KEY
    with pytest.raises(soap.NotYukis, match="something else"):
        soap.result(response("Domains", "x"), "Administrations")


def test_characters_that_xml_forbids_in_an_answer_are_blanks() -> None:
    words = "one&#x1F;two&#11;three\x0cfour&#65534;five&#x41;"
    found = soap.result(response("AdministrationID", words), "AdministrationID")
    assert reading.text(found) == "one two three four fiveA"


WHOLE = response("Domains", "x").split(b"?>", 1)[1]


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b'<!DOCTYPE s [<!ENTITY a "b">]>' + WHOLE, "document type"),
        (b'<!DOCTYPE s SYSTEM "http://127.0.0.1:9/x.dtd">' + WHOLE, "document type"),
        (
            b'<!DOCTYPE s [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;">]>' + WHOLE.replace(b">x<", b">&b;<"),
            "document type",
        ),
        (WHOLE.decode().encode("utf-16").replace(b"<\0s\0:\0E", b"<\0!\0D\0", 1), "no XML"),
        (response("Domains", "<a>" * 5000 + "</a>" * 5000), "no XML"),
        (response("Domains", "x" * 10_000_001), "no XML"),
        (response("Domains", "<a/>" * soap.MAX_MARKUP), "more tags"),
        (WHOLE[:-1], "no XML"),
    ],
    ids=["entity", "external", "expansion", "utf-16", "deep", "long", "many", "cut"],
)
def test_what_would_harm_the_reader_is_no_answer(body: bytes, told: str) -> None:
    error = meant(body, 200)
    assert isinstance(error, Uncertain)
    assert told in str(error)
    assert error.trouble is Trouble.PAGE


# what is not Yuki's own


@pytest.mark.parametrize(
    ("body", "status", "told", "words"),
    [
        (b"", 200, "it is empty", None),
        (b"  \r\n", 500, "it is empty", None),
        (b"<html><head><title>Runtime Error</title></head><body>x</body></html>", 500, "web page", "Runtime Error"),
        (
            b"<!DOCTYPE html><html><body><h1>Server Error</h1><br>Oops &amp; co</body></html>",
            500,
            "web page",
            "Server Err",
        ),
        (b"Service Unavailable", 503, "no XML", None),
        (b'{"error": "x"}', 200, "no XML", None),
        (b"<data>1</data>", 200, "no SOAP envelope", None),
        (enveloped(""), 200, "its envelope is empty", None),
        (response("Domains", "x", "http://tempuri.org/"), 200, "another namespace", None),
        (enveloped("<DomainsResponse/>"), 200, "another namespace", None),
        (b'<s:Envelope xmlns:s="urn:x"><s:Body/></s:Envelope>', 200, "no SOAP envelope", None),
    ],
)
def test_an_answer_that_is_not_yukis_own_tells_nothing_of_what_was_done(
    body: bytes, status: int, told: str, words: str | None
) -> None:
    error = meant(body, status)
    assert isinstance(error, Uncertain)
    assert told in str(error)
    assert (error.tool_words or "").startswith(words or "")
    assert error.trouble is (Trouble.OWN_FAULT if status >= 500 else Trouble.PAGE)


def test_plain_success_is_none_with_failed_invoices_in_it_too() -> None:
    inner = "<SalesInvoicesImportResponse><Invoice><Succeeded>false</Succeeded></Invoice></SalesInvoicesImportResponse>"
    assert classify(Answer(200, {}, response("ProcessSalesInvoices", inner))) is None
    assert classify(Answer(200, {}, response("SetCurrentDomain", ""))) is None
    assert isinstance(classify(Answer(302, {}, response("Domains", "x"))), Uncertain)


# faults

PREFIX = "System.Web.Services.Protocols.SoapException: Server was unable to process request. ---&gt; System.Exception: "


@pytest.mark.parametrize(
    ("words", "kind", "code"),
    [
        (f"{PREFIX}Invalid access key\n   at Yuki.Web.Auth(String key) in x.cs:line 3", LoginBroken, "Y20"),
        ("Ongeldige toegangssleutel", LoginBroken, "Y20"),
        ("La clé d'accès est non valide", LoginBroken, "Y20"),
        ("Domain has no active database", LoginBroken, "Y21"),
        (f"Administration '{KEY}' does not exist or you have no access to it", LoginBroken, "Y24"),
        ("Onbekende administratie", LoginBroken, "Y24"),
        ("Invalid client id or client secret", AccessDenied, "Y22"),
        ("The client secret has expired", AccessDenied, "Y22"),
        ("The domain is not licensed for this functionality", AccessDenied, "Y02"),
        ("De module Facturen is niet geactiveerd", AccessDenied, "Y10"),
        ("Le module factures n'est pas activé", AccessDenied, "Y10"),
        ("You have no rights to use this web service: Sales", AccessDenied, "Y23"),
        ("Onvoldoende rechten", AccessDenied, "Y23"),
        ("Accès refusé", AccessDenied, "Y23"),
        ("Daily limit exceeded", Throttled, "Y06"),
        ("Daglimiet bereikt", Throttled, "Y06"),
        ("La limite quotidienne est atteinte", Throttled, "Y06"),
        (f"Session '{KEY}' is not valid or has expired", TokenRefused, "SessionRefused"),
        ("Invalid session", TokenRefused, "SessionRefused"),
        ("De sessie is verlopen", TokenRefused, "SessionRefused"),
        ("The element 'SalesInvoice' in namespace 'urn:x' has invalid child element 'Date'.", Refused, "Y91"),
        ("The 'urn:x:Date' element is invalid - The value '' is invalid according to its datatype", Refused, "Y91"),
        ("Server was unable to read request. ---&gt; There is an error in XML document (1, 200).", Refused, "Y91"),
        ("Cannot book this transaction line because the GLAccount is disabled", Refused, "Y03"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("version", [fault, fault_12])
def test_faults_are_known_by_a_part_of_their_text_in_three_languages(
    words: str, kind: type[ToolError], code: str, version: object
) -> None:
    error = meant(fault(words) if version is fault else fault_12(words))
    assert isinstance(error, kind)
    assert code_of(error) == code
    assert error.tool_words
    assert "line 3" not in error.tool_words
    assert not error.tool_words.startswith("System.")


def test_a_fault_that_nobody_knows_is_uncertain_unless_the_request_is_at_fault() -> None:
    assert isinstance(meant(fault("Object reference not set to an instance of an object.")), Uncertain)
    refused = meant(fault("Something odd", "soap:Client"))
    assert isinstance(refused, Refused)
    assert code_of(refused) == "Y90"
    assert code_of(meant(fault_12("Something odd", "s:Sender"))) == "Y90"
    assert isinstance(meant(fault("Something odd")), errors.UnknownFault)


def test_a_fault_whose_text_is_a_web_page_is_read_without_its_tags() -> None:
    page = escape("<html><style>b {}</style><body><b>Invalid access&nbsp;key</b></body></html>")
    error = meant(fault(page))
    assert code_of(error) == "Y20"
    assert error.tool_words == "Invalid access key"


@pytest.mark.parametrize("piece", ["&lt;head ", "&lt;head>", "&lt;title"])
def test_words_without_end_are_cut_before_they_are_read(piece: str) -> None:
    began = time.process_time()
    error = meant(fault(piece * 300_000 + "."))
    assert len(error.tool_words or "") <= 2000
    assert time.process_time() - began < 5  # uncut, patterns that look for an end take minutes


def test_a_fault_with_status_200_and_as_html_by_its_header_is_a_fault() -> None:
    error = classify(Answer(200, {"Content-Type": "text/html"}, fault("Invalid access key", "soap:Client")))
    assert isinstance(error, LoginBroken)


def test_the_day_is_over_until_the_next_midnight() -> None:
    detail = "You have used your 1000 free calls per domain per day"
    error = meant(fault("Daily limit exceeded", "soap:Client", detail))
    assert isinstance(error, Throttled)
    assert error.until is not None and error.until.tzinfo is not None
    assert timedelta(0) < error.until - datetime.now(UTC) <= timedelta(hours=25)
    assert error.issue is not None and error.issue.severity is Severity.ERROR
    assert "1000 free calls" in (error.tool_words or "")
    (budget,) = limits.budgets(Answer(500, {}, fault("Daily limit exceeded")))
    assert (budget.window, budget.remaining) == (Window.DAY, 0)
    assert budget.seconds is not None and 0 < budget.seconds <= 25 * 3600
    assert limits.budgets(Answer(500, {}, fault("Invalid access key"))) == ()
    assert limits.budgets(Answer(200, {}, response("Domains", "Daily limit exceeded"))) == ()
    assert code_of(meant(fault("Daily limit exceeded"), 429)) == "Y06"
    assert limits.budgets(Answer(429, {"Retry-After": "3"}, fault("Too many at once"))) == ()
    for body in (b"", fault("Slow down")):
        between = classify(Answer(429, {"Retry-After": "7"}, body))
        assert isinstance(between, Throttled) and between.until is not None
        assert between.until - datetime.now(UTC) < timedelta(seconds=8)


@pytest.mark.parametrize(
    ("now", "until"),
    [
        ("2026-11-26T12:00", "2026-11-26T23:00"),
        ("2026-11-26T22:59", "2026-11-26T23:00"),
        ("2026-11-26T23:00", "2026-11-27T00:00"),
        ("2026-11-27T00:00", "2026-11-27T23:00"),
        ("2026-07-01T12:00", "2026-07-01T22:00"),
        ("2026-07-01T22:30", "2026-07-02T00:00"),
    ],
)
def test_the_day_begins_at_the_next_midnight_of_both_that_may_be_meant(
    monkeypatch: pytest.MonkeyPatch, now: str, until: str
) -> None:
    monkeypatch.setattr(clock, "now", lambda: datetime.fromisoformat(f"{now}+00:00"))
    assert errors.renewal() == datetime.fromisoformat(f"{until}+00:00")


# messages of single invoices


@pytest.mark.parametrize(
    ("message", "code", "facts"),
    [
        ("There are 2 documents which have unspecified ledger accounts", "Y01", {}),
        ("Cannot book this transaction line because the GLAccount is disabled", "Y03", {}),
        ("De grootboekrekening 80100 is uitgeschakeld", "Y03", {}),
        ("Le compte général 700100 est désactivé", "Y03", {}),
        ("Could not create or modify transactions before 01-01-2026 for administration Bakker BV", "Y04",
         {"date": "01-01-2026", "administration": "Bakker BV"}),
        ("De periode is afgesloten", "Y04", {}),
        ("La période est clôturée", "Y04", {}),
        ('Sales tax code with percentage "21.00" and type "1" cannot be found', "Y05",
         {"percentage": "21.00", "type": "1"}),
        ("Btw-code 25% werd niet gevonden", "Y05", {}),
        ("Code TVA introuvable", "Y05", {}),
        ("The VAT number of the relation must be filled in for deliveries to countries within the EU", "Y07", {}),
        ("Het btw-nummer van de relatie moet ingevuld zijn", "Y07", {}),
        ("Failed to create invoice: HTML render is blank", "Y08", {}),
        ("Land onbekend", "Y08", {}),
        ("Onjuiste artikelcategorie", "Y11", {}),
        ('The pricelist\'s currency "EUR" does not match with the invoice\'s currency "USD"', "Y12", {}),
        ("When supplying a document process must be set to true", "Y13", {}),
        ("Too many decimals in price", "Y16", {}),
        ("This feature is not included in your bundle", "Y17", {}),
        ("Contact address is mandatory", "Y18", {}),
        ("GLAccount 99999 not found", "Y25", {}),
        ("Nobody knows this message", "Y90", {}),
        ("The domain is not licensed for this functionality", "Y02", {}),
    ],
)  # fmt: skip
def test_messages_are_issues(message: str, code: str, facts: dict[str, str]) -> None:
    error = judged(message)
    assert code_of(error) == code
    assert error.tool_words == message
    if isinstance(error, Refused):
        (issue,) = error.issues
        assert issue.facts == {**facts, "words": message}


@pytest.mark.parametrize(
    "message",
    [
        "An invoice with reference 2026001 already exists",
        "Factuurnummer 2026001 bestaat al",
        "Cette référence existe déjà",
        "The invoices 1 and 2 have the same booking number",
        "Reference has already been used",
        "Deze factuur is reeds verwerkt",
        "There is already an invoice with reference 2026001",
        "Er is al een factuur met nummer 2026001",
        "Reference must be unique",
        "Referentie 2026001 is niet uniek",
        "Factuur 2026001 is al aanwezig",
        "Factuurnummer 2026001 komt al voor",
        "Il y a déjà une facture avec ce numéro",
        "Le numéro de facture doit être unique",
        "La référence 2026001 n'est pas unique",
        "La facture 2026001 a déjà été comptabilisée",
        "La facture est déjà présente",
        "Numéro de facture en double",
    ],
)
def test_a_number_that_is_taken_may_be_this_document(message: str) -> None:
    assert isinstance(judged(message), AlreadyThere)


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ("Contact 'Daily Limit BV' could not be made", "Y90"),
        ("Could not create or modify transactions before 01-01-2026 for administration Unknown", "Y04"),
        ("Session invalid: 3 training hours", "Y90"),
        ("Contact Duplicate Prints BV is missing a city", "Y18"),
        ("Invalid access key", "Y90"),
        ("De klant van deze factuur is al lang gesloten", "Y90"),
        ("Het totaal gebruikt voor de factuur klopt niet", "Y90"),
        ("Voor deze factuur bestaat alsnog geen project", "Y90"),
        ("VAT number of Casino Rights NV is invalid", "Y07"),
        ("GLAccount '700200 Software modules' is not active", "Y03"),
        ("Project 'Software module' is not active", "Y90"),
        ("Project Software modules is not active", "Y90"),
        ("De btw-code geeft geen recht op aftrek", "Y90"),
        ("Ce code ne donne pas de droit à la déduction", "Y90"),
        ("Contact 'Geen Recht BV' could not be made", "Y90"),
        ("Contact Casino Rights NV could not be made", "Y90"),
        ("L'article « Logiciel sous licence » ne peut être créé", "Y90"),
        ("Product Onbekend: Logiciel sous licence", "Y90"),
    ],
)
def test_what_somebody_typed_ends_no_run(message: str, code: str) -> None:
    assert code_of(judged(message)) == code


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ("You have no rights to use this web service: Sales", "Y23"),
        ("De factuurmodule 'Yuki Factuur' is niet geactiveerd", "Y10"),
        ("Le module factures n'est pas activé, l'accès est refusé", "Y10"),
    ],
)
def test_a_right_that_one_invoice_lacks_is_missing_for_all_unless_another_went(message: str, code: str) -> None:
    denied = judged(message)
    assert isinstance(denied, AccessDenied)
    assert (code_of(denied), denied.tool_words) == (code, message)
    refused = judged(message, others_went=True)
    assert isinstance(refused, Refused)
    assert (code_of(refused), refused.tool_words) == ("Y90", message)


def test_a_schema_fault_that_names_the_administration_is_about_the_form() -> None:
    words = "The 'administrationId' element is invalid - The value 'x' is invalid according to its datatype 'Guid'"
    assert code_of(meant(fault(words))) == "Y91"


def test_limits_are_of_the_domain_and_the_host() -> None:
    settings = YukiSettings(access_key=KEY, site="be", calls_per_day=5000)
    (limit,) = limits.limits(settings, "D-1")
    assert (limit.key, limit.amount, limit.window) == ("yuki:api.yukiworks.be:d-1", 5000, Window.DAY)
    assert 0 < limit.reserve < 500
    assert limits.limits(settings, "") == ()
    assert limits.limits(settings.model_copy(update={"lift_limits": True}), "d") == ()


def test_every_code_that_is_given_has_texts_and_no_other() -> None:
    package = Path(errors.__file__).parent
    words = [
        node.value
        for file in package.glob("*.py")
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    ]
    given = {word for word in words if re.fullmatch(r"Y\d\d", word)}
    assert given == {entry.code for entry in read_catalogue("dagboek_yuki")}
