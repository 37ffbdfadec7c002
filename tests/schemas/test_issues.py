"""Issues hold nothing that a database or a screen cannot take, whoever makes them."""

import pytest
from dagboek_schemas.issues import Issue
from pydantic import ValidationError


def test_the_tools_words_are_cleaned_cut_and_redacted() -> None:
    issue = Issue(code="O01", tool_words="closed\x00 token=abc123 " + "x" * 900)

    assert issue.tool_words is not None
    assert issue.tool_words.startswith("closed  token=[redacted] xxx")
    assert len(issue.tool_words) == 500


@pytest.mark.parametrize(("given", "kept"), [("a\x00b", "a b"), ("bad \ud800", "bad  "), ("y" * 2000, "y" * 1000)])
def test_facts_are_text_that_can_be_stored(given: str, kept: str) -> None:
    assert Issue(code="D21", facts={"origin": given}).facts == {"origin": kept}


def test_what_is_no_text_is_refused() -> None:
    with pytest.raises(ValidationError, match="tool_words"):
        Issue.model_validate({"code": "D21", "tool_words": 7})
