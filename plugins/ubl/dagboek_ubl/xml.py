"""Parses XML that may have been written to do harm.

No document type declaration at all (so no entities), no network, a limit on bytes, markup and depth. The encoding
is settled here, before the parser runs, so that what was looked at is what is parsed.
"""

import codecs
import os
import re
import stat
from pathlib import Path

from lxml import etree

MAX_BYTES = 25 * 1024 * 1024
MAX_MARKUP = 1_000_000
"""Most `<` and most `=` in a file: a bound on elements and attributes, and so on the memory of the tree."""

_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_BARE_UTF16 = ((b"<\x00", "utf-16-le"), (b"\x00<", "utf-16-be"))
_DECLARED = re.compile(rb"""^<\?xml[^>]{0,80}?encoding\s*=\s*["']([\w.:-]{1,40})["']""")
_DECLARATION = re.compile(r"^<\?xml[^>]*\?>")
_PROLOG = re.compile(rb"(?:\s|<\?.*?\?>|<!--.*?-->)*+", re.DOTALL)
_OTHER_FILES = (
    (b"\xff\xd8\xff", "U22", "JPEG"),
    (b"\x89PNG\r\n\x1a\n", "U22", "PNG"),
    (b"%PDF-", "U23", "PDF"),
    (b"PK\x03\x04", "U24", "ZIP"),
)
"""First bytes of files that are given the name of an XML file by mistake, with the code of their issue."""
_TEXT_ENCODINGS = re.compile(r"(?i)^(us-ascii|ascii|iso-?8859-\d{1,2}|latin-?[19]|windows-125\d|cp125\d)$")


class Refused(Exception):
    """The bytes are not taken: `code` of the issue catalogue and its facts."""

    def __init__(self, code: str, **facts: str) -> None:
        super().__init__(code)
        self.code = code
        self.facts = facts


def read_bytes(path: Path, max_bytes: int = MAX_BYTES) -> bytes:
    """The bytes of an ordinary file, never more than `max_bytes`. Raises Refused and OSError."""
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)  # a FIFO must not make us wait
    with os.fdopen(handle, "rb") as file:
        status = os.fstat(handle)
        if not stat.S_ISREG(status.st_mode):
            raise Refused("U01", reason="not an ordinary file")
        if status.st_size > max_bytes:
            raise Refused("U03", found=_megabytes(status.st_size), expected=_megabytes(max_bytes))
        return file.read(status.st_size + 1)  # one more: a file that grows meanwhile shows itself as malformed


def parse(data: bytes) -> etree._Element:
    """The root element of an XML document. Raises Refused."""
    for start, code, kind in _OTHER_FILES:
        if data.startswith(start):
            raise Refused(code, found=kind)
    data = _as_utf8(data).strip()
    if not data:
        raise Refused("U20")
    after_prolog = _PROLOG.match(data)
    place = after_prolog.end() if after_prolog else 0
    if data.startswith(b"<!", place) and not data.startswith(b"<!--", place):
        raise Refused("U05")
    for mark in (b"<", b"="):
        if (count := data.count(mark)) > MAX_MARKUP:
            raise Refused("U08", found=str(count), expected=str(MAX_MARKUP))
    try:
        return etree.fromstring(data, _parser())
    except etree.XMLSyntaxError as error:
        raise _refused(error) from None


def _parser() -> etree.XMLParser:
    # A parser of one's own for each document: lxml lets only one thread at a time use a parser, and making one
    # takes microseconds. huge_tree is for embedded files over 10 MB; what it lifts is bounded above.
    return etree.XMLParser(
        encoding="utf-8",
        resolve_entities=False,
        load_dtd=False,
        no_network=True,
        huge_tree=True,
        remove_comments=True,
        remove_pis=True,
    )


def _as_utf8(data: bytes) -> bytes:
    for bom, name in _BOMS:
        if data.startswith(bom):
            return data[len(bom) :] if name == "utf-8" else _decoded(data, name)
    for start, name in _BARE_UTF16:
        if data.startswith(start):
            return _decoded(data, name)
    match = _DECLARED.match(data.lstrip())
    declared = match[1].decode() if match else "utf-8"
    if declared.lower() in ("utf-8", "utf8", "utf-16", "utf16", "unicode"):
        return data  # who can be read as ASCII up to here is no UTF-16, whatever it says of itself
    if not _TEXT_ENCODINGS.match(declared):
        raise Refused("U06", found=declared)
    return _decoded(data, declared)


def _decoded(data: bytes, encoding: str) -> bytes:
    try:
        return _DECLARATION.sub("", data.decode(encoding).lstrip()).encode()
    except (UnicodeError, LookupError):
        raise Refused("U06", found=encoding) from None


def _refused(error: etree.XMLSyntaxError) -> Refused:
    words = " ".join((error.msg or "no element").split())
    if "Excessive depth" in words:
        return Refused("U08", found="> 2048", expected="2048")
    if "encoding" in words.lower() or "not proper UTF-8" in words or "Invalid bytes" in words:
        return Refused("U06", found="UTF-8")
    return Refused("U04", found=words[:200])


def _megabytes(size: int) -> str:
    """In whole megabytes, rounded up: what is over the limit never looks as if it were not."""
    return f"{-(-size // (1024 * 1024))} MB"
