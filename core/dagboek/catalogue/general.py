"""Dagboek's own issues: `general.toml` and `words.toml`, read once."""

import tomllib
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import Any

from dagboek_schemas.issues import Severity
from dagboek_sdk.hooks import CatalogueEntry, CatalogueText, hookimpl

_LANGUAGES = ("nl", "fr", "en")


@hookimpl
def dagboek_issue_catalogue() -> Sequence[CatalogueEntry]:
    """The entries of `general.toml`."""
    return _entries()


def words(fact: str, value: str, language: str) -> str | None:
    """What `value` of `fact` is called in `language` (nl, fr, else en); None where it is shown as it is."""
    spoken = _words().get(fact, {}).get(value)
    return (spoken.get(language) or spoken["en"]) if spoken else None


@cache
def _entries() -> tuple[CatalogueEntry, ...]:
    return tuple(_entry(code, table) for code, table in _read("general.toml").items())


def _entry(code: str, table: Mapping[str, Any]) -> CatalogueEntry:
    return CatalogueEntry(
        code=code,
        texts={language: CatalogueText(**table[language]) for language in _LANGUAGES},
        severity=Severity(table.get("severity", Severity.WARNING)),
        link=table.get("link"),
    )


@cache
def _words() -> Mapping[str, Mapping[str, Mapping[str, str]]]:
    return _read("words.toml")


def _read(name: str) -> dict[str, Any]:
    return tomllib.loads(files("dagboek.catalogue").joinpath(name).read_text(encoding="utf-8"))
