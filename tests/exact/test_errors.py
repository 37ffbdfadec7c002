"""What answers mean, and texts for everything that is said."""

import ast
import json
import re
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest
from dagboek.logins import host_of
from dagboek_exact import errors, hooks, logins, quotas
from dagboek_exact.errors import classify, issues_of
from dagboek_exact.settings import ALLOWED, ExactSettings
from dagboek_schemas.issues import Severity
from dagboek_sdk.errors import (
    AccessDenied,
    LoginBroken,
    Refused,
    Throttled,
    TokenRefused,
    ToolError,
    ToolUnavailable,
    Uncertain,
)
from dagboek_sdk.hooks import CatalogueText
from dagboek_sdk.http import Answer
from dagboek_sdk.limits import ALL, Window
from dagboek_sdk.oauth import Judged
from pydantic import SecretStr, ValidationError


def body(value: str) -> bytes:
    """As Exact writes it, with line ends in the JSON."""
    return (
        '{\r\n"error": {\r\n"code": "", "message": {\r\n"lang": "", "value": ' + json.dumps(value) + "\r\n}\r\n}\r\n}"
    ).encode()


def answer(status: int, content: bytes = b"", **headers: str) -> Answer:
    return Answer(status, {name.replace("_", "-"): value for name, value in headers.items()}, content)


def codes(words: str) -> list[str]:
    return [issue.code for issue in issues_of(words)]


@pytest.mark.parametrize(
    ("words", "found"),
    [
        # as api.md section 7 has them
        ("Verplicht: Factuur voor\r\nVerplicht: Besteld door", ["X24"]),
        ("Mandatory: Relationship\r\nInvalid reference: Cost unit\r\nMandatory: Diary", ["X24", "X37", "X28"]),
        ("Ongeldige referentie: Journals", ["X30"]),
        ("Ongeldige referentie: Leveren aan", ["X10"]),
        ("Ongeldig: Grootboekrekeningtype", ["X25"]),
        ("Ongeldig: Factuur voor (Type)", ["X23"]),
        ("Ongeldig: Klant (Type)", ["X23"]),
        ("Invalid: Customer (Type)", ["X23"]),
        ("Ongeldig: Dagboek", ["X29"]),
        ("Invalid journal. The journal must be a cash journal.", ["X29"]),
        ("Ongeldig: Btw-percentage []", ["X05"]),
        ("Invalid: VAT percentage []", ["X05"]),
        ("Ongeldig: Email []", ["X08"]),
        ("Ongeldige referentie: Btw-code", ["X05"]),
        ("Ongeldige referentie: Betalingsconditie", ["X27"]),
        ("In gebruik: Boekstuknummer", ["X02"]),
        ("In use: Document number", ["X02"]),
        ("Already exists - Entry number: 26700001, Journal: 70", ["X02"]),
        ("Periode is afgesloten: 2026 - 1", ["X21"]),
        ("Period is closed", ["X21"]),
        ("Unknown: Financial year (Period-date table)", ["X20"]),
        ("Verplicht: Dagboek", ["X28"]),
        ("Required: Journal", ["X28"]),
        ("Verplicht: Betalingsconditie", ["X27"]),
        ("Niet toegestaan: Btw-code", ["X44"]),
        ("Not allowed: VAT code", ["X44"]),
        ('Een btw bedrag is niet toegestaan bij een btw-code van het type "geen btw"', ["X34"]),
        ("De boeking is niet in evenwicht op: 2022 / 4 (Type: Inkoopboeking) - Verschil: EUR -0,01", ["X46"]),
        ("Blocked: Ledger account: 85071 Sundry", ["X26"]),
        ("Reeds verwerkt", ["X47"]),
        ("Bestaat reeds: Uw ref.", ["X11"]),
        ("Already exists: Your ref.", ["X11"]),
        ("Gegeven bestaat reeds.", ["X51"]),
        ("Data already exists.", ["X51"]),
        # product.md section 3.3
        ("Mandatory: Account", ["X24"]),
        ("Not found: Account 700123 G/L Account", ["X04"]),
        ("Mandatory: due date", ["X27"]),
        ("Invalid: Journal (type)", ["X29"]),
        ("Invalid: Cost center link", ["X36"]),
        ("Not allowed: Exchange rate", ["X42"]),
        ("Ongeldige referentie: Provincie", ["X07"]),
        ("Ongeldig: Btw-nummer", ["X03"]),
        # other languages of the same grammar
        ("Obligatoire : Client", ["X24"]),
        ("Référence non valide : Journal", ["X30"]),
        ("Non autorisé : Code TVA", ["X44"]),
        ("Ungültige Referenz: Zahlungsbedingung", ["X27"]),
        ("Gesperrt: Sachkonto 4400", ["X26"]),
        # nothing that we know
        ("Moet zijn: Uniek - Artikel, Valuta, Eenheid", ["X39"]),
        ("De kat zit in de gordijnen", ["X90"]),
        ("Ongeldig: Btw-nummer\r\nDe kat zit in de gordijnen", ["X03", "X90"]),
    ],
)
def test_words_are_recognised_by_their_pattern(words: str, found: list[str]) -> None:
    assert codes(words) == found


def test_each_message_is_shown_in_exacts_own_words() -> None:
    first, second = issues_of("Verplicht: Dagboek\r\n\r\nIets anders")
    assert (first.tool_words, second.tool_words) == ("Verplicht: Dagboek", "Iets anders")


@pytest.mark.parametrize(
    ("status", "content", "expected"),
    [
        (200, b'{"d": []}', None),
        (201, b'{"d": {}}', None),
        (204, b"", None),
        (200, b"<html>maintenance</html>", Uncertain),
        (201, b"<?xml version='1.0'?><entry/>", Uncertain),
        (302, b"", Uncertain),
        (400, body("Error processing request stream. The property name 'X' is not valid"), Refused),
        (400, b"<html>proxy</html>", Uncertain),
        (401, b"", TokenRefused),
        (403, b"", AccessDenied),
        (403, body("Forbidden"), AccessDenied),
        (403, b"<html>firewall</html>", Uncertain),
        (404, body("Resource not found for the segment 'X'."), Refused),
        (404, b"<html>", Uncertain),
        (429, b"", Throttled),
        (500, body("Ongeldig: Klant (Type)"), Refused),
        (500, body("Iets dat niemand kent"), Refused),
        (500, body("Object reference not set to an instance of an object."), Uncertain),
        (500, body("Er is een onverwachte fout opgetreden."), Uncertain),
        (500, body("Timeout expired."), Uncertain),
        (500, body(""), Uncertain),
        (500, b"", Uncertain),
        (500, b"<html>", Uncertain),
        (502, body("Ongeldig: Klant (Type)"), Uncertain),
        (503, b"Service Unavailable", Uncertain),
    ],
)
def test_answers_are_judged_by_status_and_body(status: int, content: bytes, expected: type[ToolError] | None) -> None:
    found = classify(answer(status, content))
    assert type(found) is (expected or type(None))


def test_a_refusal_that_comes_as_a_server_error_is_no_uncertainty() -> None:
    found = classify(answer(500, body("Ongeldig: Klant (Type)\r\nVerplicht: Dagboek")))
    assert isinstance(found, Refused)
    assert [issue.code for issue in found.issues] == ["X23", "X28"]
    assert found.tool_words is not None


@pytest.mark.parametrize(
    ("location", "content", "expected"),
    [
        ("https://start.exactonline.nl/docs/Login.aspx?x=1", b"", TokenRefused),
        ("", b"<h2>Object moved to <a href='/x'>here</a></h2>", TokenRefused),
        ("https://status.exact.example/maintenance", b"<h2>Object moved</h2>", Uncertain),
        ("", b"", Uncertain),
    ],
)
def test_only_the_login_page_says_something_about_the_token(
    location: str, content: bytes, expected: type[ToolError]
) -> None:
    assert type(classify(answer(302, content, **({"Location": location} if location else {})))) is expected


@pytest.mark.parametrize(
    ("reason", "code"),
    [
        ("BlockedUser", "X61"),
        ("InactiveUser", "X61"),
        ("BlockedCustomer", "X62"),
        ("LicenseExpired", "X62"),
        ("NoDivisionAccess", "X63"),
    ],
)
def test_a_403_with_a_reason_ends_the_run_and_says_what_to_do(reason: str, code: str) -> None:
    found = classify(answer(403, b"", Reason=reason))
    assert isinstance(found, LoginBroken)
    assert (found.issue.code, found.issue.severity) == (code, Severity.ERROR)


def test_a_division_that_is_blocked_is_waited_for() -> None:
    found = classify(answer(403, b"", Reason="DivisionBlocked"))
    assert isinstance(found, ToolUnavailable)
    assert found.issue is not None
    assert found.issue.code == "X65"


def test_a_scope_that_the_app_lacks_is_named() -> None:
    words = "Forbidden - Application Scope Violated. Cannot read 'organization.administration' scope."
    found = classify(answer(403, body(words)))
    assert isinstance(found, AccessDenied)
    assert (found.issue.code, found.scope) == ("X64", "organization.administration")


MINUTE = {"X-RateLimit-Minutely-Limit": "60", "X-RateLimit-Minutely-Remaining": "58"}
DAY = {"X-RateLimit-Limit": "5000", "X-RateLimit-Remaining": "4766"}


def in_ms(moment: datetime) -> str:
    return str(int(moment.timestamp() * 1000))


def test_a_spent_limit_ends_at_its_own_reset() -> None:
    now = datetime.now(UTC)
    minute, midnight = now + timedelta(seconds=20), now + timedelta(hours=5)
    found = classify(Answer(429, {"X-RateLimit-Minutely-Reset": in_ms(minute)}, b""))
    assert isinstance(found, Throttled)
    assert found.until is not None
    assert abs(found.until - minute) < timedelta(seconds=1)
    found = classify(Answer(429, {"X-RateLimit-Reset": in_ms(midnight)}, b""))
    assert isinstance(found, Throttled)
    assert found.until is not None
    assert abs(found.until - midnight) < timedelta(seconds=1)
    found = classify(Answer(429, {}, b""))
    assert isinstance(found, Throttled)
    assert found.until is not None
    assert found.until > now + timedelta(minutes=10)


def test_budgets_are_read_from_the_headers() -> None:
    reset = datetime.now(UTC) + timedelta(seconds=40)
    headers = {**MINUTE, **DAY, "X-RateLimit-Minutely-Reset": in_ms(reset)}
    minute, day = quotas.budgets(Answer(200, headers, b""))
    assert (minute.window, minute.remaining, minute.amount) == (Window.MINUTE, 58, 60)
    assert minute.seconds is not None
    assert 30 < minute.seconds <= 40
    assert (day.window, day.remaining, day.amount, day.seconds) == (Window.DAY, 4766, 5000, None)
    (hit,) = quotas.budgets(Answer(429, {"X-RateLimit-Reset": in_ms(reset)}, b""))
    assert (hit.window, hit.remaining) == (Window.DAY, 0)
    assert quotas.budgets(Answer(200, {}, b"")) == []


def test_the_ends_of_limits_are_read_by_the_clock_of_the_answer() -> None:
    """Ours may be ahead or behind: the next minute would begin too early, and its calls be refused."""
    there = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=3)
    headers = {"X-RateLimit-Minutely-Reset": in_ms(there + timedelta(seconds=40)), "Date": format_datetime(there, True)}
    (hit,) = quotas.budgets(Answer(429, headers, b""))
    assert hit.seconds == 40
    found = classify(Answer(429, headers, b""))
    assert isinstance(found, Throttled)
    assert found.until is not None
    assert timedelta(seconds=35) < found.until - datetime.now(UTC) <= timedelta(seconds=40)


@pytest.mark.parametrize(("status", "counts"), [(400, True), (401, True), (403, True), (404, True), (500, True),
                                                (200, False), (429, False), (503, False)])  # fmt: skip
def test_errors_are_counted_before_exact_counts_them(status: int, counts: bool) -> None:
    assert quotas.counts_as_error(answer(status)) is counts


def test_limits_are_of_the_app_in_the_division_and_errors_of_each_resource() -> None:
    settings = ExactSettings(client_id="app", client_secret=SecretStr("hush"), site="nl")
    rows = quotas.limits(settings, "123456")
    shared = "exact:start.exactonline.nl:app:123456"
    assert [(row.key, row.group, row.amount, row.window, row.errors) for row in rows[:3]] == [
        (shared, ALL, 60, Window.MINUTE, False),
        (shared, ALL, 5000, Window.DAY, False),
        (shared, ALL, 8, Window.HOUR, True),
    ]
    assert (rows[1].time_zone, rows[3].amount) == ("UTC", 200)


@pytest.mark.parametrize(
    ("status", "content", "judged"),
    [
        (401, b'{"error":"unauthorized_client","error_description":"Old refresh token used."}', Judged.ENDED),
        (400, b'{"error":"invalid_grant","error_description":"The user is not active"}', Judged.ENDED),
        (400, b"Bad Request", Judged.ENDED),
        (401, b'{"error":"invalid_request","error_description":"access_token not expired"}', Judged.TOO_EARLY),
        (400, b'{"error":"x","error_description":"Access Token not expired"}', Judged.TOO_EARLY),
        (401, b'{"error":"invalid_client"}', Judged.APP),
        (503, b"", Judged.LATER),
    ],
)
def test_what_the_token_endpoint_means(status: int, content: bytes, judged: Judged) -> None:
    assert logins.judged(answer(status, content)) is judged


def test_the_site_decides_where_everything_is() -> None:
    settings = ExactSettings(client_id="app", client_secret=SecretStr("hush"), site="co.uk")
    found = logins.oauth(settings)
    assert found.authorise_url == "https://start.exactonline.co.uk/api/oauth2/auth"
    assert found.token_url == "https://start.exactonline.co.uk/api/oauth2/token"
    assert host_of(settings) == "start.exactonline.co.uk"  # by which books are told apart


@pytest.mark.parametrize("address", ["http://evil.example", "https://10.0.0.1", "ftp://localhost", "localhost:80"])
def test_tokens_go_to_exact_or_to_this_machine(address: str) -> None:
    with pytest.raises(ValidationError):
        ExactSettings(client_id="app", client_secret=SecretStr("hush"), base_url=address)


def test_an_operator_may_allow_another_host(monkeypatch: pytest.MonkeyPatch) -> None:
    assert ExactSettings(client_id="a", client_secret=SecretStr("b"), base_url="http://127.0.0.1:8/").address == (
        "http://127.0.0.1:8"
    )
    monkeypatch.setenv(ALLOWED, "other, sandbox")
    assert ExactSettings(client_id="a", client_secret=SecretStr("b"), base_url="http://sandbox:8").base_url


CATALOGUE = {entry.code: entry for entry in hooks.dagboek_issue_catalogue()}
KNOWN_OTHERWISE = {"X01", "X12", "X13"}
"""Told by core with codes of its own, or of what never comes here: for whoever looks the situation up."""


def test_every_issue_has_a_text_in_three_languages_with_the_same_facts() -> None:
    for entry in CATALOGUE.values():
        assert set(entry.texts) == {"nl", "fr", "en"}
        shown = {language: _facts(text) for language, text in entry.texts.items()}
        assert shown["nl"] == shown["fr"] == shown["en"], entry.code
        assert all(text.title and text.cause and text.remedy for text in entry.texts.values())


def _facts(text: CatalogueText) -> set[str]:
    return set(re.findall(r"\{(\w+)\}", f"{text.title} {text.cause} {text.remedy}"))


def test_all_known_situations_have_an_issue() -> None:
    assert {f"X{number:02}" for number in range(1, 14)} <= CATALOGUE.keys()


def test_the_catalogue_holds_every_code_that_the_plugin_names_and_no_other() -> None:
    files = Path(errors.__file__).parent.glob("*.py")
    words: list[Any] = [
        node.value for file in files for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.Constant)
    ]
    named = {word for word in words if isinstance(word, str) and re.fullmatch(r"X\d\d", word)}
    assert named == CATALOGUE.keys() - KNOWN_OTHERWISE


def test_the_plugin_and_its_sandbox_are_registered() -> None:
    (tool,) = hooks.dagboek_accounting_plugins()
    (sandbox,) = hooks.dagboek_sandboxes()
    assert (tool.about.name, sandbox.name) == ("exact", "exact")
