"""The page at the end of a consent: in the reader's language, and nothing but its own style may be loaded."""

import base64
import hashlib
import re

import pytest
from dagboek.consent_page import Outcome, consent_page


@pytest.mark.parametrize("outcome", Outcome)
@pytest.mark.parametrize(
    ("accepted", "language"),
    [
        ("nl-BE,nl;q=0.9,en;q=0.8", "nl"),
        ("fr", "fr"),
        ("de-DE, fr;q=0.5", "fr"),
        ("", "en"),
        ("*", "en"),
        ("<b>", "en"),
    ],
)
def test_the_page_speaks_the_language_that_is_liked_best(outcome: Outcome, accepted: str, language: str) -> None:
    page = consent_page(outcome, accepted)
    assert page.text is not None
    assert f'<html lang="{language}">' in page.text
    others = [consent_page(outcome, other).text for other in {"nl", "fr", "en"} - {language}]
    assert page.text not in others
    assert page.status == (200 if outcome is Outcome.GIVEN else 400)


def test_its_style_is_let_through_and_nothing_else() -> None:
    page = consent_page(Outcome.GIVEN, "en")
    style = re.search(r"<style>(.*)</style>", page.text or "")
    assert style is not None
    digest = base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode()
    assert page.headers["Content-Security-Policy"] == f"default-src 'none'; style-src 'sha256-{digest}'"
