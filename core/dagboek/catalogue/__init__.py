"""The issue catalogue: title, cause and remedy of every issue in nl, fr and en (design section 7).

The texts are data: `general.toml` here, and what plugins bring through `dagboek_issue_catalogue`. An issue holds a
code and facts; it becomes text only when somebody reads it, in that reader's language.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Final

from babel.numbers import format_decimal
from dagboek_schemas.issues import Issue, Severity
from dagboek_sdk.hooks import CatalogueEntry, CatalogueText

from dagboek.catalogue.general import words

LANGUAGES: Final = ("nl", "fr", "en")
UNEXPECTED: Final = "D13"
"""Code of a fault of the program itself; see `plugins.unexpected`."""
GENERAL: Final = "B13"
"""Code whose texts stand in for one that no installed plugin knows."""

_PLACEHOLDER = re.compile(r"\{([a-z]\w*)(:amount)?\}")
_AMOUNT = re.compile(r"-?[0-9]{1,18}(?:\.([0-9]{1,8}))?")


@dataclass(frozen=True, slots=True)
class RenderedIssue:
    """An issue as a person reads it."""

    code: str
    severity: Severity
    title: str
    cause: str
    remedy: str
    link: str | None = None
    """Where it is put right, or where the thing can be looked at; None when the facts do not tell."""


class Catalogue:
    """All entries that are installed, by code."""

    def __init__(self, entries: Mapping[str, CatalogueEntry], origins: Mapping[str, str] | None = None) -> None:
        """`origins`: code → the distribution that brings it."""
        self._entries = dict(entries)
        self._origins = dict(origins or {})

    def __iter__(self) -> Iterator[CatalogueEntry]:
        """Entries in the order of their codes."""
        return iter(sorted(self._entries.values(), key=lambda entry: entry.code))

    def __contains__(self, code: object) -> bool:
        return code in self._entries

    def entry(self, code: str) -> CatalogueEntry | None:
        """The entry of `code`, or None."""
        return self._entries.get(code)

    def origin(self, code: str) -> str | None:
        """The distribution that brings `code`."""
        return self._origins.get(code)

    def text(self, issue: Issue, language: str = "en") -> RenderedIssue:
        """The texts of `issue`, filled with its facts: what is not known is shown as `?`.

        `language` may be longer (`nl-BE`); one that is not spoken here is answered in English. A code that nobody
        installed knows gets the general texts (B13): an issue is never lost for want of words.
        """
        entry = self._entries.get(issue.code) or self._entries.get(GENERAL)
        language = language[:2].lower()
        text = (entry.texts.get(language) or entry.texts.get("en")) if entry else None
        if entry is None or text is None:
            text = CatalogueText(title=issue.code, cause=issue.tool_words or "?", remedy="?")
        return RenderedIssue(
            code=issue.code,
            severity=issue.severity,
            title=_filled(text.title, issue.facts, language),
            cause=_filled(text.cause, issue.facts, language),
            remedy=_filled(text.remedy, issue.facts, language),
            link=issue.url or _link(entry.link if entry else None, issue.facts),
        )


def placeholders(text: CatalogueText) -> frozenset[str]:
    """Names of the facts that `text` shows."""
    return frozenset(found[1] for found in _PLACEHOLDER.finditer(f"{text.title} {text.cause} {text.remedy}"))


def plain(template: str) -> str:
    """`template` for people: `{found:amount}` reads `{found}`."""
    return _PLACEHOLDER.sub(r"{\1}", template)


def _filled(template: str, facts: Mapping[str, str], language: str) -> str:
    def shown(match: re.Match[str]) -> str:
        value = facts.get(match[1], "")
        known = "" if value == "?" else value
        if match[2] and (amount := _AMOUNT.fullmatch(value)):
            return _amount(value, len(amount[1] or ""), language)
        return words(match[1], known, language) or _moment(value) or value or "?"

    return _PLACEHOLDER.sub(shown, template)


def _amount(value: str, decimals: int, language: str) -> str:
    """An amount as people of the language write it, with the decimals it has: 1234.50 → 1.234,50 in Dutch."""
    form = f"#,##0.{'0' * decimals}".rstrip(".")
    return format_decimal(Decimal(value), form, locale=language if language in LANGUAGES else "en")


def _moment(value: str) -> str | None:
    """A moment of a fact as people write it; None for what is none."""
    try:
        moment = datetime.fromisoformat(value) if "T" in value else None
        return f"{moment.astimezone(UTC):%d-%m-%Y %H:%M} UTC" if moment and moment.tzinfo else None
    except (ValueError, OverflowError):
        return None


def _link(template: str | None, facts: Mapping[str, str]) -> str | None:
    if template is None or not all(facts.get(found[1]) for found in _PLACEHOLDER.finditer(template)):
        return None
    return _PLACEHOLDER.sub(lambda match: facts[match[1]], template)
