"""Documents as JSON: the fields of our canonical document (`dagboek_schemas.sent`)."""

import binascii
import re
from collections.abc import Iterator
from typing import Any, ClassVar, Final

from dagboek_schemas.documents import Attachment, Direction, Document, DocumentBody
from dagboek_schemas.issues import Issue
from dagboek_schemas.sent import SentDocument
from dagboek_sdk.file_names import harmless
from dagboek_sdk.source import DocumentReader, ReadDocument, ReaderAbout
from pydantic import BaseModel, ValidationError

from dagboek.sent_in.files import fault_of_kind

MOST_ISSUES: Final = 50
LONGEST: Final = 4000
"""Characters of a text."""
_NO_TEXT = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f]")


class JsonReader(DocumentReader):
    """Our JSON."""

    about: ClassVar[ReaderAbout] = ReaderAbout("json", "JSON", ("application/json",))

    def read(self, data: bytes, name: str) -> ReadDocument:
        """What it says; every field that is wrong, not the first alone."""
        try:
            sent = SentDocument.model_validate_json(data, strict=True)
        except ValidationError as wrong:
            return ReadDocument(issues=tuple(_wrong(one) for one in wrong.errors()[:MOST_ISSUES]))
        if faults := [*_faults(sent)]:
            return ReadDocument(issues=tuple(faults[:MOST_ISSUES]))
        said = {field: getattr(sent, field) for field in DocumentBody.model_fields}
        document = Document(**said, direction=sent.direction or Direction.SALES, attachments=_files(sent, name))
        return ReadDocument(document, sent.seller, sent.buyer)

    def attachment(self, data: bytes, number: int) -> bytes:
        """The bytes of the n-th file."""
        files = SentDocument.model_validate_json(data, strict=True).attachments
        if not 0 < number <= len(files):
            raise FileNotFoundError(f"no file {number}")
        return _decoded(files[number - 1].content)


def own_words(data: bytes) -> tuple[str | None, Direction | None]:
    """Id and direction that a readable document states."""
    sent = SentDocument.model_validate_json(data, strict=True)
    return sent.id, sent.direction


def _files(sent: SentDocument, name: str) -> tuple[Attachment, ...]:
    return tuple(
        Attachment(
            ref=f"{name}#{number}",
            file_name=harmless(file.file_name) or f"attachment-{number}",
            media_type=file.media_type.lower(),
            size=len(_decoded(file.content)),
        )
        for number, file in enumerate(sent.attachments, 1)
    )


def _wrong(error: Any) -> Issue:
    path = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in error["loc"]).lstrip(".")
    return _issue(path, str(error["msg"]))


def _faults(sent: SentDocument) -> Iterator[Issue]:
    """What no schema says: texts that cannot be stored or say nothing, addresses that lead nowhere, no base64."""
    yield from _texts(sent, "")
    for path, text in (("number", sent.number), ("seller.name", sent.seller.name), ("buyer.name", sent.buyer.name)):
        if not text.strip():
            yield _issue(path, "is empty")
    if not sent.lines:
        yield _issue("lines", "has no line")
    if not 1900 <= sent.issue_date.year < 2200:
        yield _issue("issue_date", f"{sent.issue_date} cannot be right")
    if sent.source_url and not re.match(r"https?://", sent.source_url):
        yield _issue("source_url", "begins with https:// or http://")
    for place, file in enumerate(sent.attachments):
        if wrong_kind := fault_of_kind(file.file_name, file.media_type.lower()):
            yield wrong_kind.model_copy(update={"field": f"attachments[{place}].media_type"})
        try:
            _decoded(file.content)
        except ValueError:
            yield _issue(f"attachments[{place}].content", "is no base64")


def _texts(given: Any, path: str) -> Iterator[Issue]:
    if isinstance(given, BaseModel):
        for name in type(given).model_fields:
            if name != "content":
                yield from _texts(getattr(given, name), f"{path}.{name}" if path else name)
    elif isinstance(given, tuple):
        for place, one in enumerate(given):
            yield from _texts(one, f"{path}[{place}]")
    elif isinstance(given, str):
        if _NO_TEXT.search(given):
            yield _issue(path, "holds a control character")
        elif len(given) > LONGEST:
            yield _issue(path, f"has more than {LONGEST} characters")


def _issue(path: str, reason: str) -> Issue:
    return Issue(code="S01", field=path or None, facts={"field": path or "document", "reason": reason})


def _decoded(content: str) -> bytes:
    return binascii.a2b_base64("".join(content.split()), strict_mode=True)
