"""Issue catalogues as TOML files: a table for each code, with texts in nl, fr and en.

[TINY01]
severity = "warning"       # or "error", "information"; left out: warning
link = "https://..."       # template of the page where it is fixed; left out: none
nl.title = "..."
nl.cause = "..."           # {name} is filled from the issue's facts, {name:amount} as people write amounts
nl.remedy = "..."          # and the same of fr and en
"""

import tomllib
from functools import cache
from importlib.resources import files

from dagboek_schemas.issues import Severity

from dagboek_sdk.hooks import CatalogueEntry, CatalogueText

LANGUAGES = ("nl", "fr", "en")


@cache
def read_catalogue(package: str, tool: str | None = None, file: str = "issues.toml") -> tuple[CatalogueEntry, ...]:
    """All entries of a file beside the modules of `package`, in its order, read once; `tool` is whose they are.

    KeyError for a language, TypeError for a text, that is missing.
    """
    tables = tomllib.loads(files(package).joinpath(file).read_text(encoding="utf-8"))
    return tuple(
        CatalogueEntry(
            code=code,
            texts={language: CatalogueText(**table[language]) for language in LANGUAGES},
            severity=Severity(table.get("severity", Severity.WARNING)),
            link=table.get("link"),
            tool=tool,
        )
        for code, table in tables.items()
    )
