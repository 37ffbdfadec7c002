"""Documents as programs send them in: the fields of a canonical document, and the bytes of its files."""

from typing import Annotated

from pydantic import Field

from dagboek_schemas.documents import Direction, DocumentBody, _Part

Name = Annotated[str, Field(min_length=1, max_length=200)]


class SentFile(_Part):
    """A file that belongs to the document, such as its PDF."""

    file_name: Name
    media_type: str = Field("application/octet-stream", max_length=100, pattern=r"^[A-Za-z0-9.+-]+/[A-Za-z0-9.+-]+$")
    content: str = Field(description="base64", json_schema_extra={"contentEncoding": "base64"})


class SentDocument(DocumentBody):
    """An invoice or credit note. Amounts are texts (`"121.00"`): a number is read as the binary fraction that it is."""

    id: Name | None = Field(
        None,
        description="the sender's own id of the document: the same id again is the same document. Left out, a document "
        "is known by direction, kind, number, fiscal year and, for a purchase, supplier",
    )
    direction: Direction | None = Field(
        None, description="left out, the parties tell: the entity sells or buys, by its VAT or company number"
    )
    attachments: tuple[SentFile, ...] = Field((), max_length=20)
