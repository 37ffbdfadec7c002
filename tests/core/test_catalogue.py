"""Every issue has its words in three languages, and no missing fact or code ever breaks a screen."""

import ast
import re
from pathlib import Path

import pytest
from dagboek.catalogue import GENERAL, LANGUAGES, UNEXPECTED, Catalogue, general, placeholders
from dagboek.catalogue.pages import pages
from dagboek.plugins import Plugins
from dagboek_schemas.issues import Issue, Severity
from dagboek_sdk.errors import Trouble
from dagboek_sdk.hooks import CatalogueEntry, CatalogueText
from hypothesis import given
from hypothesis import strategies as st

ROOT = Path(__file__).parents[2]
CATALOGUE = Plugins(entry_points=False).catalogue
ALL = Plugins().catalogue
UNNAMED = {"B12", "D18", "D19", "D26", "D29", "D31"}
"""Codes that no program of ours gives: they are there for plugins, as the page of issues says."""
ENTRIES = [pytest.param(entry, id=entry.code) for entry in ALL]


@pytest.mark.parametrize("entry", ENTRIES)
def test_every_entry_speaks_three_languages_about_the_same_facts(entry: CatalogueEntry) -> None:
    assert set(entry.texts) == set(LANGUAGES)
    assert len({placeholders(text) for text in entry.texts.values()}) == 1
    for text in entry.texts.values():
        for words in (text.title, text.cause, text.remedy):
            assert words == words.strip()
            assert words
            around = re.sub(r"\{\w+(:amount)?\}", "", words)
            assert around.isprintable()
            assert "{" not in around
        assert not text.title.endswith(".")
        assert text.cause.endswith(".")
        assert text.remedy.endswith(".")
    assert len({text.title for text in entry.texts.values()}) > 1, "the same words in all languages"


def test_the_known_situations_are_all_there() -> None:
    expected = {f"B{number:02}" for number in range(1, 14)} | {f"R{number:02}" for number in range(1, 6)}
    assert expected | {UNEXPECTED, GENERAL} <= {entry.code for entry in CATALOGUE}


def test_the_catalogue_holds_every_code_that_the_programs_name_and_no_other() -> None:
    files = [file for folder in ("sdk", "core", "workers") for file in (ROOT / folder).rglob("*.py")]
    files = [file for file in files if "demo" not in file.parts]  # it tells what others give
    words = [
        node.value for file in files for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.Constant)
    ]
    named = {word for word in words if isinstance(word, str) and re.fullmatch(r"[A-Z]\d\d", word)}
    assert named == {entry.code for entry in CATALOGUE} - UNNAMED


@pytest.mark.parametrize("language", LANGUAGES)
def test_facts_fill_the_texts(language: str) -> None:
    issue = Issue(code="B04", facts={"line": "3", "name": "Olijfolie 5 l", "rate": "21"})
    cause = CATALOGUE.text(issue, language).cause
    assert "3 (Olijfolie 5 l)" in cause
    assert "21 %" in cause


def test_missing_facts_are_shown_as_question_marks() -> None:
    text = CATALOGUE.text(Issue(code="R02"), "en")
    assert text.cause == "A total of the document does not agree with the rest: expected ?, found ?."


@pytest.mark.parametrize(
    ("language", "shown"),
    [("nl", "1.234,50"), ("fr", "1\u202f234,50"), ("en", "1,234.50"), ("nl-BE", "1.234,50"), ("de", "1,234.50")],
)
def test_amounts_are_written_as_the_reader_writes_them(language: str, shown: str) -> None:
    cause = ALL.text(Issue(code="R02", facts={"expected": "1234.50", "found": "-1234.50"}), language).cause
    assert f" {shown}" in cause
    assert f" -{shown}." in cause


@pytest.mark.parametrize("value", ["€ 12.50", "12.50 EUR", "1" * 40, "1e5", "twelve", "٣", "1.234567890123"])
def test_what_is_no_amount_is_shown_as_it_is(value: str) -> None:
    assert f"found {value}." in CATALOGUE.text(Issue(code="R02", facts={"expected": "1", "found": value})).cause


def test_an_amount_keeps_the_decimals_it_has() -> None:
    shown = [
        CATALOGUE.text(Issue(code="R02", facts={"expected": "1", "found": one}), "nl").cause.rpartition(" ")[2]
        for one in ("12", "0.1", "0.125", "12.00", "0")
    ]
    assert shown == ["12.", "0,1.", "0,125.", "12,00.", "0."]


def test_words_of_the_program_are_translated() -> None:
    issue = Issue(code="R05", facts={"direction": "purchase", "kind": "credit_note"})
    assert "creditnota's (aankoop)" in CATALOGUE.text(issue, "nl").cause
    assert "notes de crédit (achats)" in CATALOGUE.text(issue, "fr").cause
    scope = Issue(code="B07", facts={"scope": "sales_invoices"})
    assert CATALOGUE.text(scope, "nl").cause.endswith("verkoopfacturen.")
    assert CATALOGUE.text(Issue(code="B07", facts={"scope": "module X"}), "nl").cause.endswith("module X.")


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_trouble_of_a_tool_has_words(language: str) -> None:
    told = [Issue(code="B06", facts={"tool": "X", "trouble": trouble}) for trouble in (*Trouble, "?")]
    causes = [CATALOGUE.text(issue, language).cause for issue in told]
    assert len(set(causes)) == len(told)
    assert not [cause for trouble, cause in zip(Trouble, causes, strict=False) if cause.endswith(f" {trouble}.")]
    assert CATALOGUE.text(Issue(code="B06", facts={"tool": "X"}), language).cause == causes[-1], "an issue of before"


def test_moments_are_shown_as_people_write_them() -> None:
    issue = Issue(code="B05", facts={"until": "2026-11-24T23:00:00+01:00"})
    assert "(24-11-2026 22:00 UTC)" in CATALOGUE.text(issue, "en").remedy
    far = Issue(code="B05", facts={"until": "0001-01-01T00:00:00+14:00"})
    assert "(0001-01-01T00:00:00+14:00)" in CATALOGUE.text(far, "en").remedy
    assert "(later)" in CATALOGUE.text(Issue(code="B05", facts={"until": "?"}), "en").remedy


def test_the_language_may_be_longer_or_unknown() -> None:
    issue = Issue(code="B10")
    assert CATALOGUE.text(issue, "nl-BE") == CATALOGUE.text(issue, "nl")
    assert CATALOGUE.text(issue, "de") == CATALOGUE.text(issue, "en")


def test_an_unknown_code_gets_the_general_words() -> None:
    text = CATALOGUE.text(Issue(code="Z99", severity=Severity.ERROR), "fr")
    assert text.code == "Z99"
    assert text.severity is Severity.ERROR
    assert text.title == CATALOGUE.text(Issue(code=GENERAL), "fr").title
    assert Catalogue({}).text(Issue(code="Z99", tool_words="boom")).cause == "boom"


def test_a_link_is_there_only_when_its_facts_are() -> None:
    assert CATALOGUE.text(Issue(code="B01")).link is None
    assert CATALOGUE.text(Issue(code="B01", facts={"connection": "7"})).link == "/integrations/7?tab=vat"
    assert CATALOGUE.text(Issue(code="B01", url="https://crm.example/i/1", facts={"connection": "7"})).link == (
        "https://crm.example/i/1"
    )


@given(
    st.text(max_size=60),
    st.dictionaries(st.sampled_from(["a", "b", "until", "region"]), st.text(max_size=20)),
    st.sampled_from([*LANGUAGES, "", "xx"]),
)
def test_no_text_and_no_fact_breaks_it(template: str, facts: dict[str, str], language: str) -> None:
    text = CatalogueText(template, template + "{a} {b.__class__} {until} {region}", "{0} {!r} {a")
    catalogue = Catalogue({"T01": CatalogueEntry("T01", {"en": text}, link=template)})
    shown = catalogue.text(Issue(code="T01", facts=facts), language)
    assert "{b.__class__}" in shown.cause
    assert shown.remedy == "{0} {!r} {a"


def test_a_fact_is_not_filled_a_second_time() -> None:
    text = CatalogueText("{a}", "x", "x")
    catalogue = Catalogue({"T01": CatalogueEntry("T01", {"en": text})})
    assert catalogue.text(Issue(code="T01", facts={"a": "{b}", "b": "secret"})).title == "{b}"


def test_the_files_are_read_once() -> None:
    assert general.dagboek_issue_catalogue() is general.dagboek_issue_catalogue()


@pytest.mark.parametrize("name", sorted(pages(ALL)))
def test_the_documentation_is_not_stale(name: str) -> None:
    page = ROOT / "docs" / "guides" / name
    written = page.read_text(encoding="utf-8") if page.exists() else ""
    assert written == pages(ALL)[name], "run `uv run python -m dagboek.catalogue`"
