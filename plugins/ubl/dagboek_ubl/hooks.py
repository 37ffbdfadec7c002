"""What this distribution registers with Dagboek."""

from collections.abc import Sequence

from dagboek_sdk.hooks import CatalogueEntry, hookimpl
from dagboek_sdk.source import DocumentReader, DocumentSource

from dagboek_ubl.issues import CATALOGUE
from dagboek_ubl.sent import UblReader
from dagboek_ubl.source import UblFolder


@hookimpl
def dagboek_sources() -> Sequence[type[DocumentSource]]:
    """The folder of UBL files."""
    return (UblFolder,)


@hookimpl
def dagboek_readers() -> Sequence[type[DocumentReader]]:
    """UBL that is sent in."""
    return (UblReader,)


@hookimpl
def dagboek_issue_catalogue() -> Sequence[CatalogueEntry]:
    """U01 and on: what can be wrong with a file. Up to U29 it is not booked, from U31 it is a remark."""
    return CATALOGUE
