"""Dagboek's own issues: `general.toml` and `words.toml`, read once."""

import tomllib
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files

from dagboek_sdk.catalogue import read_catalogue
from dagboek_sdk.hooks import CatalogueEntry, hookimpl


@hookimpl
def dagboek_issue_catalogue() -> Sequence[CatalogueEntry]:
    """The entries of `general.toml`."""
    return read_catalogue("dagboek.catalogue", file="general.toml")


def words(fact: str, value: str, language: str) -> str | None:
    """What `value` of `fact` is called in `language` (nl, fr, else en); None where it is shown as it is."""
    spoken = _words().get(fact, {}).get(value)
    return (spoken.get(language) or spoken["en"]) if spoken else None


@cache
def _words() -> Mapping[str, Mapping[str, Mapping[str, str]]]:
    return tomllib.loads(files("dagboek.catalogue").joinpath("words.toml").read_text(encoding="utf-8"))
