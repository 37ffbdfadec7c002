"""Files embedded in a UBL document (BG-24). What a document only points to is not fetched."""

import binascii
import re
from collections.abc import Iterator

from dagboek_schemas.documents import Attachment

from dagboek_ubl.findings import Element, Findings, attribute, leaf, part, parts, text

_UNSAFE = re.compile(r"[\x00-\x1f\x7f/\\:*?\"<>|]")
_EXTENSIONS = {
    "application/pdf": "pdf",
    "image/png": "png",
    "image/jpeg": "jpg",
    "text/csv": "csv",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": "xlsx",
    "application/vnd.oasis.opendocument.spreadsheet": "ods",
}


def read_attachments(root: Element, origin: str, findings: Findings) -> tuple[Attachment, ...]:
    """References to the embedded files; the n-th is `origin#n`, from 1."""
    return tuple(
        Attachment(
            ref=f"{origin}#{number}",
            file_name=_file_name(reference, binary, number),
            media_type=_media_type(binary),
            size=_size(binary, reference, findings),
        )
        for number, (reference, binary) in enumerate(_embedded(root), 1)
    )


def attachment_bytes(root: Element, number: int) -> bytes:
    """The bytes of the n-th embedded file, from 1. FileNotFoundError when there is no such one."""
    for found, (_, binary) in enumerate(_embedded(root), 1):
        if found == number:
            try:
                return binascii.a2b_base64(binary.text or "")
            except (binascii.Error, ValueError):
                break
    raise FileNotFoundError(f"no readable embedded file {number}")


def _embedded(root: Element) -> Iterator[tuple[Element, Element]]:
    for reference in parts(root, "AdditionalDocumentReference"):
        binary = leaf(part(reference, "Attachment"), "EmbeddedDocumentBinaryObject")
        if binary is not None and binary.text and not binary.text.isspace():
            yield reference, binary


def _file_name(reference: Element, binary: Element, number: int) -> str:
    """The name that the document gives, without what may lead out of a folder."""
    written = (binary.get("filename") or "").replace("\\", "/").rpartition("/")[2]
    name = _UNSAFE.sub("_", " ".join(written.split())).strip(". ")
    if name:
        return name[-150:]
    stem = _UNSAFE.sub("_", text(reference, "ID") or "").strip(". ")[:100] or f"attachment-{number}"
    return f"{stem}.{_EXTENSIONS.get(_media_type(binary), 'bin')}"


def _media_type(binary: Element) -> str:
    return (attribute(binary, "mimeCode") or "application/octet-stream").lower()[:100]


def _size(binary: Element, reference: Element, findings: Findings) -> int | None:
    try:
        return len(binascii.a2b_base64(binary.text or ""))
    except (binascii.Error, ValueError):
        name = f"EmbeddedDocumentBinaryObject {text(reference, 'ID') or ''}".strip()
        findings.add("U39", field=name[:80], found=(binary.text or "").strip()[:20])
        return None
