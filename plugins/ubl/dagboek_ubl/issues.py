"""What can be wrong with a UBL file: `issues.toml`, read once."""

from typing import Final

from dagboek_schemas.issues import Issue
from dagboek_sdk.catalogue import read_catalogue

CATALOGUE: Final = read_catalogue("dagboek_ubl")
_LONGEST_FACT = 200
_SEVERITY = {entry.code: entry.severity for entry in CATALOGUE}


def issue(code: str, file: str, *, rule: str | None = None, path: str | None = None, **facts: str) -> Issue:
    """An issue of the catalogue about `file`; `path` is the field of the canonical document, where there is one."""
    cut = {name: value[:_LONGEST_FACT] for name, value in facts.items()}
    known = {"file": file, **({"rule": rule} if rule else {}), **cut}
    return Issue(code=code, severity=_SEVERITY[code], facts=known, field=path, rule=rule)
