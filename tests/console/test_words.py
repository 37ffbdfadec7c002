"""The console's words: there for all that it shows, and the same in the guides as on its pages."""

import ast
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, get_args
from zoneinfo import ZoneInfo

import pytest
from dagboek.catalogue import LANGUAGES
from dagboek.console.why import said, why
from dagboek.logins import LoginProblem, check_settings
from dagboek.plugins import Plugins
from dagboek.reasons import Reason, Refusal, key_of
from dagboek.resolve import CannotResolve
from dagboek.settings_edits import checked
from dagboek.speech import Speech, texts
from dagboek.tenants import Unusable, vat_number_fault
from dagboek.web import app  # noqa: F401 (with it every refusal is known)
from dagboek.web.problems import Problem, problem_of
from dagboek_sdk.errors import LoginBroken, ToolUnavailable, Trouble
from pydantic_core.core_schema import ErrorType

ROOT = Path(__file__).parents[2]
CORE = ROOT / "core" / "dagboek"
GUIDES = {
    "nl": CORE / "console" / "guide" / "bookkeeper.nl.md",
    "fr": CORE / "console" / "guide" / "bookkeeper.fr.md",
    "en": CORE / "console" / "guide" / "bookkeeper.md",
}


@pytest.mark.parametrize("language", GUIDES)
def test_what_the_guide_names_is_called_so_on_the_pages(language: str) -> None:
    shown, named = words_of(language), names_in(GUIDES[language], "*", "**")
    assert len(named) > 25
    assert sorted(named - shown) == []


def test_what_the_page_for_operators_names_is_called_so_on_the_pages() -> None:
    named = names_in(ROOT / "docs" / "guides" / "console.md", "*")  # what is bold there names the parts of that page
    assert len(named) > 15
    assert sorted(named - words_of("en")) == []


def words_of(language: str) -> set[str]:
    """All words of the pages, as they are compared: without case and marks at the end."""
    return {plain(text[language]) for text in texts().values()}


def names_in(guide: Path, *marks: str) -> set[str]:
    """What stands between these marks in a guide."""
    found = re.findall(r"(?<![*\w])(\*{1,2})([^*]+?)\1(?![*\w])", guide.read_text(encoding="utf-8"))
    return {plain(name) for mark, name in found if mark in marks}


def plain(name: str) -> str:
    """Without line breaks, marks at the end, and case."""
    return re.sub(r"\s+", " ", name).rstrip(" .:").lower()


def test_the_trail_has_words_for_all_that_is_done() -> None:
    done = set(deeds())
    assert {"session.begin", "document.send", "person.disable", "schedule.choose"} <= done
    assert sorted(one for one in done if f"people.did_{one.replace('.', '_')}" not in texts()) == []
    details = {str(one.arg) for call in notes() for one in call.keywords if one.arg}
    assert {"connection", "booking_number"} <= details
    assert sorted(one for one in details if f"people.detail_{one}" not in texts()) == []


def deeds() -> Iterator[str]:
    """What the code notes in the trail: `caller.note("run.start", ...)` and the like, also by way of a `_note`."""
    for call in notes():
        yield from (str(one.value) for one in call.args if isinstance(one, ast.Constant) and is_deed(one))


def notes() -> Iterator[ast.Call]:
    """Where that is done."""
    for call in calls():
        if re.fullmatch("_?note(_apart)?", name_of(call)) and any(map(is_deed, call.args)):
            yield call


def is_deed(given: ast.expr) -> bool:
    """Whether this is what a deed is called: `run.start`."""
    return isinstance(given, ast.Constant) and bool(re.fullmatch(r"[a-z_]+\.[a-z_]+", str(given.value)))


def calls() -> Iterator[ast.Call]:
    """Every call in the code of the core."""
    for file in sorted(CORE.rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                yield node


def name_of(call: ast.Call) -> str:
    """Name of what is called, without where it is."""
    return call.func.id if isinstance(call.func, ast.Name) else getattr(call.func, "attr", "")


PROGRAMS = {
    "if_match_needed", "key_used", "in_progress", "not_kept", "broken_off", "not_signed_in", "unsupported_media_type",
    "other_host", "no_consent_needed", "unexpected",
}  # fmt: skip
"""Codes of problems that no page can run into: the API alone answers with them."""


def test_every_refusal_has_words_with_no_fact_that_it_does_not_give() -> None:
    """A new `raise Unusable("...", "key", fact=...)` needs its key in `texts/reasons.toml`."""
    kinds = {one.__name__: one for one in below(Refusal)}
    assert {"Unusable", "CannotResolve", "NotReadyToSync", "UnknownPlugin", "NoConsent"} <= set(kinds)
    found = [one for one in calls() if name_of(one) in kinds and "__init__" not in vars(kinds[name_of(one)])]
    found += [one for one in calls() if name_of(one) == "__init__" and word((*one.args, None, None)[1])]  # of a kind
    assert len(found) > 60
    assert [ast.unparse(one) for one in found if not told(one)] == []


def told(refusal: ast.Call) -> bool:
    """Whether the key that is given here has words, and they show no fact that is not given."""
    given = refusal.args[1] if len(refusal.args) > 1 else ast.Constant(None)
    if isinstance(given, ast.Name):
        return given.id == "COMMAND_LINE" or (
            given.id == "key" and {f"reasons.{one}" for one in OF_TABLES} <= set(texts())
        )
    keys = [word(one) for one in ast.walk(given) if isinstance(one, ast.Constant)]
    facts = {one.arg for one in refusal.keywords}
    return all(f"reasons.{key}" in texts() and facts_of(f"reasons.{key}") <= facts for key in keys)


OF_TABLES = ("night_hours", "night_zone", "in_the_books", "being_synced")
"""Keys that stand in tables, of `schedule.py` and `sent_in/store.py`."""


def word(given: ast.expr | None) -> str:
    """A word that is written in the code; empty for what is none."""
    return given.value if isinstance(given, ast.Constant) and isinstance(given.value, str) else ""


def facts_of(key: str) -> set[str]:
    """Names of the facts that a text shows, in any language."""
    return {name for text in texts()[key].values() for name in re.findall(r"\{(\w+)\}", text)} - {"text"}


def below(kind: type[Refusal]) -> Iterator[type[Refusal]]:
    """All kinds of it."""
    for one in kind.__subclasses__():
        yield one
        yield from below(one)


def test_every_problem_that_a_page_can_run_into_has_words() -> None:
    """A new `Problem(409, "code", ...)` needs its code in `texts/reasons.toml`, or among PROGRAMS."""
    codes = {word(one.args[1]) for one in calls() if name_of(one) == "Problem" and tells_code(one)}
    codes |= {f"webhook_{word(one.args[0])}" for one in calls() if name_of(one) == "UnusableAddress"}
    assert {"last_admin", "never_planned", "consent_gone", "webhook_https"} <= codes
    on_the_way = {"sign_in", "choose_tenant"}
    assert sorted(one for one in codes - PROGRAMS - on_the_way if f"reasons.{one}" not in texts()) == []


def tells_code(call: ast.Call) -> bool:
    """Whether a problem is made of a status and a code, and of no other reason."""
    status = call.args[0] if len(call.args) > 1 else None
    whole = isinstance(status, ast.Constant) and isinstance(status.value, int)
    return whole and bool(word(call.args[1])) and "why" not in {one.arg for one in call.keywords}


def test_every_problem_with_settings_has_words() -> None:
    source = (CORE / "connection_settings.py").read_text(encoding="utf-8")
    made = [one for one in ast.walk(ast.parse(source)) if isinstance(one, ast.Call) and name_of(one) == "Problem"]
    assert len(made) > 7
    for one in made:
        assert f"reasons.{word(one.args[2])}" in texts(), ast.unparse(one)
    whats = {"journal", "ledger_account", "vat_code", "payment_term"}
    assert {f"reasons.what_{one}" for one in whats} <= set(texts())


def test_no_reason_is_kept_that_nobody_gives() -> None:
    code = "".join(file.read_text(encoding="utf-8") for file in CORE.rglob("*.py"))
    kept = [key.removeprefix("reasons.").removesuffix(".one") for key in texts() if key.startswith("reasons.")]
    made = tuple(f"{one}_" for one in ("invalid", "what", "webhook"))
    assert sorted(one for one in kept if not one.startswith(made) and f'"{one}"' not in code) == []


def test_every_kind_of_fault_that_pydantic_knows_has_words() -> None:
    kinds = get_args(ErrorType)
    assert len(kinds) > 90
    assert sorted({key_of(one) for one in kinds if f"reasons.{key_of(one)}" not in texts()}) == []
    made = {key_of(one) for one in kinds}
    kept = {key.removesuffix(".one") for key in texts() if key.startswith("reasons.invalid")}
    assert sorted(kept - {f"reasons.{one}" for one in made}) == []


@pytest.mark.parametrize("language", ["nl", "fr"])
def test_wrong_settings_of_a_tool_are_told_in_the_readers_language(language: str) -> None:
    speech, catalogue, plugins = speaking(language), Plugins().catalogue, Plugins()
    given: tuple[Any, ...] = ("", " ", "x" * 3000, -1, "ftp://here", "http://elsewhere.example", 10**9, [])
    for name, tool in plugins.tools.items():
        for field in tool.about.settings.model_fields:
            for value in given:
                try:
                    check_settings(tool.about.settings, {field: value}, name)
                except LoginProblem as problem:
                    lines = why(speech, catalogue, problem_of(problem))
                    known = [bool(one.words) or f"reasons.{one.key}" in texts() for one in problem.reasons]
                    assert all(known) and not any("(" in line for line in lines), (name, field, value, lines)


def test_what_is_wrong_is_said_with_its_field_and_facts() -> None:
    def fault(error: Exception, language: str) -> str:
        return " ".join(why(speaking(language), Plugins().catalogue, problem_of(error), str.upper))

    with pytest.raises(Unusable) as wrong:
        checked({"start_date": "soon", "exchange_rates": {"USD": "much"}, "nothing": 1})
    assert fault(wrong.value, "nl") == (
        "NOTHING: bestaat niet START_DATE: schrijf een datum, zoals 2026-12-31 "
        "EXCHANGE_RATES.USD: schrijf een getal, zoals 0,92"
    )
    at = datetime(2026, 11, 26, 13, 5, tzinfo=UTC)
    assert fault(CannotResolve("...", "may_arrive", until=at), "fr") == (
        "Il vient d'être envoyé et peut encore arriver. Regardez à nouveau après 26 nov. 2026 14:05."
    )
    assert fault(LoginBroken(tool_words="Wrong password"), "nl").endswith(
        "Wat het boekhoudpakket zelf zegt: Wrong password"
    )
    assert "certificaat is niet geldig" in fault(ToolUnavailable(trouble=Trouble.CERTIFICATE), "nl")
    number = vat_number_fault("BE0999999999")
    assert number is not None
    assert said(speaking("nl"), number.reason) == (
        "Het controlecijfer van BE0999999999 klopt niet: minstens één cijfer is verkeerd getypt."
    )
    assert fault(Problem(409, "last_admin", "English"), "nl").startswith("Dit is de laatste beheerder.")
    assert said(speaking("nl"), Reason("words of a plugin's own", "invalid_value")).endswith(
        "(words of a plugin's own)"
    )


def speaking(language: str) -> Speech:
    """In the language of a reader in Brussels."""
    assert language in LANGUAGES
    return Speech(language, ZoneInfo("Europe/Brussels"))
