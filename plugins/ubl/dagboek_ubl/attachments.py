"""Files embedded in a UBL document (BG-24). What a document only points to is not fetched."""

import binascii
from collections.abc import Iterator

from dagboek_schemas.documents import Attachment
from dagboek_sdk.file_names import harmless

from dagboek_ubl.findings import Element, Findings, attribute, leaf, part, parts, text

_EXTENSIONS = {
    "application/pdf": "pdf",
    "image/png": "png",
    "image/jpeg": "jpg",
    "text/csv": "csv",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": "xlsx",
    "application/vnd.oasis.opendocument.spreadsheet": "ods",
}


def read_attachments(root: Element, origin: str, findings: Findings) -> tuple[Attachment, ...]:
    """References to the embedded files; the n-th is `origin#n`, from 1. One that is no base64 is left out."""
    found = []
    for number, (reference, binary) in enumerate(_embedded(root), 1):
        size = _size(binary, reference, findings)
        if size is not None:
            name, kind = _file_name(reference, binary, number), _media_type(binary)
            found.append(Attachment(ref=f"{origin}#{number}", file_name=name, media_type=kind, size=size))
    return tuple(found)


def attachment_bytes(root: Element, number: int) -> bytes:
    """The bytes of the n-th embedded file, from 1. FileNotFoundError when there is no such one."""
    for found, (_, binary) in enumerate(_embedded(root), 1):
        if found == number:
            try:
                return _decoded(binary)
            except ValueError:
                break
    raise FileNotFoundError(f"no readable embedded file {number}")


def _embedded(root: Element) -> Iterator[tuple[Element, Element]]:
    for reference in parts(root, "AdditionalDocumentReference"):
        binary = leaf(part(reference, "Attachment"), "EmbeddedDocumentBinaryObject")
        if binary is not None and binary.text and not binary.text.isspace():
            yield reference, binary


def _file_name(reference: Element, binary: Element, number: int) -> str:
    """The name that the document gives, without what may lead out of a folder."""
    if name := harmless(binary.get("filename")):
        return name
    written = (text(reference, "ID") or "").replace("/", "_").replace("\\", "_")  # a number, of which all counts
    stem = harmless(written)[:100] or f"attachment-{number}"
    return f"{stem}.{_EXTENSIONS.get(_media_type(binary), 'bin')}"


def _media_type(binary: Element) -> str:
    return (attribute(binary, "mimeCode") or "application/octet-stream").lower()[:100]


def _size(binary: Element, reference: Element, findings: Findings) -> int | None:
    try:
        return len(_decoded(binary))
    except ValueError:
        name = f"EmbeddedDocumentBinaryObject {text(reference, 'ID') or ''}".strip()
        findings.add("U39", field=name[:80], found=(binary.text or "").strip()[:20])
        return None


def _decoded(binary: Element) -> bytes:
    """The bytes; ValueError when it is not base64 alone: what is passed over would be bytes that are lost."""
    if len(binary):
        raise ValueError("elements in base64")
    return binascii.a2b_base64("".join((binary.text or "").split()), strict_mode=True)
