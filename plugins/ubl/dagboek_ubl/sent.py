"""UBL documents that are sent in."""

from typing import ClassVar

from dagboek_sdk.source import DocumentReader, ReadDocument, ReaderAbout

from dagboek_ubl import xml
from dagboek_ubl.attachments import attachment_bytes
from dagboek_ubl.reader import read_bytes, unwrapped


class UblReader(DocumentReader):
    """Invoices and credit notes in UBL."""

    about: ClassVar[ReaderAbout] = ReaderAbout("ubl", "UBL", ("application/xml", "text/xml"))

    def read(self, data: bytes, name: str) -> ReadDocument:
        """What a file says."""
        found = read_bytes(data, name)
        return ReadDocument(found.document, found.seller, found.buyer, found.issues)

    def attachment(self, data: bytes, number: int) -> bytes:
        """The bytes of the n-th embedded file."""
        try:
            return attachment_bytes(unwrapped(xml.parse(data)), number)
        except xml.Refused:
            raise FileNotFoundError(f"no embedded file {number}") from None
