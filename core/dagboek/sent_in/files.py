"""Files that may come with a document."""

from typing import Final

from dagboek_schemas.issues import Issue

KINDS: Final = {
    "application/pdf": "PDF",
    "image/png": "PNG",
    "image/jpeg": "JPEG",
    "text/csv": "CSV",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": "XLSX",
    "application/vnd.oasis.opendocument.spreadsheet": "ODS",
}
"""Files that belong to a document: those of EN 16931 (BT-125)."""


def fault_of_kind(name: str, media_type: str) -> Issue | None:
    """What is wrong with the kind of a file."""
    if media_type in KINDS:
        return None
    return Issue(code="S05", facts={"file": name, "found": media_type, "expected": ", ".join(KINDS.values())})
