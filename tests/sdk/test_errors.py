"""Errors of plugins: the tool's words are cleaned, cut and redacted as the error is made."""

from datetime import UTC, datetime

import pytest
from dagboek_schemas.issues import Issue, Severity, clean_words
from dagboek_sdk.errors import (
    AccessDenied,
    AlreadyThere,
    Later,
    LoginBroken,
    NotReady,
    NumberTaken,
    Refused,
    Throttled,
    ToolUnavailable,
    Uncertain,
)
from hypothesis import given
from hypothesis import strategies as st

JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl"


@pytest.mark.parametrize("nothing", [None, "", "   ", "\x00\x01", "\ud800"])
def test_nothing_said_is_nothing(nothing: str | None) -> None:
    assert clean_words(nothing) is None


def test_plain_words_stay_as_they_are() -> None:
    assert clean_words("Période clôturée: 2026 / 02") == "Période clôturée: 2026 / 02"


@pytest.mark.parametrize(
    ("words", "cleaned"),
    [
        (f"token {JWT} expired", "token [redacted] expired"),
        (f"<p>{JWT}</p>", "<p>[redacted]</p>"),
        ("Authorization: Bearer abc.def-ghi", "Authorization: Bearer [redacted]"),
        ('{"access_token":"abc123","user":"jan"}', '{"access_token":"[redacted]","user":"jan"}'),
        ('{"Dossiertoken": "abc"}', '{"Dossiertoken": "[redacted]"}'),
        ("refresh_token=abc&client_secret=def&x=1", "refresh_token=[redacted]&client_secret=[redacted]&x=1"),
        ("Password: hunter2, try again", "Password: [redacted], try again"),
        ("apiKey='abc'", "apiKey='[redacted]'"),
    ],
)  # fmt: skip
def test_secrets_are_struck_out(words: str, cleaned: str) -> None:
    assert clean_words(words) == cleaned


@pytest.mark.parametrize(
    "words", ["Old refresh token used.", "Access token not expired", "wrong password", "the secret is out"]
)
def test_words_about_secrets_stay(words: str) -> None:
    assert clean_words(words) == words


def test_control_characters_become_blanks_but_lines_stay() -> None:
    assert clean_words("one\x00two\x1b[31mred\x9b0m\r\nnext\tcell\x7f") == "one two [31mred 0m\r\nnext\tcell"


def test_half_a_character_cannot_reach_the_database() -> None:
    """A JSON body may hold `\\ud800` alone, which no UTF-8 text can."""
    words = clean_words("bad \ud800 sign")
    assert words == "bad   sign"
    assert words.encode()


@pytest.mark.parametrize("length", [499, 500])
def test_what_fits_is_not_cut(length: int) -> None:
    assert clean_words("x" * length) == "x" * length


def test_what_is_too_long_is_cut_with_a_sign() -> None:
    words = clean_words("x" * 501)
    assert words == "x" * 499 + "…"
    assert clean_words("abcdef", limit=3) == "ab…"


def test_a_secret_is_struck_out_before_the_cut() -> None:
    words = clean_words("x" * 480 + " " + JWT)
    assert words is not None
    assert "eyJ" not in words


@given(st.text(st.characters(), max_size=2000))
def test_whatever_a_tool_says_the_words_are_short_and_clean(text: str) -> None:
    words = clean_words(text)
    assert words is None or (0 < len(words) <= 500 and "\x00" not in words and words.encode())


def test_an_error_bears_its_cleaned_words() -> None:
    error = ToolUnavailable(tool_words=f"down {JWT}\x00")
    assert error.tool_words == "down [redacted]"
    assert JWT not in str(error)
    assert JWT not in repr(error)


def test_an_error_without_a_message_says_what_the_tool_said() -> None:
    assert str(Uncertain(tool_words="oops")) == "oops"
    assert str(Uncertain()) == "Uncertain"


def test_a_refusal_takes_one_issue_or_several() -> None:
    first, second = Issue(code="O01"), Issue(code="O02")
    assert Refused(first).issues == (first,)
    assert Refused([first, second]).issues == (first, second)
    assert str(Refused([first, second])) == "O01, O02"


def test_what_is_not_ready_is_information_whatever_the_plugin_made_it() -> None:
    error = NotReady(Issue(code="B20", severity=Severity.ERROR))
    assert error.issue.severity is Severity.INFORMATION


def test_what_must_wait_says_until_when() -> None:
    until = datetime(2026, 2, 3, 9, tzinfo=UTC)
    throttled, unavailable = Throttled(until, group="updates"), ToolUnavailable(until=until)
    assert (throttled.until, throttled.group, unavailable.until) == (until, "updates", until)
    assert isinstance(throttled, Later)
    assert isinstance(unavailable, Later)
    assert ToolUnavailable().until is None


def test_what_a_person_must_do_has_an_issue_of_its_own_or_the_usual_one() -> None:
    own = Issue(code="O99", severity=Severity.ERROR)
    assert AccessDenied("sales").issue == Issue(code="B07", severity=Severity.ERROR, facts={"scope": "sales"})
    assert AccessDenied("sales", issue=own).issue is own
    assert LoginBroken().issue.code == "B08"
    assert LoginBroken(issue=own).issue is own


def test_what_the_tool_holds_is_told() -> None:
    assert AlreadyThere("7").entry_id == "7"
    assert NumberTaken(41).last == 41
    assert NumberTaken().last is None
