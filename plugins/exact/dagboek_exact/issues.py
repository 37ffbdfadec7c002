"""The issues of Exact Online: `issues.toml`, read once."""

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
    tables = tomllib.loads(files("dagboek_exact").joinpath("issues.toml").read_text(encoding="utf-8"))
    return tuple(
        CatalogueEntry(
            code=code,
            texts={language: CatalogueText(**table[language]) for language in LANGUAGES},
            severity=Severity(table.get("severity", Severity.WARNING)),
            link=table.get("link"),
            tool="exact",
        )
        for code, table in tables.items()
    )
