"""The issues of Octopus: `issues.toml`, read once."""

import tomllib
from collections.abc import Sequence
from functools import cache
from importlib.resources import files

from dagboek_schemas.issues import Severity
from dagboek_sdk.hooks import CatalogueEntry, CatalogueText

LANGUAGES = ("nl", "fr", "en")


@cache
def catalogue() -> Sequence[CatalogueEntry]:
    """All entries, in the order of the file."""
    tables = tomllib.loads(files("dagboek_octopus").joinpath("issues.toml").read_text(encoding="utf-8"))
    return tuple(
        CatalogueEntry(
            code=code,
            texts={language: CatalogueText(**table[language]) for language in LANGUAGES},
            severity=Severity(table.get("severity", Severity.WARNING)),
            link=table.get("link"),
            tool="octopus",
        )
        for code, table in tables.items()
    )
