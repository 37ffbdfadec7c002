"""What can be wrong with a UBL file: `issues.toml`, read once."""

import tomllib
from importlib.resources import files
from typing import Final

from dagboek_schemas.issues import Issue, Severity
from dagboek_sdk.hooks import CatalogueEntry, CatalogueText


def _catalogue() -> tuple[CatalogueEntry, ...]:
    found = tomllib.loads(files("dagboek_ubl").joinpath("issues.toml").read_text(encoding="utf-8"))
    return tuple(
        CatalogueEntry(
            code=code,
            texts={language: CatalogueText(**table[language]) for language in ("nl", "fr", "en")},
            severity=Severity(table.get("severity", Severity.WARNING)),
        )
        for code, table in found.items()
    )


CATALOGUE: Final = _catalogue()
_LONGEST_FACT = 200
_SEVERITY = {entry.code: entry.severity for entry in CATALOGUE}


def issue(code: str, file: str, *, rule: str | None = None, path: str | None = None, **facts: str) -> Issue:
    """An issue of the catalogue about `file`; `path` is the field of the canonical document, where there is one."""
    cut = {name: value[:_LONGEST_FACT] for name, value in facts.items()}
    known = {"file": file, **({"rule": rule} if rule else {}), **cut}
    return Issue(code=code, severity=_SEVERITY[code], facts=known, field=path, rule=rule)
