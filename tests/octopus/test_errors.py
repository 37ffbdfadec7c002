"""What answers mean, and texts for everything that is said."""

import ast
import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from dagboek_octopus import errors, hooks
from dagboek_octopus.errors import TokenRefused, classify, last_number
from dagboek_schemas.issues import Severity
from dagboek_sdk.errors import (
    AccessDenied,
    LoginBroken,
    NumberTaken,
    Refused,
    Throttled,
    ToolError,
    ToolUnavailable,
    Uncertain,
)
from dagboek_sdk.hooks import CatalogueText
from dagboek_sdk.http import Answer

SECRETS = re.compile(r"caller-address|user-name")


def answer(status: int, body: Any = None, **headers: str) -> Answer:
    content = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
    return Answer(status, headers, content)


def refusal(code: int | None, **more: str) -> dict[str, Any]:
    return ({} if code is None else {"errorCode": code}) | more


@pytest.mark.parametrize("code", range(-79, 1))
def test_every_known_code_has_a_meaning_of_its_own(code: int) -> None:
    assert code in errors.KNOWN
    found = classify(answer(400, refusal(code, errorMessage="words")))
    assert isinstance(found, ToolError)
    assert not isinstance(found, Uncertain)
    assert found.tool_words == "words"


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (201, None, None),
        (204, None, None),
        (200, [], None),
        (200, {"token": "x"}, None),
        (200, b"<html>maintenance</html>", Uncertain),
        (201, b"\n <!DOCTYPE html>", Uncertain),
        (302, None, Uncertain),
        (500, refusal(-24), Uncertain),
        (503, b"<html>", Uncertain),
        (502, None, Uncertain),
        (400, b"<html>proxy</html>", Uncertain),
        (404, b"not found", Uncertain),
        (400, b"[]", Uncertain),
        (400, refusal(-13), NumberTaken),
        (403, refusal(-12), ToolUnavailable),
        (400, refusal(-51), Throttled),
        (429, None, Throttled),
        (401, refusal(-79), TokenRefused),
        (401, refusal(None, technicalInfo="ended"), TokenRefused),
        (401, None, TokenRefused),
        (401, refusal(-68), LoginBroken),
        (403, refusal(-5), LoginBroken),
        (403, refusal(None, technicalInfo="no"), AccessDenied),
        (403, refusal(-11), Refused),
        (404, refusal(None), Refused),
        (400, refusal(None, technicalInfo="something is wrong"), Refused),
        (400, refusal(-8), ToolUnavailable),
        (418, refusal(-1234), Refused),
    ],
)
def test_answers(status: int, body: Any, expected: type[ToolError] | None) -> None:
    found = classify(answer(status, body))
    assert type(found) is (expected or type(None))


def test_a_refusal_that_nobody_knows_keeps_the_tools_words() -> None:
    found = classify(answer(400, refusal(-1234, errorMessage="Fout", technicalInfo="field x")))
    assert isinstance(found, Refused)
    (issue,) = found.issues
    assert (issue.code, issue.facts, issue.tool_words) == ("O90", {"code": "-1234", "status": "400"}, "Fout: field x")


def test_a_journal_that_somebody_has_open_is_waited_for_and_told() -> None:
    found = classify(answer(403, refusal(-12, errorMessage="in use")))
    assert isinstance(found, ToolUnavailable)
    assert found.issue is not None
    assert (found.issue.code, found.issue.tool_words) == ("O07", "in use")
    assert found.until is not None


def test_a_failed_login_does_not_show_who_tried_from_where() -> None:
    found = classify(answer(401, refusal(None, technicalInfo="user-name from caller-address failed 3 times")))
    assert found is not None
    assert not SECRETS.search(f"{found} {found.tool_words}")


@pytest.mark.parametrize(
    ("told", "seconds"),
    [("3", 3), ("999999999", 86_400), ("", 900), ("soon", 900), ("Wed, 01 Jan 2070 00:00:00 GMT", None)],
)
def test_when_to_come_back(told: str, seconds: int | None) -> None:
    found = classify(answer(429, None, **{"Retry-After": told}))
    assert isinstance(found, Throttled)
    assert found.until is not None
    if seconds is None:
        assert found.until == datetime(2070, 1, 1, tzinfo=UTC)
    else:
        assert abs(found.until - datetime.now(UTC) - timedelta(seconds=seconds)) < timedelta(seconds=5)


@pytest.mark.parametrize(
    ("words", "last"),
    [
        ("dossier 1001: last number 6, offered 8", 6),
        ("Last booked 6, given 8", 6),
        ("dossier 1001, last 8, offered 8", 8),
        ("6 8 9 of dossier 1001", None),
        ("no numbers here", None),
        (None, None),
        ("version 1.2.3 of 2025-01-01, 8", None),
    ],
)
def test_the_last_number_is_read_only_where_it_is_plain(words: str | None, last: int | None) -> None:
    assert last_number(words, 8, "1001") == last


CATALOGUE = {entry.code: entry for entry in hooks.dagboek_issue_catalogue()}


def test_every_issue_has_a_text_in_three_languages_with_the_same_facts() -> None:
    for entry in CATALOGUE.values():
        assert set(entry.texts) == {"nl", "fr", "en"}
        shown = {language: _facts(text) for language, text in entry.texts.items()}
        assert shown["nl"] == shown["fr"] == shown["en"], entry.code
        assert all(text.title and text.cause and text.remedy for text in entry.texts.values())


def _facts(text: CatalogueText) -> set[str]:
    return set(re.findall(r"\{(\w+)\}", f"{text.title} {text.cause} {text.remedy}"))


def test_the_catalogue_holds_every_code_that_the_plugin_names_and_no_other() -> None:
    files = Path(errors.__file__).parent.glob("*.py")
    words = [
        node.value for file in files for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.Constant)
    ]
    named = {word for word in words if isinstance(word, str) and re.fullmatch(r"O\d\d", word)}
    # a line without an account is told before it comes to Octopus, by the mapping that all tools share (B04)
    assert named == CATALOGUE.keys() - {"O04"}
    assert all(CATALOGUE[code].severity is Severity.ERROR for code in errors.LOGIN.values())


def test_the_plugin_and_its_sandbox_are_registered() -> None:
    (tool,) = hooks.dagboek_accounting_plugins()
    (sandbox,) = hooks.dagboek_sandboxes()
    assert (tool.about.name, sandbox.name) == ("octopus", "octopus")
