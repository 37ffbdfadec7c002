"""What is registered with the plugins: the source, and our JSON as a format."""

from collections.abc import Sequence

from dagboek_sdk.hooks import hookimpl
from dagboek_sdk.source import DocumentReader, DocumentSource

from dagboek.sent_in.our_json import JsonReader
from dagboek.sent_in.source import SentIn


@hookimpl
def dagboek_sources() -> Sequence[type[DocumentSource]]:
    """What was sent in."""
    return (SentIn,)


@hookimpl
def dagboek_readers() -> Sequence[type[DocumentReader]]:
    """Our JSON."""
    return (JsonReader,)
